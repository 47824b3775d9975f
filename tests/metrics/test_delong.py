"""DeLong: against its definition, against simulation, with clusters, at its edges."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from retinaforge.core import Refusal
from retinaforge.metrics.delong import against_chance, delong, paired, unpaired


def slow(truth, scores):
    """Return areas and covariance by comparing every pair: the definition of 1988."""
    x, y = scores[truth == 1], scores[truth == 0]
    psi = (x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None])
    v10, v01 = psi.mean(axis=1), psi.mean(axis=0)
    cov = np.cov(v10, rowvar=False) / len(x) + np.cov(v01, rowvar=False) / len(y)
    return psi.mean(axis=(0, 1)), cov


def drawn(seed=0, n=90, ties=True):
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.4).astype(int)
    scores = rng.normal(size=(n, 3)) + truth[:, None] * [1.0, 0.5, 0.0]
    return truth, np.round(scores, 1) if ties else scores


def test_equals_the_definition_also_with_ties():
    for seed, ties in ((0, True), (1, False)):
        truth, scores = drawn(seed, ties=ties)
        areas = delong(truth, scores)
        values, covariance = slow(truth, scores)
        np.testing.assert_allclose(areas.values, values, atol=1e-12)
        np.testing.assert_allclose(areas.covariance, covariance, atol=1e-12)
        assert areas.values[0] == pytest.approx(roc_auc_score(truth, scores[:, 0]))


def test_by_hand():
    # psi: 2 beats 1 and 0; 1 ties with 1 and beats 0: A = 3.5 / 4, V10 = (1, .75), V01 = (.75, 1).
    areas = delong(np.array([1, 1, 0, 0]), np.array([[2.0], [1], [1], [0]]))
    assert areas.values[0] == 0.875
    assert areas.covariance[0, 0] == pytest.approx(2 * (0.125**2 * 2) / 2)


def test_images_of_one_patient_count_once():
    truth, scores = drawn(2, ties=False)
    twice = delong(np.repeat(truth, 2), np.repeat(scores, 2, axis=0))
    names = [f"p{k // 2}" for k in range(2 * len(truth))]
    own = delong(np.repeat(truth, 2), np.repeat(scores, 2, axis=0), names)
    once = delong(truth, scores)
    np.testing.assert_allclose(own.covariance, once.covariance, rtol=1e-9)
    assert twice.covariance[0, 0] < 0.6 * once.covariance[0, 0]


def test_chance_is_rejected_as_often_as_said():
    rng = np.random.default_rng(3)
    truth = np.repeat([0, 1], 30)
    p = [against_chance(delong(truth, rng.normal(size=(60, 1)))).p for _ in range(400)]
    q = []
    for _ in range(400):
        areas = delong(truth, rng.normal(size=(60, 2)) + truth[:, None])
        q.append(paired(areas, 0, 1).p)
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09
    assert 0.02 < np.mean(np.array(q) < 0.05) < 0.09


def test_correlated_scores_are_told_apart_that_independent_ones_are_not():
    truth, scores = drawn(4, n=200, ties=False)
    better = scores[:, 1] + 0.4 * truth
    both = delong(truth, np.stack([better, scores[:, 1]], axis=1))
    apart = unpaired(delong(truth, better[:, None]), delong(truth, scores[:, 1:2]))
    told = paired(both, 0, 1)
    assert told.value == pytest.approx(apart.value)
    assert told.p < apart.p
    assert told.interval[0] < told.value < told.interval[1]


def test_what_cannot_be_had_says_why():
    none = delong(np.zeros(5, int), np.zeros((5, 1)))
    assert math.isnan(none.values[0])
    assert none.reason == "no image with the finding"
    few = against_chance(delong(np.array([1, 0, 0]), np.array([[1.0], [0], [2]])))
    assert few.value == 0.5
    assert math.isnan(few.p)
    assert few.reason == "1 patients with the finding and 2 without"
    whole = against_chance(delong(np.array([1, 1, 0, 0]), np.array([[3.0], [2], [1], [0]])))
    assert whole.value == 1.0
    assert math.isnan(whole.p)
    assert "wholly" in whole.reason
    same = delong(np.array([1, 1, 0, 0]), np.ones((4, 2)))
    assert paired(same, 0, 1).p == 1.0
    assert against_chance(same).p == 1.0


def test_rows_that_do_not_belong_together_are_refused():
    with pytest.raises(Refusal, match="expected one truth and one patient for each row of scores"):
        delong(np.zeros(4, int), np.zeros((4, 1)), ["a"])
