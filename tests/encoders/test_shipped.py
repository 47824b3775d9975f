"""The encoders that come with the package: they load by name, and are the files they should be."""

from __future__ import annotations

from importlib.resources import files

import pytest
import torch

from retinaforge.core import Refusal
from retinaforge.core.artefacts import sha256_of
from retinaforge.encoders import FAMILIES, SHIPPED, load, read_checkpoint
from retinaforge.encoders.listing import every_listed
from retinaforge.vessels import shipped_weights


@pytest.mark.parametrize("name", [name for name, *_ in SHIPPED])
def test_a_shipped_encoder_loads_by_its_name(name):
    encoder = load(name)
    assert "CC BY 4.0" in encoder.card.licence or "Apache-2.0" in encoder.card.licence
    assert encoder.card.training_sets
    images = torch.rand(1, 3, 64, 64) * 2 - 1
    assert torch.isfinite(encoder.embedding(images)).all()


def test_the_list_says_of_what_ships_what_its_own_header_says():
    for row in every_listed(FAMILIES, SHIPPED, ())[: len(SHIPPED)]:
        card = load(row.name).card
        assert row.licence == card.licence
        assert set(row.training_sets) == set(card.training_sets) - {"phantoms"}


def test_the_segmenter_is_the_one_that_finds_vessels():
    assert load("segmenter").card.fingerprint_sha256 == sha256_of(shipped_weights())


def test_the_fundus_encoder_is_small_and_saw_open_training_photographs_only():
    path = files("retinaforge") / "weights" / "encoder-v1.safetensors"
    assert path.stat().st_size < 12e6
    seen = set(load("fundus").card.training_sets)
    assert seen <= {"chase_db1", "hrf", "idrid", "idrid_grading", "idrid_segmentation"}


@pytest.mark.parametrize("wrapper", ["net", "encoder_q", "weights"])
def test_a_wrapper_of_any_name_is_opened_where_it_alone_holds_arrays(tmp_path, wrapper):
    arrays = {"a.weight": torch.zeros(2), "b.bias": torch.ones(1)}
    optimiser = {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1}]}
    torch.save({wrapper: arrays, "optimizer": optimiser, "epoch": 3}, tmp_path / "one.pth")
    found = read_checkpoint(tmp_path / "one.pth")
    assert (found.wrapper, set(found.weights)) == (wrapper, set(arrays))


def test_of_two_unknown_wrappers_none_is_chosen(tmp_path):
    torch.save({"left": {"a": torch.zeros(1)}, "right": {"a": torch.ones(1)}}, tmp_path / "two.pth")
    assert read_checkpoint(tmp_path / "two.pth").weights == {}
    with pytest.raises(Refusal, match=r"named arrays; got .*left, right beside"):
        load(f"vgg16:{tmp_path / 'two.pth'}")
