"""Where a growing vessel is drawn to: functions from a point to a direction and a pull."""

from __future__ import annotations

import math
from collections.abc import Callable

from retinaforge.phantoms.fundus import Point

Guide = Callable[[Point], tuple[float, float, float]]
"""Takes (x, y) in micrometres; returns a unit vector and how hard it pulls a step (0-1)."""

LOOK_AHEAD_UM = 600.0
PAST_FOVEA, LEVEL, CLOSING = 0.12, 0.96, 0.07
ROUNDNESS = 2.5
"""Exponent of the arcades: 2 is a parabola, more hugs the disc's vertical longer."""


def heading_of(from_x: float, from_y: float, to: Point) -> float:
    """Return the direction from one point to another, in radians."""
    return math.atan2(to[1] - from_y, to[0] - from_x)


def straight(angle: float = 0.0, pull: float = 0.0) -> Guide:
    """Pull along one fixed direction."""
    x, y = math.cos(angle), math.sin(angle)
    return lambda here: (x, y, pull)


def outwards(centre: Point, pull: float, *, turned: float) -> Guide:
    """Pull away from a point, turned by an angle: vessels fan out towards the periphery."""
    c, s = math.cos(turned), math.sin(turned)

    def guide(here: Point) -> tuple[float, float, float]:
        dx, dy = here[0] - centre[0], here[1] - centre[1]
        far = max(math.hypot(dx, dy), 1.0)
        return (c * dx - s * dy) / far, (s * dx + c * dy) / far, pull

    return guide


def towards(target: Point, pull: float) -> Guide:
    """Pull towards a point, and let go where it is reached."""

    def guide(here: Point) -> tuple[float, float, float]:
        dx, dy = target[0] - here[0], target[1] - here[1]
        far = math.hypot(dx, dy)
        return (dx / far, dy / far, pull) if far > 300.0 else (0.0, 0.0, 0.0)

    return guide


def arcade(disc: Point, height: float, vertical: int, *, past: float = PAST_FOVEA) -> Guide:
    """Pursue the curve u = a v^2.5 from the disc that passes the fovea at `height`.

    Args:
        disc: disc centre, (x, y) in micrometres; temporal is towards smaller x.
        height: vertical distance from the disc where the parabola passes above the fovea.
        vertical: -1 for the upper arcade, 1 for the lower.
        past: where the curve levels off, as a share of the way from fovea to disc.
    """
    a = disc[0] / height**ROUNDNESS

    def guide(here: Point) -> tuple[float, float, float]:
        v = max(vertical * (here[1] - disc[1]), 0.0)
        if here[0] < past * disc[0]:
            # Past the fovea the arcades close in on the horizontal again.
            dx, beyond = -LOOK_AHEAD_UM, past * disc[0] - here[0]
            low = disc[1] + vertical * (LEVEL * height - CLOSING * beyond)
            dy = low - here[1]
            far = math.hypot(dx, dy)
            return dx / far, dy / far, 0.1
        slope = ROUNDNESS * a * v ** (ROUNDNESS - 1)
        ahead = v + LOOK_AHEAD_UM / math.sqrt(1 + slope**2)
        dx = disc[0] - a * ahead**ROUNDNESS - here[0]
        dy = disc[1] + vertical * ahead - here[1]
        far = math.hypot(dx, dy)
        return dx / far, dy / far, 0.3

    return guide
