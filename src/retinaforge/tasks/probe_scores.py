"""Scores of probes with intervals over patients, beside what needs no training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from retinaforge.core import Card, rng_for
from retinaforge.metrics import prediction
from retinaforge.metrics.prediction import (
    AUROC_CARD,
    BALANCED_ACCURACY_CARD,
    KAPPA_CARD,
    MAE_CARD,
    R2_CARD,
)
from retinaforge.tasks.probe import COLOURS, CONSTANT, Answer, Probed
from retinaforge.tasks.probe_target import Target

RESAMPLES = 2000
FEWEST_DRAWS = 0.5
"""Share of the draws that must be defined for an interval to be given."""

METRICS: dict[str, tuple[Card, ...]] = {
    "class": (AUROC_CARD, BALANCED_ACCURACY_CARD),
    "grade": (AUROC_CARD, BALANCED_ACCURACY_CARD, KAPPA_CARD),
    "number": (MAE_CARD, R2_CARD),
}
"""By kind of target; the first is the one that counts."""


@dataclass(frozen=True)
class Measured:
    """One metric of one head on one encoder.

    Attributes:
        card: of the metric.
        per_seed: one value a round, NaN where undefined.
        draws: mean over the rounds in each bootstrap draw of patients, NaN where undefined.
    """

    card: Card
    per_seed: tuple[float, ...]
    draws: np.ndarray

    @property
    def value(self) -> float:
        """Return the mean over the rounds."""
        return float(np.mean(self.per_seed))


def measure(
    probed: Probed, answers: Sequence[Answer], *, after: bool = False, paired: bool = False
) -> list[Measured]:
    """Return every metric of one head on one encoder.

    Args:
        probed: the run.
        answers: of the same encoder and head, all rounds.
        after: of reconstructions instead of originals.
        paired: of those originals alone that have a reconstruction.
    """
    draws = _draws(probed)
    rows = []
    for answer in answers:
        one = probed.rounds[answer.round]
        places = probed.paired(one) if after or paired else one.judge
        said = answer.after if after else answer.answers[np.isin(one.judge, places)]
        rows.append(_values(probed.target, places, said, draws[:, places]))
    return [
        Measured(
            card,
            tuple(float(row[m][0]) for row in rows),
            np.mean([row[m][1:] for row in rows], axis=0),
        )
        for m, card in enumerate(METRICS[probed.target.kind])
    ]


def _draws(probed: Probed) -> np.ndarray:
    """Return weights of all photographs: a row of ones, then draws of the judging patients.

    The same draws for every encoder, head and round, so that differences are paired.
    """
    judged = sorted({int(k) for one in probed.rounds for k in one.judge})
    weights = np.zeros((RESAMPLES + 1, len(probed.records)))
    weights[0] = 1
    weights[1:, judged] = _drawn(tuple(probed.records[k].patient for k in judged))
    return weights


@lru_cache(maxsize=2)
def _drawn(patients: tuple[str, ...]) -> np.ndarray:
    rng = rng_for(0, "probe", "draws")
    return prediction.patient_draws(patients, rng=rng, resamples=RESAMPLES)


def _values(
    target: Target, places: np.ndarray, said: np.ndarray, weights: np.ndarray
) -> list[np.ndarray]:
    truth = target.values[places]
    if len(truth) == 0:
        return [np.full(len(weights), math.nan) for _ in METRICS[target.kind]]
    # A draw in which no judging patient was drawn says nothing.
    weights = np.where(weights.sum(axis=1, keepdims=True) > 0, weights, math.nan)
    if target.kind == "number":
        return [
            prediction.mean_absolute_error(truth, said, weights),
            prediction.r_squared(truth, said, weights),
        ]
    known, called = truth.astype(np.int64), said.argmax(axis=1)
    found = [
        prediction.auroc(known, said, weights),
        prediction.balanced_accuracy(known, called, weights),
    ]
    if target.kind == "grade":
        found.append(prediction.quadratic_kappa(known, called, weights))
    return found


def as_plain(one: Measured) -> dict:
    """Return value, interval, rounds and reason of a metric, as JSON has them."""
    interval, reason = spread_of(one.draws)
    if math.isnan(one.value):
        reason = "not defined on these judging photographs: a class without any, or no spread"
    return {
        "metric": one.card.name,
        "value": _plain(one.value),
        "interval": None if math.isnan(one.value) else interval,
        "per_seed": [_plain(value) for value in one.per_seed],
        "reason": reason,
    }


def difference(one: Measured, other: Measured) -> dict:
    """Return one minus other on the same patients, with its interval."""
    interval, reason = spread_of(one.draws - other.draws)
    value = one.value - other.value
    return {
        "metric": one.card.name,
        "value": _plain(value),
        "interval": None if math.isnan(value) else interval,
        "reason": reason if not math.isnan(value) else "one side is not defined",
    }


def spread_of(draws: np.ndarray) -> tuple[list[float] | None, str]:
    """Return the 95 % percentile interval of the defined draws, and what is to be said of it."""
    known = draws[np.isfinite(draws)]
    if len(known) < FEWEST_DRAWS * len(draws):
        return None, f"{len(draws) - len(known)} of {len(draws)} draws of patients are not defined"
    low, high = np.quantile(known, [0.025, 0.975])
    lost = len(draws) - len(known)
    said = f"{lost} of {len(draws)} draws of patients, which lack a class, left out" if lost else ""
    return [float(low), float(high)], said


def references_of(probed: Probed, encoder: str, probe: str) -> dict[str, tuple[str, str]]:
    """Return what stands beside an encoder's head: (encoder, head) by the word for it.

    Colours have no tokens: beside an attentive head stands their linear one.
    """
    beside = {CONSTANT: (CONSTANT, "")}
    if encoder != COLOURS:
        beside[COLOURS] = (COLOURS, "linear" if probe == "attentive" else probe)
    if encoder in probed.twin_of:
        beside["twin"] = (probed.twin_of[encoder], probe)
    said = {(answer.encoder, answer.probe) for answer in probed.answers}
    return {word: who for word, who in beside.items() if who in said}


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
