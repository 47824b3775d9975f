"""The line beside every distance: what two halves of the real set score against each other.

And its interval: a jackknife that leaves out patients, since drawing images twice, as a bootstrap
does, would plant exact copies and inflate both distances.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core import Quantity
from retinaforge.metrics.entries import SetMetric
from retinaforge.metrics.pairs import Features
from retinaforge.metrics.sets import frechet, kernels

SET_METRICS: tuple[SetMetric, ...] = (
    SetMetric(frechet.FRECHET_CARD, frechet.frechet_distance),
    SetMetric(frechet.SHRUNK_CARD, frechet.frechet_distance_shrunk),
    SetMetric(kernels.KERNEL_CARD, kernels.kernel_distance),
)
Distance = Callable[[Features, Features], Quantity]
DISTANCES: tuple[Distance, ...] = tuple(metric.compare for metric in SET_METRICS)


def split_half(
    real_features: Features,
    patients: Sequence[str],
    *,
    rng: np.random.Generator,
    repeats: int = 10,
) -> list[Quantity]:
    """Return what two halves of the real images, split by patient, score against each other.

    The halves hold half the images, so biased distances stand higher here than at full n: an arm
    below this line is not better than real, and an arm far above it is worse.

    Args:
        real_features: one feature vector a row.
        patients: whose eye each row shows.
        rng: drawn from for the splits.
        repeats: random splits that are averaged.

    Returns:
        One quantity for each distance, the mean over the splits; NaN below four patients.
    """
    codes = np.unique(np.asarray(patients, dtype=str), return_inverse=True)[1]
    count = int(codes.max()) + 1 if codes.size else 0
    if count < 4:
        reason = f"needs at least 4 patients to make two halves; got {count}"
        return [Quantity(metric.card, math.nan, reason) for metric in SET_METRICS]
    halves = [_half(count, rng=rng)[codes] for _ in range(repeats)]
    return [_mean_over_splits(metric, real_features, halves) for metric in SET_METRICS]


def jackknife_interval(
    distance: Distance,
    real: Features,
    synthetic: Features,
    patients: Sequence[str],
    *,
    groups: int = 20,
) -> tuple[float, float] | None:
    """Return a 95 % interval of a distance between images and their reconstructions.

    value ± 1.96 √((G − 1)/G Σ (θ₋g − θ̄)²), each group g of patients left out of both sets

    Args:
        distance: one of `DISTANCES`.
        real: one feature vector a row.
        synthetic: the reconstructions' features, row by row of the same images.
        patients: whose eye each row shows.
        groups: largest number of groups; patients are dealt to them in order of name.

    Returns:
        (low, high) in the distance's unit; None below three patients or where it is undefined.

    References:
        Efron and Tibshirani 1993, chapter 11.
    """
    codes = np.unique(np.asarray(patients, dtype=str), return_inverse=True)[1] % groups
    count = int(codes.max()) + 1 if codes.size else 0
    value = distance(real, synthetic).value
    if count < 3 or math.isnan(value):
        return None
    left = [distance(real[codes != g], synthetic[codes != g]).value for g in range(count)]
    error = math.sqrt((count - 1) * float(np.var(left)))
    return (value - 1.96 * error, value + 1.96 * error) if math.isfinite(error) else None


def _half(count: int, *, rng: np.random.Generator) -> Bool[np.ndarray, "count"]:
    half = np.zeros(count, dtype=bool)
    half[rng.permutation(count)[: count // 2]] = True
    return half


def _mean_over_splits(
    metric: SetMetric, features: Features, halves: Sequence[Bool[np.ndarray, "n"]]
) -> Quantity:
    scored = [metric.compare(features[half], features[~half]) for half in halves]
    values: Float[np.ndarray, "splits"] = np.array([quantity.value for quantity in scored])
    if np.isnan(values).any():
        return Quantity(metric.card, math.nan, "a half holds fewer than 2 images")
    return Quantity(metric.card, float(values.mean()), scored[0].reason)
