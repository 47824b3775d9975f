"""Our own encoders: written by `pretrain`, loaded with the card that their header makes."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fundus_maker import HEADER, SIZES, ours
from safetensors.torch import load_file, save_file

from retinaforge.core import Refusal
from retinaforge.encoders.fundus import SHIPPED, load_fundus, shipped_encoder
from retinaforge.nets.fundus_vit import FundusVit
from retinaforge.nets.vit import VitShape

SHAPE = VitShape(**SIZES)
SPLITS = Path(__file__).parents[3] / "shared" / "data" / "splits.csv"


def test_the_card_is_what_the_header_says(tmp_path: Path) -> None:
    card = load_fundus(ours(tmp_path)).card
    assert (card.name, card.family, card.domain) == ("fundus-mae-test", "ours", "retina")
    assert card.licence == HEADER["licence"]
    assert card.training_data == "chase_db1 (3 training images), 20 phantoms"
    assert card.training_sets == ("chase_db1",)
    assert card.input_px == 32


def test_it_computes_what_was_trained(tmp_path: Path) -> None:
    path = ours(tmp_path)
    encoder, network = load_fundus(path), FundusVit(replace(SHAPE, pooling="normed mean"))
    network.load_state_dict({name: x.float() for name, x in load_file(path).items()})
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    images[..., :8] = -1
    with torch.no_grad():
        expected = network(encoder.prepare(images, None), (1, 2))
        torch.testing.assert_close(encoder.embedding(images), expected.embedding)
        for one, two in zip(encoder.features(images, (1, 2)), expected.tokens, strict=True):
            torch.testing.assert_close(one, two)


def test_an_encoder_with_metadata_is_used_with_null_tokens(tmp_path: Path) -> None:
    encoder = load_fundus(ours(tmp_path, ("age", "eye")))
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    unknown = torch.full((2, 2), torch.nan)
    with torch.no_grad():
        expected = encoder.network(encoder.prepare(images, None), metadata=unknown)
    torch.testing.assert_close(encoder.embedding(images), expected.embedding)


def test_gradients_reach_the_image_and_no_weight(tmp_path: Path) -> None:
    encoder = load_fundus(ours(tmp_path))
    images = (torch.rand(1, 3, 32, 32) * 2 - 1).requires_grad_()
    encoder.features(images)[0].square().mean().backward()
    assert float(images.grad.abs().sum()) > 0
    assert all(p.grad is None for p in encoder.parameters())


def test_other_files_are_refused(tmp_path: Path) -> None:
    plain = tmp_path / "plain.safetensors"
    save_file(FundusVit(SHAPE).state_dict(), plain)
    with pytest.raises(Refusal, match=r"format 'not stated'.*retfound:FILE"):
        load_fundus(plain)
    odd = ours(tmp_path, pooling="median")
    with pytest.raises(Refusal, match="pooling 'median'"):
        load_fundus(odd)
    more = ours(tmp_path)
    save_file({**load_file(more), "extra": torch.zeros(1)}, more, HEADER)
    with pytest.raises(Refusal, match="1 unexpected"):
        load_fundus(more)


def test_the_shipped_encoder_is_small_and_is_what_its_card_says() -> None:
    stated = json.loads(SHIPPED.with_suffix(".json").read_text(encoding="utf-8"))
    card = shipped_encoder().card
    assert SHIPPED.stat().st_size < 12e6
    assert card.fingerprint_sha256 == stated["sha256"]
    assert card.training_sets == tuple(stated["training_sets"])
    assert card.training_data == ", ".join(stated["training_data"])
    assert "CC BY 4.0" in card.licence
    counted = Counter(name.split("/")[0] for name in stated["learnt_from"])
    said = [f"{name} ({n} training images)" for name, n in sorted(counted.items())]
    assert stated["training_data"][:-1] == said


@pytest.mark.data
@pytest.mark.skipif(not SPLITS.is_file(), reason="the photographs are not here")
def test_the_shipped_encoder_learnt_from_training_rows_alone() -> None:
    stated = json.loads(SHIPPED.with_suffix(".json").read_text(encoding="utf-8"))
    with SPLITS.open(newline="", encoding="utf-8") as stream:
        rows = {f"{row['dataset']}/{row['image']}": row for row in csv.DictReader(stream)}
    assert {rows[name]["split"] for name in stated["learnt_from"]} == {"train"}
    assert {rows[name]["licence"] for name in stated["learnt_from"]} == {"CC BY 4.0"}
