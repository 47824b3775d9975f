"""Measures of classification beside scikit-learn's, and beside what is counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from retinaforge.core import Refusal
from retinaforge.metrics import CATALOGUE, classification, classification_calibration
from retinaforge.metrics.classification import (
    accuracy,
    macro_f1,
    one_against_rest,
    sensitivity_at_specificity,
)
from retinaforge.metrics.classification_calibration import (
    BINS,
    brier,
    expected_calibration_error,
    predictive_entropy,
)
from retinaforge.metrics.classification_patients import by_patient


@pytest.fixture(params=[2, 4])
def answers(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return truths, probabilities (rounded, so that some tie) and two rows of weights."""
    rng = np.random.default_rng(request.param)
    truth = rng.integers(0, request.param, 120)
    logits = rng.normal(size=(120, request.param)) + 1.2 * np.eye(request.param)[truth]
    p = np.exp(logits.round(1))
    weights = np.stack([np.ones(120), rng.integers(0, 4, 120).astype(float)])
    return truth, p / p.sum(axis=1, keepdims=True), weights


def test_accuracy_f1_and_brier_are_scikit_learns(answers) -> None:
    truth, p, weights = answers
    said = p.argmax(axis=1)
    for row, w in enumerate(weights):
        assert accuracy(truth, p, weights)[row] == pytest.approx(
            sk.accuracy_score(truth, said, sample_weight=w)
        )
        assert macro_f1(truth, p, weights)[row] == pytest.approx(
            sk.f1_score(truth, said, average="macro", sample_weight=w)
        )
        own = p[:, 1] if p.shape[1] == 2 else p
        assert brier(truth, p, weights)[row] == pytest.approx(
            sk.brier_score_loss(truth, own, sample_weight=w)
        )


def test_sensitivity_is_a_point_of_scikit_learns_roc_curve(answers) -> None:
    truth, p, weights = answers
    positive = (truth > 0).astype(int)
    score = (1 - p[:, 0]).round(2)
    for row, w in enumerate(weights):
        false, true, _ = sk.roc_curve(positive, score, sample_weight=w, drop_intermediate=False)
        for specificity in (0.5, 0.9, 1.0):
            found = sensitivity_at_specificity(positive, score, weights, specificity=specificity)
            assert found[row] == pytest.approx(true[false <= 1 - specificity + 1e-12].max())


def test_ece_is_made_of_scikit_learns_calibration_curve(answers) -> None:
    truth, p, _ = answers
    right, confidence = (p.argmax(axis=1) == truth).astype(int), p.max(axis=1)
    true, said = calibration_curve(right, confidence, n_bins=BINS)
    place = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence)
    counts = np.bincount(place, minlength=BINS)
    expected = (np.abs(true - said) * counts[counts > 0]).sum() / len(truth)
    found = expected_calibration_error(truth, p, np.ones((1, len(truth))))
    assert found[0] == pytest.approx(expected)


def test_one_against_rest_is_scikit_learns(answers) -> None:
    truth, p, weights = answers
    for which in range(p.shape[1]):
        assert one_against_rest(truth, p, weights, which=which)[1] == pytest.approx(
            sk.roc_auc_score(truth == which, p[:, which], sample_weight=weights[1])
        )


def test_calibration_counted_by_hand() -> None:
    truth = np.array([0, 0, 1, 1])
    p = np.array([[0.95, 0.05], [0.95, 0.05], [0.95, 0.05], [0.25, 0.75]])
    one = np.ones((1, 4))
    # Bin of 0.95: two of three right, a gap of 0.95 - 2/3; bin of 0.75: right, a gap of 0.25.
    assert expected_calibration_error(truth, p, one)[0] == pytest.approx(
        (3 * (0.95 - 2 / 3) + 0.25) / 4
    )
    assert brier(truth, p, one)[0] == pytest.approx((2 * 0.05**2 + 0.95**2 + 0.25**2) / 4)
    assert predictive_entropy(np.array([[0.5, 0.5], [1.0, 0.0]])).tolist() == pytest.approx(
        [np.log(2), 0]
    )


def test_what_lacks_a_class_is_not_a_number() -> None:
    truth, p = np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    draws = np.array([[1.0, 1, 1], [2, 1, 0], [0, 0, 0]])
    assert np.isnan(macro_f1(truth, p, draws)).tolist() == [False, True, True]
    assert np.isnan(sensitivity_at_specificity(truth, p[:, 1], draws)).tolist() == [
        False, True, True,
    ]  # fmt: skip
    assert np.isnan(one_against_rest(truth, p, draws, which=1)).tolist() == [False, True, True]
    for measure in (accuracy, brier, expected_calibration_error):
        assert np.isnan(measure(truth, p, draws)).tolist() == [False, False, True]


def test_patients_are_their_worst_eye_and_the_mean_of_their_answers() -> None:
    truth = np.array([0, 2, 1])
    p = np.array([[0.8, 0.1, 0.1], [0.2, 0.2, 0.6], [0.1, 0.7, 0.2]])
    worst, mean, names = by_patient(truth, p, ["b", "b", "a"])
    assert names == ["a", "b"]
    assert worst.tolist() == [1, 2]
    assert mean[1].tolist() == pytest.approx([0.5, 0.15, 0.35])
    with pytest.raises(Refusal, match="expected one patient for each image; got 3 truths"):
        by_patient(truth, p, ["a"])


def test_refusals_say_what_to_do() -> None:
    truth, p, one = np.array([0]), np.array([[1.0, 0.0]]), np.ones((1, 1))
    with pytest.raises(Refusal, match=r"expected a specificity from 0 to 1; got 1.2; 0.9 is usual"):
        sensitivity_at_specificity(truth, p[:, 1], one, specificity=1.2)
    with pytest.raises(Refusal, match="expected at least one bin; got 0"):
        expected_calibration_error(truth, p, one, bins=0)


def test_every_measure_has_its_card_in_the_catalogue() -> None:
    cards = (
        *classification.CLASSIFICATION_CARDS, *classification_calibration.CALIBRATION_CARDS,
    )  # fmt: skip
    assert set(cards) <= set(CATALOGUE)
