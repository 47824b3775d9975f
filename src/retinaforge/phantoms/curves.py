"""Smooth curves through the knots of a grown vessel, and a calibre that varies along them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

CALIBRE_SD = 0.03
"""Variation of the calibre along a vessel, relative; set by eye beside CHASE_DB1."""


def smooth(
    points: Float[np.ndarray, "n 2"], radii: Float[np.ndarray, "n"], *, pieces: int = 2
) -> tuple[Float[np.ndarray, "m 2"], Float[np.ndarray, "m"]]:
    """Return a Catmull-Rom curve through the points, so that large sizes show no corners."""
    p = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    p0, p1, p2, p3 = (p[i : len(p) - 3 + i, None, :] for i in range(4))
    t = (np.arange(pieces) / pieces)[None, :, None]
    curve = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
        + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )  # fmt: skip
    places = np.arange((len(points) - 1) * pieces + 1) / pieces
    return (
        np.concatenate([curve.reshape(-1, 2), points[-1:]]),
        np.interp(places, np.arange(len(points)), radii),
    )


def vary(radii: Float[np.ndarray, "n"], *, rng: np.random.Generator) -> Float[np.ndarray, "n"]:
    """Return radii that waver by a few per cent, unchanged at both ends (Murray's law holds there).

    r(s) (1 + sum_j a_j sin(pi j s)) for s in [0, 1], j = 2..5
    """
    along = np.linspace(0, np.pi, len(radii))
    waves = np.sin(np.outer(np.arange(2, 6), along))
    wavering = rng.normal(0, CALIBRE_SD / np.sqrt(2), 4) @ waves
    wavering[[0, -1]] = 0.0
    return radii * (1 + wavering)
