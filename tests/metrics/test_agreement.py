"""Intraclass correlation and limits of agreement against published and reckoned examples."""

import math

import numpy as np
import pytest

from retinaforge.core import Refusal
from retinaforge.metrics.agreement import icc_a1, limits_of_agreement

SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
"""Table 2 of Shrout and Fleiss 1979: six targets, four judges."""


def test_the_published_example_of_shrout_and_fleiss() -> None:
    found = icc_a1(SHROUT_FLEISS)
    assert round(found.value, 2) == 0.29
    # The interval that R's psych and Python's pingouin print for this table.
    assert (round(found.low, 2), round(found.high, 2)) == (0.02, 0.76)
    assert found.n == 6


def test_a_constant_shift_lowers_absolute_agreement_by_a_known_amount() -> None:
    one = np.arange(10.0)
    found = icc_a1(np.stack([one, one + 3], axis=1))
    rows, columns = 2 * one.var(ddof=1), 10 * 2 * 1.5**2
    assert found.value == pytest.approx(rows / (rows + 0.2 * columns))


def test_the_same_twice_agrees_wholly_and_nothing_that_varies_is_not_a_number() -> None:
    one = np.arange(5.0)
    assert icc_a1(np.stack([one, one], axis=1)).value == pytest.approx(1.0)
    assert math.isnan(icc_a1(np.full((5, 2), 0.1)).value)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(3), 0
    for _ in range(400):
        table = rng.standard_normal((30, 1)) * 2 + rng.standard_normal((30, 2))
        found = icc_a1(table)
        held += found.low <= 0.8 <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_limits_of_agreement_of_a_worked_example() -> None:
    found = limits_of_agreement(np.array([1.0, 2.0, 3.0]))
    assert (found.bias, found.low, found.high) == pytest.approx((2.0, 0.04, 3.96))


@pytest.mark.parametrize("table", [np.ones((2, 2)), np.ones((4, 1)), np.full((4, 2), np.nan)])
def test_tables_that_say_nothing_are_refused(table) -> None:
    with pytest.raises(Refusal, match="leave out targets that were not measured every time"):
        icc_a1(table)


def test_differences_that_say_nothing_are_refused() -> None:
    with pytest.raises(Refusal, match="leave out pairs that were not both measured"):
        limits_of_agreement(np.array([1.0, np.nan, 2.0]))
