"""Where a score stands between real against real and the worst planted damage.

    place = (matched - floor) / (worst - floor)

0: no worse than halves of the real set; 1: as bad as the damage that moves this score most; beyond
1 is worse than any planted damage. Each difference is taken at one n: the upper at that of halves,
the lower at that of the sanity panel.
For a share of images the real images' share is the floor; for pairs, the same photographs saved
again as JPEG.
"""

from __future__ import annotations

import math
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
    return "quality: not good" if family == "quality" else f"{family}: {name}"


def _placed(score: Score, rows: Sequence[dict[str, Any]]) -> Score:
    if not rows or rows[0]["floor_median"] is None:
        return score
    floor_there = rows[0]["floor_median"]
    ends = _ends(score, floor_there)
    reached = [(abs(v - floor_there), v, row["kind"]) for row in rows
               for v in row["medians"].values() if v is not None]  # fmt: skip
    if ends is None or not reached:
        return score
    far, worst, kind = max(reached)
    if far == 0:
        return score
    place = (ends[1] - ends[0]) / (worst - floor_there)
    further: dict[str, Any] = {"place": place, "worst_damage": {"kind": kind, "value": worst}}
    if score.where.get("family") == "paired":
        further["saved_again"] = floor_there
    return replace(score, extra={**score.extra, **further})


def _ends(score: Score, floor_there: float) -> tuple[float, float] | None:
    """Return what stands for real against real and for the synthetic images; None if unknown."""
    matched, floor = score.extra.get("matched"), score.extra.get("floor")
    if matched and floor:
        return floor["mean"], matched["mean"]
    if "floor" in score.extra or math.isnan(score.value):
        return None
    # A share has the real images' share beside it, a pair the same photograph saved again.
    real = score.extra.get("value_real", floor_there)
    return None if real is None else (real, score.value)
