"""What an encoder is shown: training rows only, upright eyes, the same for the same number."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from retinaforge.core import Record, Refusal
from retinaforge.images import read_records
from retinaforge.phantoms import write_phantoms
from retinaforge.tasks.pretrain_data import ViewPlan, tint, view_drawer
from retinaforge.tasks.pretrain_rows import chances, is_synthetic, metadata_of, training_records
from retinaforge.tasks.sheets import Sheets, build_sheets

PLAN = ViewPlan(batch=4, side_px=64, patch_px=16, metadata=("age", "sex", "eye"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("phantoms")
    write_phantoms(root, count=10, size_px=96, seed=4)
    return root


@pytest.fixture(scope="module")
def sheets(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Sheets:
    return build_sheets(read_records(folder), tmp_path_factory.mktemp("sheets"), size_px=96)


def test_the_same_number_gives_the_same_batch(sheets: Sheets) -> None:
    first, second = view_drawer(sheets, PLAN), view_drawer(sheets, PLAN)
    first(3)  # drawing another batch before must not matter
    one, two, other = first(5), second(5), second(6)
    assert all(torch.equal(one[name].nan_to_num(), two[name].nan_to_num()) for name in one)
    assert not torch.equal(one["images"], other["images"])
    shapes = {name: tuple(x.shape) for name, x in one.items()}
    assert shapes == {
        "images": (4, 3, 64, 64), "fov": (4, 1, 64, 64), "noise": (4, 16), "metadata": (4, 3),
    }  # fmt: skip


def test_images_are_black_outside_their_field_and_within_range(sheets: Sheets) -> None:
    batch = view_drawer(sheets, PLAN)(0)
    images, fov = batch["images"], batch["fov"]
    assert float(images.min()) == -1.0
    assert float(images.max()) <= 1.0
    assert bool((images[(fov == 0).expand_as(images)] == -1).all())
    assert bool((fov.mean((1, 2, 3)) >= 0.5).all())


def test_whole_views_show_the_whole_eye(sheets: Sheets) -> None:
    batch = view_drawer(sheets, replace(PLAN, whole=1.0, jitter=0.0))(0)
    share = batch["fov"].mean((1, 2, 3))
    assert share.tolist() == pytest.approx([float(sheets.fov[0].mean())] * 4, abs=0.05)


def test_a_mirrored_right_eye_is_told_as_a_left_one(sheets: Sheets) -> None:
    right = [i for i, record in enumerate(sheets.records) if record.eye == "OD"][:1]
    only = replace_records(sheets, right)
    plan = replace(PLAN, batch=16, whole=1.0, jitter=0.0, drop=0.0, metadata=("eye",))
    batch = view_drawer(only, plan)(0)
    told = batch["metadata"][:, 0]
    assert set(told.tolist()) == {0.0, 1.0}
    upright = batch["images"][told == 0][0]
    assert all(torch.equal(image, upright) for image in batch["images"][told == 0])
    turned = batch["images"][told == 1][0]
    assert (
        float((turned.flip(-1) - upright).abs().mean())
        < 0.02
        < float((turned - upright).abs().mean())
    )


def replace_records(sheets: Sheets, kept: list[int]) -> Sheets:
    records = tuple(sheets.records[i] for i in kept)
    return replace(sheets, pixels=sheets.pixels[kept], fov=sheets.fov[kept], records=records)


def test_metadata_are_withheld_at_random(sheets: Sheets) -> None:
    plan = replace(PLAN, batch=64, drop=0.5)
    told = view_drawer(sheets, plan)(0)["metadata"]
    assert 0.3 < float(told.isnan().float().mean()) < 0.7
    none = view_drawer(sheets, replace(plan, drop=1.0))(0)["metadata"]
    assert bool(none.isnan().all())


def record(dataset: str, name: str, **more) -> Record:
    return Record(Path(name), name, dataset, f"{dataset}:{name}", **more)


def test_metadata_are_read_from_tables_and_unknown_is_nan() -> None:
    said = record("a", "x", eye="OS", columns={"age": "61.5", "sex": "Female"})
    assert metadata_of(said, ("sex", "age", "eye")) == [0.0, 61.5, 1.0]
    silent = metadata_of(record("a", "y", columns={"age": "old"}), ("age", "sex", "eye"))
    assert all(math.isnan(value) for value in silent)


def test_small_data_sets_and_photographs_are_not_drowned() -> None:
    phantom = {"columns": {"labels": "synthetic;visit=0"}}
    records = [
        *(record("large", f"{i}") for i in range(100)),
        *(record("small", f"{i}") for i in range(4)),
        *(record("drawn", f"{i}", **phantom) for i in range(900)),
    ]
    chance = chances(records, 0.5)
    assert chance.sum() == pytest.approx(1)
    assert chance[104:].sum() == pytest.approx(0.5)
    assert chance[:100].sum() / chance[100:104].sum() == pytest.approx(5)  # root of 100 / 4
    assert chances(records[:104], 0.5).sum() == pytest.approx(1)


def test_phantoms_are_known_as_such(folder: Path) -> None:
    assert all(map(is_synthetic, read_records(folder)))
    assert not is_synthetic(record("a", "x", camera="Canon CR-1"))


def test_only_training_rows_are_learnt_from(folder: Path) -> None:
    with (folder / "splits.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    train = {row["image"] for row in rows if row["split"] == "train"}
    assert 0 < len(train) < len(rows)
    assert {r.name for r in training_records([folder], 0)} == train
    assert len(training_records([], 0, whole=[folder])) == len(rows)


def test_folders_that_cannot_be_learnt_from_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="expected images that are named once"):
        training_records([folder], 0, whole=[folder])
    held = tmp_path / "held"
    write_phantoms(held, count=1, size_px=64, seed=1)
    (held / "splits.csv").unlink()
    table = (held / "manifest.csv").read_text().replace(",train", ",test")
    (held / "manifest.csv").write_text(table)
    with pytest.raises(Refusal, match="none of them in the training split"):
        training_records([held], 0)


def test_a_tint_keeps_black_black_and_without_jitter_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 255, (16, 16, 3), np.uint8)
    inside = np.zeros((16, 16), bool)
    inside[2:14, 2:14] = True
    same = tint(pixels, inside, 0.0, rng)
    assert np.array_equal(same[inside], pixels[inside])
    other = tint(pixels, inside, 0.15, rng)
    assert not np.array_equal(other[inside], pixels[inside])
    assert not other[~inside].any()


def test_many_views_have_their_sizes(sheets: Sheets) -> None:
    plan = replace(PLAN, locals=3, local_px=32)
    batch = view_drawer(sheets, plan)(0)
    assert batch["large"].shape == (4, 2, 3, 64, 64)
    assert batch["small"].shape == (4, 3, 3, 32, 32)
