"""The charts of a reader study: dots with intervals, both sides' shares, ROC, confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from retinaforge.reports import svg, words

ROW, LEFT, RIGHT, TOP = 24, 92, svg.WIDTH - 16, 8
INK, BLUE, ORANGE, GREY = "#1b2733", "#0072b2", "#d55e00", "#8a939b"
SIDES = {"real": BLUE, "synthetic": ORANGE}
STEPS = ("sure real", "fairly", "guess", "guess", "fairly", "sure synth.")


def shown(row: dict[str, Any]) -> str:
    """Return a value with its interval."""
    between = words.interval(row["interval"])
    return words.number(row["value"]) + (f" ({between})" if between else "")


def forest(rows: Sequence[dict[str, Any]], *, name: str, middle: float | None) -> Markup | None:
    """Return dot and interval of each reader and of all; a dashed line where guessing lies."""
    rows = [row for row in rows if row["value"] is not None]
    if not rows:
        return None
    ends = [v for r in rows for v in (r["value"], *(r["interval"] or []))]
    x = svg.axis([*ends, *([middle] if middle is not None else [])], LEFT, RIGHT)
    bottom = TOP + ROW * len(rows) + 4
    parts = svg.x_axis(x, TOP, bottom)
    if middle is not None:
        parts.append(svg.line((x(middle), TOP), (x(middle), bottom), "mark mark0"))
    for k, row in enumerate(rows):
        parts += _dot(x, TOP + ROW * (k + 0.5), row, who(row["reader"]), _fill(row))
    alt = f"{name}: " + "; ".join(f"{who(r['reader'])} {shown(r)}" for r in rows)
    return svg.drawing(bottom + 24, parts, alt=alt)


def who(reader: str) -> str:
    """Return a row's name in words."""
    return {"all": "all readers", "pooled": "all answers"}.get(reader, reader)


def _fill(row: dict[str, Any]) -> str:
    return INK if row["reader"] == "all" else GREY if row["reader"] == "pooled" else BLUE


def _dot(x: svg.Axis, y: float, row: dict[str, Any], label: str, fill: str) -> list[Markup]:
    parts = [svg.text(LEFT - 8, y + 4, label, anchor="end", kind="tick")] if label else []
    if row["interval"]:
        low, high = row["interval"]
        parts.append(svg.line((x(low), y), (x(high), y), "whisker", style=f"stroke:{fill}"))
    radius = 6 if row["reader"] == "all" else 4.5
    return [*parts, svg.dot(x(row["value"]), y, radius, fill=fill, title=shown(row))]


def both_sides(
    rows: Sequence[dict[str, Any]], *, name: str, published: dict[str, float] | None
) -> Markup | None:
    """Return the share (or mean) of the real and of the synthetic side, reader by reader."""
    rows = [row for row in rows if row["value"] is not None and row["reader"] != "pooled"]
    readers = list(dict.fromkeys(row["reader"] for row in rows))
    if not rows:
        return None
    ends = [v for r in rows for v in (r["value"], *(r["interval"] or []))]
    x = svg.axis([*ends, *(published or {}).values()], LEFT, RIGHT)
    bottom = TOP + ROW * len(readers) + 4
    parts = svg.x_axis(x, TOP, bottom)
    for side, value in (published or {}).items():
        style = f"stroke:{SIDES[side]}"
        parts.append(svg.line((x(value), TOP), (x(value), bottom), "mark", style=style))
    for k, reader in enumerate(readers):
        for j, side in enumerate(SIDES):
            y = TOP + ROW * (k + 0.5) + (5 if j else -5)
            for row in (r for r in rows if (r["reader"], r["side"]) == (reader, side)):
                label = "" if j else who(reader)
                parts += _dot(x, y, row, label, SIDES[side])
    alt = f"{name}: " + "; ".join(f"{who(r['reader'])} {r['side']} {shown(r)}" for r in rows)
    return svg.drawing(bottom + 24, parts, alt=alt)


def roc(points: dict[str, list[list[float]]]) -> Markup | None:
    """Return each reader's operating points from confidence, and the line of guessing."""
    if not points:
        return None
    left, right, bottom = 46, 336, 300
    x, y = svg.Axis(0, 1, left, right), svg.Axis(0, 1, bottom, 10)
    parts = [*svg.x_axis(x, 10, bottom), *svg.y_axis(y, left, right)]
    parts.append(svg.line((x(0), y(0)), (x(1), y(1)), "mark mark0"))
    for k, (reader, pairs) in enumerate(points.items()):
        fill = svg.colour(k)
        places = [(x(a), y(b)) for a, b in pairs]
        parts.append(svg.polyline(places, stroke=fill, dashes=svg.dash(k)))
        parts += [svg.dot(a, b, 3.4, fill=fill, title=reader) for a, b in places[1:-1]]
        if k < 12:
            parts.append(svg.line((348, 22 + 20 * k), (370, 22 + 20 * k), "whisker",
                                  style=f"stroke:{fill}"))  # fmt: skip
            parts.append(svg.text(376, 26 + 20 * k, reader, kind="tick"))
    parts.append(svg.text((left + right) / 2, bottom + 32, "real images called synthetic",
                          anchor="middle", kind="tick"))  # fmt: skip
    return svg.drawing(bottom + 40, parts, alt="ROC curves of confidence, one a reader")


def confidence(counts: dict[str, list[int]], reader: str) -> Markup:
    """Return how often each step of confidence was used, real above, synthetic below."""
    most = max(1, *(v for side in counts.values() for v in side))
    width, middle, tall = 58, 92, 74
    parts = [svg.line((20, middle), (20 + 6 * width, middle), "rule", style="stroke:#1b2733")]
    for side, sign in (("real", -1), ("synthetic", 1)):
        for k, count in enumerate(counts[side]):
            height, left = tall * count / most, 24 + k * width
            top = middle - height if sign < 0 else middle
            parts.append(
                Markup('<rect x="{}" y="{:.1f}" width="{}" height="{:.1f}" fill="{}"><title>{}'
                       "</title></rect>").format(left, top, width - 8, height, SIDES[side],
                                                 f"{side}, {STEPS[k]}: {count}")
            )  # fmt: skip
            if count:
                place = top - 3 if sign < 0 else middle + height + 12
                parts.append(svg.text(left + width / 2 - 4, place, count, anchor="middle",
                                      kind="tick"))  # fmt: skip
    for k, step in enumerate(STEPS):
        parts.append(svg.text(24 + k * width + width / 2 - 4, 2 * middle + 6, step,
                              anchor="middle", kind="tick"))  # fmt: skip
    return svg.drawing(2 * middle + 14, parts, alt=f"{reader}: use of confidence on both sides")
