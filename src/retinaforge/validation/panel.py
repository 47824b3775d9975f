"""What the sanity panel found: for each score and each damage, from which level it is noticed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from retinaforge.validation.trackers import Tracked

STEADY = 0.9
VESSEL_DAMAGE = ("broken-vessels", "thick-vessels")
Medians = dict[tuple[str, int], dict[Tracked, float]]
"""By (kind, level), the median of every score with that damage."""


@dataclass(frozen=True)
class Panel:
    """What the panel found.

    Attributes:
        n: real images that were damaged.
        references: undamaged images that they are compared with.
        levels: of damage.
        floor: values of every score without damage, one a draw.
        medians: by (kind, level), the median of every score with damage.
        problems: images or damages that could not be had.
    """

    n: int
    references: int
    levels: tuple[int, ...]
    floor: dict[Tracked, list[float]]
    medians: Medians
    problems: tuple[str, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of damage, in order."""
        return tuple(dict.fromkeys(kind for kind, _ in self.medians))

    def rows(self) -> list[dict[str, Any]]:
        """Return plain data: a row for each score and each kind that it has been asked about."""
        asked = [(score, kind) for score in self.floor for kind in self.kinds]
        return [_row(self, *each) for each in asked if self._was_asked(*each)]

    def _was_asked(self, score: Tracked, kind: str) -> bool:
        return any(score in self.medians[kind, level] for level in self.levels)


def _row(panel: Panel, score: Tracked, kind: str) -> dict[str, Any]:
    floor = [value for value in panel.floor[score] if math.isfinite(value)]
    medians = {level: panel.medians[kind, level].get(score) for level in panel.levels}
    row = {
        "score": score.name, "family": score.family, "kind": kind,
        "floor_low": min(floor, default=None), "floor_high": max(floor, default=None),
        "floor_median": float(np.median(floor)) if floor else None,
        "medians": {str(level): value for level, value in medians.items()},
    }  # fmt: skip
    return {
        **row,
        "notices_from": _noticed(score, floor, medians),
        "steady": _steady(score, medians),
    }


def _noticed(score: Tracked, floor: list[float], medians: dict[int, float | None]) -> int | None:
    """Return the level from which on the score stays outside its floor; None for no level."""
    if not floor:
        return None
    first = None
    for level in sorted(medians, reverse=True):
        value = medians[level]
        if value is None or not _worse(score, value, floor):
            break
        first = level
    return first


def _worse(score: Tracked, value: float, floor: list[float]) -> bool:
    above, below = value > max(floor), value < min(floor)
    return above if score.worse > 0 else below if score.worse < 0 else above or below


def _steady(score: Tracked, medians: dict[int, float | None]) -> bool | None:
    """Return whether the score moves with the level, the way its card calls worse."""
    known = [(level, value) for level, value in medians.items() if value is not None]
    if len(known) < 3 or len({value for _, value in known}) == 1:
        return None if len(known) < 3 else False
    levels, values = zip(*known, strict=True)
    found: Any = stats.spearmanr(levels, values)
    rho = float(found.statistic)
    return abs(rho) >= STEADY if score.worse == 0 else rho * score.worse >= STEADY


def blind_to_vessels(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the scores that notice no damage to vessels at any level."""
    noticed: dict[str, bool] = {}
    for row in rows:
        if row["kind"] in VESSEL_DAMAGE and row["floor_median"] is not None:
            seen = row["notices_from"] is not None
            noticed[row["score"]] = noticed.get(row["score"], False) or seen
    return [score for score, seen in noticed.items() if not seen]
