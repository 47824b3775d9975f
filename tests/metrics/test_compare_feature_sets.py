"""Intervals, floors and matched lines of set scores: coverage, fairness, guards."""

from __future__ import annotations

import math
from inspect import unwrap  # past the shape checks of the tests, to ours

import numpy as np
import pytest

from retinaforge.core import Quantity, Refusal
from retinaforge.metrics import (
    FEATURE_METRICS,
    SetResult,
    compare_class_probabilities,
    compare_feature_sets,
    compare_sets,
    inception_score,
    score_feature_sets,
)
from retinaforge.metrics.sets import compare
from retinaforge.metrics.sets.compare import Table


def features(seed: int, n: int, dim: int = 6, *, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim)) + shift


def names(prefix: str, n: int, *, images: int = 1) -> list[str]:
    return [f"{prefix}{i // images}" for i in range(n)]


def compared(x: np.ndarray, y: np.ndarray, *, repeats: int = 4, seed: int = 0) -> list[SetResult]:
    return compare_feature_sets(
        x,
        y,
        patients_real=names("real", len(x)),
        patients_synthetic=names("synthetic", len(y)),
        rng=np.random.default_rng(seed),
        repeats=repeats,
    )


def test_values_are_those_of_the_scores_and_everything_is_filled_in() -> None:
    x, y = features(0, 80), features(1, 60, shift=0.4)
    results, plain = compared(x, y), score_feature_sets(x, y)
    assert [r.card for r in results] == [metric.card for metric in FEATURE_METRICS]
    for result, quantity in zip(results, plain, strict=True):
        assert result.value == pytest.approx(quantity.value, rel=1e-9)
        assert (result.n_real, result.n_synthetic) == (80, 60)
        assert len(result.floor) == len(result.matched) == 4
        assert result.n_floor == (40, 40)
        low, high = result.interval or (math.inf, -math.inf)
        assert low <= result.value <= high
        assert result.notes == ("interval: jackknife, 20 groups of patients left out in turn",)


def test_the_same_seed_gives_the_same_numbers() -> None:
    x, y = features(0, 60), features(1, 60)
    assert compared(x, y, seed=5) == compared(x, y, seed=5)
    assert compared(x, y, seed=5)[0].floor != compared(x, y, seed=6)[0].floor


def frechet_alone(x: np.ndarray, y: np.ndarray, *, repeats: int) -> SetResult:
    return compare_sets(
        Table(x),
        Table(y),
        score=lambda a, b: [FEATURE_METRICS[0].compare(a.rows, b.rows)],
        patients_real=names("real", len(x)),
        patients_synthetic=names("synthetic", len(y)),
        rng=np.random.default_rng(0),
        repeats=repeats,
    )[0]


def test_matched_stands_on_the_floor_for_one_distribution_and_far_off_for_another() -> None:
    # The plain distance of 40 against 40 is far from 0, and no farther for synthetic images.
    same = [frechet_alone(features(i, 80), features(99 + i, 300), repeats=2) for i in range(20)]
    floor, matched = np.mean([r.floor for r in same]), np.mean([r.matched for r in same])
    assert floor > 0.3
    assert matched == pytest.approx(floor, rel=0.15)
    other = frechet_alone(features(0, 80), features(1, 300, shift=1.0), repeats=4)
    assert min(other.matched) > 3 * max(other.floor)
    assert other.n_floor == (40, 40)


def test_fewer_synthetic_images_shorten_the_other_half_too() -> None:
    result = compared(features(0, 80), features(1, 25))[0]
    assert result.n_floor == (40, 25)


def test_halves_and_synthetic_images_never_share_a_patient() -> None:
    seen: list[tuple[set[int], set[int]]] = []

    def score(a: Table, b: Table) -> list[Quantity]:
        seen.append(tuple(set(z.rows[:, 0].astype(int)) for z in (a, b)))  # type: ignore[arg-type]
        return [Quantity(FEATURE_METRICS[0].card, 1.0)]

    patients = np.repeat(np.arange(10), 3)
    table = Table(patients[:, None].astype(float))
    people = [str(p) for p in patients]
    compare_sets(
        table,
        table,
        score=score,
        patients_real=people,
        patients_synthetic=people,
        rng=np.random.default_rng(0),
        repeats=5,
    )
    halves = seen[1 + 10 :]  # after the value and ten jackknife groups
    assert len(halves) == 10
    assert all(not a & b for a, b in halves)
    # Each jackknife group leaves the same patient out of both sets.
    assert [len(a) for a, _ in seen[1:11]] == [9] * 10
    assert all(a == b for a, b in seen[1:11])


@pytest.mark.slow
@pytest.mark.parametrize("large", [False, True])
def test_the_interval_of_an_unbiased_score_covers(large: bool, monkeypatch) -> None:
    # Kernel distance, four images a patient: truth from large samples, 80 small comparisons.
    if large:
        monkeypatch.setattr(compare, "HELD_IMAGES", 10)
    kernel = FEATURE_METRICS[3]
    truth = kernel.compare(features(1, 3000, 2), features(2, 3000, 2, shift=1)).value

    def clustered(seed: int, shift: float) -> np.ndarray:
        draw = np.random.default_rng(seed)
        return np.repeat(draw.normal(size=(60, 2)), 4, axis=0) + shift

    hits = 0
    for seed in range(80):
        x, y = clustered(seed, 0), clustered(1000 + seed, 1)
        result = compare_sets(
            Table(x),
            Table(y),
            score=lambda a, b: [kernel.compare(a.rows, b.rows)],
            patients_real=names("r", 240, images=4),
            patients_synthetic=names("s", 240, images=4),
            rng=np.random.default_rng(seed),
            repeats=1,
        )[0]
        low, high = result.interval or (math.inf, -math.inf)
        # Copies within a patient add to what is counted as within a set: a bias of 1/60 of it.
        hits += low <= truth * 1.03 and high >= truth * 0.97
    assert hits >= 70


def test_intervals_end_where_the_score_ends() -> None:
    x = features(0, 60)
    bounds = {"precision": 1.0, "recall": 1.0, "coverage": 1.0}
    for result in compared(x, x[::-1] + 1e-9):
        low, high = result.interval or (math.inf, -math.inf)
        assert high <= bounds.get(result.card.name, math.inf)
        if result.card.name == "frechet_distance":
            assert low >= 0


def test_two_patients_have_no_interval_and_three_no_halves() -> None:
    x = features(0, 30)
    results = compare_feature_sets(
        x,
        x + 0.1,
        patients_real=["a"] * 15 + ["b"] * 15,
        patients_synthetic=["a"] * 15 + ["b"] * 15,
        rng=np.random.default_rng(0),
    )
    for result in results:
        assert result.interval is None
        assert (result.floor, result.matched, result.n_floor) == ((), (), (0, 0))
        assert result.notes == (
            "fewer than 3 patients: no interval over patients can be given",
            "needs at least 4 real patients to make two halves; got 2",
        )


def test_halves_too_small_for_a_score_are_named_and_not_invented() -> None:
    # 30 images: halves of 15 are too few for the extrapolated distance, which needs 20.
    results = {r.card.name: r for r in compared(features(0, 30), features(1, 30))}
    extrapolated = results["frechet_distance_extrapolated"]
    assert extrapolated.floor == extrapolated.matched == ()
    assert "undefined for halves" in extrapolated.notes[1]
    assert len(results["frechet_distance"].floor) == 4


def test_large_sets_are_batched(monkeypatch) -> None:
    monkeypatch.setattr(compare, "HELD_IMAGES", 100)
    results = compared(features(0, 200), features(1, 200), repeats=2)
    assert results[0].notes == ("interval: spread of 10 disjoint groups of patients",)
    assert results[0].interval is not None


def test_a_missing_patient_is_refused() -> None:
    x = features(0, 30)
    with pytest.raises(Refusal, match="one patient for each image; got 29 patients of 30 real"):
        unwrap(compare_feature_sets)(
            x,
            x,
            patients_real=names("a", 29),
            patients_synthetic=names("a", 30),
            rng=np.random.default_rng(0),
        )


def test_class_probabilities_are_compared_with_the_real_ones_beside() -> None:
    sure, spread = np.eye(4)[np.arange(60) % 4], np.full((60, 4), 0.25)
    result = compare_class_probabilities(
        sure,
        spread,
        patients_real=names("r", 60),
        patients_synthetic=names("s", 60),
        rng=np.random.default_rng(0),
        repeats=3,
    )[0]
    assert result.value == pytest.approx(inception_score(spread).value)
    assert min(result.floor) > 3.5
    assert result.matched == pytest.approx((1.0, 1.0, 1.0))
