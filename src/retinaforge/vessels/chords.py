"""Width of a vessel straight across its centreline.

    w(p) = length of the line through p, at a right angle to the centreline, that lies in vessel

A picture's walls are stairs; the mean of w along an even vessel is its area over its length, so
that no angle reads wide or narrow. Pixel rows and diagonals repeat from one point of a centreline
to the next, and half way between two points they are at another place: both are looked at,

    r(pᵢ) = ( w(mᵢ₋₁)/2 + w(pᵢ) + w(mᵢ)/2 ) / 4        mᵢ half way between pᵢ and pᵢ₊₁
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

STEP_PX = 0.25
INSIDE, BEYOND = 1, 2
"""Values of a pixel in vessel, and outside the field of view; else 0."""


def radii_across(
    points: Float[np.ndarray, "n 2"], size: Int[np.ndarray, "k"], about: Float[np.ndarray, "n"], *,
    pixels: Bool[np.ndarray, "height width"], fov: Bool[np.ndarray, "height width"],
) -> Float[np.ndarray, "n"]:  # fmt: skip
    """Return half the width across smooth lines; `about` itself where no wall is near there.

    Args:
        points: (x, y), one line after the other.
        size: number of points of each line.
        about: roughly the radius at each point; NaN where it need not be measured.
        pixels: True on vessels.
        fov: True inside the field of view.
    """
    height, width = pixels.shape
    kind = np.full((height + 2, width + 2), BEYOND, dtype=np.uint8)
    kind[1:-1, 1:-1] = np.where(fov, pixels, BEYOND)
    last = np.cumsum(size) - 1
    here = np.arange(len(points))
    before = np.maximum(here - 1, np.repeat(last - size + 1, size))
    after = np.minimum(here + 1, np.repeat(last, size))
    middle = (points + points[after]) / 2
    wanted = np.flatnonzero(np.isfinite(about))
    own, half = np.full(len(points), np.nan), np.full(len(points), np.nan)
    own[wanted] = _width(kind, points[wanted], (points[after] - points[before])[wanted],
                         about[wanted])  # fmt: skip
    half[wanted] = _width(kind, middle[wanted], (points[after] - points)[wanted], about[wanted])
    sides = np.stack([half[before], half])
    known = np.isfinite(sides)
    weight = known.sum(axis=0) / 2
    total = own + np.where(known, sides, 0.0).sum(axis=0) / 2
    found = total / (1 + weight) / 2
    return np.where(np.isfinite(found), found, about)


def _width(
    kind: UInt8[np.ndarray, "rows columns"], points: Float[np.ndarray, "n 2"],
    along: Float[np.ndarray, "n 2"], about: Float[np.ndarray, "n"],
) -> Float[np.ndarray, "n"]:  # fmt: skip
    """Return the width at right angles to `along`; NaN where a side has no wall in reach."""
    far = np.hypot(*along.T)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.where(far > 0, far, 1.0)[:, None]
    one, other = (_to_wall(kind, points, sign * across, about) for sign in (1.0, -1.0))
    return np.where(far > 0, one + other, np.nan)


def _to_wall(
    kind: UInt8[np.ndarray, "rows columns"], points: Float[np.ndarray, "n 2"],
    across: Float[np.ndarray, "n 2"], about: Float[np.ndarray, "n"],
) -> Float[np.ndarray, "n"]:  # fmt: skip
    """Return how far the vessel's wall is in one direction, in steps from where it is surely in."""
    flat, columns = kind.reshape(-1), kind.shape[1]
    reach = np.full(len(points), np.nan)
    start = np.floor(np.maximum(0.85 * about - 1.0, 0.0) / STEP_PX) * STEP_PX
    limit = 1.5 * about + 2.0
    left = np.arange(len(points))
    x, y = points[:, 0] + 1, points[:, 1] + 1
    dx, dy = across[:, 0], across[:, 1]
    while len(left):
        t = start + STEP_PX / 2
        row = np.rint(y + t * dy).astype(np.int64)
        column = np.rint(x + t * dx).astype(np.int64)
        # Steps beyond the padding have left the picture, as what lies outside the field has.
        row, column = row.clip(0, kind.shape[0] - 1), column.clip(0, columns - 1)
        found = flat[row * columns + column]
        reach[left[found == 0]] = start[found == 0]
        on = (found == INSIDE) & (start < limit)
        left, start, limit = left[on], start[on] + STEP_PX, limit[on]
        x, y, dx, dy = x[on], y[on], dx[on], dy[on]
    return reach
