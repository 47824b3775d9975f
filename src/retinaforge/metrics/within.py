"""What lies well inside a mask."""

from __future__ import annotations

import math

import numpy as np

from retinaforge.metrics.pairs import Mask


def farther_inside(inside: Mask, distance_px: float) -> Mask:
    """Return the pixels of a mask that lie farther than a distance from everything outside it.

    Beyond the image is outside. Equal to a threshold on the Euclidean distance transform, and
    faster: whether a disc about a pixel stays inside is asked column by column,

        out(y, x)   if  v(y, x + k)² + k² <= distance²  for any k       v: way to outside, upright

    Args:
        inside: True inside.
        distance_px: from pixel centre to pixel centre, 0 or more.
    """
    reach = math.floor(distance_px)
    height, width = inside.shape
    upright = np.zeros((height, width + 2 * reach + 2), dtype=np.int32)
    middle = slice(reach + 1, reach + 1 + width)
    upright[:, middle] = _to_outside(inside)
    # A way longer than the distance tells no more than that.
    upright = np.minimum(upright, reach + 1).astype(np.uint8 if reach < 255 else np.int32)
    out = ~inside
    for k in range(-reach, reach + 1):
        near = math.floor(math.sqrt(distance_px**2 - k * k))
        out |= upright[:, reach + 1 + k : reach + 1 + k + width] <= near
    return ~out


def _to_outside(inside: Mask) -> np.ndarray:
    """Return how many rows each pixel lies from the nearest one outside, 0 outside itself."""
    height, width = inside.shape
    row = np.arange(1, height + 1)[:, None]
    last = np.maximum.accumulate(np.where(inside, 0, row), axis=0)
    following = np.minimum.accumulate(np.where(inside, height + 1, row)[::-1], axis=0)[::-1]
    return np.minimum(row - last, following - row)
