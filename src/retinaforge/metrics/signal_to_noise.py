"""PSNR = 10 log10(255² / MSE), MSE over the pixels of the field of view and all three channels."""

from __future__ import annotations

import math

import numpy as np

from retinaforge.core import Card, Quantity
from retinaforge.metrics.pairs import EMPTY_FOV, PEAK, Image, Mask, check_pair

CARD = Card(
    name="psnr",
    version=1,
    measures="mean squared difference of two photographs inside the field of view, on a log scale",
    range="[0, inf); undefined (infinite) for identical images",
    direction="higher is better",
    unit="dB",
    smallest_n=1,
    reference="ISO/IEC 29170-1; peak 255, MSE over the field of view's pixels and R, G, B together",
    known_failure="blind to structure: a blur that erases every capillary can score above a sharp "
    "reconstruction whose background is a shade off",
)


def psnr(reconstruction: Image, original: Image, fov_mask: Mask) -> Quantity:
    """Return the peak signal-to-noise ratio inside the field of view.

    10 log10(255² / MSE)

    Args:
        reconstruction: RGB, 0-255.
        original: RGB, 0-255.
        fov_mask: True inside the field of view.

    Returns:
        PSNR in dB; NaN where the field of view is empty or both images are identical in it.

    Raises:
        Refusal: "expected 8-bit RGB images of one size and a boolean mask of that size; got ...".

    References:
        ISO/IEC 29170-1.
    """
    check_pair(reconstruction, original, fov_mask)
    if not fov_mask.any():
        return Quantity(CARD, math.nan, EMPTY_FOV)
    difference = reconstruction[fov_mask].astype(np.float64) - original[fov_mask]
    mse = float(np.mean(difference**2))
    if mse == 0:
        return Quantity(CARD, math.nan, "identical images: PSNR is infinite")
    return Quantity(CARD, 10 * math.log10(PEAK**2 / mse))
