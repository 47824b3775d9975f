"""Encoders as judges of arms: distances, who was the loss, and the table on the page."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from retinaforge.encoders import load
from retinaforge.reports.board import board_from
from retinaforge.reports.encoder_table import encoder_table
from retinaforge.studies import Study, encoder_judges
from retinaforge.studies.features import embed
from retinaforge.studies.folder import RESIZE_ONLY, Job, RunFolder

ARMS = [
    {"name": "l1", "loss": "l1"},
    {"name": "l1+net", "loss": "l1 + features(net, px=32)"},
]
STUDY = Study.model_validate(
    {
        "name": "s", "question": "q", "expected": "e", "arm": ARMS,
        "encoders": {"net": "random-vit-tiny@0", "other": "random-vit-tiny@1"},
        "measure": {"encoder_judges": ["net", "other"], "bootstrap": 200},
    }
)  # fmt: skip


def test_cosine_distances_are_those_of_closed_cases():
    f = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    g = np.array([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [1.0, 0.0]])
    out = encoder_judges.cosine_distances(f, g)
    assert out[:3].tolist() == [0.0, 1.0, 2.0]
    assert np.isnan(out[3])


@pytest.fixture
def run(tmp_path) -> RunFolder:
    """Write features of three arms in two spaces: l1+net is nearer by "net" only."""
    run = RunFolder(tmp_path)
    names = [f"set/{i}.png" for i in range(8)]
    rows = [{"dataset": "set", "name": f"{i}.png", "patient": f"p{i}"} for i in range(8)]
    run.data.write_text(json.dumps({"records": rows}))
    rng = np.random.default_rng(0)
    away = {RESIZE_ONLY: (0.0, 0.0), "l1": (0.3, 0.3), "l1+net": (0.05, 0.6)}
    originals, noise = rng.normal(size=(8, 6)), rng.normal(size=(8, 6))
    for arm, spreads in away.items():
        folder = run.job(Job(arm, 0))
        folder.mkdir(parents=True)
        for judge, spread in zip(("net", "other"), spreads, strict=True):
            features = originals + spread * noise
            np.savez(folder / f"features-{judge}.npz", features=features, names=np.array(names))
    return run


def test_a_judge_that_was_the_loss_is_marked_and_never_the_best(run):
    jobs = [Job(RESIZE_ONLY, 0), Job("l1", 0), Job("l1+net", 0)]
    scores = [score.as_dict() for score in encoder_judges.encoder_scores(STUDY, run, jobs)]
    own = {(s["arm"], s["encoder"]): s for s in scores if s["role"] == "encoder-judge"}
    assert own["l1+net", "net"]["value"] < own["l1", "net"]["value"]
    assert own["l1+net", "other"]["value"] > own["l1", "other"]["value"]
    assert {k for k, s in own.items() if s["was_the_loss"]} == {("l1+net", "net")}
    gaps = [s for s in scores if s["role"] == "encoder-judge-difference"]
    assert {(s["arm"], s["difference_to"]) for s in gaps} == {("l1+net", "l1")}
    plain = json.loads(STUDY.model_dump_json())
    table = encoder_table(board_from({"scores": scores}, study=plain))
    assert [name for name, _ in table.columns] == ["net", "other"]
    first, second = (row.cells for row in table.rows)
    assert first[0].best, "the arm that the judge trained is out of the running"
    assert not second[0].best
    assert second[0].same_family
    assert second[0].better
    assert second[1].worse


def test_a_judge_is_added_to_a_finished_run_from_its_pictures(tmp_path):
    run, job = RunFolder(tmp_path), Job("l1", 0)
    pictures = run.job(job) / "reconstructions"
    pictures.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(pictures / "synthetic_set-a_0.png")
    rows = [{"part": part, "dataset": "set", "image": "a/0.jpg"} for part in ("test", "val")]
    pd.DataFrame(rows).to_parquet(run.job(job) / "per_image.parquet")
    assert encoder_judges.complete_features(STUDY, tmp_path, run, [job]) == []
    files = [np.load(run.job(job) / f"features-{name}.npz") for name in ("net", "other")]
    assert [f["names"].tolist() for f in files] == [["set/a/0.jpg"]] * 2
    expected = embed(load(STUDY.encoders["net"]), [pixels])
    np.testing.assert_allclose(files[0]["features"], expected)
    assert not np.allclose(files[0]["features"], files[1]["features"])


def test_a_judge_that_does_not_load_is_named_and_the_others_judge(tmp_path):
    study = STUDY.model_copy(update={"encoders": {**STUDY.encoders, "net": "retfound:gone.pth"}})
    problems = encoder_judges.complete_features(
        study, tmp_path, RunFolder(tmp_path), [Job("l1", 0)]
    )
    assert len(problems) == 1
    assert problems[0].startswith("judge net: expected")


def test_without_judges_there_is_no_table():
    assert encoder_table(board_from({"scores": []}, study={})) is None
