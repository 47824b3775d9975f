"""Scores of every arm with intervals over patients, each beside photographs alone.

One set of bootstrap draws of the judging patients serves all arms, seeds and scores, so that
differences are paired. A draw's value is the mean over the seeds. p is twice the smaller share of
draws on either side of 0, corrected by Holm over the arms of one score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retinaforge.core import Card, rng_for
from retinaforge.metrics import classification as c
from retinaforge.metrics import classification_calibration as cal
from retinaforge.metrics import classification_finding as f
from retinaforge.metrics import prediction as p
from retinaforge.metrics.statistics import holm
from retinaforge.tasks.usefulness_target import REFERABLE, Question

RESAMPLES = 1000
FEWEST_DRAWS = 0.5
"""Share of the draws that must be defined for an interval to be given."""
Score = Callable[[np.ndarray, np.ndarray, np.ndarray, Question], np.ndarray]


def _sensitivity(
    truth: np.ndarray, said: np.ndarray, weights: np.ndarray, question: Question
) -> np.ndarray:
    first = _first_positive(question)
    if first is None:
        return np.full(len(weights), math.nan)
    return c.sensitivity_at_specificity(
        (truth >= first).astype(np.int64), said[:, first:].sum(axis=1), weights
    )


def _first_positive(question: Question) -> int | None:
    """Return the first class that counts as the finding; None of several without order."""
    if len(question.classes) == 2:
        return 1
    if question.kind != "grade":
        return None
    high = [k for k, name in enumerate(question.classes) if int(name) >= REFERABLE]
    return high[0] if high and high[0] > 0 else None


def _average_precision(
    truth: np.ndarray, said: np.ndarray, weights: np.ndarray, question: Question
) -> np.ndarray:
    first = _first_positive(question)
    if first is None:
        return np.full(len(weights), math.nan)
    positive = (truth >= first).astype(np.int64)
    return f.average_precision(positive, said[:, first:].sum(axis=1), weights)


def _finding_f1(
    truth: np.ndarray, said: np.ndarray, weights: np.ndarray, question: Question
) -> np.ndarray:
    first = _first_positive(question)
    if first is None:
        return np.full(len(weights), math.nan)
    positive = (truth >= first).astype(np.int64)
    return f.finding_f1(positive, said[:, first:].sum(axis=1) > 0.5, weights)


def _kappa(
    truth: np.ndarray, said: np.ndarray, weights: np.ndarray, question: Question
) -> np.ndarray:
    if len(question.classes) > 2 and question.kind != "grade":
        return np.full(len(weights), math.nan)
    return p.quadratic_kappa(truth, said.argmax(axis=1), weights)


def _whole(score: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> Score:
    """Return a mean over classes that is not defined where one of them judges nowhere."""

    def over_all(
        truth: np.ndarray, said: np.ndarray, weights: np.ndarray, question: Question
    ) -> np.ndarray:
        if len(np.unique(truth)) < len(question.classes):
            return np.full(len(weights), math.nan)
        return score(truth, said, weights)

    return over_all


SCORES: tuple[tuple[Card, Score], ...] = (
    (p.AUROC_CARD, _whole(p.auroc)),
    (c.ACCURACY_CARD, lambda t, s, w, q: c.accuracy(t, s, w)),
    (
        p.BALANCED_ACCURACY_CARD,
        _whole(lambda t, s, w: p.balanced_accuracy(t, s.argmax(axis=1), w)),
    ),
    (c.MACRO_F1_CARD, _whole(c.macro_f1)),
    (p.KAPPA_CARD, _kappa),
    (c.SENSITIVITY_CARD, _sensitivity),
    (f.AVERAGE_PRECISION_CARD, _average_precision),
    (f.FINDING_F1_CARD, _finding_f1),
    (cal.ECE_CARD, lambda t, s, w, q: cal.expected_calibration_error(t, s, w)),
    (cal.BRIER_CARD, lambda t, s, w, q: cal.brier(t, s, w)),
)
"""The first is the one that counts."""
HEADLINE = SCORES[0][0].name


@dataclass(frozen=True)
class Said:
    """What one arm said to one question in one round.

    Attributes:
        truth: class of each image.
        said: probabilities (n, classes).
        patients: whose eyes.
    """

    truth: np.ndarray
    said: np.ndarray
    patients: np.ndarray


@dataclass(frozen=True)
class Measured:
    """One score of one arm.

    Attributes:
        per_seed: one value a round, NaN where undefined.
        draws: mean over rounds in each draw of patients, NaN where undefined.
        reason: why it is not defined.
    """

    per_seed: tuple[float, ...]
    draws: np.ndarray
    reason: str = ""

    @property
    def value(self) -> float:
        """Return the mean over the rounds that define it; NaN where none does."""
        known = [v for v in self.per_seed if math.isfinite(v)]
        return float(np.mean(known)) if known else math.nan


def measure(
    rounds: Sequence[Said], question: Question, score: Score, weights: Mapping[str, np.ndarray]
) -> Measured:
    """Return one score of one arm over its rounds.

    Args:
        rounds: what it said in each.
        question: what it was asked.
        score: of `SCORES`, or alike.
        weights: of each patient, shape (1 + draws,); the first is 1.
    """
    rows = []
    for one in rounds:
        if not len(one.truth):
            rows.append(np.full(RESAMPLES + 1, math.nan))
            continue
        own = np.stack([weights[name] for name in one.patients], axis=1)
        # A draw in which nobody of this round was drawn says nothing.
        own = np.where(own.sum(axis=1, keepdims=True) > 0, own, math.nan)
        with np.errstate(invalid="ignore"):
            rows.append(score(one.truth, one.said, own, question))
    table = np.array(rows)
    known = np.isfinite(table).sum(axis=0)
    means = np.where(known > 0, np.nansum(table, axis=0) / np.maximum(known, 1), math.nan)
    values = tuple(float(v) for v in table[:, 0])
    missing = not any(map(math.isfinite, values))
    return Measured(values, means[1:], _reason(rounds, question) if missing else "")


def _reason(rounds: Sequence[Said], question: Question) -> str:
    """Return why a score is not defined."""
    if not any(len(one.truth) for one in rounds):
        return "no image that judges has an answer"
    seen = {int(v) for one in rounds for v in one.truth}
    if len(seen) == 1:
        return f"all images that judge are {question.name} {question.classes[seen.pop()]}"
    gone = [name for k, name in enumerate(question.classes) if k not in seen]
    if gone:
        return f"no image that judges is {question.name} {', '.join(gone)}"
    if len(question.classes) > 2 and question.kind == "class":
        return "asked of two classes or of grades only"
    return "the answers, or the truth, do not vary"


def draws_of(patients: Sequence[str], *, words: str) -> dict[str, np.ndarray]:
    """Return how often each patient counts: 1, then in each bootstrap draw.

    Args:
        patients: names, each once or more.
        words: what is judged, so that two sets have draws of their own.
    """
    names = np.unique(np.asarray(patients, dtype=str))
    rng = rng_for(0, "usefulness", "draws", words)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
    table = np.concatenate([np.ones((1, len(names))), counts])
    return {str(name): table[:, k] for k, name in enumerate(names)}


def plain(one: Measured) -> dict:
    """Return value, interval, rounds and reason as JSON has them."""
    interval, reason = spread_of(one.draws)
    return {
        "value": number(one.value),
        "interval": None if math.isnan(one.value) else interval,
        "per_seed": [number(v) for v in one.per_seed],
        "reason": one.reason if math.isnan(one.value) else reason,
    }


def difference(one: Measured, base: Measured) -> dict:
    """Return one minus base on the same draws, with interval and p."""
    draws, value = one.draws - base.draws, one.value - base.value
    interval, reason = spread_of(draws)
    if math.isnan(value):
        return {"value": None, "interval": None, "p": None, "reason": "one side is not defined"}
    return {"value": value, "interval": interval, "p": _p(draws) if interval else None,
            "reason": reason}  # fmt: skip


def _p(draws: np.ndarray) -> float:
    known = draws[np.isfinite(draws)]
    side = min((known <= 0).sum(), (known >= 0).sum())
    return float(min(1.0, 2 * (side + 1) / (len(known) + 1)))


def spread_of(draws: np.ndarray) -> tuple[list[float] | None, str]:
    """Return the 95 % percentile interval of the defined draws, and what is to be said of it."""
    known = draws[np.isfinite(draws)]
    lost = len(draws) - len(known)
    if len(known) < max(FEWEST_DRAWS * len(draws), 1):
        return None, f"{lost} of {len(draws)} draws of patients are not defined"
    low, high = np.quantile(known, [0.025, 0.975])
    said = f"{lost} of {len(draws)} draws of patients, which lack a class, left out" if lost else ""
    return [float(low), float(high)], said


def corrected(rows: Sequence[dict]) -> None:
    """Write Holm's corrected p beside p, over the arms of one score."""
    found = [math.nan if row["p"] is None else row["p"] for row in rows]
    for row, value in zip(rows, holm(found), strict=True):
        row["p_holm"] = number(value)


def number(value: float) -> float | None:
    """Return a number as JSON has it: None for NaN."""
    return float(value) if math.isfinite(value) else None
