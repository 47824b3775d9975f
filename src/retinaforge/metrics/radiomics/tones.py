"""Tone differences (NGTDM): how far a pixel's level lies from the mean of its neighbours.

n_i pixels have level i; s_i is the sum of |i - mean of the neighbours inside the mask| over them.
"""

from __future__ import annotations

import numpy as np

from retinaforge.metrics.radiomics.grey import Grey, Vector

# What PyRadiomics gives for a region without any difference.
FLAT_COARSENESS = 1e6


def tone_features(grey: Grey) -> dict[str, float]:
    """Return the five tone-difference features.

    Of a flat region Coarseness is 1e6 and the others are 0.

    Args:
        grey: ranks and levels.

    References:
        Amadasun and King, IEEE Trans. SMC 19, 1989; PyRadiomics 3.1.
    """
    s, i = tone_differences(grey), grey.levels
    pixels = float(grey.counts.sum())
    p = grey.counts / pixels
    ps, step = p * s, np.abs(i[:, None] - i[None, :])
    present, rate = len(i), float(np.sum(s))
    mixed = (ps[:, None] + ps[None, :]) / (p[:, None] + p[None, :])
    spread = float(p @ step**2 @ p) * rate / pixels
    swing = float(np.sum(np.abs((i * p)[:, None] - (i * p)[None, :])))
    busy = float(np.sum(ps))
    return {
        "Busyness": busy / swing if swing else 0.0,
        "Coarseness": 1 / busy if busy else FLAT_COARSENESS,
        "Complexity": float(np.sum(step * mixed)) / pixels,
        "Contrast": spread / (present * (present - 1)) if present > 1 else 0.0,
        "Strength": float(np.sum((p[:, None] + p[None, :]) * step**2)) / rate if rate else 0.0,
    }


def tone_differences(grey: Grey) -> Vector:
    """Return s_i: summed distance of each level's pixels from their neighbours' mean.

    Args:
        grey: ranks and levels.

    Returns:
        One sum for each level that occurs, in levels; a pixel without neighbours adds 0.
    """
    # Levels are whole numbers: their sums are exact in any kind, and faster in a small one.
    kind = np.int32 if grey.highest < 2**24 else np.int64
    value = np.concatenate([[0], grey.levels]).astype(kind)[grey.padded]
    inside = grey.ranks > 0
    centre = value[1:-1, 1:-1][inside]
    others = _around((grey.padded > 0).view(np.uint8))[inside] - np.uint8(1)
    mean = (_around(value)[inside] - centre) / np.maximum(others, 1)
    away = np.where(others > 0, np.abs(centre - mean), 0.0)
    return np.bincount(grey.ranks[inside], weights=away)[1:]


def _around(padded: np.ndarray) -> np.ndarray:
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
