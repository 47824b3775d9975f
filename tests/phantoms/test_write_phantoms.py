"""Phantoms on disk: tables, masks, trees; resumable and independent of the workers."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from retinaforge.core import Refusal
from retinaforge.phantoms import draw_phantom, write_phantoms
from retinaforge.phantoms.write import MANIFEST, eye_of, patient_of, split_of


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, count=5, size_px=96, seed=4)
    return folder


def rows(path):
    with path.open() as stream:
        return list(csv.DictReader(stream))


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_tables_name_files_that_exist(written):
    manifest = rows(written / "manifest.csv")
    assert tuple(manifest[0]) == MANIFEST
    assert len(manifest) == 5
    for row in manifest:
        assert row["image"].startswith("images/synthetic_")
        for column in ("image", "vessel_mask", "fov_mask", "artery_vein_mask", "disc_mask"):
            assert (written / row[column]).is_file()
    splits = rows(written / "splits.csv")
    assert [row["image"] for row in splits] == [row["image"] for row in manifest]
    assert {row["licence"] for row in splits} == {"CC0-1.0 (drawn by RetinaForge)"}
    assert [row["patient"] for row in splits[:3]] == [patient_of(0), patient_of(0), patient_of(2)]


def test_files_say_synthetic_and_hold_what_draw_phantom_draws(written):
    row = rows(written / "manifest.csv")[1]
    with Image.open(written / row["image"]) as image:
        pixels, text = np.asarray(image), dict(image.text)
    assert text["synthetic"] == "true"
    own = int(text["seed"])
    tree = json.loads((written / "trees" / "synthetic_00001_OS.json").read_text())
    phantom = draw_phantom(own, size_px=96, eye="OS")
    assert tree["eye"] == "OS"
    assert pixels.shape == (96, 96, 3)
    assert len(tree["branches"]) == len(phantom.tree.branches)
    with Image.open(written / row["vessel_mask"]) as mask:
        assert np.array_equal(np.asarray(mask) > 127, phantom.vessel)
    with Image.open(written / row["artery_vein_mask"]) as mask:
        red, green, blue = np.moveaxis(np.asarray(mask) > 127, -1, 0)
    assert np.array_equal(red | green, phantom.artery)
    assert np.array_equal(blue | green, phantom.vein)


def test_resuming_fills_in_what_is_missing_with_the_same_bytes(written, tmp_path):
    write_phantoms(tmp_path, count=2, size_px=96, seed=4)
    kept = tmp_path / "images" / "synthetic_00000_OD.png"
    before = kept.stat().st_mtime_ns
    (tmp_path / "disc" / "synthetic_00001_OS.png").unlink()
    write_phantoms(tmp_path, count=5, size_px=96, seed=4)
    assert kept.stat().st_mtime_ns == before
    a, b = contents(written), contents(tmp_path)
    assert a.keys() == b.keys()
    # splits.csv names the folder, everything else is equal to the byte.
    assert {p.name for p in a if a[p] != b[p]} == {"splits.csv"}


@pytest.mark.slow
def test_workers_change_nothing(written, tmp_path):
    write_phantoms(tmp_path, count=5, size_px=96, seed=4, workers=2)
    a, b = contents(written), contents(tmp_path)
    assert {p.name for p in a if a[p] != b[p]} == {"splits.csv"}


def test_eyes_and_splits_go_by_person():
    assert [eye_of(i) for i in range(2)] == ["OD", "OS"]
    assert all(split_of(i) == split_of(i + 1) for i in range(0, 40, 2))
    assert {split_of(i) for i in range(20)} == {"train", "val", "test"}


def test_refuses_another_set_in_the_same_folder(written):
    with pytest.raises(Refusal, match="expected a folder that is empty or holds phantoms of seed"):
        write_phantoms(written, count=5, size_px=96, seed=5)


def test_refuses_no_phantoms(tmp_path):
    with pytest.raises(Refusal, match="expected count and workers of 1 or more; got 0 and 1"):
        write_phantoms(tmp_path, count=0, size_px=96, seed=0)


def test_command_draws_and_answers_with_the_manifest(tmp_path):
    from retinaforge.cli.phantoms import app

    out = tmp_path / "set"
    words = ["draw", "--count", "1", "--size", "64", "--seed", "2", "--out", str(out), "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["manifest"] == str(out / "manifest.csv")
    assert (out / "images" / "synthetic_00000_OD.png").is_file()
