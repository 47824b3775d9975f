"""Polylines: smoothing many at once, their lengths and directions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d


def smooth_polylines(
    lines: Sequence[Float[np.ndarray, "_ 2"]], *, sigma: float
) -> list[Float[np.ndarray, "_ 2"]]:
    """Smooth every line with a Gaussian along its points; its two ends stay where they are.

    Each line is continued beyond its ends by its own point reflection, which a symmetric filter
    leaves fixed at the ends. All are filtered in one array: thousands of short lines cost as
    little as one long one.

    Args:
        lines: points (x, y), about a pixel apart.
        sigma: standard deviation, in points.
    """
    if not lines or sigma <= 0:
        return list(lines)
    reach = math.ceil(4 * sigma)
    size = np.array([len(line) for line in lines])
    begin = np.concatenate([[0], np.cumsum(size)[:-1]])
    padded = size + 2 * reach
    at = np.cumsum(padded) - padded + reach
    # Place along each line, negative before it and from its size on beyond it.
    place = np.arange(padded.sum()) - np.repeat(at, padded)
    last = np.repeat(size - 1, padded)
    before, beyond = place < 0, place > last
    own = np.where(beyond, np.maximum(2 * last - place, 0), np.minimum(np.abs(place), last))
    start = np.repeat(begin, padded)
    flat = np.concatenate(lines)
    whole = flat[start + own]
    turned = before | beyond
    pivot = flat[(start + np.where(beyond, last, 0))[turned]]
    whole[turned] = 2 * pivot - whole[turned]
    smooth = gaussian_filter1d(whole, sigma, axis=0, truncate=4.0, mode="nearest")
    return [smooth[a : a + n] for a, n in zip(at.tolist(), size.tolist(), strict=True)]
