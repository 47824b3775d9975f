"""`retinaforge validate` as it is called: from two folders to one page, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from retinaforge.core import rng_for
from retinaforge.phantoms import write_phantoms
from retinaforge.reports import scorecard_schema

COUNT, SIZE_PX = 6, 192
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with six phantoms as "real" JPEG files and six others as PNG."""
    root = tmp_path_factory.mktemp("two sides")
    for name, seed in (("one", 11), ("other", 12)):
        write_phantoms(root / name, count=COUNT, size_px=SIZE_PX, seed=seed)
    (root / "real").mkdir()
    for k, path in enumerate(sorted((root / "one" / "images").glob("*.png"))):
        with Image.open(path) as image:
            Image.fromarray(np.array(image)).save(root / "real" / f"eye_{k}.jpg", quality=90)
    shutil.copytree(root / "other" / "images", root / "drawn")
    return root


@pytest.fixture(scope="module")
def cache(drawn: Path) -> Path:
    """Return one cache for all runs of this module: each image is measured once."""
    return drawn / "cache"


def wait_for(cache: Path, count: int, seconds: float = 240.0) -> list[Path]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        kept = sorted(cache.glob("??/*.npz"))
        if len(kept) >= count:
            return kept
        time.sleep(0.05)
    raise AssertionError(f"nothing was kept in {seconds} s")


def test_a_killed_run_goes_on_and_ends_in_one_page(
    retinaforge, drawn: Path, cache: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["validate", drawn / "real", drawn / "drawn", "--out", out, "--cache", cache]
    command = [sys.executable, "-m", "retinaforge", *map(str, words)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kept = wait_for(cache, 2)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not (out / "scorecard.json").exists()
    before = {path: path.stat().st_mtime_ns for path in kept}
    shown = retinaforge(*words)
    assert shown.code == 0
    assert shown.out.splitlines() == [str(out / "report.html"), str(out / "scorecard.json")]
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    assert len(list(cache.glob("??/*.npz"))) == 2 * COUNT

    card = json.loads((out / "scorecard.json").read_text())
    jsonschema.validate(card, scorecard_schema(), jsonschema.Draft202012Validator)
    assert card["protocol"]["footing"]["recompress"] == {"synthetic": 90}
    assert card["protocol"]["footing"]["size_px"] == SIZE_PX
    assert card["sanity_panel"]["problems"] == ["a sanity panel needs 20 real patients, 6 are here"]
    families = {score["family"] for score in card["scores"]}
    assert families == {"fidelity", "vessels", "quality", "anatomy", "copies"}
    table = pd.read_parquet(out / "per_image.parquet")
    assert sorted(table["status"]) == ["ok"] * 2 * COUNT
    assert "copy_likeness" in table.columns
    page = (out / "report.html").read_text()
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert [link for link in re.findall(r'href="#([^"]*)"', page) if link not in ids] == []
    assert "http://" not in page
    assert "a sanity panel needs 20 real patients" in page
    for row in card["rejects"]:
        assert row["picture"] is None or Path(row["picture"]).stem.count("synthetic_")

    again = retinaforge(*words, "--json")
    first, second = ({k: v for k, v in c.items() if k != "protocol"}
                     for c in (card, json.loads(again.out)))  # fmt: skip
    assert first == second


def test_what_is_no_eye_is_named_and_not_scored(
    retinaforge, drawn: Path, cache: Path, tmp_path: Path
) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(drawn / "drawn", mixed)
    noise = rng_for(5, "cat").integers(0, 255, (200, 200, 3)).astype(np.uint8)
    Image.fromarray(noise).save(mixed / "cat.png")
    whole = (drawn / "real" / "eye_0.jpg").read_bytes()
    (mixed / "torn.jpg").write_bytes(whole[: len(whole) // 2])
    with Image.open(drawn / "real" / "eye_1.jpg") as image:
        grey = np.array(image.convert("L"))
    Image.fromarray(grey).save(mixed / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(mixed / "deep.png")
    shown = retinaforge(
        "validate", drawn / "real", mixed, "--out", tmp_path / "out", "--cache", cache, "--json"
    )
    card = json.loads(shown.out)
    left = {row["name"]: row for row in card["left_out"]["synthetic"]}
    assert shown.code == 1
    assert left["cat.png"]["status"] == "no fundus"
    assert left["torn.jpg"]["status"] == "refused"
    assert {"cat.png", "torn.jpg"} <= set(left) <= {"cat.png", "torn.jpg", "grey.png", "deep.png"}
    assert all(row["reason"] for row in left.values())
    assert card["protocol"]["synthetic"]["images"]["scored"] == COUNT + 4 - len(left)
    assert any("show no fundus" in s["text"] or "shows no fundus" in s["text"]
               for s in card["verdict"])  # fmt: skip
    assert "no fundus synthetic cat.png" in shown.told
    assert "cat.png" in (tmp_path / "out" / "report.html").read_text()


def test_two_identical_folders_are_full_of_copies(
    retinaforge, drawn: Path, cache: Path, tmp_path: Path
) -> None:
    shutil.copytree(drawn / "real", tmp_path / "same")
    shown = retinaforge(
        "validate", drawn / "real", tmp_path / "same", "--out", tmp_path / "out",
        "--cache", cache, "--json",
    )  # fmt: skip
    card = json.loads(shown.out)
    assert shown.code == 0
    (copies,) = [score for score in card["scores"] if score["family"] == "copies"]
    assert copies["copies"] == copies["n"] > 0
    assert card["verdict"][0]["level"] == "failure"
    assert "show a real eye" in card["verdict"][0]["text"]


def test_pairs_and_swapped_folders(retinaforge, drawn: Path, cache: Path, tmp_path: Path) -> None:
    names = {p: f"eye_{k}.png" for k, p in enumerate(sorted((drawn / "drawn").glob("*.png")))}
    (tmp_path / "reconstructed").mkdir()
    for path, name in names.items():
        shutil.copy(path, tmp_path / "reconstructed" / name)
    shown = retinaforge(
        "validate", tmp_path / "reconstructed", drawn / "real", "--out", tmp_path / "out",
        "--paired", "--size", SIZE_PX, "--cache", cache, "--json",
    )  # fmt: skip
    card = json.loads(shown.out)
    paired = {score["name"]: score for score in card["scores"] if score["family"] == "paired"}
    assert paired["psnr"]["n"] == COUNT
    assert {"ssim", "dice"} <= set(paired)
    assert card["verdict"][0]["text"].startswith("6 files of the real folder say by name")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("REAL", "EMPTY", "--out", "OUT"), "expected a folder of photographs; got a folder wit"),
        (("GONE", "DRAWN", "--out", "OUT"), "expected a folder of photographs; got a missing"),
        (("REAL", "REAL", "--out", "OUT"), "expected two folders; got the same folder twice"),
        (("REAL", "DRAWN", "--out", "REAL/out"), "expected a folder outside those that are read"),
        (("REAL", "ONE", "--out", "OUT"), "expected at least 2 synthetic fundus photographs; got"),
        (("REAL", "DRAWN", "--out", "OUT", "--train", "DRAWN"), "got the same folder twice"),
        (("REAL", "DRAWN", "--out", "OUT", "--paired"), "named like the photographs that they"),
        (("REAL", "DRAWN", "--out", "OUT", "--size", "32"), "Invalid value for '--size'"),
        (
            ("REAL", "DRAWN", "--out", "OUT", "--encoder", "me:none"),
            "expected one of fundus, segmenter, retfound:FILE",
        ),
        (("REAL", "DRAWN", "--out", "OUT", "--groups", "sex"), "got sex, which no image has"),
    ],
)
def test_what_cannot_be_validated_is_refused(
    retinaforge, drawn: Path, cache: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "single").mkdir()
    shutil.copy(next((drawn / "drawn").glob("*.png")), tmp_path / "single")
    places = {
        "REAL": drawn / "real", "DRAWN": drawn / "drawn", "EMPTY": tmp_path / "empty",
        "GONE": tmp_path / "gone", "ONE": tmp_path / "single", "OUT": tmp_path / "out",
        "REAL/out": drawn / "real" / "out",
    }  # fmt: skip
    called = [places.get(word, word) for word in words]
    shown = retinaforge("validate", *called, "--cache", cache)
    assert shown.code == 2
    assert message in shown.told
    assert not os.path.exists(tmp_path / "out" / "report.html")
    assert "Traceback" not in shown.err
