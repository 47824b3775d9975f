"""How deep inside a mask its pixels lie: the distance transform of something thin.

    d²(y, x) = min over k of  v(y, x + k)² + k²        v: way to the nearest pixel outside, upright

Only the mask's own pixels are looked at, and only as far as the deepest of them lies: of a vessel
mask that is a twentieth of the picture, over a few pixels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

Mask = Bool[np.ndarray, "height width"]


def depth_inside(mask: Mask) -> Float[np.ndarray, "height width"]:
    """Return the distance from each pixel to the nearest one outside the mask, 0 outside.

    Equal to SciPy's `distance_transform_edt`; the picture's frame is no outside. Infinite where
    nothing is outside.
    """
    height, width = mask.shape
    # Columns first: what is one above the other lies side by side in memory.
    place = np.flatnonzero(np.ascontiguousarray(mask.T))
    none = 2 * (height + width) ** 2
    best = _upright_squared(place, height, none)
    squared = np.zeros(mask.size, dtype=np.int64)
    squared[place] = best
    left = np.arange(len(place))
    for k in range(1, width):
        left = left[best[left] > k * k]
        if not len(left):
            break
        for near in (place[left] - k * height, place[left] + k * height):
            ok = (near >= 0) & (near < mask.size)
            sideways = squared[near[ok]] + k * k
            best[left[ok]] = np.minimum(best[left[ok]], sideways)
    depth = np.zeros((width, height))
    depth.reshape(-1)[place] = np.where(best < none, np.sqrt(best), np.inf)
    return np.ascontiguousarray(depth.T)


def _upright_squared(place: Int[np.ndarray, "n"], height: int, none: int) -> Int[np.ndarray, "n"]:
    """Return the squared way to the nearest pixel outside, up or down; `none` where there is none.

    Args:
        place: where the mask's pixels lie, column by column.
        height: of a column.
        none: longer than any way.
    """
    row = place % height
    begins = (np.diff(place, prepend=-2) != 1) | (row == 0)
    first = np.flatnonzero(begins)
    run = np.cumsum(begins) - 1
    last = np.append(first[1:], len(place)) - 1
    here = np.arange(len(place))
    up = np.where(row[first[run]] > 0, here - first[run] + 1, height)
    down = np.where(row[last[run]] < height - 1, last[run] - here + 1, height)
    way = np.minimum(up, down)
    return np.where(way < height, way * way, none)


def depth_up_to(mask: Mask, most: int) -> Float[np.ndarray, "height width"]:
    """Return the distance from each pixel to the nearest one outside the mask, or `most` if less.

    For masks that fill the picture, of which only the rim is of interest; the picture's frame is
    outside. Distances below `most` are those of SciPy's `distance_transform_edt`.

    Args:
        mask: True inside.
        most: in pixels, 180 at most, so that its square fits into 16 bits.
    """
    height, width = mask.shape
    framed = np.zeros((height + 2, width + 2 * most), dtype=bool)
    framed[1:-1, most:-most] = mask
    way = framed.astype(np.int16)
    for _ in range(most - 1):
        inner = framed[1:-1] & framed[:-2] & framed[2:]
        framed[1:-1] = inner
        way[1:-1] += inner
    upright = way[1:-1] ** 2
    squared = upright[:, most:-most].copy()
    for k in range(1, most):
        for first in (most - k, most + k):
            np.minimum(squared, upright[:, first : first + width] + np.int16(k * k), out=squared)
    return np.sqrt(squared.astype(np.float64))
