"""Charts of obedience: each word's score between chance and ceiling, and the severity ladder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from retinaforge.reports import svg, words

BLUE, GREEN, ORANGE, BAND = "#0072b2", "#009e73", "#d55e00", "#d9dfe4"
ROW, LEFT, RIGHT, TOP = 26, 138, svg.WIDTH - 12, 6
LADDER_BOTTOM = 170
Told = Mapping[str, Any]


def forest(rows: Sequence[Told], measure: str) -> Markup | None:
    """Return, word by word, the score with its interval, the shuffled band and both ceilings.

    Args:
        rows: words of obedience.json.
        measure: "accuracy" or "spearman"; words without it are left out.
    """
    found = [(row, one) for row in rows if (one := main_score(row, measure)) is not None]
    known = [(row, one) for row, one in found if one["line"]["value"] is not None]
    if not known:
        return None
    low = min([*(v for _, one in known for v in _spans(one)), 0.0])
    x = svg.Axis(min(low, 0.3 if measure == "accuracy" else -0.2), 1.02, LEFT, RIGHT)
    bottom = TOP + ROW * len(known)
    parts = svg.x_axis(x, TOP, bottom)
    for place, (row, one) in enumerate(known):
        parts += _row(x, TOP + ROW * (place + 0.5), row, one)
    alt = f"{measure} of each word: " + "; ".join(
        f"{row['said']} {words.number(one['line']['value'])}" for row, one in known
    )
    return svg.drawing(bottom + 22, parts, alt=alt)


def main_score(row: Told, measure: str) -> Told | None:
    """Return a word's first score for a measure, which is the one that decides; None without."""
    return next((one for one in row["scores"] if one["measure"] == measure), None)


def _spans(one: Told) -> list[float]:
    line = one["line"]
    return [line["value"], *(line["interval"] or []), *(line["shuffled"] or [])]


def _row(x: svg.Axis, y: float, row: Told, one: Told) -> list[Markup]:
    line, parts = (
        one["line"],
        [svg.text(LEFT - 8, y + 4, _short(row["said"]), anchor="end", kind="arm")],
    )
    if line["shuffled"]:
        a, _, b = line["shuffled"]
        parts.append(_box(x(a), y - 8, x(b) - x(a), 16))
    for kind, stroke in (("ceiling", GREEN), ("rebuilt", ORANGE)):
        value = (one[kind] or {}).get("value")
        if value is not None:
            style = f"stroke:{stroke};stroke-width:2.4"
            parts.append(svg.line((x(value), y - 9), (x(value), y + 9), "", style=style))
    if line["interval"]:
        a, b = line["interval"]
        parts.append(svg.line((x(a), y), (x(b), y), "whisker", style=f"stroke:{BLUE}"))
    tip = f"{row['said']}: {words.number(line['value'])} ({words.interval(line['interval'])})"
    parts.append(svg.dot(x(line["value"]), y, 4.5, fill=BLUE, title=tip))
    return parts


def _box(left: float, top: float, width: float, height: float) -> Markup:
    return Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"/>').format(
        left, top, width, height, BAND
    )


def _short(said: str) -> str:
    return said if len(said) < 22 else said[:20] + "…"


def ladder(told: Told | None, reading: str) -> Markup | None:
    """Return the mean reading by grade of the words, of samples and donors, each base a thin line.

    Args:
        told: "ladder" of obedience.json.
        reading: "grade" or "lesions".
    """
    if not told or not told[reading]["samples"]:
        return None
    samples, donors = told[reading]["samples"], told[reading]["donors"]
    values = [v for row in samples["readings"] for v in row] + (donors["means"] if donors else [])
    y = svg.axis(values, LADDER_BOTTOM, 12)
    x = svg.Axis(-0.2, 4.2, 48, RIGHT)
    parts = svg.y_axis(y, 48, RIGHT)
    parts += [svg.text(x(g), LADDER_BOTTOM + 16, g, anchor="middle", kind="tick") for g in range(5)]
    parts += [svg.polyline(_points(x, y, row), stroke="#c3d9ea") for row in samples["readings"]]
    if donors:
        parts.append(svg.polyline(_points(x, y, donors["means"]), stroke=GREEN, dashes="7 3"))
    parts.append(svg.polyline(_points(x, y, samples["means"]), stroke=BLUE))
    parts += [svg.dot(x(g), y(v), 4, fill=BLUE, title=words.number(v))
              for g, v in enumerate(samples["means"])]  # fmt: skip
    alt = "Mean reading by grade of the words: " + ", ".join(map(words.number, samples["means"]))
    return svg.drawing(LADDER_BOTTOM + 24, parts, alt=alt)


def _points(x: svg.Axis, y: svg.Axis, row: Sequence[float]) -> list[tuple[float, float]]:
    return [(x(g), y(v)) for g, v in enumerate(row)]
