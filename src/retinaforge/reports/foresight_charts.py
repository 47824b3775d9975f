"""The charts of `retinaforge usefulness-scores`: how far scores agree, and the best of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from retinaforge.reports import svg, words

ROW, LEFT, RIGHT, TOP = 15, 226, svg.WIDTH - 10, 6
SHOWN, OPEN, GREY = "#0072b2", "#ffffff", "#8a939b"
Row = dict[str, Any]


def agreements(
    rows: Sequence[Row], outcome: Row, kind: str, label: Callable[[Row], str]
) -> Markup | None:
    """Return the rank correlation of each score with an outcome, with its interval over sets.

    Filled where it is shown after correction; a grey stroke within groups of sets; dashes where
    so few sets could show it at all.

    Args:
        rows: scores.
        outcome: what was told of the outcome.
        kind: "gain" or "tstr".
        label: what a score is called.
    """
    known = [row for row in rows if row[kind]["spearman"] is not None]
    if not known:
        return None
    known.sort(key=lambda row: -row[kind]["spearman"])
    x, bottom = svg.Axis(-1.08, 1.08, LEFT, RIGHT), TOP + ROW * len(known) + 4
    parts = svg.x_axis(x, TOP, bottom)
    parts.append(svg.line((x(0), TOP), (x(0), bottom), "mark mark0"))
    for edge in (outcome["smallest_shown"], -(outcome["smallest_shown"] or 0)):
        if edge:
            style = f"stroke:{GREY};stroke-dasharray:2 3"
            parts.append(svg.line((x(edge), TOP), (x(edge), bottom), "", style=style))
    for place, row in enumerate(known):
        y = TOP + ROW * (place + 0.5)
        parts += _row(x, y, row[kind], label(row), row["identity"] in outcome["shown"])
    alt = "Rank correlation with the outcome: " + "; ".join(
        f"{label(r)} {words.number(r[kind]['spearman'], signed=True)}" for r in known
    )
    return svg.drawing(bottom + 22, parts, alt=alt)


def _row(x: svg.Axis, y: float, found: Row, name: str, shown: bool) -> list[Markup]:
    parts = [svg.text(LEFT - 6, y + 4, name, anchor="end", kind="tick")]
    if found["interval_sets"]:
        low, high = found["interval_sets"]
        parts.append(svg.line((x(low), y), (x(high), y), "whisker", style=f"stroke:{SHOWN}"))
    inside = found.get("within", {}).get("spearman")
    if inside is not None:
        style = f"stroke:{GREY};stroke-width:2.5"
        parts.append(svg.line((x(inside), y - 5), (x(inside), y + 5), "", style=style))
    value = x(found["spearman"])
    title = f"{name}: {words.number(found['spearman'], signed=True)}"
    parts.append(svg.dot(value, y, 4, fill=SHOWN, title=title))
    if not shown:
        parts.append(svg.dot(value, y, 2.4, fill=OPEN, title=title))
    return parts


def scatter(
    sets: Sequence[Row], values: Sequence[float | None], kind: str, groups: Sequence[str], alt: str
) -> Markup | None:
    """Return an outcome over a score, a dot a set, its bar the interval over patients.

    Args:
        sets: with their outcomes and groups.
        values: of the score, one a set.
        kind: "gain" or "tstr".
        groups: in the order of their colours.
        alt: for the text alternative.
    """
    drawn = [(v, one) for v, one in zip(values, sets, strict=True)
             if v is not None and one[kind]["value"] is not None]  # fmt: skip
    if not drawn:
        return None
    left, bottom = 50, 220
    spans = [v for _, one in drawn for v in (one[kind]["value"], *(one[kind]["interval"] or []))]
    x, y = svg.axis([v for v, _ in drawn], left, RIGHT), svg.axis(spans, bottom, 8)
    parts = [*svg.y_axis(y, left, RIGHT), *svg.x_axis(x, 8, bottom)]
    for value, one in drawn:
        fill = svg.colour(groups.index(one["group"])) if one["group"] else SHOWN
        px, py = x(value), y(one[kind]["value"])
        if one[kind]["interval"]:
            low, high = one[kind]["interval"]
            style = f"stroke:{fill};stroke-width:.8;opacity:.5"
            parts.append(svg.line((px, y(low)), (px, y(high)), "", style=style))
        title = f"{one['name']}: {words.number(one[kind]['value'], signed=kind == 'gain')}"
        parts.append(svg.dot(px, py, 4.5, fill=fill, title=title))
    return svg.drawing(bottom + 24, parts, alt=alt)
