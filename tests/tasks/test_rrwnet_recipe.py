"""RRWNet's recipe: spoilt maps, enhanced crops, published layout, mending anybody's maps."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from retinaforge.cli import main, segmenter
from retinaforge.core import Fov, Photograph, Refusal, rng_for
from retinaforge.nets.rrwnet import RRWNet, published_keys
from retinaforge.phantoms.phantom import Phantom
from retinaforge.tasks import rrwnet_run
from retinaforge.tasks.damaged_maps import damage_maps, soften, swap_names, wipe
from retinaforge.tasks.refine_maps import load_refiner, read_maps, refine_folder
from retinaforge.tasks.rrwnet_run import save_rrwnet, train_rrwnet_segmenter
from retinaforge.tasks.rrwnet_train import (
    RRWNetConfig,
    damaged_truth,
    enhanced_crops,
    train_rrwnet,
)
from retinaforge.tasks.segmenter_samples import PHANTOMS, Annotated, Crops, annotate
from retinaforge.vessels import load_artery_vein_judge
from retinaforge.vessels.artery_vein import named_rightly
from retinaforge.vessels.rrwnet_judge import enhance

SMALL = RRWNetConfig(
    steps=2, batch=2, view_px=96, side_px=64, diameter_px=120.0, base=2, passes=2, seed=1
)


def named_eye(size_px: int = 120) -> tuple[Photograph, Fov, tuple[np.ndarray, ...]]:
    """Draw an eye with an artery down the middle and a vein across it."""
    y, x = np.mgrid[:size_px, :size_px] - (size_px - 1) / 2
    inside = np.hypot(x, y) < 0.46 * size_px
    artery, vein = (np.abs(x + 8) < 3) & inside, (np.abs(y - 6) < 4) & inside
    pixels = np.zeros((size_px, size_px, 3), np.uint8)
    pixels[inside] = (170, 90, 40)
    pixels[artery | vein] = (110, 40, 25)
    middle = ((size_px - 1) / 2, (size_px - 1) / 2)
    fov = Fov(inside, middle, 0.46 * size_px, "circle")
    return Photograph(pixels, "drawn"), fov, (artery | vein, artery, vein)


def annotated(phantom: Phantom) -> Annotated:
    p = phantom
    known = np.ones_like(p.vessel)
    return annotate(p.photograph, p.fov, p.vessel, p.artery, p.vein, known, group=PHANTOMS)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    _, _, (vessel, artery, vein) = named_eye()
    return np.stack([artery, vein, vessel]).astype(np.float32)


def test_swapping_moves_names_along_vessels_and_touches_nothing_else(truth: np.ndarray) -> None:
    swapped = [swap_names(truth, rng_for(0, "swap", i)) for i in range(30)]
    changed = [each for each in swapped if not np.array_equal(each, truth)]
    assert len(changed) > 10
    both = (truth[0] > 0) & (truth[1] > 0)
    for each in changed:
        assert np.array_equal(each[2], truth[2])
        assert np.array_equal(each[:2].sum(0), truth[:2].sum(0))
        assert np.array_equal(each[:, both], truth[:, both])
    wrong = [(each[0] != truth[0]).sum() / truth[2].sum() for each in changed]
    assert 0.02 < np.median(wrong) < 0.6


def test_wiping_only_takes_away(truth: np.ndarray) -> None:
    wiped = [wipe(truth, rng_for(0, "wipe", i)) for i in range(30)]
    assert all((each <= truth).all() for each in wiped)
    assert any((each[:2] < truth[:2]).any() for each in wiped)
    assert any((each[2] < truth[2]).any() for each in wiped)
    assert any((each[:2] < truth[:2]).any() and np.array_equal(each[2], truth[2]) for each in wiped)


def test_spoilt_maps_stay_probabilities_and_follow_the_generator(truth: np.ndarray) -> None:
    first, again, other = (damage_maps(truth, rng_for(0, "d", i)) for i in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == truth.shape
    assert first.min() >= 0
    assert first.max() <= 1
    soft = soften(truth, rng_for(0, "soft"))
    assert named_rightly(soft[0] > soft[1], truth[0] > 0, (truth[0] != truth[1])) > 0.9
    empty = np.zeros_like(truth)
    assert not damage_maps(empty, rng_for(0, "d")).any()


def test_crops_are_cut_from_what_was_enhanced_as_a_whole() -> None:
    photo, fov, masks = named_eye(96)
    planes = [torch.from_numpy(mask[None].astype(np.float32)) for mask in (*masks, masks[0])]
    images = torch.from_numpy(photo.pixels).permute(2, 0, 1).float()[None] / 127.5 - 1
    inside = torch.from_numpy(fov.mask)[None, None].float()
    whole = Crops(images, torch.stack(planes, 1), inside)
    crops = enhanced_crops(whole, rng_for(0, "crop"), side_px=64)
    assert crops.images.shape == (1, 3, 64, 64)
    picture, kept = enhance(photo.pixels, fov.mask)
    places = [
        (top, left)
        for top in range(33)
        for left in range(33)
        if np.array_equal(masks[0][top : top + 64, left : left + 64], crops.masks[0, 0].numpy() > 0)
    ]
    assert any(
        np.allclose(picture[t : t + 64, k : k + 64], crops.images[0].permute(1, 2, 0), atol=1e-6)
        and np.array_equal(kept[t : t + 64, k : k + 64], crops.fov[0, 0].numpy() > 0)
        for t, k in places
    )
    spoilt = damaged_truth(crops, rng_for(0, "spoilt"))
    assert spoilt.shape == (1, 3, 64, 64)
    assert (spoilt * (1 - crops.fov) == 0).all()


def test_training_goes_on_to_the_same_weights_and_the_damaged_term_matters(tmp_path: Path) -> None:
    photo, fov, (vessel, artery, vein) = named_eye()
    eyes = [annotate(photo, fov, vessel, artery, vein, np.ones_like(vessel), group="drawn")]

    def stop(step: int, _: float) -> None:
        if step == 1:
            raise KeyboardInterrupt

    whole = train_rrwnet(eyes, SMALL, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train_rrwnet(eyes, SMALL, tmp_path / "killed", checkpoint_every=1, on_step=stop)
    again = train_rrwnet(eyes, SMALL, tmp_path / "killed")
    published = train_rrwnet(eyes, replace(SMALL, damaged=0.0), tmp_path / "published")
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    key = "second_u.outconv.weight"
    assert not torch.equal(whole.state_dict()[key], published.state_dict()[key])


def test_the_run_writes_the_published_layout_which_the_judge_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rrwnet_run, "HELD_OUT", 1)
    monkeypatch.setattr(segmenter, "RRWNetConfig", lambda: SMALL)
    words = ["--out", str(tmp_path), "--phantoms", "1", "--base", "2", "--passes", "3"]
    words += ["--steps", "1", "--json"]
    monkeypatch.setattr(sys, "argv", ["retinaforge", "train", "segmenter", "rrwnet", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    card = json.loads(capsys.readouterr().out)
    assert card["training_data"] == ["1 phantoms"]
    assert card["validated_on"] == ["1 further phantoms"]
    assert set(card["validation_named_rightly"]) == {"found", "spoilt", "mended"}
    state = torch.load(tmp_path / "rrwnet.pth", weights_only=True)
    assert state.keys() == published_keys(RRWNet(base=2).state_dict()).keys()
    judge = load_artery_vein_judge(f"rrwnet:{tmp_path / 'rrwnet.pth'}")
    assert judge.card.training_data == ("1 phantoms",)
    assert "120 px" in judge.card.measures
    photo, fov, _ = named_eye()
    assert judge.maps(photo, fov).artery.shape == photo.size_px


def test_learning_from_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="photographs or phantoms to learn from; got neither"):
        train_rrwnet_segmenter(None, tmp_path, phantoms=0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return save_rrwnet(RRWNet(base=2, passes=2), tmp_path_factory.mktemp("rrwnet") / "some.pth")


def test_maps_of_anybody_are_mended_from_the_command_line(
    weights: Path, tmp_path: Path, truth: np.ndarray, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    photo, _, _ = named_eye()
    for folder in ("maps", "photographs"):
        (tmp_path / folder).mkdir()
    Image.fromarray(photo.pixels).save(tmp_path / "photographs" / "a.jpg", quality=95)
    pixels = (truth.transpose(1, 2, 0) * 200).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "maps" / "a.png")
    (tmp_path / "maps" / "b.png").write_bytes(b"no picture")
    words = [str(tmp_path / "maps"), "--with", f"rrwnet:{weights}", "--out", str(tmp_path / "out")]
    words += ["--photographs", str(tmp_path / "photographs"), "--passes", "1", "--json"]
    monkeypatch.setattr(sys, "argv", ["retinaforge", "refine", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == [str(tmp_path / "out" / "a.png")]
    assert [each["file_name"] for each in told["failures"]] == ["b.png"]
    mended = np.array(Image.open(tmp_path / "out" / "a.png"))
    assert np.array_equal(mended[..., 2], pixels[..., 2])
    assert not np.array_equal(mended[..., 0], pixels[..., 0])
    assert (mended[:5, :5, :2] == 0).all()


def test_a_missing_vessel_map_is_the_greater_of_the_two_names(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[2, :, 0], pixels[5, :, 1] = 255, 102
    Image.fromarray(pixels).save(tmp_path / "map.png")
    maps = read_maps(tmp_path / "map.png")
    assert maps.vessel[2, 0] == 1
    assert maps.vessel[5, 0] == pytest.approx(0.4)


def test_what_cannot_be_refined_is_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"a judge that refines maps \(rrwnet:FILE\); got 'ours'"):
        load_refiner("ours")
    refiner = load_refiner(f"rrwnet:{weights}")
    with pytest.raises(Refusal, match="expected pictures of maps; got none at"):
        refine_folder(tmp_path, tmp_path / "out", refiner=refiner)
    Image.new("RGB", (40, 40)).save(tmp_path / "black.png")
    with pytest.raises(Refusal, match="another folder than the one that is read"):
        refine_folder(tmp_path, tmp_path, refiner=refiner)
    (why,) = refine_folder(tmp_path, tmp_path / "out", refiner=refiner).failed
    assert "arteries in red, veins in green, vessels in blue; got one without red" in why[1]
    Image.new("RGB", (40, 40), (200, 0, 0)).save(tmp_path / "black.png")
    (tmp_path / "photographs").mkdir()
    (why,) = refine_folder(
        tmp_path, tmp_path / "out", refiner=refiner, photographs=tmp_path / "photographs"
    ).failed
    assert "expected a photograph named black.* in" in why[1]
    Image.new("RGB", (50, 40), (90, 60, 30)).save(tmp_path / "photographs" / "black.png")
    (why,) = refine_folder(
        tmp_path, tmp_path / "out", refiner=refiner, photographs=tmp_path / "photographs"
    ).failed
    assert "maps of their photograph's (40, 50) pixels; got (40, 40)" in why[1]
    Image.new("RGB", (40, 40)).save(tmp_path / "black.jpg")
    with pytest.raises(Refusal, match=r"one picture a name; got several of black\.\*"):
        refine_folder(tmp_path, tmp_path / "out", refiner=refiner)
