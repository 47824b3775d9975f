"""From a probability map to the region that is meant, and to an ellipse's centre and half axes.

    a = 2 sqrt(Σ_xx),   b = 2 sqrt(Σ_yy)      Σ: covariance of the region's pixels

exact for an ellipse of any tilt: its half width and half height.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

Point = tuple[float, float]
Map = Float[np.ndarray, "height width"]
Mask = Bool[np.ndarray, "height width"]


def heaviest_region(p: Map, *, level: float) -> Mask:
    """Return the connected region of p >= level with the largest sum of p, holes filled."""
    labels = np.zeros(p.shape, dtype=np.int32)
    ndimage.label(p >= level, output=labels)
    if not labels.any():
        return np.zeros(p.shape, dtype=bool)
    sums = np.bincount(labels.ravel(), weights=p.ravel())
    sums[0] = 0
    whole: Mask = np.asarray(ndimage.binary_fill_holes(labels == int(sums.argmax())))
    return whole


def half_axes(mask: Mask) -> tuple[Point, Point]:
    """Return centre (x, y) and (half width, half height) of a region, in pixels.

    A pixel counts with its own extent: it is a square of variance 1/12.

    Args:
        mask: True somewhere.
    """
    rows, columns = np.nonzero(mask)
    width, height = (2 * math.sqrt(float(each.var()) + 1 / 12) for each in (columns, rows))
    return (float(columns.mean()), float(rows.mean())), (width, height)


def peak_of(heat: Map, *, reach_px: float) -> tuple[Point, float]:
    """Return the centre of mass (x, y) about a map's highest point, and its height there.

    Args:
        heat: a map with one hill.
        reach_px: half the side of the square about the highest point that is weighed.
    """
    height = float(heat.max())
    # The middle of all highest points, so that a mirrored map gives the mirrored place.
    rows, columns = np.nonzero(heat >= height - 1e-6)
    row, column = float(rows.mean()), float(columns.mean())
    y, x = np.arange(heat.shape[0]), np.arange(heat.shape[1])
    near = (np.abs(y - row) <= reach_px)[:, None] & (np.abs(x - column) <= reach_px)[None, :]
    weight = heat * near
    total = float(weight.sum())
    if total <= 0:
        return (column, row), height
    return (
        float((weight.sum(0) * x).sum()) / total,
        float((weight.sum(1) * y).sum()) / total,
    ), height
