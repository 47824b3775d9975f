"""`retinaforge probe` and `retinaforge nearest` as they are called."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinaforge.reports.nearest_page import write_nearest_page
from retinaforge.reports.probe_page import write_probe_page

SIDE = 48


def write_eyes(folder: Path, count: int, *, name: str = "{:02d}.png") -> Path:
    """Write discs whose redness tells the sex and the age."""
    folder.mkdir()
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    inside = np.hypot(x, y) < 0.46 * SIDE
    lines = ["image,sex,age,glaucoma,split"]
    rng = np.random.default_rng(count)
    for k in range(count):
        red = 100 + 100 * (k % 2) + rng.normal(0, 6)
        pixels = np.stack([np.full_like(x, red), 90 + 8 * np.sin(x / (2 + k % 5)), 40 + y / 4], -1)
        path = folder / name.format(k)
        Image.fromarray((pixels * inside[..., None]).clip(0, 255).astype(np.uint8)).save(path)
        split = ("train", "val", "test")[k % 3]
        lines.append(f"{path.name},{'FM'[k % 2]},{40 + 20 * (k % 2) + k % 7},0,{split}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_eyes(tmp_path_factory.mktemp("probed") / "eyes", 36)


def test_a_probe_writes_page_numbers_and_answers(retinaforge, data: Path, tmp_path: Path) -> None:
    (data / "broken.png").write_bytes(b"no image")
    table = (data / "manifest.csv").read_text()
    (data / "manifest.csv").write_text(table + "broken.png,F,50,0,train\n")
    words = ("probe", "random-vit-tiny@1", data, "--target", "sex", "--head", "linear")
    done = retinaforge(*words, "--out", tmp_path, "--json")
    (data / "manifest.csv").write_text(table)
    assert done.code == 1
    assert "unreadable broken.png" in done.told
    told = json.loads(done.out)
    assert told == json.loads((tmp_path / "probe.json").read_text())
    rows = {(r["encoder"], r["metric"]): r["value"] for r in told["results"]}
    assert rows["random-vit-tiny@1", "auroc"] > 0.9
    assert rows["colours", "auroc"] > 0.9
    assert told["specs"] == {"random-vit-tiny@1": "random-vit-tiny@1"}
    page = (tmp_path / "probe.html").read_text()
    assert "What it shows" in page
    assert "confusion matrix" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert (tmp_path / "predictions.parquet").is_file()


def test_an_age_is_drawn_as_points(retinaforge, data: Path, tmp_path: Path) -> None:
    rebuilt = write_eyes(tmp_path / "again", 36, name="synthetic_{:02d}.png")
    done = retinaforge(
        "probe", "random-vit-tiny@1", data, "--target", "age", "--head", "linear", "--head", "knn",
        "--out", tmp_path, "--after", rebuilt,
    )  # fmt: skip
    assert done.code == 0
    assert done.out.splitlines()[0].split() == ["encoder", "head", "mae", "r2"]
    page = (tmp_path / "probe.html").read_text()
    assert "told against true age" in page
    assert "After reconstruction" in page


def test_what_cannot_be_probed_is_refused(retinaforge, data: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path)
    refused = retinaforge("probe", "random-vit-tiny", data, "--target", "iris", *out)
    assert refused.code == 2
    assert "expected a target that the tables of these photographs hold" in refused.told
    assert "ask for one of" in refused.told
    refused = retinaforge("probe", "random-vit-tiny", data, "--target", "glaucoma", *out)
    assert "got one class only, 0: 24 teaching, 12 judging" in refused.told
    refused = retinaforge("probe", data, "random-vit-tiny", "--target", "sex", *out)
    assert "expected encoders, then folders of photographs" in refused.told
    refused = retinaforge("probe", "random-vit-tiny", "--target", "sex", *out)
    assert "1 that are no folder and 0 folders" in refused.told


def test_nearest_shows_each_synthetic_image_beside_real_ones(
    retinaforge, data: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    for k in (3, 8):
        Image.open(data / f"{k:02d}.png").save(made / f"synthetic_{k}.png")
    out = tmp_path / "out"
    words = ("nearest", data, made, "--encoder", "random-vit-tiny@1", "--top", 2)
    done = retinaforge(*words, "--out", out, "--json")
    assert done.code == 0
    told = json.loads(done.out)
    found = {row["synthetic"]: row["nearest"][0] for row in told["rows"]}
    assert found["synthetic_3.png"]["real"] == "03.png"
    assert found["synthetic_8.png"]["likeness"] > 0.999
    names = sorted(path.name.split("_")[0] for path in (out / "pictures").iterdir())
    assert names.count("synthetic") == 2
    with Image.open(out / told["rows"][0]["pictures"]["synthetic"]) as picture:
        assert picture.info["Synthetic"] == "true"
        assert picture.getpixel((4, 250)) == (179, 38, 30)
    page = (out / "nearest.html").read_text()
    assert page.count("data:image/webp") == 6
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    inside = retinaforge(*words, "--out", data / "near")
    assert inside.code == 2
    assert "expected a folder outside those that are read" in inside.told


def test_pages_of_nothing_are_refused(tmp_path: Path) -> None:
    from retinaforge.core import Refusal

    with pytest.raises(Refusal, match="expected a folder that `retinaforge probe` wrote"):
        write_probe_page(tmp_path)
    with pytest.raises(Refusal, match="expected a folder that `retinaforge nearest` wrote"):
        write_nearest_page(tmp_path)


def test_a_score_without_an_interval_says_why(retinaforge, tmp_path: Path) -> None:
    data, out = write_eyes(tmp_path / "eyes", 40), tmp_path / "out"
    words = ("probe", "random-vit-tiny@0,px=32", data, "--target", "sex", "--head", "linear")
    assert retinaforge(*words, "--no-twins", "--out", out).code == 0
    told = json.loads((out / "probe.json").read_text())
    told["results"][-1] |= {"interval": None, "reason": "too few draws of patients"}
    (out / "probe.json").write_text(json.dumps(told))
    page = write_probe_page(out).read_text()
    assert page.count("no interval: too few draws of patients") == 1
