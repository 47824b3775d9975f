"""Outlines of lesions round the origin: closed polygons in micrometres, first point not repeated.

Blot and druse are a circle whose radius is modulated by a few harmonics, scaled so that the area
is exact; flame haemorrhages end in brushes along the fibres; preretinal blood settles like a boat.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from jaxtyping import Float

Outline = Float[np.ndarray, "n 2"]


def polygon_area(outline: Outline) -> float:
    """Return the area inside a polygon by the shoelace formula, |Σ x_i y_i+1 - x_i+1 y_i| / 2."""
    x, y = outline[:, 0], outline[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def equivalent_diameter(outline: Outline) -> float:
    """Return the diameter of the circle of the polygon's area, 2 sqrt(A / pi)."""
    return 2 * math.sqrt(polygon_area(outline) / math.pi)


def turned(outline: Outline, angle_rad: float) -> Outline:
    """Turn an outline about the origin by an angle from x towards y."""
    if angle_rad == 0:
        return outline
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return outline @ np.array([[c, s], [-s, c]])


def blob(
    diameter_um: float,
    *,
    rng: np.random.Generator,
    rough: float = 0.12,
    aspect: float = 1.0,
    angle_rad: float = 0.0,
) -> Outline:
    """Return an irregular round outline, r(t) = 1 + sum_k a_k cos(k t + p_k), k = 2 to 7.

    Args:
        diameter_um: of the circle of the same area.
        rng: consumed in a fixed order.
        rough: standard deviation of the second harmonic; the k-th has (2/k)^1.3 of it.
        aspect: length over width.
        angle_rad: direction of the length.
    """
    corners = int(np.clip(diameter_um / 6, 14, 72))
    around, harmonics = _circle(corners)
    waves = rng.normal(0, rough, 6) * FALL
    phase = rng.uniform(0, 2 * math.pi, 6)
    sums = harmonics @ np.concatenate([waves * np.cos(phase), -waves * np.sin(phase)])
    radius = np.maximum(1 + sums, 0.25)
    # Area of the polygon of equally spaced rays: sin(2 pi / n) / 2 sum of r_i r_i+1, times aspect.
    beside = np.dot(radius[1:], radius[:-1]) + radius[0] * radius[-1]
    area = aspect * math.sin(2 * math.pi / corners) / 2 * beside
    grown = radius * (diameter_um / 2 * math.sqrt(math.pi / area))
    return turned(grown[:, None] * around * (aspect, 1.0), angle_rad)


FALL = (2 / np.arange(2, 8)) ** 1.3


@cache
def _circle(corners: int) -> tuple[Outline, Float[np.ndarray, "n 12"]]:
    """Return points of the unit circle, and cos and sin of 2 to 7 times their angle."""
    t = np.arange(corners) * (2 * math.pi / corners)
    kt = np.outer(t, np.arange(2, 8))
    around = np.stack([np.cos(t), np.sin(t)], axis=1)
    return around, np.concatenate([np.cos(kt), np.sin(kt)], axis=1)


def flame(
    length_um: float, width_um: float, *, rng: np.random.Generator, angle_rad: float
) -> Outline:
    """Return a haemorrhage of the nerve-fibre layer: strands side by side, brushes at the ends."""
    strands = int(np.clip(width_um / 22, 3, 12))
    across = np.linspace(-1, 1, 2 * strands + 1)
    belly = np.sqrt(np.clip(1 - (0.92 * across) ** 2, 0, 1))

    def end() -> np.ndarray:
        brush = np.where(np.arange(2 * strands + 1) % 2 == 0, 0.55, 1.0)
        return belly * brush * rng.uniform(0.5, 1.0, 2 * strands + 1)

    bend = rng.uniform(-0.12, 0.12) * length_um
    ahead, behind = end(), -end()[::-1]
    along = np.concatenate([ahead, behind]) * length_um / 2
    side = np.concatenate([across, across[::-1]]) * width_um / 2
    side = side + bend * (2 * along / length_um) ** 2
    # The brushes would make every flame shorter than asked: set the length last.
    along *= length_um / float(np.ptp(along))
    shape = np.stack([along, side], axis=1)
    return turned(shape - shape.mean(0), angle_rad)


def boat(width_um: float, *, rng: np.random.Generator) -> Outline:
    """Return blood before the retina: a level top, a round bottom, as gravity leaves it."""
    t = np.linspace(0, math.pi, 40)
    depth = rng.uniform(0.3, 0.5) * width_um
    keel = 1 + 0.05 * np.sin(rng.integers(2, 5) * t + rng.uniform(0, 6))
    shape = np.stack([np.cos(t) * width_um / 2, np.sin(t) ** 0.8 * depth * keel], axis=1)
    return shape - shape.mean(0)


def ribbon(points_um: Outline, half_width_um: Float[np.ndarray, "n"]) -> Outline:
    """Return the outline of a stretch of vessel: both walls, there and back."""
    along = np.gradient(points_um, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = along[:, ::-1] * np.array([-1.0, 1.0]) * half_width_um[:, None]
    return np.concatenate([points_um + across, (points_um - across)[::-1]])
