"""The charts of `retinaforge usefulness`: arms with intervals, the curve over ratios, the worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from retinaforge.reports import svg, words

ROW, LEFT, RIGHT, TOP = 22, 128, svg.WIDTH - 14, 6
INK, BLUE, GREY, ORANGE = "#1b2733", "#0072b2", "#8a939b", "#d55e00"
CONTROLS = ("real", "augmented", "oversampled", "shuffled", "more")
NAMES = {
    "auroc": "AUROC", "accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1", "quadratic_kappa": "Weighted kappa",
    "sensitivity_at_specificity": "Sensitivity at 90 % specificity",
    "average_precision": "Average precision", "finding_f1": "F1 of the finding",
    "ece": "Calibration error", "brier": "Brier score",
}  # fmt: skip
LOWER = ("ece", "brier")


def arms(rows: Sequence[dict[str, Any]], kinds: dict[str, str], title: str) -> Markup | None:
    """Return dot, interval and seeds of every arm; photographs alone are the line.

    Args:
        rows: of one metric, question and place.
        kinds: of each arm; controls are grey, what synthetic images teach is blue.
        title: for the text alternative.
    """
    known = [row for row in rows if row["value"] is not None]
    if not known:
        return None
    spans = [v for r in known for v in (r["value"], *(r["interval"] or []))]
    x, bottom = svg.axis(spans, LEFT, RIGHT), TOP + ROW * len(known) + 4
    parts = svg.x_axis(x, TOP, bottom)
    base = next((row for row in known if row["arm"] == "real"), None)
    if base:
        parts.append(svg.line((x(base["value"]), TOP), (x(base["value"]), bottom), "mark mark0"))
    for place, row in enumerate(known):
        fill = GREY if kinds.get(row["arm"]) in CONTROLS else BLUE
        parts += _row(x, TOP + ROW * (place + 0.5), row, INK if row["arm"] == "real" else fill)
    alt = f"{title}: " + "; ".join(f"{r['arm']} {shown(r)}" for r in known)
    return svg.drawing(bottom + 22, parts, alt=alt)


def _row(x: svg.Axis, y: float, row: dict[str, Any], fill: str) -> list[Markup]:
    parts = [svg.text(LEFT - 8, y + 4, row["arm"], anchor="end", kind="tick")]
    if row["interval"]:
        low, high = row["interval"]
        parts.append(svg.line((x(low), y), (x(high), y), "whisker", style=f"stroke:{fill}"))
    low, high = x.low, x.high
    for value in row["per_seed"]:
        if value is not None and low <= value <= high:
            style = f"stroke:{fill};stroke-width:1"
            parts.append(svg.line((x(value), y - 5), (x(value), y + 5), "", style=style))
    title = f"{row['arm']}: {shown(row)}"
    return [*parts, svg.dot(x(row["value"]), y, 4.5, fill=fill, title=title)]


def shown(row: dict[str, Any]) -> str:
    """Return a value with its interval in words."""
    between = words.interval(row["interval"])
    return words.number(row["value"]) + (f" ({between})" if between else "")


def ratio_curve(
    series: dict[str, Sequence[tuple[float, dict[str, Any]]]], base: dict[str, Any], title: str
) -> Markup | None:
    """Return the score over the ratio of added images, one line a kind, steps alike in width.

    Args:
        series: (ratio, row) by the word for what is added.
        base: photographs alone, at ratio 0.
        title: for the text alternative.
    """
    drawn = {name: [(r, row) for r, row in points if row["value"] is not None]
             for name, points in series.items()}  # fmt: skip
    drawn = {name: points for name, points in drawn.items() if points}
    if not drawn or base["value"] is None:
        return None
    ratios = sorted({0.0, *(r for points in drawn.values() for r, _ in points)})
    rows = [base, *(row for points in drawn.values() for _, row in points)]
    left, bottom = 46, 210
    y = svg.axis([v for r in rows for v in (r["value"], *(r["interval"] or []))], bottom, 10)
    step = (RIGHT - left - 20) / max(len(ratios) - 1, 1)
    at = {ratio: left + 12 + step * k for k, ratio in enumerate(ratios)}
    parts = svg.y_axis(y, left, RIGHT)
    for ratio in ratios:
        parts.append(svg.text(at[ratio], bottom + 16, f"{ratio:g}", anchor="middle", kind="tick"))
    below, middle = "images added for each photograph", (left + RIGHT) / 2
    parts.append(svg.text(middle, bottom + 34, below, anchor="middle", kind="arm"))
    level = y(base["value"])
    parts.append(svg.line((left, level), (RIGHT, level), "mark mark0"))
    for place, (name, points) in enumerate(drawn.items()):
        parts += _line_of(name, [(0.0, base), *points], at, y, place)
        parts.append(svg.dot(left + 10 + 150 * place, bottom + 50, 4, fill=svg.colour(place)))
        parts.append(svg.text(left + 18 + 150 * place, bottom + 54, name, kind="tick"))
    alt = f"{title} over the ratio: " + "; ".join(
        f"{name} " + ", ".join(f"{r:g}: {shown(row)}" for r, row in points)
        for name, points in drawn.items()
    )
    return svg.drawing(bottom + 62, parts, alt=alt)


def _line_of(
    name: str, points: Sequence[tuple[float, dict[str, Any]]], at: dict[float, float],
    y: svg.Axis, place: int,
) -> list[Markup]:  # fmt: skip
    colour, shift = svg.colour(place), 4.0 * place
    places = [(at[r] + shift, y(row["value"])) for r, row in points]
    parts = [svg.polyline(places, stroke=colour, dashes=svg.dash(place))]
    for (ratio, row), (px, py) in zip(points, places, strict=True):
        if row["interval"]:
            low, high = row["interval"]
            style = f"stroke:{colour};stroke-width:1.2"
            parts.append(svg.line((px, y(low)), (px, y(high)), "whisker", style=style))
        parts.append(svg.dot(px, py, 3.5, fill=colour, title=f"{name} {ratio:g}: {shown(row)}"))
    return parts
