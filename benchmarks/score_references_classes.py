"""What `benchmarks/score_agreement.py` compares scores of classes with."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy import stats

from score_references import Both


def sklearn_classification(name: str) -> Both:
    """A score of classes under three weightings of 80 images, as scikit-learn or SciPy has it.

    The calibration error, which neither has, is its definition written out bin by bin.
    """
    from sklearn import metrics as sk

    from retinaforge.metrics import (
        classification,
        classification_calibration,
        classification_finding,
        roc_points,
    )

    rng = np.random.default_rng(12)
    truth = rng.permutation(np.arange(80) % 4)
    p = rng.random((80, 4)).round(1) + 0.6 * np.eye(4)[truth]
    p /= p.sum(axis=1, keepdims=True)
    said, sure = p.argmax(axis=1), p.max(axis=1)
    positive, score = (truth == 0).astype(np.int64), p[:, 0]
    weights = np.vstack([np.ones(80), rng.integers(0, 4, (2, 80))]).astype(float)

    def rates(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return sk.roc_curve(positive, score, sample_weight=w, drop_intermediate=False)[:2]

    def calibration(w: np.ndarray) -> float:
        bins = np.linspace(0, 1, classification_calibration.BINS + 1)
        inside = [(sure > a) & (sure <= b) for a, b in pairwise(bins)]
        gaps = [abs(float((w * (said == truth) - w * sure)[i].sum())) for i in inside]
        return sum(gaps) / float(w.sum())

    def at_least(w: np.ndarray) -> float:
        false, true = rates(w)
        return float(true[1 - false >= classification.SPECIFICITY - 1e-12].max())

    def between(w: np.ndarray) -> float:
        return float(np.interp(1 - roc_points.REFERENCE_SPECIFICITY + 1e-12, *rates(w)))

    pairs: dict[str, tuple[np.ndarray, Callable[[np.ndarray], float]]] = {
        "accuracy": (
            classification.accuracy(truth, p, weights),
            lambda w: sk.accuracy_score(truth, said, sample_weight=w),
        ),
        "macro_f1": (
            classification.macro_f1(truth, p, weights),
            lambda w: sk.f1_score(truth, said, average="macro", sample_weight=w),
        ),
        "sensitivity_at_specificity": (
            classification.sensitivity_at_specificity(positive, score, weights),
            at_least,
        ),
        "average_precision": (
            classification_finding.average_precision(positive, score, weights),
            lambda w: sk.average_precision_score(positive, score, sample_weight=w),
        ),
        "finding_f1": (
            classification_finding.finding_f1(positive, said == 0, weights),
            lambda w: sk.f1_score(positive, said == 0, sample_weight=w),
        ),
        "reference_sensitivity": (
            roc_points.reference_sensitivity(positive, score, weights),
            between,
        ),
        "ece": (
            classification_calibration.expected_calibration_error(truth, p, weights),
            calibration,
        ),
        "brier": (
            classification_calibration.brier(truth, p, weights),
            lambda w: sk.brier_score_loss(truth, p, sample_weight=w, scale_by_half=False),
        ),
        "predictive_entropy": (
            weights @ classification_calibration.predictive_entropy(p) / weights.sum(axis=1),
            lambda w: float(np.average(stats.entropy(p, axis=1), weights=w)),
        ),
    }
    ours, theirs = pairs[name]
    return ours, [theirs(w) for w in weights]
