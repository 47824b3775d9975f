"""Every set score by group, and how much of each group the synthetic images cover.

The real images of a group are compared with the synthetic ones of the same group where the
synthetic side says its groups, else with all of them (a generator that was not told whom to draw).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from retinaforge.core import Score, rng_for
from retinaforge.metrics import compare_feature_sets
from retinaforge.metrics.sets.neighbours import covered_rows
from retinaforge.validation.eye import Measured
from retinaforge.validation.fidelity import Sides, line_of
from retinaforge.validation.findings import COVERAGE_CARD, share_score
from retinaforge.validation.spaces import COLOUR, STRUCTURE

SMALLEST_N = 10


def group_scores(sides: Sides, columns: Sequence[str], *, seed: int) -> list[Score]:
    """Return the set scores of each group of at least `SMALLEST_N` real images.

    Smaller groups get their coverage only, with its interval.
    """
    lines: list[Score] = []
    for column in columns:
        values = Counter(str(m.row["groups"].get(column, "")) for m in sides.real)
        own = any(m.row["groups"].get(column) for m in sides.synthetic)
        for value in sorted(value for value in values if value):
            part = _part(sides, column, value, own=own)
            lines += _of_group(part, sides, column, value, own=own, seed=seed)
    return lines


def _part(sides: Sides, column: str, value: str, *, own: bool) -> Sides:
    def chosen(side: Sequence[Measured]) -> list[Measured]:
        return [m for m in side if m.row["groups"].get(column) == value]

    return Sides(chosen(sides.real), chosen(sides.synthetic) if own else sides.synthetic)


def _of_group(
    part: Sides, whole: Sides, column: str, value: str, *, own: bool, seed: int
) -> list[Score]:
    where = {
        "family": "groups", "column": column, "group": value,
        "against": "the same group" if own else "all synthetic images",
    }  # fmt: skip
    lines = [_coverage(part, whole, where)]
    if len(part.real) < SMALLEST_N or len(part.synthetic) < SMALLEST_N:
        return lines
    for space in (STRUCTURE, COLOUR):
        x, y = part.features(space)
        rng = rng_for(seed, "groups", column, value, space)
        found = compare_feature_sets(x, y, **part.patients(), rng=rng)
        lines += [line_of(result, {**where, "space": space}) for result in found]
    return lines


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
