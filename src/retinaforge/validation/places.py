"""Where a score stands between real against real and the worst planted damage.

    place = (matched - floor) / (worst - floor)

0: no worse than halves of the real set; 1: as bad as the damage that moves this score most. Floor
and worst are means and medians at nearly the same n; beyond 1 is worse than any planted damage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from retinaforge.core import Score


def with_places(scores: Sequence[Score], panel: Sequence[dict[str, Any]]) -> list[Score]:
    """Return the scores, with `place` and `worst_damage` among the extras where they are known."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in panel:
        rows.setdefault(row["score"], []).append(row)
    return [_placed(score, rows.get(panel_name(score), [])) for score in scores]


def panel_name(score: Score) -> str:
    """Return a score's name in the sanity panel."""
    family, name = score.where.get("family"), score.card.name
    if family == "fidelity":
        return f"{score.where['space']}: {name}"
    if "column" in score.where and family in ("vessels", "quality"):
        return f"{family}: {score.where['column']}"
    return f"anatomy: {name}" if family == "anatomy" else "quality: not good"


def _placed(score: Score, rows: Sequence[dict[str, Any]]) -> Score:
    matched, floor = score.extra.get("matched"), score.extra.get("floor")
    if not rows or not matched or not floor:
        return score
    floor_there = rows[0]["floor_median"]
    if floor_there is None:
        return score
    reached = [(abs(v - floor_there), v, row["kind"]) for row in rows
               for v in row["medians"].values() if v is not None]  # fmt: skip
    if not reached:
        return score
    far, worst, kind = max(reached)
    if far == 0:
        return score
    place = (matched["mean"] - floor["mean"]) / (worst - floor_there)
    further = {"place": place, "worst_damage": {"kind": kind, "value": worst}}
    return replace(score, extra={**score.extra, **further})
