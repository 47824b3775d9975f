"""Average precision and F1 of a finding beside scikit-learn's, and where they are not defined."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from retinaforge.metrics import CATALOGUE
from retinaforge.metrics.classification_finding import (
    FINDING_CARDS,
    average_precision,
    finding_f1,
)


def test_both_are_scikit_learns_with_ties_and_weights() -> None:
    rng = np.random.default_rng(3)
    positive = rng.integers(0, 2, 90)
    score = (rng.normal(size=90) + positive).round(1)
    weights = np.stack([np.ones(90), *rng.integers(0, 4, (2, 90)).astype(float)])
    areas, harmonic = (
        average_precision(positive, score, weights),
        finding_f1(positive, score > 0.5, weights),
    )
    for row, w in enumerate(weights):
        assert areas[row] == pytest.approx(
            sk.average_precision_score(positive, score, sample_weight=w)
        )
        assert harmonic[row] == pytest.approx(sk.f1_score(positive, score > 0.5, sample_weight=w))


def test_ranks_counted_by_hand() -> None:
    positive, score = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])
    one = np.ones((1, 4))
    assert average_precision(positive, score, one)[0] == pytest.approx((1 + 2 / 3) / 2)
    assert finding_f1(positive, score > 0.75, one)[0] == pytest.approx(0.5)


def test_a_finding_that_nobody_has_is_not_a_number() -> None:
    positive, score = np.array([0, 0, 1]), np.array([0.1, 0.8, 0.7])
    draws = np.array([[1.0, 1, 1], [2, 1, 0], [0, 0, 0]])
    assert np.isnan(average_precision(positive, score, draws)).tolist() == [False, True, True]
    assert np.isnan(finding_f1(positive, score > 0.5, draws)).tolist() == [False, True, True]
    assert np.isnan(average_precision(positive[:0], score[:0], draws[:, :0])).all()
    assert set(FINDING_CARDS) <= set(CATALOGUE)
