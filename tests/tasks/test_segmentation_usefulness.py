"""Do pairs help a vessel segmenter? The arms, who judges, resuming, and planted answers."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from retinaforge.cli import app, usefulness_vessels
from retinaforge.core import Refusal
from retinaforge.reports.segmentation_usefulness_page import in_words, text_table, write_page
from retinaforge.tasks import segmentation_usefulness as study
from retinaforge.tasks.segmentation_usefulness import Options, folder_of, missing_runs, run_study
from retinaforge.tasks.segmentation_usefulness_arms import arms_of
from retinaforge.tasks.segmentation_usefulness_results import scores_of, write_results
from retinaforge.tasks.segmentation_usefulness_set import (
    chosen_pairs,
    gather,
    own_mask,
    pairs_shown,
)
from retinaforge.tasks.segmenter import SegmenterConfig

TINY = SegmenterConfig(
    steps=3, batch=2, side_px=48, diameter_px=300.0, scales=(0.8, 1.1), widths=(4, 8),
    views_px=(200.0,),
)  # fmt: skip
SIDE = 120


def write_eyes(folder: Path, count: int, *, prefix: str, splits: bool) -> Path:
    """Write drawn eyes with straight vessels, one a patient."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    inside = np.hypot(x, y) < 0.46 * SIDE
    rows = []
    for k in range(count):
        vessels = (np.abs((x + 0.2 * k * y) % 24 - 12) < 2) & inside
        pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
        pixels[inside], pixels[vessels] = (170, 90, 40), (110, 40, 25)
        name = f"{prefix}{k}.png"
        for layer, what in (("images", pixels), ("vessel", vessels)):
            (folder / layer).mkdir(parents=True, exist_ok=True)
            Image.fromarray(what).save(folder / layer / name)
        row = {"image": f"images/{name}", "vessel_mask": f"vessel/{name}",
               "labels": f"patient={prefix}{k}"}  # fmt: skip
        rows.append(row | ({"split": "test" if k % 3 == 0 else "train"} if splits else {}))
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    real = write_eyes(tmp_path / "real", 9, prefix="r", splits=True)
    return real, write_eyes(tmp_path / "drawn", 6, prefix="s", splits=False)


def test_arms_differ_in_what_is_shown_alone():
    arms = {arm.name: arm for arm in arms_of((0.5, 1, 4))}
    assert list(arms) == ["real", "real+0.5", "real+1", "real+4", "real+1 pseudo",
                          "real+1 shuffled", "synthetic"]  # fmt: skip
    shares = [round(arm.share, 3) for arm in arms.values()]
    assert shares == [0, 0.333, 0.5, 0.8, 0.5, 0.5, 1]
    with pytest.raises(Refusal, match="expected ratios above 0, each once"):
        arms_of((1, 1))
    with pytest.raises(Refusal, match=r"expected ratios above 0, each once; got \[1, nan\]"):
        arms_of((1, float("nan")))


def test_patients_judge_or_teach_and_splits_that_are_stated_are_kept(folders):
    eyes = gather([folders[0]], folders[1])
    judging = {record.patient for record in eyes.judge}
    assert len(judging) == 3
    assert not judging & {record.patient for record in (*eyes.teach, *eyes.choose)}
    assert not {r.patient for r in eyes.teach} & {r.patient for r in eyes.choose}
    assert len(eyes.pairs) == 6


def test_without_masks_or_patients_a_study_is_refused(folders, tmp_path: Path):
    real, drawn = folders
    lone = write_eyes(tmp_path / "lone", 1, prefix="q", splits=True)
    with pytest.raises(Refusal, match="of at least two patients that teach and two that judge"):
        gather([lone], drawn)
    (tmp_path / "bare/images").mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(tmp_path / "bare/images/a.png")
    with pytest.raises(Refusal, match="expected synthetic images with vessel masks"):
        gather([real], tmp_path / "bare")


def test_shuffled_masks_are_all_used_and_none_is_its_own(folders):
    eyes = gather([folders[0]], folders[1])
    one, four = (chosen_pairs(eyes, ratio, seed=3) for ratio in (0.5, 1.0))
    assert one == four[: len(one)]
    own, other = (
        pairs_shown(four, labels, own_mask, largest_px=300) for labels in ("own", "shuffled")
    )
    masks = [[a.levels[0][3] for a in side] for side in (own, other)]
    assert all(not torch.equal(a, b) for a, b in zip(*masks, strict=True))
    assert torch.equal(masks[0][0], masks[1][-1])
    assert len(own[0].levels) == 1  # no larger size is kept than is asked for


def test_a_study_runs_resumes_and_refuses_another_plan(folders, tmp_path: Path, monkeypatch):
    eyes, out = gather([folders[0]], folders[1]), tmp_path / "out"
    options = Options(seeds=(0, 1), ratios=(1.0,), config=TINY)
    results, failed = run_study(eyes, out, options)
    assert failed == []
    assert len(results) == 2 * 5
    assert missing_runs(out, options) == []
    told = write_results(out, eyes, options, results, failed, {"synthetic": "drawn"})
    assert told["counts"]["runs"] == told["counts"]["runs_planned"] == 10
    assert {s["arm"] for s in told["scores"]} == {arm.name for arm in options.arms}
    assert any("3 patients judge" in text for text in told["cautions"])
    assert any("2 seeds" in text for text in told["cautions"])
    page = write_page(out).read_text()
    assert "Do pairs teach a vessel segmenter?" in page
    assert "real+1 shuffled" in text_table(told)

    # What is whole is read, not trained again; what is not whole is.
    lost = folder_of(out, options.arms[1], 1) / "result.json"
    before = json.loads(lost.read_text())
    lost.unlink()
    trained = []
    real_train = study.train_segmenter
    monkeypatch.setattr(
        study, "train_segmenter", lambda *a, **k: trained.append(1) or real_train(*a, **k)
    )
    again, _ = run_study(eyes, out, options)
    assert len(trained) == 1
    assert json.loads(lost.read_text()) == before
    assert again == results
    with pytest.raises(Refusal, match="expected a folder that is empty or holds this plan"):
        run_study(eyes, out, Options(seeds=(0,), ratios=(1.0,), config=TINY))


def test_an_arm_that_fails_is_named_and_the_others_go_on(folders, tmp_path: Path):
    eyes = gather([folders[0]], folders[1])
    eyes.pairs[0].masks["vessel"].write_bytes(b"no image")
    options = Options(seeds=(0,), ratios=(6.0,), pseudo=False, config=TINY)
    results, failed = run_study(eyes, tmp_path / "out", options)
    assert [run["arm"] for run in results] == ["real"]
    assert {one["arm"] for one in failed} == {"real+6", "real+6 shuffled", "synthetic"}
    assert "expected a whole image file" in failed[0]["reason"]


def planted(gains: dict[str, float], patients: int = 12, seeds: int = 5) -> list[dict]:
    """Return results whose arms lie a known gain above the baseline."""
    rng = np.random.default_rng(0)
    base = rng.uniform(0.6, 0.8, patients)
    return [
        {"arm": arm, "seed": seed, "images": [
            {"name": f"i{k}", "patient": f"p{k}", "dice": base[k] + gain + rng.normal(0, 0.005),
             "cldice": None, "auc": 0.9, "reasons": {"cldice": "no vessel"}}
            for k in range(patients)]}
        for seed in range(seeds) for arm, gain in gains.items()
    ]  # fmt: skip


def test_planted_gains_come_out_and_no_gain_is_not_told_apart():
    gains = {"real": 0.0, "real+1": 0.05, "real+1 shuffled": -0.05, "synthetic": 0.0}
    told = scores_of(planted(gains), list(gains))
    found = {d["arm"]: d for d in told["differences"] if d["name"] == "dice"}
    for arm in ("real+1", "real+1 shuffled"):
        assert found[arm]["value"] == pytest.approx(gains[arm], abs=0.005)
        assert found[arm]["p_holm"] < 0.05
    low, high = found["synthetic"]["interval"]
    assert low < 0 < high
    (undefined,) = [s for s in told["scores"] if (s["name"], s["arm"]) == ("cldice", "real")]
    assert undefined["value"] is None
    assert undefined["reason"]
    said = {s["text"].split(":")[0]: s["text"] for s in in_words(told)}
    assert "better than photographs" in said["real+1"]
    assert "worse than photographs" in said["real+1 shuffled"]
    assert "not told apart from photographs" in said["synthetic"]
    assert [one["level"] for one in in_words(told)] == ["sure", "bad", "open"]


def test_the_command_runs_and_answers_as_json(folders, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(usefulness_vessels, "SMALL", TINY)
    asked = ["usefulness-vessels", "--real", str(folders[0]), "--synthetic", str(folders[1]),
             "--out", str(tmp_path / "out"), "--ratio", "1", "--seeds", "1", "--steps", "2",
             "--no-pseudo", "--json"]  # fmt: skip
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert [arm["name"] for arm in told["arms"]] == ["real", "real+1", "real+1 shuffled",
                                                     "synthetic"]  # fmt: skip
    assert told["counts"]["runs"] == 4
    assert (tmp_path / "out/usefulness-vessels.html").exists()
