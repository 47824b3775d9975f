"""Two sets of photographs: how the distributions of every biomarker differ.

For a biomarker with values x₁…x_n (real) and y₁…y_m (synthetic), F and G their shares below a
value:

    wasserstein  W₁ = ∫ |F − G|                      in the biomarker's unit
    ks           D = max |F − G|,  p two-sided, corrected over all biomarkers (Holm 1979)
    delta        δ = (#{y > x} − #{y < x}) / (n m)   (Cliff 1993)

References:
    N. Cliff, "Dominance statistics: ordinal analyses to answer ordinal questions", Psychological
    Bulletin 114, 494 (1993).
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6, 65 (1979).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from retinaforge.core import Card, Quantity, Refusal

SMALLEST_N = 5
"""Fewer values on a side say next to nothing about a distribution."""

WASSERSTEIN = Card(
    name="wasserstein",
    version=1,
    measures="area between the two sets' cumulative distributions of a biomarker: by how much "
    "values must move on average to turn one into the other",
    range="[0, inf)",
    direction="lower is better",
    unit="the biomarker's",
    smallest_n=SMALLEST_N,
    reference="Wasserstein-1 distance of samples; scipy.stats.wasserstein_distance",
    known_failure="above 0 for two samples of one population, the more the fewer they are; one "
    "outlier moves it",
)
KS = Card(
    name="ks",
    version=1,
    measures="largest difference between the two sets' cumulative distributions of a biomarker",
    range="[0, 1]",
    direction="lower is better",
    unit="1",
    smallest_n=SMALLEST_N,
    reference="Kolmogorov and Smirnov; scipy.stats.ks_2samp",
    known_failure="above 0 for two samples of one population; blind to differences in the tails",
)
KS_P = replace(
    KS,
    name="ks_p",
    measures="two-sided p value of ks, not corrected",
    direction="neither",
    known_failure="takes photographs as independent: two of one eye make it too small; with many "
    "photographs trifles become significant, with few nothing does",
)
KS_P_HOLM = replace(
    KS_P,
    name="ks_p_holm",
    measures="ks_p, corrected for the number of biomarkers that were compared",
    reference="Holm, Scand. J. Stat. 6 (1979)",
    known_failure=KS_P.known_failure + "; careful where biomarkers go together",
)
DELTA = Card(
    name="cliffs_delta",
    version=1,
    measures="how much more often a synthetic photograph's value is above than below a real "
    "one's: 0 none, 1 always above, -1 always below",
    range="[-1, 1]",
    direction="neither",
    unit="1",
    smallest_n=SMALLEST_N,
    reference="Cliff, Psychol. Bull. 114 (1993)",
    known_failure="blind to a difference in spread alone",
)
SET_COMPARISONS = (WASSERSTEIN, KS, KS_P, KS_P_HOLM, DELTA)
"""The cards, in the order in which `compare_sets` answers for each biomarker."""


@dataclass(frozen=True)
class SetDifference:
    """How one biomarker differs between two sets.

    Attributes:
        column: the biomarker's column.
        n_real: real photographs with a value.
        n_synthetic: synthetic photographs with a value.
        quantities: one for each card of `SET_COMPARISONS`.
    """

    column: str
    n_real: int
    n_synthetic: int
    quantities: tuple[Quantity, ...]

    def __getitem__(self, name: str) -> Quantity:
        """Return the quantity of a card's name."""
        return next(q for q in self.quantities if q.card.name == name)


def compare_sets(
    real_rows: Sequence[Mapping[str, Any]],
    synthetic_rows: Sequence[Mapping[str, Any]],
    *,
    columns: Sequence[str] | None = None,
) -> list[SetDifference]:
    """Compare two sets of photographs biomarker by biomarker.

    Args:
        real_rows: one mapping a photograph, from column to value; what is not a finite number is
            missing.
        synthetic_rows: the same.
        columns: which to compare; None takes every column that has numbers in both sets.

    Returns:
        One difference a column, NaN with a reason below five values on either side.

    Raises:
        Refusal: if either set is empty, or a named column is in no row.

    Example:
        >>> rows = [{"density": k / 10} for k in range(10)]
        >>> compare_sets(rows, rows)[0]["ks"].value
        0.0
    """
    if not real_rows or not synthetic_rows:
        raise Refusal(
            "at least one row on either side",
            f"{len(real_rows)} real and {len(synthetic_rows)} synthetic rows",
            "read both biomarkers.csv files and hand over their rows",
        )
    known = dict.fromkeys(name for row in (*real_rows, *synthetic_rows) for name in row)
    missing = [name for name in columns or () if name not in known]
    if missing:
        raise Refusal(
            "columns that the rows have",
            f"{', '.join(missing)}",
            f"choose among {', '.join(known)}",
        )
    tables = [(name, _values(real_rows, name), _values(synthetic_rows, name))
              for name in columns or known]  # fmt: skip
    if columns is None:
        tables = [table for table in tables if len(table[1]) and len(table[2])]
    found = [_differences(x, y) for _, x, y in tables]
    corrected = holm([row[2] for row in found])
    return [
        SetDifference(name, len(x), len(y), _quantities(x, y, (w, d, p, p_holm, delta)))
        for (name, x, y), (w, d, p, delta), p_holm in zip(tables, found, corrected, strict=True)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down corrected p values: max over j ≤ i of (m − j + 1) p₍ⱼ₎, at most 1.

    Args:
        p_values: of one family; NaN stays NaN and does not count.
    """
    p = np.asarray(p_values, dtype=float)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    corrected = np.full(len(p), np.nan)
    weights = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(weights * p[order]), 1.0)
    return corrected.tolist()


def cliffs_delta(real: Float[np.ndarray, "n"], synthetic: Float[np.ndarray, "m"]) -> float:
    """Return (#{y > x} − #{y < x}) / (n m), in n log n steps."""
    ranked = np.sort(real)
    below = np.searchsorted(ranked, synthetic, side="left").sum(dtype=float)
    above = (len(real) - np.searchsorted(ranked, synthetic, side="right")).sum(dtype=float)
    return float((below - above) / (len(real) * len(synthetic)))


def _values(rows: Sequence[Mapping[str, Any]], name: str) -> Float[np.ndarray, "n"]:
    """Return a column's finite numbers."""
    cells = [row.get(name) for row in rows]
    numbers = [float(c) for c in cells if type(c) is not bool and isinstance(c, Real)]
    values = np.array(numbers, dtype=float)
    return values[np.isfinite(values)]


def _differences(
    x: Float[np.ndarray, "n"], y: Float[np.ndarray, "m"]
) -> tuple[float, float, float, float]:
    """Return W₁, D, p and δ; NaN with too few values."""
    if min(len(x), len(y)) < SMALLEST_N:
        return math.nan, math.nan, math.nan, math.nan
    with warnings.catch_warnings():
        # Where rounding lifts the exact p above 1, SciPy warns and takes the asymptotic one.
        warnings.filterwarnings("ignore", message="ks_2samp: Exact calculation")
        distance, p = (float(np.asarray(v)) for v in tuple(stats.ks_2samp(x, y))[:2])
    return (
        float(stats.wasserstein_distance(x, y)),
        distance,
        p,
        cliffs_delta(x, y),
    )


def _quantities(
    x: Float[np.ndarray, "n"], y: Float[np.ndarray, "m"], values: tuple[float, ...]
) -> tuple[Quantity, ...]:
    reason = ""
    if min(len(x), len(y)) < SMALLEST_N:
        reason = f"{len(x)} real and {len(y)} synthetic values, {SMALLEST_N} are needed on a side"
    return tuple(
        Quantity(card, value, reason) for card, value in zip(SET_COMPARISONS, values, strict=True)
    )
