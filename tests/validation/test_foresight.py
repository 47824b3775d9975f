"""Which score foresaw it: planted order, noise, ties, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from foresight_folders import card_folder, many, score, useful_folder

from retinaforge.core import Refusal
from retinaforge.reports.comparison import compare_runs, read_runs
from retinaforge.reports.foresight_page import in_words, text_table, write_foresight_page
from retinaforge.tasks import usefulness_outcomes, usefulness_scores
from retinaforge.tasks.usefulness_outcomes import GAIN, TSTR, Outcome, Outcomes, read_outcomes
from retinaforge.validation.foresight import foresight, self_agreement


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    return many(tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def told(sets) -> dict:
    """Return what is told of twelve planted sets, with few draws."""
    useful, cards = sets
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usefulness_scores, "RESAMPLES", 60)
        patch.setattr(usefulness_outcomes, "HALVES", 40)
        outcomes = read_outcomes(useful)
    rows = compare_runs(read_runs(cards))["rows"]
    return foresight(outcomes, rows, [name[0] for name in outcomes.names])


def row_of(told: dict, identity: str) -> dict:
    return next(row for row in told["rows"] if row["identity"] == identity)


def test_a_planted_order_is_found_and_turned_by_the_card(told: dict) -> None:
    right, wrong = (row_of(told, f"fidelity:structure:{n}") for n in ("right", "wrong"))
    for kind in (GAIN, TSTR):
        assert right[kind]["spearman"] > 0.95
        assert wrong[kind]["spearman"] == pytest.approx(-right[kind]["spearman"])
        assert right[kind]["p_holm"] < 0.05
        assert right["identity"] in told["outcomes"][kind]["shown"]
        assert right[kind]["within"]["spearman"] > 0.9
        assert right[kind]["interval_sets"][0] > 0.8
        assert right[kind]["interval_patients"][1] <= 1
    assert row_of(told, "labels::trts")["tstr"]["spearman"] > 0.95
    assert row_of(told, "fidelity::free")["gain"]["spearman"] < -0.95  # not turned


def test_noise_is_not_found(told: dict) -> None:
    shown = told["outcomes"][GAIN]["shown"]
    assert not [identity for identity in shown if identity.startswith("vessels")]


def test_what_is_not_defined_says_why(told: dict) -> None:
    constant = row_of(told, "fidelity::constant")["gain"]
    assert (constant["spearman"], constant["p_holm"]) == (None, None)
    assert constant["reason"] == "the score is the same in all sets"
    assert row_of(told, "fidelity::none")["tstr"]["reason"].startswith("3 sets have both numbers")


def test_columns_have_a_mean(told: dict) -> None:
    mean = row_of(told, "vessels:mean:ks_mean")
    columns = [r["values"] for r in told["rows"] if r["column"]]
    assert mean["values"] == pytest.approx(np.mean(columns, axis=0))
    assert mean["measures"] == "mean of ks over the 6 columns that every set has"


def test_outcomes_are_those_of_the_study(sets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usefulness_scores, "RESAMPLES", 20)
    monkeypatch.setattr(usefulness_outcomes, "HALVES", 10)
    outcomes = read_outcomes(sets[0][:5])
    gain = outcomes.found[GAIN]
    assert gain.values[0] == 0
    assert (np.diff(gain.values) > 0).all()
    assert gain.draws.shape == (20, 5)
    assert gain.halves.shape == (2, 10, 5)
    assert outcomes.patients == 60
    # Both halves together are everybody: their mean is near the whole.
    assert np.abs(gain.halves.mean(axis=(0, 1)) - gain.values).max() < 0.05


def test_an_outcome_of_noise_does_not_agree_with_itself() -> None:
    rng = np.random.default_rng(0)
    noise = self_agreement(rng.normal(size=(2, 100, 12)))
    assert abs(noise["spearman"]) < 0.1
    order = np.arange(12.0)
    same = self_agreement(np.broadcast_to(order, (2, 5, 12)))
    assert same == {"spearman": pytest.approx(1), "cuts": 5, "whole": pytest.approx(1)}
    none = self_agreement(np.full((2, 5, 12), math.nan))
    assert none == {"spearman": None, "cuts": 0, "whole": None}


def test_pure_noise_is_told_as_such(tmp_path: Path) -> None:
    """Thirty scores over twelve sets, none of which knows anything, fifteen times."""
    rng, found = np.random.default_rng(6), 0
    for _ in range(15):
        made = Outcome(rng.normal(size=12), rng.normal(size=(10, 12)), rng.normal(size=(2, 3, 12)))
        asked = {"target": "t", "question": "t", "headline": "auroc", "where": "judge",
                 "ratio": 1.0}  # fmt: skip
        outcomes = Outcomes(tuple(f"s{k}" for k in range(12)), asked, {GAIN: made},
                            rng.normal(size=12), (9,) * 12, 60)  # fmt: skip
        rows = [
            {"identity": f"f::{k}", "family": "fidelity", "name": str(k), "space": None,
             "column": None, "group": None, "direction": "neither", "measures": "",
             "one_version": True,
             "cells": [{"value": v} for v in rng.normal(size=12)]}
            for k in range(30)
        ]  # fmt: skip
        told = foresight(outcomes, rows)
        found += bool(told["outcomes"][GAIN]["shown"])
    assert found <= 3  # 0.75 expected; more than 3 have a chance of about 0.006
    assert "none is shown to foretell it" in in_words(told)[0]["text"] or found


def test_page_and_text_say_the_same(told: dict, tmp_path: Path) -> None:
    whole = {**told, "warnings": ["Different suite."], "folders": {"useful": ["a"]}}
    (tmp_path / "foresight.json").write_text(json.dumps(whole))
    page = write_foresight_page(tmp_path).read_text()
    text = text_table(whole)
    for said in in_words(whole):
        assert said["text"] in text
    assert "the wrong way round" in text
    assert "Different suite." in page
    assert "the score is the same in all sets" in page
    assert "a-00" in page
    assert 'src="http' not in page
    with pytest.raises(Refusal, match="expected a folder that `retinaforge usefulness-scores`"):
        write_foresight_page(tmp_path / "gone")


def test_few_sets_are_refused(sets) -> None:
    useful, cards = sets
    with pytest.raises(Refusal, match="expected at least 5 synthetic sets; got 4"):
        foresight(read_outcomes(useful[:4]), compare_runs(read_runs(cards[:4]))["rows"])
    with pytest.raises(Refusal, match="expected 5 groups, one a set; got 2"):
        foresight(read_outcomes(useful[:5]), compare_runs(read_runs(cards[:5]))["rows"], ["a", "b"])


def test_studies_that_cannot_be_compared_are_refused(sets, tmp_path: Path) -> None:
    useful = sets[0][:2]
    other = useful_folder(tmp_path / "other", gain=0.1, alone=0.2, target="glaucoma")
    with pytest.raises(Refusal, match=r"the same target; got referable \(a-00\) and glaucoma"):
        read_outcomes([*useful, other])
    bare = useful_folder(tmp_path / "bare", gain=0.1, alone=0.2, ratio=0.5)
    with pytest.raises(Refusal, match=r"arm 'real\+synthetic 1' in every study; got bare without"):
        read_outcomes([*useful, bare])
    with pytest.raises(Refusal, match="answers about external images; got none in"):
        read_outcomes(useful, where="external")
    with pytest.raises(Refusal, match=r"wrote; got .*nowhere"):
        read_outcomes([*useful, tmp_path / "nowhere"])
    with pytest.raises(Refusal, match="names of their own, which name the sets; got a-00 twice"):
        read_outcomes([useful[0], useful[0]])
    with pytest.raises(Refusal, match="one question that the studies ask; got drusen"):
        read_outcomes(useful, question="drusen")


def test_scorecards_made_differently_are_told(sets, tmp_path: Path) -> None:
    card = card_folder(tmp_path / "c", [score("fidelity::constant", 2.0)], suite="full")
    compared = compare_runs(read_runs([sets[1][0], card]))
    assert any(text.startswith("Different suite") for text in compared["warnings"])
