"""Rank correlations against scipy's, against laws by hand, and under pure noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from retinaforge.core import Refusal
from retinaforge.metrics import holm
from retinaforge.metrics.rank_agreement import (
    FEWEST,
    RankAgreement,
    orders_of,
    rank_agreement,
    smallest_p,
    smallest_shown,
)

RNG = np.random.default_rng(5)


def noisy(n: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two numbers, the second `share` of the first and the rest noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, share * x + math.sqrt(1 - share**2) * rng.normal(size=n)


@pytest.mark.parametrize("ties", [False, True])
def test_correlations_are_scipys(ties: bool) -> None:
    x, y = noisy(14, 0.6, 1)
    if ties:
        x, y = np.round(x), np.round(y * 2)
    found = rank_agreement(x, y)
    assert found.spearman == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.kendall == pytest.approx(stats.kendalltau(x, y).statistic)


def test_p_is_scipys_exact_permutation_test_of_few() -> None:
    x, y = noisy(6, 0.7, 2)
    exact = stats.permutation_test(
        (x,), lambda a: stats.spearmanr(a, y).statistic, permutation_type="pairings",
        n_resamples=np.inf,
    )  # fmt: skip
    assert rank_agreement(x, y).p == pytest.approx(exact.pvalue, abs=1e-12)


def test_perfect_order_of_five_has_the_smallest_p_there_is() -> None:
    x = np.arange(5.0)
    found = rank_agreement(x, x**3)
    assert (found.spearman, found.kendall) == (pytest.approx(1), pytest.approx(1))
    assert found.p == pytest.approx(2 / 120)
    assert rank_agreement(x, -x).spearman == pytest.approx(-1)


def test_random_orders_agree_with_the_law() -> None:
    x, y = noisy(20, 0.5, 3)
    law = stats.spearmanr(x, y).pvalue
    assert rank_agreement(x, y).p == pytest.approx(law, abs=0.01)


def test_planted_correlation_lies_in_its_interval() -> None:
    x, y = noisy(40, 0.8, 4)
    found = rank_agreement(x, y)
    assert found.interval is not None
    assert found.interval[0] < 0.786 < found.interval[1]
    assert found.interval[0] > 0
    assert found.p < 0.001


def test_pure_noise_is_not_found_more_often_than_stated() -> None:
    """Fifteen scores of twelve sets, 40 times: one is found in about 5 of 100 families."""
    false = 0
    for family in range(40):
        rng = np.random.default_rng(1000 + family)
        y = rng.normal(size=12)
        found = [
            rank_agreement(rng.normal(size=12), y, permuted=500, resampled=0).p for _ in range(15)
        ]
        false += min(holm(found)) < 0.05
    # 2 expected; more than 7 of 40 have a chance of about 0.001.
    assert false <= 7


def test_a_score_that_tells_kinds_apart_says_nothing_within_them() -> None:
    rng = np.random.default_rng(8)
    groups = ["a"] * 7 + ["b"] * 7
    kind = np.repeat([0.0, 10.0], 7)
    x, y = kind + rng.normal(size=14), kind + rng.normal(size=14)
    assert rank_agreement(x, y).p < 0.01
    inside = rank_agreement(x, y, groups=groups)
    assert abs(inside.spearman) < 0.6
    assert inside.p > 0.05
    # And the other way round: what orders each kind is seen although the kinds hide it.
    y = -kind + rng.permutation(7)[np.r_[:7, :7]]
    x = kind + (y + kind)
    assert rank_agreement(x, y).spearman < 0.5
    inside = rank_agreement(x, y, groups=groups)
    assert inside.spearman == pytest.approx(1)
    assert inside.p < 0.001


def test_orders_stay_in_their_group_and_are_all_alike_likely() -> None:
    codes = (0, 1, 0, 1, 1)
    orders, exact = orders_of(codes, 0, 6000)
    assert not exact
    assert (np.asarray(codes)[orders] == np.asarray(codes)).all()
    counts = np.unique(orders[:, [1, 3, 4]], axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert abs(counts - 1000).max() < 120


def test_draws_of_the_outcome_give_an_interval() -> None:
    x, y = noisy(15, 0.9, 9)
    still = rank_agreement(x, y, draws=np.repeat(y[None], 50, axis=0))
    assert still.interval_draws == (pytest.approx(still.spearman), pytest.approx(still.spearman))
    moved = rank_agreement(x, y, draws=y + 2 * RNG.normal(size=(400, 15)))
    assert moved.interval_draws is not None
    assert moved.interval_draws[0] < 0.4 < moved.interval_draws[1]
    assert rank_agreement(x, y, draws=np.full((50, 15), math.nan)).interval_draws is None


def undefined(found: RankAgreement) -> bool:
    return math.isnan(found.spearman) and math.isnan(found.p) and found.interval is None


def test_what_is_not_defined_says_why() -> None:
    y = np.arange(6.0)
    few = rank_agreement(np.array([1, 2, 3, 4, math.nan, math.nan]), y)
    assert undefined(few)
    assert few.reason == f"4 sets have both numbers; at least {FEWEST} are needed"
    same = rank_agreement(np.ones(6), y)
    assert undefined(same)
    assert same.reason == "the score is the same in all sets"
    assert rank_agreement(y, np.ones(6)).reason == "the outcome is the same in all sets"
    alone = rank_agreement(y, y, groups=["a", "a", "b", "c", "d", "e"])
    assert (
        alone.reason
        == f"2 sets in groups of two or more have both numbers; at least {FEWEST} are needed"
    )
    kinds = rank_agreement(np.repeat([1.0, 2.0], 3), y, groups=["a"] * 3 + ["b"] * 3)
    assert kinds.reason == "the score is the same in all sets of each group"


def test_missing_numbers_leave_a_thing_out() -> None:
    x, y = noisy(9, 0.6, 11)
    holes = np.append(x, math.nan), np.append(y, 3.0)
    assert rank_agreement(*holes).spearman == pytest.approx(rank_agreement(x, y).spearman)
    assert rank_agreement(*holes).n == 9


def test_what_so_few_sets_can_show() -> None:
    size = smallest_shown(20, 1)
    x = np.arange(20.0)
    assert size == pytest.approx(0.444, abs=0.001)  # table of critical values, two-sided 5 %
    assert smallest_shown(20, 200) > smallest_shown(40, 200) > size * 0.9
    assert rank_agreement(x, x).spearman > smallest_shown(20, 500)
    assert math.isnan(smallest_shown(5, 4))  # 2 / 5! is 0.017, times 4 above 0.05
    assert smallest_shown(5, 2) > 0.9
    assert smallest_p(5) == rank_agreement(x[:5], x[:5]).p
    assert smallest_p(20) == rank_agreement(x, x).p
    with pytest.raises(Refusal, match="expected at least 5 things and a test; got 4 and 1"):
        smallest_shown(4, 1)
