"""A suspected copy, to be looked at: the synthetic eye, its real neighbour, both vessel trees."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, UInt8

from retinaforge.audits.patterns import Pattern
from retinaforge.audits.transforms import Transform
from retinaforge.core import Fov, Photograph
from retinaforge.images import normalise

REAL, SYNTHETIC, BOTH = (60, 170, 255), (255, 140, 40), (255, 255, 255)
"""Blue and orange are told apart by the colour-blind; white where both run."""

BACKGROUND = 0.3
GAP_PX = 4
TOGETHER = 0.022
"""Vessels nearer than this, in radii of the field of view, are drawn as one."""


def picture_of_pair(
    synthetic: tuple[Photograph, Fov, Pattern], real: tuple[Photograph, Fov, Pattern],
    transform: Transform | None, *, side_px: int = 384,
) -> UInt8[np.ndarray, "height width 3"]:  # fmt: skip
    """Return three pictures side by side: synthetic, nearest real, and their vessels together.

    The third shows the real eye, dimmed, with its own vessels blue, the synthetic eye's, laid over,
    orange, and white where the two run together. Without a transform it shows the real ones only.

    Args:
        synthetic: photograph, its field of view and its pattern.
        real: the same of the nearest real eye.
        transform: of the synthetic pattern onto the real one, from `likeness`.
        side_px: of each picture, at least 8.

    Returns:
        RGB, shape (side, 3 side + 2 gaps, 3).
    """
    left = normalise(synthetic[0], synthetic[1], size_px=side_px)
    middle = normalise(real[0], real[1], size_px=side_px)
    right = (middle.photograph.pixels * BACKGROUND).astype(np.uint8)
    radius_px = middle.fov.radius_px
    theirs = _line_mask(real[2].points, radius_px, side_px, reach=1)
    ours = np.zeros_like(theirs)
    if transform is not None:
        ours = _line_mask(transform.carry(synthetic[2].points), radius_px, side_px, reach=1)
    right[theirs], right[ours] = REAL, SYNTHETIC
    if transform is not None:
        reach = max(1, round(TOGETHER * radius_px))
        near = _line_mask(real[2].points, radius_px, side_px, reach=reach)
        right[ours & near] = BOTH
    gap = np.full((side_px, GAP_PX, 3), 255, np.uint8)
    return np.concatenate(
        [left.photograph.pixels, gap, middle.photograph.pixels, gap, right], axis=1
    )


def _line_mask(
    points: Float[np.ndarray, "n 2"], radius_px: float, side_px: int, *, reach: int
) -> Bool[np.ndarray, "side side"]:
    """Return True within `reach` pixels of any point given in radii about the middle."""
    mask = np.zeros((side_px, side_px), bool)
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    disc = np.hypot(dx, dy) <= reach + 0.5
    at = np.rint(points * radius_px + (side_px - 1) / 2).astype(int)
    column, row = at[:, :1] + dx[disc], at[:, 1:] + dy[disc]
    inside = (column >= 0) & (row >= 0) & (column < side_px) & (row < side_px)
    mask[row[inside], column[inside]] = True
    return mask
