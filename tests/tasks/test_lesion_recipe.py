"""The recipe of the lesion network: which masks are read, what a crop is cut about."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from retinaforge.anatomy import LESION_TYPES, load_lesions
from retinaforge.cli import main, segmenter
from retinaforge.core import Refusal
from retinaforge.nets.unet import VesselNet
from retinaforge.phantoms import DiseaseParams, PhantomParams, draw
from retinaforge.tasks import lesion_run
from retinaforge.tasks.lesion_samples import (
    DRAWN_AS,
    LesionBatch,
    draw_lesion_batch,
    lesion_records,
    lesions_of,
    read_lesions,
    stack_of,
)
from retinaforge.tasks.lesion_train import LesionConfig, lesion_loss
from retinaforge.tasks.segmenter_samples import PHANTOMS
from retinaforge.vessels import network as vessel_network

DATA = Path(__file__).parents[2] / "../shared/data"


@pytest.fixture(scope="module")
def ill():
    disease = DiseaseParams(diabetic_grade=3, amd=2)
    return draw(5, size_px=400, params=PhantomParams(disease=disease))


def test_drawn_lesions_become_the_four_kinds_and_no_others(ill) -> None:
    masks = lesions_of(ill)
    assert tuple(masks) == LESION_TYPES
    for kind in LESION_TYPES:
        union = np.zeros(ill.fov.mask.shape, dtype=bool)
        for drawn, name in DRAWN_AS.items():
            if name == kind and drawn in ill.lesions:
                union |= ill.lesions[drawn]
        np.testing.assert_array_equal(masks[kind], union)
    assert "drusen" not in DRAWN_AS


def test_two_crops_in_three_are_cut_about_a_lesion(ill) -> None:
    stack = stack_of(ill.photograph, ill.fov, lesions_of(ill), group=PHANTOMS)
    batch = draw_lesion_batch(
        [stack], np.random.default_rng(0), count=12, side_px=64, zooms=(0.6, 1.1), phantom_share=1
    )
    assert batch.images.shape == (12, 3, 64, 64)
    assert batch.targets.shape == (12, 4, 64, 64)
    assert (batch.targets.amax((1, 2, 3)) > 0.5).sum() >= 6


def test_the_loss_falls_to_nothing_for_certain_truth() -> None:
    targets = torch.zeros(2, 4, 32, 32)
    targets[:, :, 4:9, 4:9] = 1
    batch = LesionBatch(torch.zeros(2, 3, 32, 32), targets, torch.ones(2, 1, 32, 32))
    right = lesion_loss((targets - 0.5) * 60, batch, bce_weight=10.0)
    wrong = lesion_loss((0.5 - targets) * 60, batch, bce_weight=10.0)
    assert right < 1e-4
    assert wrong > 100


def test_a_vessel_network_lends_all_but_its_last_layer(tmp_path) -> None:
    torch.manual_seed(1)
    trunk = VesselNet((8, 16))
    path = vessel_network.save_network(
        trunk, tmp_path / "v.safetensors", meta={"threshold": 0.5, "config": {}, "commit": "c"}
    )
    network, header = lesion_run.network_to_begin_with(path, seed=0)
    again, _ = lesion_run.network_to_begin_with(path, seed=0)
    assert header["commit"] == "c"
    assert network.outputs == 4
    for key, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
        if not key.startswith("head.2."):
            assert torch.equal(value, trunk.state_dict()[key])


def test_what_is_neither_lesions_nor_vessels_lends_nothing(tmp_path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"no weights")
    with pytest.raises(Refusal, match="expected a retinaforge lesion network 1 as safetensors"):
        lesion_run.network_to_begin_with(tmp_path / "x.safetensors", seed=0)


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="photographs are not here")
def test_masks_of_open_training_rows_are_listed() -> None:
    found = lesion_records(DATA)
    assert {each.record.dataset for each in found} == {"idrid_segmentation"}
    assert {each.record.split for each in found} == {"train"}
    without = next(each for each in found if "soft_exudate" not in each.masks)
    photo, fov, masks = read_lesions(without)
    assert not masks["soft_exudate"].any()
    assert masks["haemorrhage"].any()
    assert fov.mask.shape == photo.size_px == masks["microaneurysm"].shape


def test_a_folder_without_the_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("image,split,licence\na.png,train,CC BY 4.0\n")
    with pytest.raises(Refusal, match="expected train rows with lesion masks and licence CC BY"):
        lesion_records(tmp_path)
    with pytest.raises(Refusal, match="photographs or phantoms to learn from; got neither"):
        lesion_run.train_lesion_segmenter(None, tmp_path, phantoms=0)


def test_the_command_trains_on_phantoms_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    small = LesionConfig(batch=2, side_px=64, widths=(8, 16), whole_px=256.0)
    monkeypatch.setattr(segmenter, "LesionConfig", lambda: small)
    monkeypatch.setattr(lesion_run, "HELD_OUT", 1)
    monkeypatch.setattr(lesion_run, "PHANTOM_PX", 256)
    words = ["--phantoms", "2", "--steps", "1", "--out", str(tmp_path), "--json"]
    monkeypatch.setattr(sys, "argv", ["retinaforge", "train", "segmenter", "lesions", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    card = json.loads(capsys.readouterr().out)
    assert card["training_data"] == ["2 phantoms"]
    assert card["levels_chosen_on"] == ["1 further phantoms"]
    assert load_lesions(f"ours:{tmp_path / 'lesions.safetensors'}").levels == card["levels"]
