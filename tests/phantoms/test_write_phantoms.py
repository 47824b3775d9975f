"""Phantoms on disk: tables, masks, graphs, shards; resumable and independent of the workers."""

import csv
import errno
import gc
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from functools import cache

import numpy as np
import pytest
from PIL import Image

from retinaforge.core import Refusal
from retinaforge.core.artefacts import DiskFull
from retinaforge.images import read_records
from retinaforge.phantoms import load_recipe, write_phantoms, write_shards
from retinaforge.phantoms.fundus import LESION_KINDS
from retinaforge.phantoms.people import phantom_of, places, sit
from retinaforge.phantoms.shards import extension_of
from retinaforge.phantoms.write import is_whole
from retinaforge.phantoms.write_tables import MANIFEST

SET = {"count": 3, "size_px": 64, "seed": 4}
DIABETIC = load_recipe("diabetic")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, **SET, recipe=DIABETIC)
    return folder


@pytest.fixture(scope="module")
def tars(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return write_shards(folder, **SET, shards=2, recipe=DIABETIC)


def rows(path):
    with path.open() as stream:
        return list(csv.DictReader(stream))


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def assert_same(one, other):
    a, b = contents(one), contents(other)
    assert a.keys() == b.keys()
    # splits.csv names the folder, everything else is equal to the byte.
    assert {p.name for p in a if a[p] != b[p]} <= {"splits.csv"}


@cache
def drawn(number):
    place = places(DIABETIC, seed=4, count=number + 1)[number]
    return phantom_of(sit(DIABETIC, place, seed=4), size_px=64)


def test_manifest_names_files_that_exist(written):
    manifest = rows(written / "manifest.csv")
    assert tuple(manifest[0]) == MANIFEST
    assert len(manifest) == 3
    for row in manifest:
        assert row["image"].startswith("images/synthetic_")
        for column in ("image", "vessel_mask", "fov_mask", "artery_vein_mask", "disc_mask"):
            assert (written / row[column]).is_file()
    splits = rows(written / "splits.csv")
    assert [row["image"] for row in splits] == [row["image"] for row in manifest]
    assert {row["licence"] for row in splits} == {"CC0-1.0 (drawn by RetinaForge)"}
    assert {row["patient"] for row in splits} == {"synthetic_p00000"}


def test_metadata_lines_begin_with_the_file_and_agree_with_the_facts(written):
    lines = (written / "metadata.jsonl").read_text().splitlines()
    assert len(lines) == 3
    for line in map(json.loads, lines):
        assert next(iter(line)) == "file_name"
        assert line["synthetic"] is True
        facts = json.loads((written / line["facts"]).read_text())
        assert line["dr_grade"] == facts["labels"]["dr_grade"]
        assert line["age"] == facts["person"]["age"]
        masks = [value for key, value in line.items() if key.endswith("_file_name")]
        assert len(masks) == 9
        assert all((written / path).is_file() for path in (line["file_name"], *masks))


def test_truth_has_a_line_for_each_photograph(written):
    truths, lines = rows(written / "truth.csv"), rows(written / "manifest.csv")
    assert [row["file_name"] for row in truths] == [row["image"] for row in lines]
    assert len(truths[0]) > 10
    assert all(float(value) is not None for value in list(truths[0].values())[1:] if value)


def test_the_readers_of_the_package_know_the_folder(written):
    records = read_records(written)
    assert [record.eye for record in records] == ["OD", "OS", "OD"]
    assert {record.patient_known for record in records} == {True}
    assert set(records[0].masks) == {"vessel", "fov", "artery_vein", "disc", "cup"}
    assert records[0].columns["dr_grade"] in "01234"


def test_files_say_synthetic_and_hold_what_was_drawn(written):
    name = "synthetic_00001_OS"
    with Image.open(written / "images" / f"{name}.png") as image:
        pixels, text = np.asarray(image), dict(image.text)
    phantom = drawn(1)
    assert (text["synthetic"], text["eye"]) == ("true", "OS")
    assert text["seed"] == str(phantom.fundus.seed)
    assert np.array_equal(pixels, phantom.photograph.pixels)
    for layer in ("vessel", "artery", "vein", "disc", "cup", "fovea", "macula"):
        with Image.open(written / layer / f"{name}.png") as mask:
            assert mask.text["synthetic"] == "true"
            assert np.array_equal(np.asarray(mask), getattr(phantom, layer))
    with Image.open(written / "artery_vein" / f"{name}.png") as mask:
        red, green, blue = np.moveaxis(np.asarray(mask) > 127, -1, 0)
    assert np.array_equal(red | green, phantom.artery)
    assert np.array_equal(blue | green, phantom.vein)


def test_lesions_have_masks_where_there_are_any(written):
    phantom = drawn(1)
    for kind in LESION_KINDS:
        path = written / "lesions" / kind / "synthetic_00001_OS.png"
        mask = phantom.lesions.get(kind)
        assert path.exists() == (mask is not None and bool(mask.any()))
        if path.exists():
            assert np.array_equal(np.asarray(Image.open(path)), mask)


def test_a_photograph_is_whole_if_its_facts_and_all_that_they_list_are_there(written, tmp_path):
    begun, place = tmp_path / "begun", places(DIABETIC, seed=4, count=2)[1]
    shutil.copytree(written, begun)
    assert is_whole(begun, place)
    facts = begun / "facts" / f"{place.name}.json"
    text = facts.read_text()
    for damaged in (text[:100], ""):
        facts.write_text(damaged)
        assert not is_whole(begun, place)
    facts.write_text(text)
    (begun / "vein" / f"{place.name}.png").unlink()
    assert not is_whole(begun, place)


def test_resuming_fills_in_what_is_missing_with_the_same_bytes(written, tmp_path):
    begun = tmp_path / "begun"
    shutil.copytree(written, begun)
    kept = begun / "images" / "synthetic_00000_OD.png"
    before = kept.stat().st_mtime_ns
    (begun / "disc" / "synthetic_00001_OS.png").unlink()
    (begun / "images" / ".synthetic_00001_OS.png.abc.tmp").write_bytes(b"torn")
    (begun / "manifest.csv").unlink()
    write_phantoms(begun, **SET, recipe=DIABETIC)
    assert kept.stat().st_mtime_ns == before
    assert_same(written, begun)


@pytest.mark.slow
def test_workers_change_nothing(written, tmp_path):
    write_phantoms(tmp_path, **SET, workers=2, recipe=DIABETIC)
    assert_same(written, tmp_path)


@pytest.mark.slow
def test_shards_are_the_same_whatever_the_workers(tars, tmp_path):
    again = write_shards(tmp_path, **SET, shards=2, workers=2, recipe=DIABETIC)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in tars]


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(written, tmp_path):
    words = ["phantoms", "draw", str(tmp_path), "--count", "3", "--size", "64", "--seed", "4",
             "--recipe", "diabetic"]  # fmt: skip
    run = subprocess.Popen([sys.executable, "-m", "retinaforge", *words], stderr=subprocess.DEVNULL)
    give_up = time.monotonic() + 120
    while not list(tmp_path.glob("facts/*.json")) and time.monotonic() < give_up:
        time.sleep(0.005)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert len(list(tmp_path.glob("facts/*.json"))) < 3
    write_phantoms(tmp_path, **SET, recipe=DIABETIC)
    assert_same(written, tmp_path)


def test_shards_hold_the_files_of_the_folder(written, tars):
    assert [path.name for path in tars] == ["synthetic-000000.tar", "synthetic-000001.tar"]
    samples = {}
    for path in tars:
        with tarfile.open(path) as tar:
            names = [member.name for member in tar]
            assert {(m.mtime, m.uid, m.uname, m.mode) for m in tar} == {(0, 0, "", 0o644)}
            for name in names:
                key, _, extension = name.partition(".")
                samples.setdefault(key, {})[extension] = tar.extractfile(name).read()
        # A sample's files follow each other, as readers of a stream need it.
        keys = [name.partition(".")[0] for name in names]
        assert keys == sorted(keys)
    assert len(samples) == 3
    for key, files in samples.items():
        assert files["png"] == (written / "images" / f"{key}.png").read_bytes()
        assert files["vessel.png"] == (written / "vessel" / f"{key}.png").read_bytes()
        assert files["json"] == (written / "facts" / f"{key}.json").read_bytes()
        assert files["graph.json"] == (written / "graphs" / f"{key}.json").read_bytes()
        listed = json.loads(files["json"])["files"]
        assert {extension_of(layer) for layer in listed} | {"json"} == set(files)


# webdataset leaves the files to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_shards_are_read_by_webdataset(tars):
    webdataset = pytest.importorskip("webdataset")
    urls = [str(path) for path in tars]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("pil"))
    assert len(samples) == 3
    assert samples[0]["png"].size == samples[0]["vessel.png"].size == (64, 64)
    assert samples[0]["json"]["synthetic"] is True
    gc.collect()


def test_a_shard_that_is_there_is_kept(tars, tmp_path):
    for path in (tars[1], tars[1].parent / "phantoms.json"):
        shutil.copy(path, tmp_path)
    before, seen = (tmp_path / tars[1].name).stat().st_mtime_ns, []
    again = write_shards(tmp_path, **SET, shards=2, recipe=DIABETIC,
                         on_progress=lambda done, _: seen.append(done))  # fmt: skip
    assert (tmp_path / tars[1].name).stat().st_mtime_ns == before
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in tars]
    assert seen == [3]


def test_refuses_another_set_in_the_same_folder(written, tars):
    with pytest.raises(Refusal, match="expected a folder that is empty or holds phantoms of seed"):
        write_phantoms(written, count=3, size_px=64, seed=5, recipe=DIABETIC)
    with pytest.raises(Refusal, match=r"got .* with others"):
        write_phantoms(written, **SET, recipe=load_recipe("glaucoma"))
    with pytest.raises(Refusal, match=r"got .* with others"):
        write_shards(tars[0].parent, **SET, shards=3, recipe=DIABETIC)


def test_refuses_settings_that_cannot_be_read(tmp_path):
    (tmp_path / "phantoms.json").write_text("{")
    with pytest.raises(Refusal, match="expected a folder that is empty or holds phantoms"):
        write_phantoms(tmp_path, **SET)


def test_refuses_a_file_in_place_of_the_folder(tmp_path):
    path = tmp_path / "eyes"
    path.write_text("")
    with pytest.raises(Refusal, match=r"expected a folder to write; got a file: .*eyes"):
        write_phantoms(path, **SET)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"count": 0}, "expected count and workers of 1 or more; got 0 and 1"),
        ({"size_px": 63}, "expected a size of at least 64 px; got 63 px"),
        ({"seed": -1}, "expected a seed of 0 or more; got -1"),
    ],
)
def test_refuses_numbers_that_draw_nothing(tmp_path, wrong, message):
    with pytest.raises(Refusal, match=message):
        write_phantoms(tmp_path / "set", **(SET | wrong))
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("shards", [0, 4])
def test_refuses_shards_that_would_be_empty(tmp_path, shards):
    with pytest.raises(Refusal, match=f"expected 1 to 3 shards for 3 phantoms; got {shards}"):
        write_shards(tmp_path, **SET, shards=shards)


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("retinaforge.core.artefacts.os.replace", full)
    with pytest.raises(DiskFull, match="free some space and run the same command again"):
        write_phantoms(tmp_path, **SET)
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_travels_from_a_worker():
    refusal = Refusal("a circle", "a square", "draw again")
    again = pickle.loads(pickle.dumps(refusal))
    assert (str(again), again.remedy) == (str(refusal), "draw again")


def test_progress_counts_to_the_end(written):
    seen = []
    write_phantoms(written, **SET, recipe=DIABETIC, on_progress=lambda *now: seen.append(now))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_names_in_a_shard():
    assert extension_of("images.png") == "png"
    assert extension_of("lesions/drusen.png") == "lesion_drusen.png"
