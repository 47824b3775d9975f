"""Every loss there is: one line each."""

from __future__ import annotations

from retinaforge.losses import canny, deep, edges, frangi, pixel, structural
from retinaforge.losses.contract import LossEntry

CATALOGUE: tuple[LossEntry, ...] = (
    pixel.L1_ENTRY,
    pixel.L2_ENTRY,
    pixel.CHARBONNIER_ENTRY,
    structural.SSIM_ENTRY,
    structural.MS_SSIM_ENTRY,
    edges.SOBEL_ENTRY,
    edges.SCHARR_ENTRY,
    edges.LAPLACIAN_ENTRY,
    edges.LOG_ENTRY,
    canny.CANNY_ENTRY,
    frangi.FRANGI_ENTRY,
    deep.LPIPS_ENTRY,
    deep.PERCEPTUAL_ENTRY,
    deep.FEATURES_ENTRY,
)
