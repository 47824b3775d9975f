"""The charts of `retinaforge audit`: dots with intervals beside lines, and curves over levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from retinaforge.reports import svg, words

ROW, LEFT, RIGHT, TOP = 22, 140, svg.WIDTH - 14, 8
BOTTOM = 190
FILLS = {"plain": "#0072b2", "grey": "#8a939b", "bad": "#b3261e", "good": "#009e73"}
GREY_DOTS = "stroke:#5f6b75;stroke-dasharray:2 3"
Told = Mapping[str, Any]


def chart(figure: Told) -> Markup | None:
    """Return a figure of audit.json as SVG; None where nothing in it has a value."""
    return {"forest": forest, "curves": curves}[figure["kind"]](figure)


def forest(figure: Told) -> Markup | None:
    """Return dot and interval of every row, with its reference lines named beneath."""
    rows = [row for row in figure["rows"] if row["value"] is not None]
    lines = [line for line in figure.get("lines", []) if line["value"] is not None]
    if not rows:
        return None
    spans = [v for row in rows for v in (row["value"], *(row.get("interval") or []))]
    x = svg.axis([*spans, *(line["value"] for line in lines)], LEFT, RIGHT)
    bottom = TOP + ROW * len(rows)
    parts = svg.x_axis(x, TOP, bottom)
    for k, line in enumerate(lines):
        at, y = x(line["value"]), bottom + 33 + 15 * k
        parts.append(svg.line((at, TOP), (at, bottom), f"mark mark{k % 3}"))
        parts.append(svg.line((4, y - 4), (28, y - 4), f"mark mark{k % 3}"))
        parts.append(svg.text(34, y, f"{line['name']}: {words.number(line['value'])}", kind="tick"))
    for k, row in enumerate(rows):
        parts += _row(x, TOP + ROW * (k + 0.5), row)
    alt = f"{figure['title']}: " + "; ".join(f"{row['name']} {shown(row)}" for row in rows)
    return svg.drawing(bottom + 24 + 15 * len(lines), parts, alt=alt)


def curves(figure: Told) -> Markup | None:
    """Return a line for every series over named levels, whiskers for intervals."""
    series = [one for one in figure["series"] if any(v is not None for v in one["values"])]
    if not series:
        return None
    left, levels = 46, figure["levels"]
    spans = [v for one in series for v in _spans(one)]
    lines = [line for line in figure.get("lines", []) if line["value"] is not None]
    y = svg.axis([*spans, *(line["value"] for line in lines)], BOTTOM, 14)
    parts = svg.y_axis(y, left, RIGHT)
    step = (RIGHT - left) / len(levels)
    for k, level in enumerate(levels):
        at = left + step * (k + 0.5)
        parts.append(svg.text(at, BOTTOM + 16, level, anchor="middle", kind="tick"))
    for line in lines:
        ends = (left, y(line["value"])), (RIGHT, y(line["value"]))
        parts.append(svg.line(*ends, "mark", style=GREY_DOTS))
    for k, one in enumerate(series):
        shift = 0.3 * (k / max(len(series) - 1, 1) - 0.5) * (len(series) > 1)
        parts += _curve(y, [left + step * (i + 0.5 + shift) for i in range(len(levels))], one, k)
    tall = BOTTOM + 24
    for one in lines:
        tall += 16
        parts.append(svg.line((4, tall - 4), (28, tall - 4), "mark", style=GREY_DOTS))
        parts.append(svg.text(34, tall, one["name"], kind="tick"))
    for k, one in enumerate(series):
        tall += 16
        parts.append(svg.dot(12, tall - 4, 4, fill=svg.colour(k)))
        parts.append(svg.text(22, tall, one["name"], kind="tick"))
    alt = f"{figure['title']}: " + "; ".join(
        f"{one['name']} {', '.join(words.number(v) for v in one['values'])}" for one in series
    )
    return svg.drawing(tall + 8, parts, alt=alt)


def shown(row: Told) -> str:
    """Return a value with its interval in words."""
    between = words.interval(row.get("interval"))
    return words.number(row["value"]) + (f" ({between})" if between else "")


def _spans(one: Told) -> list[float]:
    ends = [v for pair in one.get("intervals") or [] if pair for v in pair]
    return [*(v for v in one["values"] if v is not None), *ends]


def _row(x: svg.Axis, y: float, row: Told) -> list[Markup]:
    fill = FILLS[row.get("shade", "plain")]
    parts = [svg.text(LEFT - 8, y + 4, _short(row["name"]), anchor="end", kind="arm")]
    if row.get("interval"):
        low, high = row["interval"]
        parts.append(svg.line((x(low), y), (x(high), y), "whisker", style=f"stroke:{fill}"))
    title = f"{row['name']}: {shown(row)}"
    return [*parts, svg.dot(x(row["value"]), y, 4.5, fill=fill, title=title)]


def _curve(y: svg.Axis, places: Sequence[float], one: Told, index: int) -> list[Markup]:
    pairs = one.get("intervals") or [None] * len(places)
    known = [(at, v, pair) for at, v, pair in zip(places, one["values"], pairs, strict=True)
             if v is not None]  # fmt: skip
    points = [(at, y(v)) for at, v, _ in known]
    parts = [svg.polyline(points, stroke=svg.colour(index), dashes=svg.dash(index))]
    for (at, v, pair), point in zip(known, points, strict=True):
        if pair:
            style = f"stroke:{svg.colour(index)};stroke-width:1.2"
            parts.append(svg.line((at, y(pair[0])), (at, y(pair[1])), "whisker", style=style))
        title = f"{one['name']}: {words.number(v)}"
        parts.append(svg.dot(*point, 3.5, fill=svg.colour(index), title=title))
    return parts


def _short(name: str) -> str:
    return name if len(name) <= 21 else name[:20] + "…"
