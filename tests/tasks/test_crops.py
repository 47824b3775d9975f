"""Batches are a pure function of the step; sheets name what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from retinaforge.core import Refusal
from retinaforge.images import read_records
from retinaforge.phantoms import write_phantoms
from retinaforge.tasks.crops import CropPlan, crop_drawer
from retinaforge.tasks.sheets import Sheets, build_sheets


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("phantoms")
    write_phantoms(root, count=3, size_px=128, seed=4)
    return root


@pytest.fixture(scope="module")
def sheets(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Sheets:
    return build_sheets(read_records(folder), tmp_path_factory.mktemp("sheets"), size_px=128)


def test_same_step_same_batch_whoever_asks(sheets: Sheets) -> None:
    first = crop_drawer(sheets, CropPlan(crop_px=64, seed=7))
    second = crop_drawer(sheets, CropPlan(crop_px=64, seed=7))
    first(3)  # drawing another step before must not matter
    one, two = first(5), second(5)
    assert torch.equal(one.images, two.images)
    assert one.names == two.names


def test_steps_and_seeds_differ(sheets: Sheets) -> None:
    draw = crop_drawer(sheets, CropPlan(crop_px=64, seed=7))
    other = crop_drawer(sheets, CropPlan(crop_px=64, seed=8))
    assert not torch.equal(draw(0).images, draw(1).images)
    assert not torch.equal(draw(0).images, other(0).images)


def test_range_shape_and_fov(sheets: Sheets) -> None:
    batch = crop_drawer(sheets, CropPlan(batch_size=5, crop_px=64))(0)
    assert batch.images.shape == (5, 3, 64, 64)
    assert batch.images.min() >= -1
    assert batch.images.max() <= 1
    outside = (batch.fov == 0).expand_as(batch.images)
    assert bool((batch.images[outside] == -1).float().mean() > 0.9)
    assert set(batch.fov.unique().tolist()) <= {0.0, 1.0}


def test_whole_frame_shows_the_losses_the_border_and_changes_no_pixel(sheets: Sheets) -> None:
    inside = crop_drawer(sheets, CropPlan(crop_px=128, seed=7))(0)
    whole = crop_drawer(sheets, CropPlan(crop_px=128, seed=7, frame="whole"))(0)
    assert torch.equal(inside.images, whole.images)
    assert float(inside.fov.min()) == 0.0
    assert float(whole.fov.min()) == 1.0


def test_whole_eye_is_the_box_average(sheets: Sheets) -> None:
    plan = CropPlan(batch_size=1, crop_px=64, whole_fraction=1.0, flips=False)
    batch = crop_drawer(sheets, plan)(0)
    index = [record.name for record in sheets.records].index(batch.names[0])
    box = sheets.pixels[index].reshape(64, 2, 64, 2, 3).mean((1, 3))
    drawn = (batch.images[0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(drawn - box).max() <= 0.51


def test_refuses_a_crop_that_does_not_divide_the_sheet(sheets: Sheets) -> None:
    with pytest.raises(Refusal, match=r"crop_px that divides the sheets' 128 px; got 96 px"):
        crop_drawer(sheets, CropPlan(crop_px=96))


def test_sheets_reopen_and_notice_a_changed_file(folder: Path, tmp_path: Path) -> None:
    records = read_records(folder)
    first = build_sheets(records, tmp_path, size_px=64)
    stamp = (tmp_path / "pixels.npy").stat().st_mtime_ns
    assert build_sheets(records, tmp_path, size_px=64).fingerprint == first.fingerprint
    assert (tmp_path / "pixels.npy").stat().st_mtime_ns == stamp
    build_sheets(records, tmp_path, size_px=32)
    assert (tmp_path / "pixels.npy").stat().st_mtime_ns != stamp


def test_a_damaged_photograph_is_named_and_the_rest_goes_on(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for index, record in enumerate(read_records(folder)):
        content = record.path.read_bytes()
        (copy / f"{index}.png").write_bytes(content[:500] if index == 0 else content)
    sheets = build_sheets(read_records(copy), tmp_path / "sheets", size_px=64)
    assert [name for name, _ in sheets.refused] == ["0.png"]
    assert len(sheets) == 2


def test_nothing_readable_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"")
    with pytest.raises(Refusal, match=r"at least one readable photograph; got 0\.png"):
        build_sheets(read_records(tmp_path), tmp_path / "sheets", size_px=64)
