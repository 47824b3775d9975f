"""Scripted readers of known skill, through the API: their statistics come out as planted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripted import (
    Stage,
    biased,
    chance,
    close,
    draw_sides,
    enter,
    make_stage,
    perfect,
    read_all,
    say,
    skilled,
)

from retinaforge.core import Refusal
from retinaforge.reports.reader_page import PAGE, text_summary, write_reader_page
from retinaforge.tasks.reader_answers import answers_csv, readings_of
from retinaforge.tasks.reader_questions import ASPECTS
from retinaforge.tasks.reader_report import report_on
from retinaforge.tasks.reader_study import read_key, read_study
from retinaforge.web.table import read_table


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return draw_sides(tmp_path_factory.mktemp("sides"), 15)


def reported(stage: Stage) -> dict[str, Any]:
    """Return what `reader report` finds."""
    study = read_study(stage.folder)
    key, table = read_key(study), read_table(stage.folder / "answers.sqlite", study.told["id"])
    return report_on(study, key, readings_of(study, table, key))


def row(told: dict[str, Any], name: str, reader: str, **where: str) -> dict[str, Any]:
    """Return the one score of a name."""
    keys = ("side", "question", "by", "group", "aspect")
    found = [s for s in told["scores"] if (s["name"], s["reader"]) == (name, reader)
             and all(s.get(k) == where.get(k) for k in keys)]  # fmt: skip
    assert len(found) == 1, (name, reader, where, found)
    return found[0]


@pytest.fixture(scope="module")
def told(sides, tmp_path_factory: pytest.TempPathFactory) -> tuple[Stage, dict[str, Any]]:
    """A study that R1 (perfect), R2 (coin), R3 (calls all real), R4 (right in 3 of 4) read."""
    stage = make_stage(tmp_path_factory.mktemp("told") / "s", sides, readers=5, repeats=0.4,
                       by="dr_grade")  # fmt: skip
    script = {"R1": perfect, "R2": chance, "R3": biased, "R4": skilled(0.75)}
    with stage.client() as client:
        counts = [read_all(stage, client, r, answer, 11) for r, answer in script.items()]
    assert counts == [42] * 4
    return stage, reported(stage)


def test_a_perfect_reader_is_found_to_be_one(told) -> None:
    _, told = told
    accuracy = row(told, "reader_accuracy", "R1")
    assert (accuracy["value"], accuracy["k"], accuracy["n"]) == (1, 30, 30)
    assert accuracy["interval"][0] == pytest.approx(0.025 ** (1 / 30))
    assert accuracy["p"] == pytest.approx(2 * 0.5**30)
    assert row(told, "reader_auc", "R1")["value"] == 1
    assert row(told, "intra_reader_kappa", "R1", question="verdict")["value"] == 1
    assert row(told, "d_prime", "R1")["value"] > 3
    # No bootstrap draws anything but right answers: that is no certainty.
    assert "no interval" in row(told, "d_prime", "R1")["reason"]


def test_a_coin_is_not_told_from_one_half(told) -> None:
    _, told = told
    accuracy = row(told, "reader_accuracy", "R2")
    assert accuracy["interval"][0] < 0.5 < accuracy["interval"][1]
    assert accuracy["p"] > 0.05
    low, high = row(told, "reader_auc", "R2")["interval"]
    assert low < 0.5 < high
    assert abs(row(told, "intra_reader_kappa", "R2", question="verdict")["value"]) < 0.75


def test_a_bias_shows_in_c_and_on_both_sides_but_not_as_skill(told) -> None:
    _, told = told
    shares = [row(told, "called_real", "R3", side=side)["value"] for side in ("real", "synthetic")]
    assert min(shares) > 0.7
    assert row(told, "criterion", "R3")["value"] > 0.8
    accuracy = row(told, "reader_accuracy", "R3")
    assert accuracy["interval"][0] < 0.5 < accuracy["interval"][1]


def test_skill_between_comes_out_within_its_interval(told) -> None:
    _, told = told
    low, high = row(told, "reader_accuracy", "R4")["interval"]
    assert low < 0.75 < high
    assert row(told, "reader_auc", "R4")["value"] > 0.6


def test_all_readers_together(told) -> None:
    _, told = told
    alone = [row(told, "reader_accuracy", f"R{k}")["value"] for k in range(1, 5)]
    together = row(told, "reader_accuracy", "all")
    assert together["value"] == pytest.approx(np.mean(alone))
    assert together["each"] == pytest.approx(alone)
    assert together["interval"][0] < together["value"] < together["interval"][1]
    # R5 never began: it counts nowhere and is named.
    assert told["readers"][4] == {"reader": "R5", "done": 0, "count": 42}
    assert row(told, "fleiss_kappa", "all", question="verdict")["n"] == 30
    groups = [row(told, "reader_accuracy", "R1", by="dr_grade", group=g)["n"] for g in "01"]
    assert (told["groups"], sum(groups)) == ({"dr_grade": ["0", "1"]}, 30)
    assert json.dumps(told, allow_nan=False)


def test_the_page_and_the_table_say_the_same(told, tmp_path: Path) -> None:
    _, told = told
    (tmp_path / "reader.json").write_text(json.dumps(told))
    page = write_reader_page(tmp_path).read_text()
    assert (tmp_path / PAGE).name == "reader.html"
    for word in ("R5 0 of 42", "d′", "RetinaLogos", "Few readers: 4", "multi_reader_bootstrap"):
        assert word in page, word
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "Called real" in text_summary(told)
    with pytest.raises(Refusal, match="reader report"):
        write_reader_page(tmp_path / "nowhere")


def test_the_csv_has_a_row_a_reading_and_runs_nothing(sides, tmp_path: Path) -> None:
    stage = make_stage(tmp_path / "s", sides, readers=1, images=8, repeats=0.0)
    with stage.client() as client:
        headers = enter(client, stage.told["codes"]["R1"])
        client.get("/api/state")
        for what, value in (("verdict", "real"), ("confidence", "1"), ("comment", "=1+1, ok")):
            say(client, headers, 0, what, value)
        close(client, headers, 0)
        say(client, headers, 1, "verdict", "real")  # begun, not closed: it does not count
    study = read_study(stage.folder)
    table = read_table(stage.folder / "answers.sqlite", study.told["id"])
    lines = answers_csv(readings_of(study, table, read_key(study))).splitlines()
    assert len(lines) == 2
    assert '"\'=1+1, ok"' in lines[1]
    blind = answers_csv(readings_of(study, table, None))
    assert "photo" not in blind
    assert "synthetic," not in blind.splitlines()[1]
    assert len(table["clicks"]) == 5
    empty = make_stage(tmp_path / "empty", sides, images=8)
    with pytest.raises(Refusal, match="at least one image that was answered"):
        reported(empty)


def test_pairs_and_their_left_leaning_reader(sides, tmp_path: Path) -> None:
    stage = make_stage(tmp_path / "s", sides, design="2afc", readers=2, repeats=0.2)
    with stage.client() as client:
        read_all(stage, client, "R1", perfect, 0)
        read_all(stage, client, "R2", biased, 0)
    told = reported(stage)
    assert row(told, "reader_accuracy", "R1")["value"] == 1
    assert row(told, "called_real", "R1", side="synthetic")["value"] == 0
    assert row(told, "called_real", "R2", side="called_left")["value"] > 0.65
    low, high = row(told, "reader_accuracy", "R2")["interval"]
    assert low < 0.5 < high
    assert row(told, "fleiss_kappa", "all", question="pair")["n"] == 15


def test_aspects_and_grades_of_readers_who_dislike_synthetic_vessels(sides, tmp_path) -> None:
    stage = make_stage(tmp_path / "s", sides, design="grading", readers=2, images=16, repeats=0.0)
    names = {n: r["columns"]["dr_grade"]
             for n, r in read_key(read_study(stage.folder))["images"].items()}  # fmt: skip
    with stage.client() as client:
        for reader in ("R1", "R2"):
            grades = iter([names[t[0]] for t in read_study(stage.folder).trials(reader)])

            def answer(kinds, rng, grades=grades):
                steps = {a: str(rng.choice(["2", "3"])) for a in ASPECTS}
                steps["lesions"] = "0"
                steps["vessels"] = "3" if kinds[0] == "real" else "1"
                grade = next(grades) if kinds[0] == "real" else str(rng.integers(0, 2))
                next(grades) if kinds[0] != "real" else None
                return {**steps, "dr_grade": grade}

            read_all(stage, client, reader, answer, 4)
    told = reported(stage)
    assert row(told, "aspect_difference", "all", aspect="vessels")["value"] == -2
    low, high = row(told, "aspect_difference", "all", aspect="disc")["interval"]
    assert low < 0 < high
    assert row(told, "aspect_difference", "all", aspect="lesions")["value"] is None
    assert row(told, "grade_kappa", "R1", side="real", question="dr_grade")["value"] == 1
    assert row(told, "grade_kappa", "R1", side="synthetic", question="dr_grade")["value"] < 1
    assert row(told, "cohen_kappa", "all", question="vessels")["value"] == 1
    (tmp_path / "reader.json").write_text(json.dumps(told))
    page = write_reader_page(tmp_path).read_text()
    assert "Nothing was asked that tells real from synthetic" in page
    assert "Nerve fibre layer" in page
