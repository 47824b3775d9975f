"""Scores of two made-up sides: each knows its floor, its n, and what it cannot say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_up import CHECK_NAMES, measured, side_of
from scipy import stats

from retinaforge.core import Score
from retinaforge.validation.distributions import distribution_scores, share_that_differ
from retinaforge.validation.fidelity import Sides, fidelity_scores, spread
from retinaforge.validation.findings import COVERAGE_CARD as ANY_CARD
from retinaforge.validation.findings import anatomy_scores, quality_score, share_score
from retinaforge.validation.groups import group_scores
from retinaforge.validation.places import panel_name, with_places
from retinaforge.validation.sentence import identity_of
from retinaforge.validation.verdict_groups import group_sentences


def by_name(lines: list[Score], space: str = "") -> dict[str, Score]:
    return {s.card.name: s for s in lines if not space or s.where.get("space") == space}


@pytest.fixture(scope="module")
def moved() -> list[Score]:
    """Return the scores of a set that is moved in structure and not in colour."""
    sides = Sides(side_of(30), side_of(24, side="synthetic", shift={"structure": 3.0}))
    return fidelity_scores(sides, (), seed=0)


def test_a_moved_set_leaves_its_floor_and_an_unmoved_one_does_not(moved: list[Score]) -> None:
    kernel = by_name(moved, "structure")["kernel_distance"]
    assert kernel.extra["matched"]["low"] > kernel.extra["floor"]["high"]
    still = by_name(moved, "colour")["kernel_distance"].extra
    assert still["floor"]["low"] < still["matched"]["mean"] < still["floor"]["high"]


def test_every_set_score_says_its_n_and_interval(moved: list[Score]) -> None:
    assert {s.where["space"] for s in moved} == {"structure", "colour", "radiomics"}
    assert by_name(moved, "radiomics").keys() == {"frd_v1", "frd_v0", "frd_colour"}
    for score in moved:
        assert (score.n, score.extra["n_real"], score.extra["n_synthetic"]) == (24, 30, 24)
        assert score.interval is not None or score.extra["notes"]
        assert score.extra["floor"] or score.extra["notes"]


def test_spread_leaves_out_what_is_undefined() -> None:
    assert spread([math.nan, math.inf]) is None
    assert spread([1.0, math.nan, 3.0]) == {"mean": 2.0, "low": 1.0, "high": 3.0, "repeats": 2}


def with_number(side: str, count: int, *, add: float = 0.0) -> list:
    numbers = [
        {"area_density": 0.1 + 0.001 * k + add, "artery_area_density": 0.05 + (k * 7) % 13 / 1000}
        for k in range(count)
    ]
    return [measured(f"{k}.png", side=side, vessels=row) for k, row in enumerate(numbers)]


def test_a_number_that_is_spread_differently_is_noticed() -> None:
    sides = Sides(with_number("real", 24), with_number("synthetic", 20, add=0.02))
    lines = distribution_scores(sides, "vessels", seed=0)
    density, crae = lines
    assert (density.where["column"], crae.where["column"]) == (
        "area_density",
        "artery_area_density",
    )
    both = [[m.row["vessels"]["area_density"] for m in s] for s in (sides.real, sides.synthetic)]
    assert density.value == pytest.approx(stats.ks_2samp(*both).statistic, abs=1e-12)
    assert density.extra["wasserstein"] == pytest.approx(stats.wasserstein_distance(*both))
    assert density.extra["median_synthetic"] == pytest.approx(0.1295)
    assert density.extra["p_holm"] < 0.001 < 0.05 < crae.extra["p_holm"]
    assert density.extra["number"]["name"] == "area_density"
    assert share_that_differ(lines) == (1, 2)


def test_few_values_have_no_distance_but_a_reason() -> None:
    sides = Sides(with_number("real", 3), with_number("synthetic", 2))
    line = distribution_scores(sides, "vessels", seed=0)[0]
    assert math.isnan(line.value)
    assert "values on a side" in line.reason
    assert distribution_scores(sides, "quality", seed=0) == []


def test_failing_anatomy_is_counted_beside_the_real_side() -> None:
    ill = [measured(f"{k}.png", side="synthetic", failed=["one_disc"]) for k in range(8)]
    sides = Sides(side_of(20), [*ill, *side_of(8, side="synthetic")])
    lines = by_name(anatomy_scores(sides))
    assert set(lines) == {*CHECK_NAMES, "anatomy_any"}
    disc = lines["one_disc"]
    assert (disc.value, disc.n, disc.extra["value_real"]) == (0.5, 16, 0.0)
    p = stats.fisher_exact([[8, 8], [0, 20]]).pvalue
    assert disc.extra["p"] == pytest.approx(p)
    assert disc.extra["p_holm"] == pytest.approx(p * len(lines))
    assert lines["anatomy_any"].value == 0.5
    assert lines["calibres"].value == 0.0


def test_what_could_not_be_judged_does_not_count() -> None:
    some = side_of(10, side="synthetic")
    for m in some[:7]:
        m.row["checks"]["fovea_place"]["passed"] = None
    fovea = by_name(anatomy_scores(Sides(side_of(10), some)))["fovea_place"]
    assert math.isnan(fovea.value)
    assert fovea.extra["unjudged_synthetic"] == 7
    assert fovea.reason == "judged on 3 images only, needs 5"


def test_grades_are_counted() -> None:
    poor = side_of(6, side="synthetic", grade="bad")
    sides = Sides(side_of(10), [*poor, *side_of(6, side="synthetic"),
                                measured("x", side="synthetic", grade=None)])  # fmt: skip
    (line,) = quality_score(sides)
    assert (line.value, line.n, line.extra["value_real"]) == (0.5, 12, 0.0)


def test_a_share_has_wilsons_interval() -> None:
    line = share_score(ANY_CARD, 3, 10, {})
    z, p, n = stats.norm.ppf(0.975), 0.3, 10
    middle, half = p + z * z / 20, z * math.sqrt(p * (1 - p) / n + z * z / 400)
    expected = ((middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n))
    assert line.interval == pytest.approx(expected)
    assert math.isnan(share_score(ANY_CARD, 1, 3, {}).value)


def test_a_group_that_is_left_out_has_no_coverage() -> None:
    women = [
        measured(f"w{k}.png", groups={"sex": "F"}, shift={"structure": 20.0}) for k in range(12)
    ]
    men = [measured(f"m{k}.png", groups={"sex": "M"}) for k in range(12)]
    nobody = measured("n.png", groups={"sex": ""})
    few = [measured(f"x{k}.png", groups={"sex": "X"}) for k in range(2)]
    sides = Sides([*women, *men, nobody, *few], side_of(20, side="synthetic"))
    lines = group_scores(sides, ("sex",), seed=0)
    coverage = {s.where["group"]: s for s in lines if s.card.name == "group_coverage"}
    assert set(coverage) == {"F", "M", "X"}
    assert (coverage["F"].value, coverage["F"].n) == (0.0, 12)
    assert coverage["M"].value > 0.6
    assert math.isnan(coverage["X"].value)
    assert {s.where["against"] for s in lines} == {"all synthetic images"}
    assert {s.where["group"] for s in lines if "space" in s.where} == {"F", "M"}


def test_a_group_gets_every_score_that_the_whole_set_gets() -> None:
    groups = {"sex": "F"}
    eyes = [
        [
            measured(f"{side}{k}.png", side=side, groups=groups, vessels={"loops": crae + k},
                     failed=("one_disc",) if side == "synthetic" else ())
            for k in range(20)
        ]
        for side, crae in (("real", 100.0), ("synthetic", 200.0))
    ]  # fmt: skip
    sides = Sides(*eyes)
    lines = group_scores(sides, ("sex",), seed=0)
    assert {s.where["space"] for s in lines if "space" in s.where} == {
        "structure", "colour", "radiomics"
    }  # fmt: skip
    (crae,) = [s for s in lines if s.where.get("number") == "loops"]
    assert (crae.value, crae.where["table"]) == (1.0, "vessels")
    (disc,) = [s for s in lines if s.card.name == "one_disc"]
    assert (disc.value, disc.extra["value_real"], disc.where["group"]) == (1.0, 0.0, "F")
    names = [identity_of(s) for s in lines]
    assert len(names) == len(set(names))
    said = [s.text for s in group_sentences(lines)]
    assert said[0].startswith("sex F: 100% of synthetic images fail 'one_disc', 0% of real ones")
    assert said[-1] == (
        "sex F: 1 of 1 biomarkers are spread differently than in its real images, "
        "1 of them by a large effect."
    )


def test_a_group_is_compared_with_its_own_where_both_sides_say_it() -> None:
    sides = Sides(
        side_of(11, groups={"sex": "F"}),
        [*side_of(11, side="synthetic", groups={"sex": "F"}), measured("m", side="synthetic")],
    )
    lines = group_scores(sides, ("sex",), seed=0)
    assert {s.where["against"] for s in lines} == {"the same group"}
    assert {s.extra["n_synthetic"] for s in lines if "space" in s.where} == {11}


def panel_row(score: str, kind: str, medians: dict[str, float | None]) -> dict:
    return {"score": score, "kind": kind, "floor_median": 1.0, "medians": medians}


def test_a_place_is_between_the_floor_and_the_worst_damage(moved: list[Score]) -> None:
    kernel = by_name(moved, "structure")["kernel_distance"]
    floor, matched = kernel.extra["floor"]["mean"], kernel.extra["matched"]["mean"]
    rows = [
        panel_row(panel_name(kernel), "blur", {"1": 2.0, "5": 1.0 + 2 * (matched - floor)}),
        panel_row(panel_name(kernel), "colour-cast", {"1": None, "5": 3.0}),
        panel_row("another", "blur", {"5": 1e9}),
    ]
    (placed,) = with_places([kernel], rows)
    assert placed.extra["place"] == pytest.approx(0.5)
    assert placed.extra["worst_damage"]["kind"] == "blur"
    assert "place" not in kernel.extra


def test_no_panel_or_a_panel_that_never_moved_gives_no_place(moved: list[Score]) -> None:
    kernel = by_name(moved, "structure")["kernel_distance"]
    still = panel_row(panel_name(kernel), "blur", {"5": 1.0})
    for rows in ([], [still], [{**still, "floor_median": None}]):
        assert with_places([kernel], rows) == [kernel]


def test_lines_are_found_in_the_panel_by_name(moved: list[Score]) -> None:
    sides = Sides(with_number("real", 6), with_number("synthetic", 6))
    names = [panel_name(s) for s in (*distribution_scores(sides, "vessels", seed=0),
                                     anatomy_scores(sides)[0], *quality_score(sides))]  # fmt: skip
    assert names == ["vessels: area_density", "vessels: artery_area_density",
                     f"anatomy: {CHECK_NAMES[0]}", "quality: not good"]  # fmt: skip
    assert np.isfinite([s.value for s in moved]).all()
