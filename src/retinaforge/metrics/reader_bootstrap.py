"""Intervals of a mean over readers that hold for other readers and other images.

    θ* = mean over drawn readers r of θ_r(w*),  w* the weights of drawn cases

Readers and cases are drawn with replacement, cases by patient and each side (real, synthetic) for
itself, so that the study's balance stays. All readers of a draw see the same drawn cases: that is
what correlates them. Percentiles of 2000 draws.

References:
    B. D. Gallas, A. Bandos, F. W. Samuelson, R. F. Wagner, A framework for random-effects ROC
    analysis, Communications in Statistics - Theory and Methods 38 (2009), 2586.
    B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from retinaforge.core import Refusal
from retinaforge.metrics.prediction import Draws, Weights

RESAMPLES = 2000
FEWEST_DEFINED = 0.8
ONE_READER = "one reader: the interval is over images and speaks of that reader only"
NO_WIDTH = "every draw gives the same value: a bootstrap has no interval here"
ReaderWeights = Float[np.ndarray, "draws readers"]
Measure = Callable[[int, Weights], Draws]


@dataclass(frozen=True)
class ReaderMean:
    """A mean over readers with its 95 % interval.

    Attributes:
        value: mean over the readers for whom it is defined; NaN if for none.
        interval: (low, high), or None.
        each: every reader's own value; NaN where undefined.
        reason: why value or interval is missing or narrower than it should be; may be empty.
    """

    value: float
    interval: tuple[float, float] | None
    each: tuple[float, ...]
    reason: str


def case_draws(
    patients: Sequence[str],
    sides: Sequence[str],
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Weights:
    """Return how often each image counts in each draw; row 0 is ones, the study itself.

    Args:
        patients: whose eye each image shows.
        sides: "real" or "synthetic", or any strata; patients are drawn within each.
        rng: drawn from.
        resamples: number of draws.

    Raises:
        Refusal: "expected a side for each image's patient; got ...".
    """
    if len(patients) != len(sides):
        raise Refusal("a side for each image's patient", f"{len(patients)} patients and "
                      f"{len(sides)} sides", "hand over one of each an image")  # fmt: skip
    names, strata = np.asarray(patients, dtype=str), np.asarray(sides, dtype=str)
    weights = np.ones((resamples + 1, len(names)))
    for side in np.unique(strata):
        own = np.flatnonzero(strata == side)
        _, codes = np.unique(names[own], return_inverse=True)
        count = int(codes.max()) + 1
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
        weights[1:, own] = drawn[:, codes]
    return weights


def reader_draws(
    readers: int, *, rng: np.random.Generator, resamples: int = RESAMPLES
) -> ReaderWeights:
    """Return how often each reader counts in each draw; row 0 is ones."""
    drawn = rng.multinomial(readers, np.full(readers, 1 / readers), size=resamples)
    return np.concatenate([np.ones((1, readers)), drawn.astype(np.float64)])


def mean_over_readers(measure: Measure, cases: Weights, readers: ReaderWeights) -> ReaderMean:
    """Return a measure's mean over readers with its interval over readers and cases.

    Args:
        measure: called with a reader's number and the weights; one value a draw, NaN undefined.
        cases: of `case_draws`.
        readers: of `reader_draws`, as many rows.

    Returns:
        The mean; interval None with a reason where too few draws are defined.
    """
    table = np.stack([measure(k, cases) for k in range(readers.shape[1])], axis=1)
    means = _means(table, readers)
    each = tuple(float(v) for v in table[0])
    if math.isnan(means[0]):
        return ReaderMean(math.nan, None, each, "undefined for every reader")
    known = means[1:][~np.isnan(means[1:])]
    if len(known) < FEWEST_DEFINED * (len(means) - 1):
        return ReaderMean(float(means[0]), None, each, "undefined in most draws: no interval")
    low, high = np.quantile(known, [0.025, 0.975])
    if high - low < 1e-9:
        return ReaderMean(float(means[0]), None, each, NO_WIDTH)
    reason = ONE_READER if readers.shape[1] == 1 else ""
    return ReaderMean(float(means[0]), (float(low), float(high)), each, reason)


def _means(table: ReaderWeights, readers: ReaderWeights) -> Draws:
    """Return the mean over drawn readers, leaving out those for whom it is undefined."""
    known = ~np.isnan(table)
    total = (readers * known).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (readers * np.where(known, table, 0.0)).sum(axis=1) / total
