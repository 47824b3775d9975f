"""Smooth curves through the knots of a grown vessel, and a calibre that varies along them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

CALIBRE_SD = 0.03
"""Variation of the calibre along a vessel, relative; set by eye beside CHASE_DB1."""


def smooth(
    points: Float[np.ndarray, "n 2"], radii: Float[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "m 2"], Float[np.ndarray, "m"]]:
    """Return the points and the middles between them of a Catmull-Rom curve through them.

    middle = (-p0 + 9 p1 + 9 p2 - p3) / 16; beyond its ends the curve goes on straight.
    """
    first, last = 2 * points[0] - points[1], 2 * points[-1] - points[-2]
    p = np.concatenate([first[None], points, last[None]])
    curve, calibre = np.empty((2 * len(points) - 1, 2)), np.empty(2 * len(points) - 1)
    curve[::2], calibre[::2] = points, radii
    curve[1::2] = (9 * (p[1:-2] + p[2:-1]) - p[:-3] - p[3:]) / 16
    calibre[1::2] = (radii[:-1] + radii[1:]) / 2
    return curve, calibre


def vary(radii: Float[np.ndarray, "n"], *, rng: np.random.Generator) -> Float[np.ndarray, "n"]:
    """Return radii that waver by a few per cent, unchanged at both ends (Murray's law holds there).

    r(s) (1 + sum_j a_j sin(pi j s)) for s in [0, 1], j = 2..5
    """
    along = np.linspace(0, np.pi, len(radii))
    waves = np.sin(np.outer(np.arange(2, 6), along))
    wavering = rng.normal(0, CALIBRE_SD / np.sqrt(2), 4) @ waves
    wavering[[0, -1]] = 0.0
    return radii * (1 + wavering)
