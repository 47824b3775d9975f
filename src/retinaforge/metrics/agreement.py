"""Agreement of measurements with one another and with the truth.

Targets in rows, measurements in columns, n by k; mean squares of rows, columns, residual:

    ICC(A,1) = (MS_R − MS_E) / (MS_R + (k − 1) MS_E + (k / n) (MS_C − MS_E))

the intraclass correlation of single measurements for absolute agreement, both ways random, which
Shrout and Fleiss call ICC(2,1). The interval is McGraw and Wong's table 7, by F quantiles.

    limits of agreement = bias ± 1.96 SD of the differences

References:
    P. E. Shrout, J. L. Fleiss, Psychological Bulletin 86 (1979), 420.
    K. O. McGraw, S. P. Wong, Psychological Methods 1 (1996), 30; correction on page 390.
    J. M. Bland, D. G. Altman, Lancet 327 (1986), 307.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from retinaforge.core import Card, Refusal

FEWEST = 3

ICC_CARD = Card(
    name="icc_a1",
    version=1,
    measures="intraclass correlation, two-way random, absolute agreement, single measurement: the "
    "share of the variance that lies between targets, with its 95 % interval",
    range="[-1, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=FEWEST,
    reference="Shrout and Fleiss 1979, ICC(2,1); McGraw and Wong 1996, ICC(A,1), table 7",
    known_failure="depends on how much the targets differ: the same error gives a lower value "
    "among eyes that are alike",
)

LIMITS_CARD = Card(
    name="limits_of_agreement",
    version=1,
    measures="mean difference and the limits that hold 95 % of normal differences",
    range="the score's own",
    direction="neither",
    unit="the score's own",
    smallest_n=FEWEST,
    reference="Bland and Altman 1986 (Lancet 327, 307)",
    known_failure="the limits are too narrow where differences grow with the value, or are few",
)


@dataclass(frozen=True)
class Correlation:
    """An intraclass correlation with its 95 % interval; NaN where nothing varies.

    Attributes:
        value: ICC(A,1).
        low: lower end of the interval.
        high: upper end.
        n: number of targets.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Limits:
    """Bland and Altman's limits of agreement.

    Attributes:
        bias: mean difference.
        low: bias − 1.96 SD.
        high: bias + 1.96 SD.
        n: number of pairs.
    """

    bias: float
    low: float
    high: float
    n: int


def icc_a1(table: Float[np.ndarray, "n k"], *, confidence: float = 0.95) -> Correlation:
    """Correlate k measurements of n targets, see the module.

    Args:
        table: one row a target, every cell known.
        confidence: of the interval, 0-1.

    Raises:
        Refusal: with fewer than three targets or two measurements, or a cell that is not known.
    """
    n, k = table.shape
    if n < FEWEST or k < 2 or not np.isfinite(table).all():
        raise Refusal(
            f"{FEWEST} or more targets, each measured twice or more, all known",
            f"a table of {n} by {k}, {int((~np.isfinite(table)).sum())} cells unknown",
            "leave out targets that were not measured every time",
        )
    rows, columns, rest = _mean_squares(table)
    below = rows + (k - 1) * rest + k / n * (columns - rest)
    # Rounding leaves a crumb of variance where there is none.
    if below <= 1e-24 * max(float(np.abs(table).max()), 1e-300) ** 2:
        return Correlation(math.nan, math.nan, math.nan, n)
    value = (rows - rest) / below
    if value >= 1 - 1e-12:
        return Correlation(value, value, value, n)
    low, high = _interval(value, (rows, columns, rest), (n, k), confidence)
    return Correlation(value, low, high, n)


def _mean_squares(table: Float[np.ndarray, "n k"]) -> tuple[float, float, float]:
    n, k = table.shape
    of_row = table.mean(axis=1, keepdims=True)
    of_column = table.mean(axis=0, keepdims=True)
    rest = table - of_row - of_column + table.mean()
    rows = k * float(np.square(of_row - table.mean()).sum()) / (n - 1)
    columns = n * float(np.square(of_column - table.mean()).sum()) / (k - 1)
    return rows, columns, float(np.square(rest).sum()) / ((n - 1) * (k - 1))


def _interval(
    value: float, squares: tuple[float, float, float], shape: tuple[int, int], confidence: float
) -> tuple[float, float]:
    """Return McGraw and Wong's interval of ICC(A,1)."""
    (rows, columns, rest), (n, k) = squares, shape
    a = k * value / (n * (1 - value))
    b = 1 + k * value * (n - 1) / (n * (1 - value))
    below = (a * columns) ** 2 / (k - 1) + (b * rest) ** 2 / ((n - 1) * (k - 1))
    if below <= 0:
        return math.nan, math.nan
    v = (a * columns + b * rest) ** 2 / below
    share = 1 - (1 - confidence) / 2
    spread = k * columns + (k * n - k - n) * rest
    f = float(stats.f.ppf(share, n - 1, v))
    low = n * (rows - f * rest) / (f * spread + n * rows)
    f = float(stats.f.ppf(share, v, n - 1))
    return low, n * (f * rows - rest) / (spread + n * f * rows)


def limits_of_agreement(differences: Float[np.ndarray, "n"]) -> Limits:
    """Return the bias of some differences and the limits that hold 95 % of them.

    Raises:
        Refusal: with fewer than three differences, or one that is not known.
    """
    if len(differences) < FEWEST or not np.isfinite(differences).all():
        raise Refusal(
            f"{FEWEST} or more known differences",
            f"{len(differences)}, {int((~np.isfinite(differences)).sum())} of them unknown",
            "leave out pairs that were not both measured",
        )
    bias, reach = float(differences.mean()), 1.96 * float(differences.std(ddof=1))
    return Limits(bias, bias - reach, bias + reach, len(differences))
