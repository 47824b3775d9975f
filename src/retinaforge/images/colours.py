"""How colours are spread inside a field of view: 30 numbers that need no network."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

Pixels = UInt8[np.ndarray, "size size 3"]
Mask = Bool[np.ndarray, "size size"]
Vector = Float[np.ndarray, "features"]

PERCENTILES = (5, 25, 50, 75, 95)
RINGS = (0.0, 0.35, 0.7, 1.0)
"""Edges of the rings about the field's centre whose mean colours are taken, in its radius."""


def colour_features(pixels: Pixels, inside: Mask) -> Vector:
    """Return how colours are spread inside the field of view.

    Of luminance (BT.601) and two opponent channels, red against green and yellow against blue
    (Hasler and Süsstrunk 2003): mean, standard deviation, percentiles, and the mean of three rings.

    Args:
        pixels: RGB.
        inside: the field of view.

    Returns:
        30 numbers in grey levels.
    """
    red, green, blue = np.ascontiguousarray(pixels[inside].T).astype(np.int64)
    ring = _rings(inside.shape)[inside]
    # Whole numbers, so that everything follows exactly from how often each occurs.
    channels = ((299 * red + 587 * green + 114 * blue, 1000), (red - green, 1),
                (red + green - 2 * blue, 2))  # fmt: skip
    return np.stack([_spread(whole, parts, ring) for whole, parts in channels], axis=1).reshape(-1)


def _spread(whole: Int[np.ndarray, "n"], parts: int, ring: Int[np.ndarray, "n"]) -> Vector:
    """Return mean, standard deviation, percentiles and the means of the rings of one channel.

    Args:
        whole: values times `parts`, whole numbers.
        parts: what they are divided by.
        ring: which ring each pixel lies in.
    """
    low = int(whole.min())
    counts = np.bincount(whole - low)
    values = (np.arange(len(counts)) + low) / parts
    mean = float(counts @ values) / len(whole)
    spread = math.sqrt(float(counts @ (values - mean) ** 2) / len(whole))
    place = np.array(PERCENTILES) / 100 * (len(whole) - 1)
    below = np.floor(place).astype(np.int64)
    upto = np.cumsum(counts)
    at, after = (values[np.searchsorted(upto, np.minimum(k, len(whole) - 1), side="right")]
                 for k in (below, below + 1))  # fmt: skip
    size = np.bincount(ring, minlength=len(RINGS) - 1)
    total = np.bincount(ring, whole, len(RINGS) - 1) / parts
    rings = np.where(size > 0, total / np.maximum(size, 1), mean)
    return np.array([mean, spread, *(at + (place - below) * (after - at)), *rings])


@lru_cache(maxsize=4)
def _rings(size_px: tuple[int, int]) -> Int[np.ndarray, "height width"]:
    """Return which ring about its middle each pixel of an image lies in."""
    middle = (np.array(size_px) - 1) / 2
    away = np.hypot(*(np.indices(size_px) - middle[:, None, None])) / (max(size_px) / 2)
    return np.digitize(away, RINGS[1:-1]).astype(np.uint8)
