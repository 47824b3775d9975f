"""`retinaforge audit` on drawn eyes: every command from folder to page, and its refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinaforge.core.artefacts import write_text


@pytest.fixture
def sets(tmp_path: Path) -> tuple[Path, Path]:
    """Write two folders of small squares, the second with a white corner."""
    for k, name in enumerate(("real", "drawn")):
        folder = tmp_path / name
        folder.mkdir()
        rows, rng = ["image,patient,sex,sick"], np.random.default_rng(k)
        y, x = np.mgrid[:72, :72]
        inside = np.hypot(x - 35.5, y - 35.5) < 34
        for i in range(44):
            pixels = rng.normal([140, 90, 60], 10, (72, 72, 3)) + 30 * (i % 2) * (y > 40)[..., None]
            if k:
                pixels[8:20, 28:40] = 240
            done = (np.clip(pixels, 0, 255) * inside[..., None]).astype(np.uint8)
            Image.fromarray(done).save(folder / f"{i}.png")
            rows.append(f"{i}.png,{name}{i},{'FM'[i % 3 == 0]},{i % 2}")
        write_text(folder / "manifest.csv", "\n".join(rows) + "\n")
    return tmp_path / "real", tmp_path / "drawn"


@pytest.mark.slow
def test_every_audit_of_images_from_folder_to_page(retinaforge, sets, tmp_path):
    real, drawn = sets
    common = ("random-vit-tiny@0", "--real", real, "--synthetic", drawn, "--json")
    for words, results in (
        (("attributes", *common, "--attribute", "sex"), 1),
        (("masking", *common, "--target", "label:sick", "--no-find-masks", "--size", 64), 9),
        (("degradation", *common, "--target", "label:sick", "--size", 64), 105),
        (("attribution", *common, "--no-find-masks", "--size", 64, "--most", 2,
          "--method", "gradients"), 3),
    ):  # fmt: skip
        out = tmp_path / words[0]
        done = retinaforge("audit", *words, "--out", out)
        assert done.code == 0, done.err
        told = json.loads(done.out)
        assert told["audit"] == words[0]
        assert len(told["results"]) == results
        assert "SVG" in (out / "report.html").read_text().upper()
    (real / "3.png").write_bytes(b"no image")
    partly = retinaforge("audit", "degradation", *common, "--target", "label:sick", "--size", 64,
                 "--out", tmp_path / "again")  # fmt: skip
    assert partly.code == 1
    assert "3.png" in partly.err


def test_refusals(retinaforge, sets, tmp_path):
    real, drawn = sets
    asked = ("random-vit-tiny@0", "--real", real, "--synthetic", drawn, "--out", tmp_path / "o")
    wrong = retinaforge("audit", "attribution", *asked, "--method", "guess")
    assert wrong.code == 2
    assert "expected a method of occlusion, gradients" in wrong.told
    none = retinaforge("audit", "masking", *asked, "--target", "dr_grade")
    assert none.code == 2
    assert "expected a finding that is there or not" in none.told
