"""`retinaforge usefulness` as it is called, on discs whose redness is the grade."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinaforge.nets.resnet import ResnetShape, Stage
from retinaforge.tasks import usefulness_scores, usefulness_start

SIDE = 48


def disc(path: Path, red: float, seed: int) -> None:
    """Write a disc of a redness."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    inside = np.hypot(x, y) < 0.46 * SIDE
    wave = 90 + 8 * np.sin(x / (2 + seed % 5))
    pixels = np.stack([np.full_like(x, red), wave, 40 + y / 4], -1) * inside[..., None]
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return photographs with a manifest, and drawn images whose rows hold a record."""
    root = tmp_path_factory.mktemp("useful")
    real, drawn = root / "eyes", root / "drawn"
    real.mkdir()
    drawn.mkdir()
    rng = np.random.default_rng(0)
    lines = ["image,patient,dr_grade,split"]
    for k in range(24):
        grade = 3 * (k // 2 % 2)
        disc(real / f"{k:02d}.png", 100 + 30 * grade + rng.normal(0, 6), k)
        lines.append(f"{k:02d}.png,p{k // 2},{grade},{('train', 'train', 'test')[k // 4 % 3]}")
    (real / "broken.png").write_bytes(b"no image")
    lines.append("broken.png,p99,0,train")
    (real / "manifest.csv").write_text("\n".join(lines) + "\n")
    rows = []
    for k in range(16):
        name, grade = f"synthetic_{k:06d}.png", 3 * (k % 2)
        disc(drawn / name, 100 + 30 * grade + rng.normal(0, 6), k)
        fact = {"value": grade, "source": "asked for"}
        record = {"file_name": name, "synthetic": True, "facts": {"dr_grade": fact}}
        rows.append({"file_name": name, "text": "An eye.", "record": record, "synthetic": True})
    (drawn / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return real, drawn


def test_a_study_is_written_named_and_resumed(
    retinaforge, folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usefulness_scores, "RESAMPLES", 100)
    real, drawn = folders
    words = ("usefulness", "--real", real, "--synthetic", drawn, "--target", "referable",
             "--encoder", "random-vit-tiny@1", "--size", 32, "--seeds", 2, "--steps", 5,
             "--ratio", 0.5, "--ratio", 9, "--out", tmp_path)  # fmt: skip
    done = retinaforge(*words, "--json")
    assert done.code == 1
    assert "unreadable broken.png" in done.told
    assert re.search(r"6 arms, 2 seeds: 12 trainings \(0 finished\).*expected \d+ s", done.told)
    told = json.loads(done.out)
    assert told == json.loads((tmp_path / "usefulness.json").read_text())
    assert [arm["name"] for arm in told["arms"]] == [
        "real", "augmented", "oversampled", "real+synthetic 0.5", "real+shuffled 0.5",
        "synthetic",
    ]  # fmt: skip
    assert told["judged"]["test"] == {"images": 8, "patients": 4, "no": 4, "yes": 4}
    page = (tmp_path / "report.html").read_text()
    assert "What it shows" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    again = retinaforge(*words)
    assert "12 trainings (12 finished); 41 images (0 to look at)" in again.told
    assert "real+synthetic 0.5" in again.out
    repeated = json.loads((tmp_path / "usefulness.json").read_text())
    assert repeated["results"] == told["results"]


def test_what_says_nothing_of_the_target_is_refused(retinaforge, folders, tmp_path: Path) -> None:
    real, drawn = folders
    words = ("usefulness", "--real", real, "--synthetic", drawn, "--out", tmp_path / "none")
    done = retinaforge(*words, "--target", "label:drusen")
    assert done.code == 2
    assert "expected real images of" in done.told
    assert "got 25 images that hold dr_grade" in done.told
    done = retinaforge(*words, "--target", "age")
    assert done.code == 2
    assert "expected a target (dr_grade, glaucoma, referable, label:NAME" in done.told
    assert not (tmp_path / "none").exists()


def test_drawn_images_without_labels_are_refused(retinaforge, folders, tmp_path: Path) -> None:
    real, drawn = folders
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in sorted(drawn.glob("*.png"))[:2]:
        (bare / path.name).write_bytes(path.read_bytes())
    done = retinaforge("usefulness", "--real", real, "--synthetic", bare, "--target", "dr_grade",
                       "--out", tmp_path / "out")  # fmt: skip
    assert done.code == 2
    assert "expected synthetic images of" in done.told
    assert "got 2 images that hold no label at all" in done.told


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a network that is taught in no time stand for ResNet-18, and draw patients seldom."""
    shape = ResnetShape(8, tuple(Stage(1, w, w) for w in (8, 8, 16, 16)), bottleneck=False)
    monkeypatch.setitem(usefulness_start.SHAPES, "resnet18", shape)
    monkeypatch.setattr(usefulness_scores, "RESAMPLES", 100)


def test_a_trained_backbone_is_told_from_the_plan_to_the_page(
    retinaforge, folders, tmp_path: Path, small
) -> None:
    real, drawn = folders
    words = ("usefulness", "--real", real, "--synthetic", drawn, "--target", "referable",
             "--backbone", "resnet18", "--size", 32, "--seeds", 2, "--steps", 12, "--batch", 8,
             "--rate", 0.003, "--rate", 0.01, "--ratio", 0.5, "--arm", "real+synthetic",
             "--jobs", 1, "--out", tmp_path)  # fmt: skip
    done = retinaforge(*words, "--json")
    assert done.code == 1
    assert re.search(r"2 arms, 2 seeds: 4 trainings \(0 finished\).*expected \d+ s", done.told)
    told = json.loads(done.out)
    assert told["backbone"] == "resnet18"
    assert [arm["name"] for arm in told["arms"]] == ["real", "real+synthetic 0.5"]
    assert all(s in ([0.003, 0.05], [0.01, 0.05]) for a in told["arms"] for s in a["settings"])
    facts = told["protocol"]["backbone"]
    assert (facts["weights"], facts["steps"], facts["batch"]) == ("from scratch", 12, 8)
    assert "one inner fold" in told["protocol"]["tuning"]
    assert any(text.startswith("The network was trained from scratch") for text in told["warnings"])
    values = {r["metric"] for r in told["results"] if r["value"] is not None}
    assert {"auroc", "average_precision", "finding_f1"} <= values
    page = (tmp_path / "report.html").read_text()
    assert "ResNet-10, all of it trained, from scratch" in page
    assert "rate and decay chosen 0.0" in page
    again = retinaforge(*words)
    assert "4 trainings (4 finished)" in again.told
    assert json.loads((tmp_path / "usefulness.json").read_text())["results"] == told["results"]


def test_options_of_the_other_backbone_are_refused(
    retinaforge, folders, tmp_path: Path, small
) -> None:
    real, drawn = folders
    words = ("usefulness", "--real", real, "--synthetic", drawn, "--target", "referable",
             "--out", tmp_path / "none")  # fmt: skip
    weights = tmp_path / "w.npz"
    np.savez(weights, a=np.ones(2))
    trained = ("--backbone", "resnet18")
    for extra, message in (
        (("--weights", weights), "expected --weights, --rate and --decay with a trained backbone"),
        ((*trained, "--encoder", "random-vit-tiny@1"), "expected --encoder with --backbone linear"),
        ((*trained, "--rate", -1), "expected rates above 0 and decays of at least 0; got [-1.0]"),
        ((*trained, "--weights", weights), "expected a ResNet in torchvision's layout"),
        (("--backbone", "vit-b16", "--size", 100), "expected a --size of whole patches of 16 px"),
        (("--arm", "strong"), "expected arms (real, augmented, oversampled"),
    ):  # fmt: skip
        done = retinaforge(*words, *extra)
        assert done.code == 2
        assert message in " ".join(done.told.split())
    assert not (tmp_path / "none").exists()


def test_help_leads_with_examples(retinaforge) -> None:
    done = retinaforge("usefulness", "--help")
    assert done.code == 0
    assert "TSTR" in done.out
    assert "Examples" in done.out
