"""`retinaforge reader`: made, planned, read and exported from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def two_sides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with four real and four synthetic discs, and a broken file among them."""
    folder = tmp_path_factory.mktemp("two")
    y, x = np.mgrid[:80, :80] / 79 * 2 - 1
    for side, level in (("real", 120), ("synthetic", 140)):
        (folder / side).mkdir()
        for k in range(4):
            noise = np.random.default_rng(k + level).normal(level, 9, (80, 80, 3))
            pixels = np.where((np.hypot(x, y) < 0.93)[..., None], noise, 0).clip(0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / side / f"{side}{k}.png")
    (folder / "real" / "broken.png").write_bytes(b"\x89PNG")
    return folder


def test_new_answers_codes_once_and_names_what_is_broken(
    retinaforge, two_sides: Path, tmp_path: Path
) -> None:
    said = retinaforge(
        "reader", "new", "--real", two_sides / "real", "--synthetic", two_sides / "synthetic",
        "--images", 8, "--repeats", 0, "--out", tmp_path / "s", "--key", tmp_path / "key.json",
        "--seed", 3, "--readers", 2,
    )  # fmt: skip
    lines = [line.split("\t") for line in said.out.splitlines()]
    assert [line[0] for line in lines] == ["R1", "R2", "organiser"]
    assert said.code == ("broken.png" in said.told)
    assert not (tmp_path / "s" / "key.json").exists()
    again = retinaforge("reader", "new", "--real", two_sides / "real", "--synthetic",
                        two_sides / "synthetic", "--out", tmp_path / "s")  # fmt: skip
    assert again.code == 2
    assert "without a study" in again.told
    # Nobody has read yet; the key is elsewhere.
    early = retinaforge("reader", "report", tmp_path / "s", "--key", tmp_path / "key.json")
    assert early.code == 2
    assert "at least one image that was answered" in early.told
    missing = retinaforge("reader", "report", tmp_path / "s")
    assert "--key" in missing.told
    blind = retinaforge("reader", "export", tmp_path / "s", "--blind")
    assert (blind.code, blind.out.startswith("reader,position")) == (0, True)


def test_plan_answers_in_json(retinaforge) -> None:
    told = json.loads(retinaforge("reader", "plan", "--accuracy", 0.7, "--json").out)
    assert told["rows"][0]["images"] == 54
    assert told["card"]["name"] == "reader_sample_size"
    assert retinaforge("reader", "plan", "--accuracy", 0.5).code == 2


def test_serve_refuses_what_is_no_study(retinaforge, tmp_path: Path) -> None:
    said = retinaforge("reader", "serve", tmp_path)
    assert said.code == 2
    assert "reader new" in said.told
