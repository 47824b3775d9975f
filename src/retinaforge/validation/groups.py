"""Every score by group, and how much of each group the synthetic images cover.

The real images of a group are compared with the synthetic ones of the same group where the
synthetic side says its groups, else with all of them (a generator that was not told whom to draw).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from retinaforge.core import Score
from retinaforge.metrics.sets.neighbours import covered_rows
from retinaforge.validation.distributions import TABLES, distribution_scores
from retinaforge.validation.eye import Measured
from retinaforge.validation.fidelity import Sides, fidelity_scores
from retinaforge.validation.findings import (
    COVERAGE_CARD,
    anatomy_scores,
    quality_score,
    share_score,
)
from retinaforge.validation.spaces import STRUCTURE

SMALLEST_N = 10


def group_scores(
    sides: Sides, columns: Sequence[str], *, seed: int, encoders: tuple[str, ...] = ()
) -> list[Score]:
    """Return every score of each group of at least `SMALLEST_N` real images.

    Smaller groups get their coverage only, with its interval.

    Args:
        sides: the measured images.
        columns: whose values make the groups.
        seed: decides the halves.
        encoders: further feature spaces.
    """
    lines: list[Score] = []
    for column in columns:
        values = Counter(str(m.row["groups"].get(column, "")) for m in sides.real)
        own = any(m.row["groups"].get(column) for m in sides.synthetic)
        for value in sorted(value for value in values if value):
            part = _part(sides, column, value, own=own)
            where = {
                "family": "groups", "column": column, "group": value,
                "against": "the same group" if own else "all synthetic images",
            }  # fmt: skip
            lines.append(_coverage(part, sides, where))
            if min(len(part.real), len(part.synthetic)) >= SMALLEST_N:
                lines += _of_group(part, where, encoders, seed)
    return lines


def _part(sides: Sides, column: str, value: str, *, own: bool) -> Sides:
    def chosen(side: Sequence[Measured]) -> list[Measured]:
        return [m for m in side if m.row["groups"].get(column) == value]

    return Sides(chosen(sides.real), chosen(sides.synthetic) if own else sides.synthetic)


def _of_group(
    part: Sides, where: dict[str, str], encoders: tuple[str, ...], seed: int
) -> Iterator[Score]:
    """Yield a group's scores; what they are of stands in `space`, or in `table` and `number`."""
    for line in fidelity_scores(part, encoders, seed=seed):
        yield replace(line, where={**where, "space": line.where["space"]})
    for table in TABLES:
        for line in distribution_scores(part, table, seed=seed):
            own = {"table": table, "number": line.where["column"]}
            yield replace(line, where={**where, **own})
    for line in (*anatomy_scores(part), *quality_score(part)):
        yield replace(line, where={**where, "table": line.where["family"]})


def _coverage(part: Sides, whole: Sides, where: dict[str, str]) -> Score:
    """Return the share of the group's real images with a synthetic one in their neighbourhood.

    The neighbourhoods are those of the whole real set, so that rare groups are not judged by
    the wide gaps among themselves.
    """
    x, y = whole.features(STRUCTURE)
    names = {m.row["name"] for m in part.real}
    inside = np.array([m.row["name"] in names for m in whole.real])
    flags = covered_rows(x, y)[inside]
    return share_score(COVERAGE_CARD, int(flags.sum()), len(flags), where)
