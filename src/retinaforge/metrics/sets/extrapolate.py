"""Fréchet distance at n → ∞, from the distances of ever smaller subsets.

d²(n / t) ≈ d²(∞) + b t, fitted over t = 1 … T by least squares            (Chong and Forsyth 2020)

T is 2 below four times as many images as features and at most 5, since the bias is a line in 1 / n
only while n / t exceeds the dimension.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Int

from retinaforge.core import Card, Quantity
from retinaforge.metrics.pairs import Features
from retinaforge.metrics.sets.clouds import Cloud, make_clouds, too_few
from retinaforge.metrics.sets.frechet import ENCODER, OtherFeatures, frechet
from retinaforge.metrics.sets.pair import Pair

POINTS = 4

EXTRAPOLATED_CARD = Card(
    name="frechet_distance_extrapolated",
    version=1,
    measures=f"Fréchet distance extrapolated to infinitely many images, on features {ENCODER}; "
    "both sets thinned alike to four sizes, two draws each, fixed seed",
    range="(-inf, inf); near 0 for two samples of one distribution",
    direction="lower is better",
    unit="squared feature units",
    smallest_n=20,
    reference="Chong and Forsyth, CVPR 2020 (FID-infinity), with random subsets of both sets",
    known_failure="a line in 1/n only where the smallest subset exceeds the feature dimension; "
    "below, it takes off a part of the bias and may turn negative",
)


def frechet_distance_extrapolated(real: Features, synthetic: OtherFeatures) -> Quantity:
    """Return the Fréchet distance extrapolated to infinitely many images.

    d²(n / t) = d²(∞) + b t, least squares over t

    Args:
        real: one feature vector a row.
        synthetic: likewise, of the same dimension.

    Returns:
        The distance in squared feature units, which noise may turn negative, with a warning where
        subsets are not larger than the dimension; NaN below 20 rows.

    Raises:
        Refusal: "expected two matrices of finite features with equally many columns; got ...".

    References:
        Chong and Forsyth, Effectively unbiased FID and Inception Score, CVPR 2020, section 4.
    """
    return extrapolated_score(Pair(*make_clouds(real, synthetic)))


def extrapolated_score(pair: Pair) -> Quantity:
    """Return the extrapolated distance of a pair, or why there is none."""
    a, b = pair.a, pair.b
    reason = too_few(EXTRAPOLATED_CARD, a, b)
    if reason:
        return Quantity(EXTRAPOLATED_CARD, math.nan, reason)
    n = min(len(a), len(b))
    times = np.linspace(1, np.clip(n / (2 * a.dim), 2, 5), POINTS)
    distances = [
        np.mean([frechet(_thin(a, t, last), _thin(b, t, last)) for last in draws])
        for t in times
        for draws in [(False,) if t == 1 else (False, True)]
    ]
    value = float(np.polynomial.polynomial.polyfit(times, distances, 1)[0])
    smallest = int(n / times[-1])
    warning = (
        f"warning: subsets of {smallest} images do not exceed the feature dimension {a.dim}; "
        "the bias is not a line in 1/n there"
    )
    return Quantity(EXTRAPOLATED_CARD, value, warning if smallest <= a.dim else "")


def _thin(a: Cloud, times: float, last: bool) -> Cloud:
    """Return one t-th of the rows: the first or the last in an order that belongs to the rows.

    The order belongs to the rows, so that leaving some out (jackknife) leaves the rest in place.
    """
    count = round(len(a) / times)
    order = _order(a.labels)
    return a.take(order[-count:] if last else order[:count])


def _order(labels: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    priority = np.random.default_rng(0).random(int(labels.max()) + 1)
    return np.argsort(priority[labels], kind="stable")
