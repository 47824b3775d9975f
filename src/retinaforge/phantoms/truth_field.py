"""The field of a photograph in micrometres, and exactly how much of a vessel lies within a region.

Regions are convex (a circle, or a circle cut by straight lines), so that a straight piece
a + t u, 0 <= t <= 1, lies inside for one interval of t.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.phantoms.fundus import Point
from retinaforge.phantoms.phantom import Phantom


@dataclass(frozen=True)
class Field:
    """A circle cut by a rectangle round the same centre.

    Attributes:
        centre_um: (x, y) on the retina.
        radius_um: of the circle.
        half_width_um: of the rectangle; infinite where nothing is cut.
        half_height_um: of the rectangle.
    """

    centre_um: Point
    radius_um: float
    half_width_um: float = math.inf
    half_height_um: float = math.inf

    @property
    def area_um2(self) -> float:
        """Return the area: integral over x of the smaller of circle's and rectangle's height."""
        reach = min(self.radius_um, self.half_width_um)
        x = np.linspace(0, reach, 20001)
        circle = np.sqrt(np.maximum(self.radius_um**2 - x**2, 0))
        height = np.minimum(circle, self.half_height_um)
        return float(4 * np.trapezoid(height, x))

    def holds(self, points_um: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, "n"]:
        """Return which points lie in the field."""
        dx, dy = (np.asarray(points_um) - self.centre_um).reshape(-1, 2).T
        boxed = (abs(dx) <= self.half_width_um) & (abs(dy) <= self.half_height_um)
        return (np.hypot(dx, dy) <= self.radius_um) & boxed

    def shares(self, points_um: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n"]:
        """Return which share (0-1) of each of the n - 1 pieces of a polyline lies in the field."""
        start, step = points_um[:-1] - np.array(self.centre_um), np.diff(points_um, axis=0)
        low, high = chord(start, step, self.radius_um)
        for axis, half in enumerate((self.half_width_um, self.half_height_um)):
            if math.isfinite(half):
                enter, leave = _slab(start[:, axis], step[:, axis], half)
                low, high = np.maximum(low, enter), np.minimum(high, leave)
        return np.maximum(high - low, 0.0)


def chord(
    start: Float[np.ndarray, "n 2"], step: Float[np.ndarray, "n 2"], radius: float
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Return the interval of t in [0, 1] for which |start + t step| <= radius; empty: (0, 0)."""
    a, b = (step**2).sum(axis=1), (start * step).sum(axis=1)
    root = b**2 - a * ((start**2).sum(axis=1) - radius**2)
    meets = (root > 0) & (a > 0)
    width, a = np.sqrt(np.where(meets, root, 0.0)), np.where(a > 0, a, 1.0)
    low, high = np.clip((-b - width) / a, 0, 1), np.clip((-b + width) / a, 0, 1)
    return np.where(meets, low, 0.0), np.where(meets, high, 0.0)


def _slab(
    start: Float[np.ndarray, "n"], step: Float[np.ndarray, "n"], half: float
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Return the interval of t for which |start + t step| <= half."""
    moving = np.where(step == 0, 1e-300, step)
    one, two = (-half - start) / moving, (half - start) / moving
    return np.minimum(one, two), np.maximum(one, two)


def field_of(phantom: Phantom) -> Field:
    """Return the field of a phantom's camera; a mark at its rim is left out."""
    frame, settings = phantom.frame, phantom.shot.params
    radius, half = frame.fov_radius_um, frame.size_px / 2 * frame.px_um
    if settings.aperture == "full":
        return Field(frame.centre_um, math.sqrt(2) * half, half, half)
    cut = (settings.cut or 1.0) * radius
    wide = cut if settings.aperture == "cut sides" else math.inf
    high = cut if settings.aperture in ("cut", "cut sides") else math.inf
    return Field(frame.centre_um, radius, wide, high)
