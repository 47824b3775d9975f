"""Distributions of every biomarker and every quality number, real against synthetic.

One line a number: the Kolmogorov–Smirnov distance with its corrected p value, Wasserstein distance
in the number's own unit, Cliff's delta, both medians; and the same distance between halves of the
real set, at the same n. The numbers of one table are one family for Holm's correction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from retinaforge.core import Card, Quantity, Score, rng_for
from retinaforge.metrics import compare_sets as compare_halves
from retinaforge.metrics.quality_numbers import IMAGE_NUMBERS
from retinaforge.metrics.sets import Table
from retinaforge.validation.eye import Measured
from retinaforge.validation.fidelity import Sides, line_of
from retinaforge.vessels.biomarkers import BIOMARKERS
from retinaforge.vessels.compare_sets import KS, SMALLEST_N, SetDifference, compare_sets

TABLES = ("vessels", "quality")


def cards_of(table: str) -> dict[str, Card]:
    """Return the cards of a table's numbers by column."""
    if table == "vessels":
        return {biomarker.card.column: biomarker.card for biomarker in BIOMARKERS}
    return {number.card.name: number.card for number in IMAGE_NUMBERS}


def columns_of(measured: Sequence[Measured], table: str) -> list[str]:
    """Return the columns of a table that any image has, in the catalogue's order."""
    shown = {name for m in measured for name in m.row[table]}
    return [column for column in cards_of(table) if column in shown]


def values_of(measured: Sequence[Measured], table: str, columns: Sequence[str]) -> np.ndarray:
    """Return a row an image and a column a number; NaN where it was not measured."""
    rows = [[m.row[table].get(column, math.nan) for column in columns] for m in measured]
    return np.array(rows, dtype=float).reshape(len(measured), len(columns))


def distances(a: Table, b: Table) -> list[Quantity]:
    """Return the Kolmogorov–Smirnov distance of each column, NaN with a reason at small n."""
    return [_ks(x, y) for x, y in zip(a.rows.T, b.rows.T, strict=True)]


def _ks(a: np.ndarray, b: np.ndarray) -> Quantity:
    a, b = np.sort(a[np.isfinite(a)]), np.sort(b[np.isfinite(b)])
    if min(len(a), len(b)) < SMALLEST_N:
        return Quantity(KS, math.nan, f"fewer than {SMALLEST_N} values on a side")
    both = np.concatenate([a, b])
    below = [np.searchsorted(side, both, side="right") / len(side) for side in (a, b)]
    return Quantity(KS, float(np.abs(below[0] - below[1]).max()))


def distribution_scores(sides: Sides, table: str, *, seed: int) -> list[Score]:
    """Return how each number of a table is spread on both sides.

    Args:
        sides: the measured images.
        table: "vessels" or "quality".
        seed: decides the halves.
    """
    columns = columns_of((*sides.real, *sides.synthetic), table)
    if not columns or not sides.real or not sides.synthetic:
        return []
    x, y = (values_of(side, table, columns) for side in (sides.real, sides.synthetic))
    halved = compare_halves(
        Table(x), Table(y), score=distances, **sides.patients(),
        rng=rng_for(seed, "distributions", table),
    )  # fmt: skip
    rows = [[m.row[table] for m in side] for side in (sides.real, sides.synthetic)]
    found = compare_sets(rows[0], rows[1], columns=columns)
    cards = cards_of(table)
    return [
        line_of(
            result, {"family": table, "column": d.column},
            **_beside(d, cards[d.column]), **_medians(x[:, k], y[:, k]),
        )
        for k, (d, result) in enumerate(zip(found, halved, strict=True))
    ]  # fmt: skip


def _beside(d: SetDifference, number: Card) -> dict[str, Any]:
    return {
        "values_real": d.n_real, "values_synthetic": d.n_synthetic,
        "p": _known(d["ks_p"]), "p_holm": _known(d["ks_p_holm"]),
        "wasserstein": _known(d["wasserstein"]), "cliffs_delta": _known(d["cliffs_delta"]),
        "unit": number.unit, "number": number.as_dict(),
    }  # fmt: skip


def _medians(x: np.ndarray, y: np.ndarray) -> dict[str, float | None]:
    return {
        f"median_{name}": float(np.nanmedian(side)) if np.isfinite(side).any() else None
        for name, side in (("real", x), ("synthetic", y))
    }


def _known(quantity: Quantity) -> float | None:
    return None if math.isnan(quantity.value) else quantity.value


def share_that_differ(lines: Sequence[Score], *, level: float = 0.05) -> tuple[int, int]:
    """Return how many numbers differ significantly after correction, and of how many."""
    known = [line.extra["p_holm"] for line in lines if line.extra.get("p_holm") is not None]
    return sum(p < level for p in known), len(known)
