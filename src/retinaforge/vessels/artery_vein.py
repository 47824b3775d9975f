"""Name vessels: which pixels lie on arteries and which on veins."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool

ARTERY_VEIN_FORMAT = "retinaforge artery-vein network 1"

Mask = Bool[np.ndarray, "height width"]


def named_rightly(artery: Mask, truth: Mask, where: Mask) -> float:
    """Return the share of the pixels `where` that are called artery where they are one, else vein.

    Args:
        artery: True where the judge says artery, False where it says vein.
        truth: True on arteries.
        where: vessel pixels that have one certain name.

    Returns:
        Between 0 and 1; NaN where there is no such pixel.
    """
    count = int(where.sum())
    return float((artery == truth)[where].sum()) / count if count else math.nan
