"""The positive control: damage that moves a score is noticed, a blind score is called blind."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import side_of, with_jobs

from retinaforge.validation import panel as findings
from retinaforge.validation import sanity
from retinaforge.validation.eye import Measured, Settings
from retinaforge.validation.fidelity import Sides
from retinaforge.validation.trackers import Tracked, failing, not_good, track

SETTINGS = Settings(size_px=64)
STEPS = {1: 0.0, 3: 2.0, 5: 6.0}


def damaged(m: Measured, kind: str, level: int) -> Measured:
    """Move structure where vessels are thickened, colour where colours are."""
    space = {"thick-vessels": "structure", "colour-cast": "colour"}.get(kind)
    if space is None:
        return m
    return replace(m, arrays={**m.arrays, space: m.arrays[space] + STEPS[level]})


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    """Return the panel of 48 made-up eyes, every second of them damaged."""
    eyes = with_jobs(side_of(48))
    found = {
        (job.name, kind, level): damaged(m, kind, level)
        for job, m in eyes for kind in sanity.DAMAGED for level in STEPS
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sanity, "measure_wounds", lambda *_, **__: (found, ["blur: one could not be had"])
        )
        panel = sanity.sanity_panel(
            eyes, Path("none"), wounded=24, settings=SETTINGS, seed=0, levels=tuple(STEPS)
        )
    assert (panel.n, panel.references) == (24, 24)
    assert panel.problems == ("blur: one could not be had",)
    return panel.rows()


def row_of(rows: list[dict], score: str, kind: str) -> dict:
    (row,) = [r for r in rows if (r["score"], r["kind"]) == (score, kind)]
    return row


def test_planted_damage_is_noticed_from_the_level_where_it_begins(rows: list[dict]) -> None:
    row = row_of(rows, "structure: kernel_distance", "thick-vessels")
    assert (row["notices_from"], row["steady"]) == (3, True)
    assert row["floor_low"] < row["medians"]["1"] < row["floor_high"] < row["medians"]["3"]
    assert row_of(rows, "colour: frechet_distance", "colour-cast")["notices_from"] == 3
    assert row_of(rows, "structure: coverage", "thick-vessels")["notices_from"] == 3


def test_what_does_not_move_is_not_noticed(rows: list[dict]) -> None:
    for kind in ("blur", "colour-cast"):
        assert row_of(rows, "structure: kernel_distance", kind)["notices_from"] is None
    assert row_of(rows, "structure: kernel_distance", "blur")["steady"] is False


def test_a_score_that_sees_no_vessel_is_called_blind(rows: list[dict]) -> None:
    blind = findings.blind_to_vessels(rows)
    assert "colour: kernel_distance" in blind
    assert "radiomics: frd_v1" in blind
    assert "structure: kernel_distance" not in blind


def test_a_set_of_few_modes_loses_diversity(rows: list[dict]) -> None:
    assert row_of(rows, "structure: vendi", "mode-collapse")["notices_from"] is not None
    medians = row_of(rows, "structure: coverage", "mode-collapse")["medians"]
    assert medians["5"] < medians["1"]


@pytest.mark.parametrize(
    ("worse", "medians", "level"),
    [
        (1, {1: 0.5, 3: 2.0, 5: 3.0}, 3),
        (1, {1: 2.0, 3: 0.5, 5: 3.0}, 5),
        (1, {1: 2.0, 3: 2.0, 5: 0.5}, None),
        (1, {1: -1.0, 3: -2.0, 5: -3.0}, None),
        (-1, {1: -1.0, 3: -2.0, 5: -3.0}, 1),
        (0, {1: -1.0, 3: 2.0, 5: 3.0}, 1),
        (1, {1: 2.0, 3: None, 5: 3.0}, 5),
    ],
)
def test_noticing_holds_for_all_higher_levels(
    worse: int, medians: dict[int, float | None], level: int | None
) -> None:
    assert findings._noticed(Tracked("s", "f", worse), [0.0, 1.0], medians) == level


def test_without_a_floor_nothing_is_noticed() -> None:
    assert findings._noticed(Tracked("s", "f", 1), [], {1: 2.0}) is None


@pytest.mark.parametrize(
    ("worse", "medians", "steady"),
    [
        (1, {1: 1.0, 3: 2.0, 5: 3.0}, True),
        (-1, {1: 1.0, 3: 2.0, 5: 3.0}, False),
        (0, {1: 3.0, 3: 2.0, 5: 1.0}, True),
        (1, {1: 1.0, 3: 3.0, 5: 2.0}, False),
        (1, {1: 1.0, 3: 1.0, 5: 1.0}, False),
        (1, {1: 1.0, 5: 2.0, 3: None}, None),
    ],
)
def test_a_steady_score_moves_with_the_level(
    worse: int, medians: dict[int, float | None], steady: bool | None
) -> None:
    assert findings._steady(Tracked("s", "f", worse), medians) is steady


def test_nobody_stands_on_both_sides() -> None:
    eyes = [m for k in range(12) for m in side_of(2, patient=f"p{k}")]
    hit = list(range(0, 24, 4))
    drawn = sanity._undamaged(eyes, 6, seed=3)
    assert (len(drawn), len({tuple(shown) for _, shown in drawn})) == (sanity.DRAWS, sanity.DRAWS)
    for references, shown in (*drawn, *sanity._against(eyes, hit, seed=3)):
        patients = [{eyes[k].row["patient"] for k in part} for part in (references, shown)]
        assert not patients[0] & patients[1]
        assert len(shown) == 6
        assert references


def test_references_are_capped_and_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanity, "MOST_REFERENCES", 5)
    against = sanity._against(side_of(40), [0, 20], seed=0)
    assert {len(references) for references, _ in against} == {5}
    assert len({tuple(references) for references, _ in against}) == sanity.REPEATS


def test_at_most_half_of_the_images_are_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanity, "measure_wounds", lambda *_, **__: ({}, []))
    monkeypatch.setattr(sanity, "DRAWS", 2)
    panel = sanity.sanity_panel(
        with_jobs(side_of(21)), Path("none"), wounded=99, settings=SETTINGS, seed=0, levels=(3,)
    )
    assert (panel.n, panel.references) == (10, 11)


def test_shares_without_a_judgement_are_undefined() -> None:
    eyes = side_of(4, grade=None)
    for m in eyes:
        m.row["checks"] = {"one_disc": {"passed": None}}
    assert math.isnan(failing(eyes, "anatomy_any"))
    assert math.isnan(not_good(eyes))
    eyes[0].row["checks"]["one_disc"]["passed"] = False
    assert failing(eyes, "one_disc") == failing(eyes, "anatomy_any") == 1.0


def test_the_panel_tracks_what_the_scorecard_shows() -> None:
    found = track(Sides(side_of(12), side_of(12, side="synthetic")), ())
    names = {score.name: score.worse for score in found}
    assert names["structure: kernel_distance"] == 1
    assert names["structure: coverage"] == -1
    assert {"radiomics: frd_v1", "anatomy: one_disc", "quality: not good"} <= set(names)
