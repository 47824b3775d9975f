"""Two heads on frozen vectors: linear (logistic, ridge) and nearest neighbours by cosine.

Vectors are standardised by the teaching photographs and turned onto the axes on which these lie,
which changes no penalised linear fit and no cosine between them but makes both quick. Strength and
number of neighbours are chosen on inner folds of teaching patients alone: the largest pooled AUROC,
or the smallest MAE; of equal ones the strongest penalty, the most neighbours.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from retinaforge.core import Record
from retinaforge.metrics.prediction import auroc, mean_absolute_error
from retinaforge.tasks.probe_target import Round, Target, folds_of

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Scikit-learn's C of the logistic fit; the ridge's penalty is 1 / (2 C)."""

NEIGHBOURS = (25, 15, 9, 5, 3, 1)
INNER_FOLDS = 5
ITERATIONS, TOLERANCE = 300, 1e-3

Answers = np.ndarray
"""Probabilities (n, classes), or numbers (n,)."""

Fit = Callable[[np.ndarray, np.ndarray, np.ndarray, float], Answers]
"""Teaching rows, their truth and rows to judge, a setting: answers."""


@dataclass(frozen=True)
class Answered:
    """What a head said of the judging photographs and of further rows, and the chosen setting."""

    answers: Answers
    extra: Answers
    setting: float


def linear(
    vectors: np.ndarray, target: Target, records: Sequence[Record], one: Round, extra: np.ndarray
) -> Answered:
    """Return what a linear head learnt of the teaching photographs says of the judging ones."""
    fit = _ridge if target.kind == "number" else _logistic(len(target.classes))
    return _chosen(vectors, target, records, one, extra, fit, STRENGTHS)


def neighbours(
    vectors: np.ndarray, target: Target, records: Sequence[Record], one: Round, extra: np.ndarray
) -> Answered:
    """Return what the nearest teaching photographs, by cosine, say of the judging ones."""
    return _chosen(vectors, target, records, one, extra, _nearest(target), NEIGHBOURS)


def constant(target: Target, one: Round, count: int) -> Answers:
    """Return the teaching classes' shares, or the teaching mean, for every photograph."""
    truth = target.values[one.teach]
    if target.kind == "number":
        return np.full(count, truth.mean())
    shares = np.bincount(truth.astype(int), minlength=len(target.classes)) / len(truth)
    return np.tile(shares, (count, 1))


def _chosen(
    vectors: np.ndarray,
    target: Target,
    records: Sequence[Record],
    one: Round,
    extra: np.ndarray,
    fit: Fit,
    settings: Sequence[float],
) -> Answered:
    later = np.concatenate([vectors[one.judge], extra])
    teach, judge = onto_teaching_axes(vectors[one.teach], later)
    truth = target.values[one.teach]
    places = np.arange(len(one.teach))
    inner_target = Target(target.name, target.kind, target.classes, truth, ())
    own = [records[k] for k in one.teach]
    folds = folds_of(inner_target, own, places, seed=one.seed, count=INNER_FOLDS)
    best = max(settings, key=lambda setting: _inner_score(teach, truth, folds, fit, setting))
    said = fit(teach, truth, judge, best)
    return Answered(said[: len(one.judge)], said[len(one.judge) :], best)


def _inner_score(
    rows: np.ndarray, truth: np.ndarray, folds: list[np.ndarray], fit: Fit, setting: float
) -> float:
    """Return how good a setting is, on all folds together; the larger the better."""
    answers: Answers | None = None
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(rows)), fold)
        said = fit(rows[rest], truth[rest], rows[fold], setting)
        if answers is None:
            answers = np.zeros((len(rows), *said.shape[1:]))
        answers[fold] = said
    if answers is None:
        return 0.0
    weights = np.ones((1, len(rows)))
    if answers.ndim == 1:
        return -float(mean_absolute_error(truth, answers, weights)[0])
    # Rounded, so that settings that differ by chance alone are ties.
    return round(float(auroc(truth.astype(int), answers, weights)[0]), 3)


def onto_teaching_axes(teach: np.ndarray, judge: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standardise both by `teach`, then turn both onto its axes: (n, at most n) columns."""
    teach, judge = np.asarray(teach, np.float64), np.asarray(judge, np.float64)
    middle, spread = teach.mean(axis=0), teach.std(axis=0)
    varies = spread > 1e-8 * np.maximum(np.abs(middle), 1e-30)
    if not varies.any():
        return np.zeros((len(teach), 1)), np.zeros((len(judge), 1))
    a, b = ((x[:, varies] - middle[varies]) / spread[varies] for x in (teach, judge))
    _, sizes, axes = np.linalg.svd(a, full_matrices=False)
    axes = axes[sizes > 1e-9 * sizes[0]]
    return a @ axes.T, b @ axes.T


def _logistic(count: int) -> Fit:
    def fit(rows: np.ndarray, truth: np.ndarray, judge: np.ndarray, strength: float) -> Answers:
        answers = np.zeros((len(judge), count))
        seen = np.unique(truth).astype(int)
        if len(seen) == 1:
            answers[:, seen[0]] = 1
            return answers
        model = LogisticRegression(
            C=strength, max_iter=ITERATIONS, tol=TOLERANCE, class_weight="balanced"
        )
        with warnings.catch_warnings():
            # A weak penalty may still be moving at the last step: one that is seldom chosen.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(rows, truth.astype(int))
        answers[:, seen] = model.predict_proba(judge)
        return answers

    return fit


def _ridge(rows: np.ndarray, truth: np.ndarray, judge: np.ndarray, strength: float) -> Answers:
    return Ridge(alpha=1 / (2 * strength)).fit(rows, truth).predict(judge)


def _nearest(target: Target) -> Fit:
    def fit(rows: np.ndarray, truth: np.ndarray, judge: np.ndarray, count: float) -> Answers:
        alike = _unit(judge) @ _unit(rows).T
        nearest = np.argsort(-alike, axis=1, kind="stable")[:, : int(count)]
        if target.kind == "number":
            return truth[nearest].mean(axis=1)
        votes = np.eye(len(target.classes))[truth.astype(int)[nearest]]
        return votes.mean(axis=1)

    return fit


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
