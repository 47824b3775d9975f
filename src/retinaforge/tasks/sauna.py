"""Soft labels by SAUNA: how sure an annotator can be of each pixel, from -1 to 1.

    b = (D - min(B, D_max)) / D_max                       nearness to the boundary, signed
    t = max of D over a window / D_max                    thickness of the vessel here, 0 ... 1
    y = b + (1 - t) on vessels,  b - (1 - t) beside them, -1 where no vessel is near

D and B are the distances to the nearest background and vessel pixel; the window is ⌈D_max⌉ wide on
vessels (the next odd number) and 2 ⌈D_max⌉ + 1 beside them. So the middle of a thin vessel is as
sure as that of a thick one, and only boundaries are unsure.

Distances are Euclidean; the published code takes OpenCV's 5 × 5 chamfer distance, up to 2 % off.

References:
    T. Dang, H. H. Nguyen and A. Tiulpin, "Image-level regression for uncertainty-aware retinal
    image segmentation", WACV 2025, 4194-4204 (github.com/Oulu-IMEDS/SAUNA).
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

Mask = Bool[np.ndarray, "height width"]


def _thickest(distances: Float[np.ndarray, "height width"], side: int) -> np.ndarray:
    return ndimage.maximum_filter(distances, size=side, mode="constant")


def sauna(vessels: Mask) -> Float[np.ndarray, "height width"]:
    """Return the soft label of every pixel of a whole mask, in [-1, 1], positive on vessels.

    A mask without vessels is -1 everywhere, one without background 1.
    """
    if vessels.all() or not vessels.any():
        return np.where(vessels, 1.0, -1.0)
    inner = np.asarray(ndimage.distance_transform_edt(vessels))
    outer = np.asarray(ndimage.distance_transform_edt(~vessels))
    most = inner.max()
    near = (inner - np.minimum(outer, most)) / most
    width = math.ceil(most)
    thick = _thickest(inner, width + (width + 1) % 2) / most
    about = _thickest(inner, 2 * width + 1) / most
    beside = np.where(about > 0, near - (1 - about), -1.0)
    return np.clip(np.where(vessels, near + (1 - thick), beside), -1.0, 1.0)


def sauna_plane(vessels: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """Return `sauna` of a mask drawn in 0-255 as 0-255, as crops carry their masks."""
    return np.rint((sauna(vessels > 127) + 1) * 127.5).astype(np.uint8)
