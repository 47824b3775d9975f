"""SSIM = (2 μx μy + C1)(2 σxy + C2) / ((μx² + μy² + C1)(σx² + σy² + C2))     (Wang 2004, eq. 13)

Local moments under a Gaussian window of 11 taps and σ 1.5, C1 = (0.01 · 255)², C2 = (0.03 · 255)².
Nothing outside the field of view has any say: SSIM counts the pixels whose whole window lies in
it; MS-SSIM, whose coarse windows span 176 px, cuts its windows off at the border and gives the
weights that are left the sum 1.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from retinaforge.core import Card, Quantity
from retinaforge.metrics.pairs import PEAK, Image, Mask, check_pair

TAPS = 11
SIGMA_PX = 1.5
C1 = (0.01 * PEAK) ** 2
C2 = (0.03 * PEAK) ** 2
TOO_SMALL = f"no window of {TAPS} x {TAPS} px fits into the field of view"
# Wang, Simoncelli and Bovik 2003, section 3.2: finest scale first.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

Plane = Float[np.ndarray, "height width"]

CARD = Card(
    name="ssim",
    version=1,
    measures="local agreement of luminance, contrast and structure inside the field of view, "
    "each channel alone, then averaged",
    range="[-1, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=1,
    reference="Wang et al., IEEE TIP 13(4), 2004, eq. 13; Gaussian 11 taps, sigma 1.5 px, "
    "population moments, K1 0.01, K2 0.03; windows wholly inside the field of view",
    known_failure="its window sees 11 px: a thin vessel missing from a smooth background costs "
    "little, and its value moves with the resolution",
)

MULTI_SCALE_CARD = Card(
    name="ms_ssim",
    version=1,
    measures="SSIM's contrast and structure at five scales, luminance at the coarsest, "
    "inside the field of view, each channel alone, then averaged",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=1,
    reference="Wang, Simoncelli, Bovik, Asilomar 2003, eq. 7; 2 x 2 means between scales (an odd "
    "last row or column is dropped), windows cut off at the field of view's border and "
    "renormalised, negative terms set to 0",
    known_failure="weights were fitted to natural images; needs a frame of at least 176 px; "
    "the finest scale, where capillaries live, weighs 4 %",
)


def gaussian_window() -> Float[np.ndarray, "taps"]:
    """Return the window's 11 weights, which sum to 1."""
    x = np.arange(TAPS) - TAPS // 2
    weights = np.exp(-(x**2) / (2 * SIGMA_PX**2))
    return weights / weights.sum()


def ssim(reconstruction: Image, original: Image, fov_mask: Mask) -> Quantity:
    """Return the structural similarity inside the field of view.

    mean over channels and pixels of (2 μx μy + C1)(2 σxy + C2) / ((μx² + μy² + C1)(σx² + σy² + C2))

    Args:
        reconstruction: RGB, 0-255.
        original: RGB, 0-255.
        fov_mask: True inside the field of view.

    Returns:
        SSIM in [-1, 1], without unit; NaN where no window fits into the field of view.

    Raises:
        Refusal: "expected 8-bit RGB images of one size and a boolean mask of that size; got ...".

    References:
        Wang et al., Image quality assessment, IEEE TIP 2004, eq. 13.
    """
    check_pair(reconstruction, original, fov_mask)
    inside = whole_windows(fov_mask)
    if not inside.any():
        return Quantity(CARD, math.nan, TOO_SMALL)
    x, y = reconstruction.astype(np.float64), original.astype(np.float64)
    values = [_terms(x[..., c], y[..., c], fov_mask, inside)[0] for c in range(3)]
    return Quantity(CARD, float(np.mean(values)))


def ms_ssim(reconstruction: Image, original: Image, fov_mask: Mask) -> Quantity:
    """Return the multi-scale structural similarity inside the field of view.

    l_M^w_M · Π_j cs_j^w_j over five scales, negative means of cs set to 0

    Args:
        reconstruction: RGB, 0-255.
        original: RGB, 0-255.
        fov_mask: True inside the field of view.

    Returns:
        MS-SSIM in [0, 1], without unit; NaN where the frame holds no window at the coarsest scale.

    Raises:
        Refusal: "expected 8-bit RGB images of one size and a boolean mask of that size; got ...".

    References:
        Wang, Simoncelli, Bovik, Multiscale structural similarity, Asilomar 2003, eq. 7.
    """
    check_pair(reconstruction, original, fov_mask)
    masks = _masks_by_scale(fov_mask)
    if not _centres(masks[-1]).any():
        return Quantity(MULTI_SCALE_CARD, math.nan, f"{TOO_SMALL} at the coarsest of five scales")
    x, y = reconstruction.astype(np.float64), original.astype(np.float64)
    values = [_multi_scale(x[..., c], y[..., c], masks) for c in range(3)]
    return Quantity(MULTI_SCALE_CARD, float(np.mean(values)))


def whole_windows(mask: Mask) -> Mask:
    """Return the pixels whose whole window of 11 x 11 px lies in the mask and the frame."""
    rows = ndimage.minimum_filter1d(mask.astype(np.uint8), TAPS, axis=0, mode="constant", cval=0)
    both = ndimage.minimum_filter1d(rows, TAPS, axis=1, mode="constant", cval=0)
    return cast(Mask, both > 0)


def _masks_by_scale(fov_mask: Mask) -> list[np.ndarray]:
    masks: list[np.ndarray] = [fov_mask]
    for _ in SCALE_WEIGHTS[1:]:
        masks.append(cast(Mask, _quads(masks[-1]).all(axis=(1, 3))))
    return masks


def _centres(mask: Mask) -> Mask:
    """Return the pixels of the mask whose window lies in the frame."""
    return mask & whole_windows(np.ones_like(mask))


def _multi_scale(x: np.ndarray, y: np.ndarray, masks: list[np.ndarray]) -> float:
    product = 1.0
    for scale, (weight, mask) in enumerate(zip(SCALE_WEIGHTS, masks, strict=True)):
        if scale:
            x, y = _quads(x).mean(axis=(1, 3)), _quads(y).mean(axis=(1, 3))
        full, contrast = _terms(x, y, mask, _centres(mask))
        coarsest = scale == len(SCALE_WEIGHTS) - 1
        product *= max(full if coarsest else contrast, 0.0) ** weight
    return product


def _terms(x: Plane, y: Plane, mask: Mask, counted: Mask) -> tuple[float, float]:
    """Return SSIM and its contrast-structure factor, windows within `mask`, over `counted`."""
    weight = np.where(counted, _blur(mask.astype(np.float64)), 1.0)
    x, y = np.where(mask, x, 0.0), np.where(mask, y, 0.0)
    mx, my, mxx, myy, mxy = (_blur(p) / weight for p in (x, y, x * x, y * y, x * y))
    vx, vy, vxy = mxx - mx * mx, myy - my * my, mxy - mx * my
    contrast = (2 * vxy + C2) / (vx + vy + C2)
    full = contrast * (2 * mx * my + C1) / (mx * mx + my * my + C1)
    return float(full[counted].mean()), float(contrast[counted].mean())


def _blur(plane: Plane) -> Plane:
    window = gaussian_window()
    return ndimage.correlate1d(ndimage.correlate1d(plane, window, axis=0), window, axis=1)


def _quads(plane: np.ndarray) -> np.ndarray:
    """Return the plane as blocks of 2 x 2: axes 1 and 3 run within a block."""
    height, width = plane.shape[0] // 2, plane.shape[1] // 2
    return plane[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
