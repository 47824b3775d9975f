"""The audit of groups, from a table of answers to its page."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from retinaforge.cli import app
from retinaforge.core import Record, Refusal
from retinaforge.validation.audit_answers import groups_of, read_answers
from retinaforge.validation.audit_groups import audit_groups

COUNT = 400


def answers(path, *, planted: bool, seed: int = 3):
    """Write answers of a classifier that, where planted, misses ill women."""
    rng = np.random.default_rng(seed)
    ill = np.arange(COUNT) % 2 == 1
    woman = rng.random(COUNT) < 0.5
    missed = np.where(planted & woman, 0.5, 0.1)
    right = rng.random(COUNT) > np.where(ill, missed, 0.1)
    score = np.where(right == ill, 0.7, 0.3) + rng.uniform(-0.15, 0.15, COUNT)
    pd.DataFrame({
        "image": [f"{k}.png" for k in range(COUNT)], "patient": [f"p{k}" for k in range(COUNT)],
        "truth": np.where(ill, "yes", "no"), "score": score,
        "sex": np.where(woman, "F", "M"), "age": rng.integers(30, 90, COUNT),
    }).to_csv(path, index=False)  # fmt: skip
    return path


def run(*words) -> object:
    return CliRunner().invoke(app, ["audit", "groups", *map(str, words)])


def test_planted_gap_is_named_and_equal_groups_are_not(tmp_path):
    planted = run(
        answers(tmp_path / "a.csv", planted=True), "--positive", "yes", "--out", tmp_path / "a"
    )
    assert planted.exit_code == 0, planted.output
    found = [line for line in planted.stdout.splitlines() if line.startswith("found: ")]
    assert any(line.startswith("found: Sensitivity by sex: gap 0.4") for line in found)
    assert not any("Specificity" in line or "by age" in line for line in found)
    page = (tmp_path / "a/report.html").read_text()
    assert "equal groups, once in 20" in page
    assert "http" not in page.replace("http://www.w3.org", "")

    # One draw of equal groups; how often such a draw is accused is counted in test_group_gaps.py.
    clean = run(
        answers(tmp_path / "b.csv", planted=False, seed=4), "--positive", "yes",
        "--out", tmp_path / "b",
        "--by", "sex", "--by", "age", "--json",
    )  # fmt: skip
    told = json.loads(clean.stdout)
    assert [one["level"] for one in told["said"]].count("failure") == 0
    assert len(told["results"]) == 6
    assert {row["measure"] for row in told["results"]} == {"auroc", "sensitivity", "specificity"}


def test_small_groups_are_left_out_by_name(tmp_path):
    table = pd.read_csv(answers(tmp_path / "a.csv", planted=False))
    table["camera"] = ["rare" if k < 6 else "usual" if k % 3 else "other" for k in range(COUNT)]
    table.to_csv(tmp_path / "a.csv", index=False)
    told = audit_groups(
        read_answers(tmp_path / "a.csv", positive=("yes",)), [], ("camera",), tmp_path
    )
    row = told["left_out"][0]
    assert row["name"].endswith("camera rare, AUROC")
    assert "10 are needed" in row["reason"]
    rare = [v for v in told["results"][0]["groups"] if v["group"] == "rare"]
    assert rare[0]["value"] is None


def test_seeds_are_averaged_classifiers_kept_apart_and_records_joined(tmp_path):
    rows = [
        {"image": f"{k}.png", "dataset": "set", "patient": f"p{k}", "truth": "2" if k % 2 else "0",
         "p_0": 0.2, "p_1": 0.3, "p_2": 0.1 * seed, "encoder": encoder, "probe": "linear",
         "seed": seed, "version": "original"}
        for encoder in ("a", "b", "constant") for seed in (1, 3) for k in range(6)
    ]  # fmt: skip
    rows.append({**rows[0], "image": "x.png", "truth": ""})
    pd.DataFrame(rows).to_parquet(tmp_path / "predictions.parquet")
    found = read_answers(tmp_path, positive=("1", "2"))
    assert [one.name for one in found] == ["a", "b"]
    np.testing.assert_allclose(found[0].judged.scores, 0.5)
    assert found[0].judged.truth.tolist() == [False, True] * 3
    record = Record(
        tmp_path / "1.png", "1.png", "set", "set:1", camera="c", columns={"sex": "female"}
    )
    assert groups_of(found[0], [record], "sex") == ["", "F", "", "", "", ""]
    assert groups_of(found[0], [record], "camera")[1] == "c"


def test_refusals(tmp_path):
    path = answers(tmp_path / "a.csv", planted=False)
    with pytest.raises(Refusal, match="expected an attribute that the answers' table or DATA tell"):
        audit_groups(read_answers(path), [], ("shoe",), tmp_path)
    with pytest.raises(Refusal, match=r"expected some, not all, of the classes no, yes"):
        read_answers(path, positive=("maybe",))
    with pytest.raises(Refusal, match=r"expected a table of answers"):
        read_answers(tmp_path / "none.csv")
    pd.DataFrame({"image": ["a"], "score": [1.0]}).to_csv(tmp_path / "bad.csv")
    with pytest.raises(Refusal, match="expected rows with columns image and truth"):
        read_answers(tmp_path / "bad.csv")
    pd.DataFrame({"image": ["a", "b"], "truth": ["n", "y"]}).to_csv(tmp_path / "bad.csv")
    with pytest.raises(Refusal, match="expected a column score, or p_CLASS"):
        read_answers(tmp_path / "bad.csv")
    assert run(path, "--out", tmp_path / "o", "--age-bands", "x").exit_code != 0
    for wrong in ("65,50", "nan", "50,50"):
        refusal = run(path, "--out", tmp_path / "o", "--age-bands", wrong).exception
        assert "expected edges in years that rise; got" in str(refusal)


def test_rows_without_a_score_are_told(tmp_path):
    path = answers(tmp_path / "a.csv", planted=False)
    table = pd.read_csv(path)
    table["score"] = table["score"].where(table.index >= 3)
    table.to_csv(path, index=False)
    told = audit_groups(read_answers(path), [], ("sex",), tmp_path / "o")
    assert any("3 rows without a score are left out" in text for text in told["cautions"])


def test_scores_and_thresholds_that_are_no_numbers_are_refused(tmp_path):
    rows = {"image": ["a", "b"], "truth": ["n", "y"]}
    for scores, message in (
        (["high", "low"], "expected scores that are numbers; got .*could not convert"),
        ([float("nan")] * 2, "expected scores that are numbers; got none in 2 rows"),
    ):
        pd.DataFrame({**rows, "score": scores}).to_csv(tmp_path / "bad.csv")
        with pytest.raises(Refusal, match=message):
            read_answers(tmp_path / "bad.csv")
    pd.DataFrame({**rows, "score": [0.4, float("nan")]}).to_csv(tmp_path / "bad.csv")
    assert read_answers(tmp_path / "bad.csv")[0].unscored == 1
    with pytest.raises(Refusal, match="expected a threshold that is a number; got nan"):
        read_answers(tmp_path / "bad.csv", threshold=float("nan"))
