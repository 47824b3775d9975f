"""From per-image values to the lines of a scorecard."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from retinaforge.core import Card, Score
from retinaforge.metrics.statistics import RESAMPLES, paired_bootstrap, paired_difference


def mean_score(
    card: Card,
    values: Float[np.ndarray, "n"],
    patients: Sequence[str],
    *,
    rng: np.random.Generator,
    where: Mapping[str, str],
    resamples: int = RESAMPLES,
) -> Score:
    """Return the mean over images as a score with its bootstrap interval over patients.

    Args:
        card: what the values measure.
        values: one number an image, in the card's unit; NaN where undefined.
        patients: whose eye each image shows.
        rng: same seed for every arm, so that the draws are paired.
        where: arm, judge, dataset, ...
        resamples: draws of patients behind the interval.

    Returns:
        The score in the card's unit, with the number of patients beside it.
    """
    e = paired_bootstrap(values, patients, rng=rng, resamples=resamples)
    extra = {"role": "score", "patients": e.patients}
    return Score(card, e.value, e.interval, e.n, dict(where), e.reason, extra)


def difference_score(
    card: Card,
    arm: Float[np.ndarray, "n"],
    baseline: Float[np.ndarray, "n"],
    patients: Sequence[str],
    *,
    rng: np.random.Generator,
    where: Mapping[str, str],
    resamples: int = RESAMPLES,
) -> Score:
    """Return arm minus baseline as a score; its p value is still to be corrected by `holm`.

    Args:
        card: what the values measure.
        arm: one number an image, in the card's unit.
        baseline: the same images, in the same order.
        patients: whose eye each image shows.
        rng: same seed for every arm.
        where: arm, difference_to, judge, dataset, ...
        resamples: draws of patients behind the interval.

    Returns:
        The difference in the card's unit, with `p` (None where undefined) among the extras.
    """
    d = paired_difference(arm, baseline, patients, rng=rng, resamples=resamples)
    e, p = d.estimate, None if math.isnan(d.p) else d.p
    extra = {"role": "difference", "patients": e.patients, "p": p}
    return Score(card, e.value, e.interval, e.n, dict(where), e.reason, extra)
