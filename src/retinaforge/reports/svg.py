"""Charts drawn as plain SVG text: no script, no font file, readable at 320 px and in print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH = 420
# Okabe and Ito 2008: apart for every common kind of colour blindness; dashes tell them in grey.
COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#b8860b",
    "#333333",
    "#8c6bb1",
)
DASHES = ("", "7 3", "2 2", "9 3 2 3", "4 4", "1 3", "12 4", "6 2 1 2 1 2")


@dataclass(frozen=True)
class Axis:
    """A linear scale from data to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count: int = 6) -> list[float]:
        """Return round numbers within the scale."""
        step = _round_step((self.high - self.low) / count)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(k * step, 12) for k in range(first, last + 1)]


def axis(values: Sequence[float], start: float, end: float, *, margin: float = 0.06) -> Axis:
    """Return a scale that holds the values with a margin."""
    low, high = min(values), max(values)
    room = (high - low) * margin or abs(high) * 0.05 or 0.5
    return Axis(low - room, high + room, start, end)


def colour(index: int) -> str:
    """Return the colour of the arm with this index."""
    return COLOURS[index % len(COLOURS)]


def dash(index: int) -> str:
    """Return the dash pattern of the arm with this index."""
    return DASHES[index % len(DASHES)]


def text(x: float, y: float, words: object, *, anchor: str = "start", kind: str = "") -> Markup:
    """Return a text at (x, y); what it says is escaped."""
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>').format(
        x, y, anchor, kind, escape(words)
    )


def line(a: tuple[float, float], b: tuple[float, float], kind: str, *, style: str = "") -> Markup:
    """Return a straight line."""
    return Markup(
        '<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}" style="{}"/>'
    ).format(*a, *b, kind, style)


def dot(x: float, y: float, radius: float, *, fill: str, title: str = "", opacity: float = 1):
    """Return a disc with a tooltip."""
    return Markup(
        '<circle cx="{:.1f}" cy="{:.1f}" r="{}" fill="{}" fill-opacity="{}"><title>{}</title>'
        "</circle>"
    ).format(x, y, radius, fill, opacity, title)


def polyline(points: Sequence[tuple[float, float]], *, stroke: str, dashes: str = "") -> Markup:
    """Return an open line through the points."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return Markup(
        '<polyline points="{}" fill="none" stroke="{}" stroke-width="1.8" '
        'stroke-dasharray="{}" stroke-linejoin="round"/>'
    ).format(path, stroke, dashes)


def clipped(parts: Sequence[Markup], corner: tuple[float, float], end: tuple[float, float]):
    """Return the parts with everything outside the box cut off."""
    (x, y), (width, height) = corner, (end[0] - corner[0], end[1] - corner[1])
    return Markup(
        '<svg x="{}" y="{}" width="{}" height="{}" viewBox="{} {} {} {}">{}</svg>'
    ).format(x, y, width, height, x, y, width, height, Markup("").join(parts))


def drawing(height: float, parts: Sequence[Markup], *, alt: str) -> Markup:
    """Return the whole SVG with its text alternative."""
    return Markup(
        '<svg viewBox="0 0 {} {:.0f}" role="img" aria-label="{}" class="chart">{}</svg>'
    ).format(WIDTH, height, alt, Markup("").join(parts))


def x_axis(scale: Axis, top: float, bottom: float) -> list[Markup]:
    """Return vertical grid lines with numbers beneath."""
    parts: list[Markup] = []
    for tick in scale.ticks():
        parts.append(line((scale(tick), top), (scale(tick), bottom), "rule"))
        parts.append(text(scale(tick), bottom + 15, tick_text(tick), anchor="middle", kind="tick"))
    return parts


def y_axis(scale: Axis, left: float, right: float) -> list[Markup]:
    """Return horizontal grid lines with numbers at the left."""
    parts: list[Markup] = []
    for tick in scale.ticks():
        parts.append(line((left, scale(tick)), (right, scale(tick)), "rule"))
        parts.append(text(left - 6, scale(tick) + 4, tick_text(tick), anchor="end", kind="tick"))
    return parts


def tick_text(value: float) -> str:
    """Return a tick's number, short."""
    return f"{value:.6g}".replace("-", "\u2212")


def _round_step(rough: float) -> float:
    power = 10 ** math.floor(math.log10(rough))
    return power * next(k for k in (1, 2, 2.5, 5, 10) if k * power >= rough * 0.999)
