"""How many images a reader study needs, before it begins.

Of one reader, by exact binomial tails of the two-sided test at α against one half:

    find an accuracy p            smallest n whose power at p is at least 1 − β, it and all larger n
    show that it is below 1/2 + m smallest n whose upper Clopper-Pearson bound (one-sided, α) lies
                                  below 1/2 + m with power 1 − β though p is 1/2

Of R readers who read the same images, by the normal approximation:

    Var = p (1 − p) (1 + (R − 1) ρ) / (n R) + σ² / R

σ the spread of readers' own accuracies, ρ the correlation of two readers' answers to one image.

References:
    C. J. Clopper, E. S. Pearson 1934. M. R. Chernick, C. Y. Liu, The American Statistician 56
    (2002), 149 (power is a saw-tooth in n). N. A. Obuchowski, H. E. Rockette 1995 (the two
    sources of variance).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from retinaforge.core import Refusal

Sizes = Int[np.ndarray, "sizes"]
Powers = Float[np.ndarray, "sizes"]
CHANCE, LARGEST = 0.5, 20_000


@dataclass(frozen=True)
class Plan:
    """What a study needs, or why nothing is enough.

    Attributes:
        images: smallest number; None where none up to 20 000 is enough.
        power: that this number reaches; NaN with None.
        reason: why no number is enough; empty otherwise.
    """

    images: int | None
    power: float
    reason: str = ""


def power_to_find(n: int, accuracy: float, *, alpha: float = 0.05) -> float:
    """Return the power of the exact two-sided test against one half, of one reader and n images."""
    _check(accuracy, alpha)
    return float(_power_to_find(np.array([n]), accuracy, alpha)[0])


def accuracy_found(n: int, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Return the smallest accuracy that one reader of n images is found to have, see the module.

    Returns:
        In (0.5, 1), to a thousandth; NaN where n is too small for any.
    """
    _check(0.6, alpha, power)
    steps = np.arange(0.501, 1.0, 0.001)
    found = [a for a in steps if _power_to_find(np.array([n]), float(a), alpha)[0] >= power]
    return round(float(found[0]), 3) if found else math.nan


def images_to_find(accuracy: float, *, power: float = 0.8, alpha: float = 0.05) -> Plan:
    """Return how many images one reader needs so that an accuracy is told from one half.

    Args:
        accuracy: in (0, 1), not one half.
        power: asked for, in (0, 1).
        alpha: of the two-sided test.

    Raises:
        Refusal: "expected an accuracy in (0, 1) other than one half; got ...".
    """
    _check(accuracy, alpha, power)
    return _smallest(lambda n: _power_to_find(n, accuracy, alpha), power)


def images_to_rule_out(margin: float, *, power: float = 0.8, alpha: float = 0.05) -> Plan:
    """Return how many images one reader needs to show that accuracy lies below one half + margin.

    Not finding a difference shows nothing; this is what "cannot be told apart" takes.

    Args:
        margin: in (0, 0.5).
        power: asked for if accuracy is one half.
        alpha: of the one-sided bound.

    Raises:
        Refusal: "expected a margin in (0, 0.5); got ...".
    """
    if not 0 < margin < CHANCE:
        raise Refusal("a margin in (0, 0.5)", f"{margin:g}", "such as 0.1 for below 60 %")
    _check(0.6, alpha, power)
    return _smallest(lambda n: _power_to_rule_out(n, margin, alpha), power)


def images_of_several(
    accuracy: float,
    readers: int,
    *,
    reader_sd: float,
    correlation: float,
    power: float = 0.8,
    alpha: float = 0.05,
) -> Plan:
    """Return how many images R readers need, each of them reading all, see the module.

    Args:
        accuracy: mean over readers, not one half.
        readers: R.
        reader_sd: σ, spread of readers' own accuracies.
        correlation: ρ in [0, 1].
        power: asked for.
        alpha: of the two-sided test.

    Raises:
        Refusal: for numbers outside their range.
    """
    _check(accuracy, alpha, power)
    if readers < 1 or reader_sd < 0 or not 0 <= correlation <= 1:
        raise Refusal(
            "one reader or more, a spread of at least 0 and a correlation in [0, 1]",
            f"{readers}, {reader_sd:g} and {correlation:g}",
            "such as --readers 5 --reader-sd 0.05 --correlation 0.2",
        )
    reach = float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power))
    room = ((accuracy - CHANCE) / reach) ** 2 - reader_sd**2 / readers
    if room <= 0:
        fewest = math.ceil((reader_sd * reach / (accuracy - CHANCE)) ** 2 + 1e-9)
        return Plan(None, math.nan, f"readers differ too much: {fewest + 1} or more are needed")
    one = accuracy * (1 - accuracy) * (1 + (readers - 1) * correlation) / readers
    return Plan(max(1, math.ceil(one / room)), power)


def half_width(n: int, share: float = CHANCE, *, level: float = 0.95) -> float:
    """Return half the width of Clopper and Pearson's interval at a share of n answers."""
    k = round(share * n)
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, k, n - k + 1)) if k else 0.0
    high = float(stats.beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
    return (high - low) / 2


def _smallest(power_of: Callable[[Sizes], Powers], power: float) -> Plan:
    """Return the first n from which on the power stays; searched in blocks of growing size."""
    top = 64
    while top <= LARGEST:
        found = power_of(np.arange(1, 2 * top + 1))
        short = np.flatnonzero(found < power)
        last = int(short[-1]) + 1 if len(short) else 0
        # The saw-tooth's teeth shrink: clear over as many again, it stays clear.
        if last < top:
            return Plan(last + 1, float(found[last]))
        top *= 2
    return Plan(None, math.nan, f"more than {LARGEST} images")


def _power_to_find(n: Sizes, accuracy: float, alpha: float) -> Powers:
    # Largest k with P(X ≤ k | 1/2) ≤ α/2; the upper region mirrors it.
    edge = stats.binom.ppf(alpha / 2, n, CHANCE)
    edge = np.where(stats.binom.cdf(edge, n, CHANCE) > alpha / 2, edge - 1, edge)
    low = stats.binom.cdf(edge, n, accuracy)
    return np.asarray(low + stats.binom.sf(n - edge - 1, n, accuracy), dtype=np.float64)


def _power_to_rule_out(n: Sizes, margin: float, alpha: float) -> Powers:
    # The upper bound lies below p1 exactly where P(X ≤ k | p1) < α.
    edge = stats.binom.ppf(alpha, n, CHANCE + margin)
    edge = np.where(stats.binom.cdf(edge, n, CHANCE + margin) >= alpha, edge - 1, edge)
    return np.asarray(stats.binom.cdf(edge, n, CHANCE), dtype=np.float64)


def _check(accuracy: float, alpha: float, power: float = 0.8) -> None:
    if not 0 < accuracy < 1 or accuracy == CHANCE:
        raise Refusal("an accuracy in (0, 1) other than one half", f"{accuracy:g}",
                      "say which accuracy the study is to find")  # fmt: skip
    if not (0 < alpha < 1 and 0 < power < 1):
        raise Refusal("alpha and power in (0, 1)", f"{alpha:g} and {power:g}",
                      "such as --alpha 0.05 --power 0.8")  # fmt: skip
