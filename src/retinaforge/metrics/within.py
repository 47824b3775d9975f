"""What lies well inside a mask."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Int

from retinaforge.metrics.pairs import Mask


def farther_inside(inside: Mask, distance_px: float) -> Mask:
    """Return the pixels of a mask that lie farther than a distance from everything outside it.

    Beyond the image is outside. Equal to a threshold on the Euclidean distance transform, and
    faster: whether a disc about a pixel stays inside is asked row by row,

        out(y, x)   if  v(y + k, x)² + k² <= distance²  for any k       v: way to outside, across

    Args:
        inside: True inside.
        distance_px: from pixel centre to pixel centre, 0 or more.
    """
    reach = math.floor(distance_px)
    height, width = inside.shape
    # A way longer than the distance tells no more than that.
    across = np.minimum(_to_outside(inside), reach + 1)
    padded = np.zeros((height + 2 * reach + 2, width), np.uint8 if reach < 255 else np.int32)
    padded[reach + 1 : reach + 1 + height] = across
    out = ~inside
    for k in range(-reach, reach + 1):
        near = math.floor(math.sqrt(distance_px**2 - k * k))
        out |= padded[reach + 1 + k : reach + 1 + k + height] <= near
    return ~out


def _to_outside(inside: Mask) -> Int[np.ndarray, "height width"]:
    """Return how many columns each pixel lies from the nearest one outside, 0 outside itself."""
    width = inside.shape[1]
    column = np.arange(1, width + 1, dtype=np.int32)
    last = np.maximum.accumulate(np.where(inside, np.int32(0), column), axis=1)
    following = np.where(inside, np.int32(width + 1), column)[:, ::-1]
    following = np.minimum.accumulate(following, axis=1)[:, ::-1]
    return np.minimum(column - last, following - column)
