"""How well readers tell real from synthetic, under many weightings of the images at once.

"Synthetic" is the signal; weights w of the images (a row of ones is the study itself):

    share      Σ w [yes] / Σ w, exact interval by Clopper and Pearson for whole counts
    hits H     share of synthetic images called synthetic;  false alarms F of real ones
    d' = z(H) − z(F),  c = −(z(H) + z(F)) / 2,  of two images d' = √2 z(share right)

with half an answer added to each cell, so that a perfect reader has a finite d' (Hautus 1995).

References:
    C. J. Clopper, E. S. Pearson, Biometrika 26 (1934), 404.
    N. A. Macmillan, C. D. Creelman, Detection Theory, 2nd edition 2005, chapters 1, 2 and 7.
    M. J. Hautus, Behavior Research Methods, Instruments and Computers 27 (1995), 46.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from retinaforge.core import Refusal
from retinaforge.metrics.prediction import Draws, Weights, auroc

Flags = Bool[np.ndarray, "n"]


@dataclass(frozen=True)
class Share:
    """A share of answers with its exact 95 % interval.

    Attributes:
        value: k / n; NaN for no answer.
        low: lower end; NaN for no answer.
        high: upper end.
        k: answers counted.
        n: answers in all.
        p: two-sided exact p value against the chance given; NaN for no answer.
    """

    value: float
    low: float
    high: float
    k: int
    n: int
    p: float


def exact_share(k: int, n: int, *, chance: float = 0.5, level: float = 0.95) -> Share:
    """Return k of n with Clopper and Pearson's interval and the exact binomial p value.

    Args:
        k: how many answers count.
        n: how many there are.
        chance: what guessing gives, in (0, 1).
        level: coverage in (0, 1).

    Raises:
        Refusal: "expected k of n with 0 ≤ k ≤ n; got ...".
    """
    if not 0 <= k <= n:
        raise Refusal("k of n with 0 ≤ k ≤ n", f"{k} of {n}", "count answers, then all answers")
    if n == 0:
        return Share(math.nan, math.nan, math.nan, 0, 0, math.nan)
    low, high = np.asarray(proportion_confint(k, n, alpha=1 - level, method="beta"), dtype=float)
    p = float(stats.binomtest(k, n, chance).pvalue)
    return Share(k / n, float(low), float(high), k, n, p)


def share(yes: Flags, weights: Weights) -> Draws:
    """Return the weighted share of `yes`; NaN where nothing has weight."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ yes.astype(np.float64)) / weights.sum(axis=1)


def rates(synthetic: Flags, called: Flags, weights: Weights) -> tuple[Draws, Draws]:
    """Return hits and false alarms with half an answer added to each cell.

    Args:
        synthetic: what each image is.
        called: what it was called.
        weights: one row a draw.

    Returns:
        Share of synthetic and of real images called synthetic; NaN where a side has no weight.
    """
    hits, alarms = (_corrected(called, weights * side) for side in (synthetic, ~synthetic))
    return hits, alarms


def _corrected(yes: Flags, weights: Weights) -> Draws:
    total = weights.sum(axis=1)
    return np.where(total > 0, (weights @ yes.astype(np.float64) + 0.5) / (total + 1), np.nan)


def d_prime(synthetic: Flags, called: Flags, weights: Weights) -> Draws:
    """Return z(hits) − z(false alarms), see the module."""
    hits, alarms = rates(synthetic, called, weights)
    return stats.norm.ppf(hits) - stats.norm.ppf(alarms)


def criterion(synthetic: Flags, called: Flags, weights: Weights) -> Draws:
    """Return −(z(hits) + z(false alarms)) / 2; above 0: leans to calling images real."""
    hits, alarms = rates(synthetic, called, weights)
    return -(stats.norm.ppf(hits) + stats.norm.ppf(alarms)) / 2


def d_prime_of_pairs(right: Flags, weights: Weights) -> Draws:
    """Return √2 z(share right) of choices between two images."""
    return math.sqrt(2) * stats.norm.ppf(_corrected(right, weights))


def confidence_auc(synthetic: Flags, leaning: Float[np.ndarray, "n"], weights: Weights) -> Draws:
    """Return the area under the ROC curve of confidence; NaN where a side has no weight.

    Args:
        synthetic: what each image is.
        leaning: from surely real (lowest) to surely synthetic (highest).
        weights: one row a draw.
    """
    if synthetic.size == 0:
        return np.full(len(weights), np.nan)
    return auroc(synthetic.astype(np.int64), np.stack([-leaning, leaning], axis=1), weights)


def mean_step(steps: Int[np.ndarray, "n"], weights: Weights) -> Draws:
    """Return the weighted mean of scores from 1 to 3; NaN where nothing has weight."""
    total = weights.sum(axis=1)
    return (weights @ steps.astype(np.float64)) / np.where(total > 0, total, np.nan)


def step_difference(synthetic: Flags, steps: Int[np.ndarray, "n"], weights: Weights) -> Draws:
    """Return the mean score of synthetic images minus that of real ones."""
    drawn, real = (mean_step(steps[side], weights[:, side]) for side in (synthetic, ~synthetic))
    return drawn - real


def typical_time(seconds: Float[np.ndarray, "n"]) -> tuple[float, float, float]:
    """Return median and quartiles of reading times in seconds, interpolated linearly."""
    low, middle, high = np.quantile(seconds, [0.25, 0.5, 0.75])
    return float(middle), float(low), float(high)
