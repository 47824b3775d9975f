"""A whole study in small: trains, measures, fails where it must, resumes, is found done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from retinaforge.core import Refusal
from retinaforge.phantoms import write_phantoms
from retinaforge.studies import Study, StudyOutcome, load_study, run_study

STUDY = """
name = "small"
question = "q"
expected = "e"
[data]
sheet_px = 192
[model]
widths = [8, 8]
codes = 32
[train]
steps = 60
crop_px = 96
batch_size = 2
learning_rate = 0.004
precision = "fp32"
seeds = [0]
seeds_gpu = [0]
[measure]
judges = ["classical", "lwnet:nowhere.pth"]
eyes = 2
[[arm]]
name = "l1"
loss = "l1"
[[arm]]
name = "broken"
loss = "l1 + features(nobody)"
[[arm]]
name = "best+gan"
loss = "{best} + 0.1*gan(start=50, ramp=5)"
"""


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_phantoms(folder, count=16, size_px=192, seed=1)
    return folder


def _study(folder: Path, text: str = STUDY) -> Study:
    path = folder / "study.toml"
    path.write_text(text)
    return load_study(path)


@pytest.fixture(scope="module")
def finished(
    phantoms: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, StudyOutcome, Path]:
    """One run with a damaged photograph among its data and one arm that cannot work."""
    root = tmp_path_factory.mktemp("run")
    data = root / "data"
    shutil.copytree(phantoms, data)
    victim = next(iter(sorted(data.rglob("synthetic_*.png"))))
    training = pd.read_csv(data / "splits.csv").query("split == 'train'")["image"].iloc[0]
    victim = data / training
    victim.write_bytes(victim.read_bytes()[:300])
    return data, run_study(_study(root), data, root / "out"), root / "out"


def test_a_failed_arm_is_named_and_the_others_finish(
    finished: tuple[Path, StudyOutcome, Path],
) -> None:
    _, outcome, out = finished
    assert [(arm, seed) for arm, seed, _ in outcome.failed] == [("broken", 0)]
    assert "known encoder" in outcome.failed[0][2]
    page = (out / "report.html").read_text()
    assert "broken" in page
    assert "known encoder" in page
    assert (out / "arms/best+gan/seed-0/model/config.json").is_file()


def test_the_best_arm_takes_the_adversary(finished: tuple[Path, StudyOutcome, Path]) -> None:
    status = json.loads((finished[2] / "arms/best+gan/seed-0/status.json").read_text())
    assert status["loss"] == "l1 + 0.1*gan(start=50, ramp=5)"
    assert status["state"] == "done"


def test_the_damaged_photograph_is_named(finished: tuple[Path, StudyOutcome, Path]) -> None:
    facts = json.loads((finished[2] / "data.json").read_text())
    assert len(facts["refused"]) == 1
    assert "truncated or damaged" in facts["refused"][0]["reason"]


def test_patients_never_cross_splits(finished: tuple[Path, StudyOutcome, Path]) -> None:
    records = json.loads((finished[2] / "data.json").read_text())["records"]
    by_patient: dict[str, set[str]] = {}
    for record in records:
        by_patient.setdefault(record["patient"], set()).add(record["split"])
    assert all(len(splits) == 1 for splits in by_patient.values())
    assert {record["split"] for record in records} == {"train", "val", "test"}


def test_every_score_has_its_fields(finished: tuple[Path, StudyOutcome, Path]) -> None:
    card = json.loads((finished[2] / "scorecard.json").read_text())
    assert card["schema_version"] == "1.0"
    for score in card["scores"]:
        assert {"name", "value", "interval", "n", "card", "arm", "role"} <= set(score)
        assert score["value"] is not None or score["reason"]
    roles = {score["role"] for score in card["scores"]}
    assert {"score", "difference", "resize-only", "real-vs-human"} <= roles
    assert card["protocol"]["judges_left_out"][0].startswith("lwnet:nowhere.pth")


def test_rows_are_only_of_val_and_test(finished: tuple[Path, StudyOutcome, Path]) -> None:
    table = pd.read_parquet(finished[2] / "per_image.parquet")
    assert set(table.part) == {"val", "test"}
    missing = table[table.value.isna()]
    assert (missing.reason != "").all()
    resized = table[(table.arm == "resize-only") & (table.measure == "psnr")]
    assert resized.value.isna().all()  # nothing differs on the square: PSNR is undefined


def test_the_same_call_finds_it_done_and_tries_the_failed_arm_again(
    finished: tuple[Path, StudyOutcome, Path], tmp_path: Path
) -> None:
    data, _, out = finished
    model = out / "arms/l1/seed-0/model/diffusion_pytorch_model.safetensors"
    stamp = model.stat().st_mtime_ns
    again = run_study(_study(tmp_path), data, out)
    assert model.stat().st_mtime_ns == stamp
    assert [arm for arm, _, _ in again.failed] == ["broken"]


def test_another_study_is_refused_the_folder(
    finished: tuple[Path, StudyOutcome, Path], tmp_path: Path
) -> None:
    data, _, out = finished
    other = _study(tmp_path, STUDY.replace("steps = 60", "steps = 61"))
    with pytest.raises(Refusal, match=r"another one \(different: train\)"):
        run_study(other, data, out)


def test_missing_data_sets_and_masks_are_refused(phantoms: Path, tmp_path: Path) -> None:
    elsewhere = STUDY.replace("[data]", '[data]\ndatasets = ["mars"]')
    with pytest.raises(Refusal, match="missing: mars"):
        run_study(_study(tmp_path, elsewhere), phantoms, tmp_path / "a")
    second = STUDY.replace("[data]", '[data]\nrequire = ["vessel2"]')
    with pytest.raises(Refusal, match="photographs with masks of kind vessel2"):
        run_study(_study(tmp_path, second), phantoms, tmp_path / "b")
