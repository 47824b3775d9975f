"""Artery/vein judges: one contract, published layouts, refusals."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from retinaforge.core import Fov, Photograph, Refusal
from retinaforge.nets.lwnet import LittleWNet
from retinaforge.nets.rrwnet import RRWNet, published_keys
from retinaforge.nets.unet import VesselNet
from retinaforge.vessels import WeightsRefused
from retinaforge.vessels.artery_vein import (
    ARTERY_VEIN_FORMAT,
    ArteryVeinMaps,
    name_vessels,
    named_rightly,
)
from retinaforge.vessels.catalogue import load_artery_vein_judge
from retinaforge.vessels.network import save_network
from retinaforge.vessels.rrwnet_judge import RRWNetJudge, enhance

META = {"views_px": [96.0, 128.0], "training_data": ["none"], "licence": "none"}


@pytest.fixture(scope="module")
def eye() -> tuple[Photograph, Fov]:
    y, x = np.mgrid[:110, :120]
    inside = np.hypot(y - 54.5, x - 59.5) < 50
    pixels = np.random.default_rng(0).integers(40, 200, (110, 120, 3)).astype(np.uint8)
    return Photograph(pixels * inside[..., None], "drawn"), Fov(inside, (59.5, 54.5), 50, "circle")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    ours = VesselNet((8, 16), 3).eval()
    save_network(ours, folder / "av.safetensors", meta=META, form=ARTERY_VEIN_FORMAT)
    little = {"model_state_dict": LittleWNet(4, (8, 16, 32, 64)).state_dict()}
    torch.save(little, folder / "lwnet.pth")
    (folder / "config.cfg").write_text(json.dumps({"im_size": "64"}))
    published = published_keys(RRWNet(base=2).state_dict())
    torch.save(published, folder / "rrwnet.pth")
    save_file({k: v.clone() for k, v in published.items()}, folder / "rrwnet_HRF.safetensors")
    return folder


SPECS = (
    "ours:av.safetensors", "lwnet:lwnet.pth", "rrwnet:rrwnet.pth", "rrwnet:rrwnet_HRF.safetensors",
)  # fmt: skip


def spec_in(folder: Path, spec: str) -> str:
    name, _, file = spec.partition(":")
    return f"{name}:{folder / file}"


@pytest.mark.parametrize("spec", SPECS)
def test_maps_lie_in_the_photograph_and_names_never_overlap(
    spec: str, eye: tuple[Photograph, Fov], files: Path
) -> None:
    photo, fov = eye
    judge = load_artery_vein_judge(spec_in(files, spec))
    maps = judge.maps(photo, fov)
    for plane in (maps.artery, maps.vein, maps.vessel):
        assert plane.shape == photo.size_px
        assert plane.min() >= 0
        assert plane.max() <= 1
        assert (plane[~fov.mask] == 0).all()
    vessels = np.zeros(photo.size_px, bool)
    vessels[50:56, 20:100] = True
    for along_tree in (False, True):
        named = judge.name(photo, fov, vessels=vessels, along_tree=along_tree)
        assert not (named.artery & named.vein).any()
        assert np.array_equal(named.artery | named.vein, vessels & fov.mask)
    assert judge.card.licence
    assert judge.card.known_failure


def test_refining_keeps_shape_and_vessels(eye: tuple[Photograph, Fov], files: Path) -> None:
    photo, fov = eye
    judge = RRWNetJudge(files / "rrwnet.pth")
    maps = load_artery_vein_judge(spec_in(files, SPECS[0])).maps(photo, fov)
    for passes in (1, 4):
        mended = judge.refine(maps, fov, passes=passes)
        assert mended.artery.shape == maps.artery.shape
        assert np.array_equal(mended.vessel, maps.vessel)
        assert not np.array_equal(mended.artery, maps.artery)


def test_the_photograph_is_enhanced_as_published() -> None:
    y, x = np.mgrid[:90, :100]
    inside = np.hypot(y - 44.5, x - 49.5) < 40
    pixels = np.full((90, 100, 3), 120, np.uint8)
    pixels[44:46] = 60
    enhanced, kept = enhance(pixels, inside)
    assert (enhanced[~kept] == 0).all()
    assert kept.sum() < inside.sum()
    assert enhanced.min() == 0
    assert enhanced.max() == pytest.approx(1)
    assert enhanced[45, 50].mean() < 0.1 < enhanced[30, 50].mean()


def test_evidence_names_pixels_and_trees_are_optional(eye: tuple[Photograph, Fov]) -> None:
    _, fov = eye
    plane = np.full(fov.mask.shape, 0.2)
    artery = plane.copy()
    artery[:, 60:] = 0.9
    maps = ArteryVeinMaps(artery, plane + 0.2, plane)
    vessels = np.zeros(fov.mask.shape, bool)
    vessels[50:56, 20:100] = True
    named = name_vessels(maps, vessels, fov, along_tree=False)
    assert named.artery[52, 61:90].all()
    assert named.vein[52, 30:59].all()
    assert maps.evidence[0, 0] == pytest.approx(math.log(0.2 / 0.8) - math.log(0.4 / 0.6))


def test_the_share_rightly_named() -> None:
    artery, truth = np.array([[1, 1, 0, 0]], bool), np.array([[1, 0, 0, 1]], bool)
    assert named_rightly(artery, truth, np.array([[1, 1, 1, 0]], bool)) == pytest.approx(2 / 3)
    assert math.isnan(named_rightly(artery, truth, np.zeros((1, 4), bool)))


@pytest.mark.parametrize("spec", ["ours:no.safetensors", "lwnet:no.pth", "rrwnet:no.pth"])
def test_a_missing_file_is_refused(spec: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsRefused, match="no file at"):
        load_artery_vein_judge(spec_in(tmp_path, spec))


def test_a_vessel_network_is_no_artery_vein_network(tmp_path: Path) -> None:
    path = save_network(VesselNet((8, 16)), tmp_path / "vessels.safetensors", meta=META)
    with pytest.raises(WeightsRefused, match="a retinaforge artery-vein network 1 as safetensors"):
        load_artery_vein_judge(f"ours:{path}")


def test_other_checkpoints_are_no_rrwnet(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsRefused, match=r"keys first_u\.\* and second_u\.\*"):
        load_artery_vein_judge(f"rrwnet:{tmp_path / 'other.pth'}")
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(WeightsRefused, match="a dictionary of tensors"):
        load_artery_vein_judge(f"rrwnet:{tmp_path / 'list.pth'}")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(WeightsRefused, match="an RRWNet checkpoint"):
        load_artery_vein_judge(f"rrwnet:{tmp_path / 'text.pth'}")
    short = published_keys(RRWNet(base=2).state_dict())
    short.pop("second_u.outconv.bias")
    torch.save(short, tmp_path / "short.pth")
    with pytest.raises(WeightsRefused, match=r"1 missing \(second_u.outconv.bias\)"):
        load_artery_vein_judge(f"rrwnet:{tmp_path / 'short.pth'}")
    key = "first_u.conv1.conv_block.0.weight"
    torch.save({**short, key: short[key] + 1}, tmp_path / "twice.pth")
    with pytest.raises(WeightsRefused, match="whose two copies of a weight agree"):
        load_artery_vein_judge(f"rrwnet:{tmp_path / 'twice.pth'}")


def test_an_unknown_judge_is_refused() -> None:
    with pytest.raises(Refusal, match=r"an artery/vein judge \(ours, ours:FILE, lwnet:FILE, rrwn"):
        load_artery_vein_judge("pvbm")
