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
    padded, starts, at = [], [], 0
    for line in lines:
        far = min(reach, len(line) - 1)
        front = 2 * line[0] - line[far:0:-1]
        back = 2 * line[-1] - line[-2 : -2 - far : -1]
        hold = reach - far
        parts = (np.repeat(front[:1] if far else line[:1], hold, 0), front, line, back,
                 np.repeat(back[-1:] if far else line[-1:], hold, 0))  # fmt: skip
        whole = np.concatenate(parts)
        padded.append(whole)
        starts.append(at + reach)
        at += len(whole)
    flat = gaussian_filter1d(np.concatenate(padded), sigma, axis=0, truncate=4.0, mode="nearest")
    return [flat[begin : begin + len(line)] for begin, line in zip(starts, lines, strict=True)]
