"""Scores of predictions: scikit-learn's values under any weights, and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from retinaforge.core import Refusal
from retinaforge.metrics.prediction import (
    auroc,
    balanced_accuracy,
    mean_absolute_error,
    patient_draws,
    quadratic_kappa,
    r_squared,
)

N, DRAWS = 60, 7


@pytest.fixture
def weights() -> np.ndarray:
    drawn = np.random.default_rng(1).integers(0, 4, (DRAWS, N)).astype(float)
    return np.vstack([np.ones(N), drawn])


def made_up(classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(classes)
    truth = rng.permutation(np.arange(N) % classes)
    probabilities = rng.random((N, classes)).round(1) + 0.3 * np.eye(classes)[truth] + 0.01
    return truth, probabilities / probabilities.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_areas_are_scikit_learns(classes: int, weights: np.ndarray) -> None:
    truth, p = made_up(classes)
    found = auroc(truth, p, weights)
    for value, w in zip(found, weights, strict=True):
        areas = [sk.roc_auc_score(truth == c, p[:, c], sample_weight=w) for c in range(classes)]
        assert value == pytest.approx(areas[1] if classes == 2 else np.mean(areas), abs=1e-12)


@pytest.mark.parametrize("classes", [2, 5])
def test_called_classes_are_scored_as_by_scikit_learn(classes: int, weights: np.ndarray) -> None:
    truth, p = made_up(classes)
    said = p.argmax(axis=1)
    accuracy, kappa = (f(truth, said, weights) for f in (balanced_accuracy, quadratic_kappa))
    for a, k, w in zip(accuracy, kappa, weights, strict=True):
        assert a == pytest.approx(sk.balanced_accuracy_score(truth, said, sample_weight=w))
        theirs = sk.cohen_kappa_score(truth, said, weights="quadratic", sample_weight=w)
        assert k == pytest.approx(theirs, abs=1e-12)


def test_numbers_are_scored_as_by_scikit_learn(weights: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(57, 12, N)
    said = 0.5 * truth + rng.normal(28, 6, N)
    for f, theirs in ((mean_absolute_error, sk.mean_absolute_error), (r_squared, sk.r2_score)):
        for value, w in zip(f(truth, said, weights), weights, strict=True):
            assert value == pytest.approx(theirs(truth, said, sample_weight=w), abs=1e-10)


def test_what_is_undefined_is_nan() -> None:
    truth, p = np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    w = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    assert np.isnan(auroc(truth, p, w)[0])
    assert auroc(truth, p, w)[1] == 1
    assert np.isnan(balanced_accuracy(truth, truth, w)[0])
    assert np.isnan(auroc(np.zeros(3, int), p, w)).all()
    assert np.isnan(quadratic_kappa(truth, truth, w)[0])
    flat = np.full(3, 5.0)
    assert np.isnan(r_squared(flat, flat, w)).all()


def test_draws_take_patients_whole() -> None:
    draws = patient_draws(["a", "a", "b", "c"], rng=np.random.default_rng(0), resamples=500)
    np.testing.assert_array_equal(draws[:, 0], draws[:, 1])
    np.testing.assert_array_equal(draws[:, 1:].sum(axis=1), 3)
    assert draws.mean() == pytest.approx(1, abs=0.1)
    with pytest.raises(Refusal, match="expected at least two patients; got 1"):
        patient_draws(["a", "a"], rng=np.random.default_rng(0), resamples=5)
