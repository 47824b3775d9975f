"""Losses between linear or first-order edge responses: Sobel, Scharr, Laplacian, LoG.

    sobel, scharr:   mean | |grad x| - |grad y| |
    laplacian, log:  mean | F(x) - F(y) | = mean | F(x - y) |, F linear

The mean runs over positions at which the filter reads nothing outside the field of view.

References:
    Sobel and Feldman, 1968; Scharr, "Optimal operators in digital image processing", 2000;
    Marr and Hildreth, "Theory of edge detection", 1980; Lindeberg, "Feature detection with
    automatic scale selection", IJCV 1998 (the factor sigma^2).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from retinaforge.core import Card
from retinaforge.losses.contract import Images, Loss, LossArguments, LossEntry, Region
from retinaforge.losses.filters import (
    gradient,
    laplacian_filter,
    log_filter,
    magnitude,
    radius_of,
    require_side,
)
from retinaforge.losses.region import erode, mean_inside, pick

CHANNELS = ("green", "all")
SOBEL_WEIGHTS, SCHARR_WEIGHTS = (1.0, 2.0), (3.0, 10.0)


def gradient_magnitude_loss(
    reconstruction: Images,
    target: Images,
    fov: Region,
    *,
    smoothing: tuple[float, float],
    channel: str = "green",
) -> Float[Tensor, ""]:
    """Return the L1 between gradient magnitudes, per pixel of the grid.

    Args:
        smoothing: (side, middle) of the 3-tap smoothing: (1, 2) is Sobel, (3, 10) Scharr.
        channel: "green" or "all".
    """
    require_side(target, 1, "a 3 x 3 filter")
    x, y = pick(reconstruction, channel), pick(target, channel)
    with torch.no_grad():
        wanted = magnitude(*gradient(y, *smoothing))
    return mean_inside((magnitude(*gradient(x, *smoothing)) - wanted).abs(), erode(fov, 1))


def laplacian(
    reconstruction: Images, target: Images, fov: Region, *, channel: str = "green"
) -> Float[Tensor, ""]:
    """Return the L1 between 3 x 3 Laplacians."""
    require_side(target, 1, "a 3 x 3 filter")
    difference = pick(reconstruction - target, channel)
    return mean_inside(laplacian_filter(difference).abs(), erode(fov, 1))


def log(
    reconstruction: Images,
    target: Images,
    fov: Region,
    *,
    sigmas_px: Sequence[float] = (1.0, 2.0),
    channel: str = "green",
) -> Float[Tensor, ""]:
    """Return the L1 between Laplacians of Gaussian, averaged over the scales.

    Args:
        sigmas_px: widths of the Gaussians, in pixels of the image handed over.
        channel: "green" or "all".
    """
    require_side(target, radius_of(max(sigmas_px)), f"LoG at sigma {max(sigmas_px)}")
    difference = pick(reconstruction - target, channel)
    each = [
        mean_inside(log_filter(difference, sigma).abs(), erode(fov, radius_of(sigma)))
        for sigma in sigmas_px
    ]
    return torch.stack(each).mean()


def _card(name: str, measures: str, reference: str, known_failure: str) -> Card:
    return Card(
        name=name,
        version=1,
        measures=f"{measures}; RGB in [-1, 1], green channel by default",
        range="[0, inf)",
        direction="lower is better",
        unit="1/px",
        smallest_n=1,
        reference=reference,
        known_failure=known_failure,
    )


BLIND = "blind to colour and slow shading; it rewards noise that has the right edge strength"
SOBEL = _card(
    "sobel",
    "mean absolute difference of Sobel gradient magnitudes inside the field of view",
    "Sobel and Feldman, 1968",
    BLIND + "; magnitudes forget direction",
)
SCHARR = _card(
    "scharr",
    "mean absolute difference of Scharr gradient magnitudes inside the field of view",
    "Scharr, 2000",
    BLIND + "; magnitudes forget direction",
)
LAPLACIAN = _card(
    "laplacian",
    "mean absolute difference of 3 x 3 Laplacians inside the field of view",
    "isotropic nine-point stencil",
    BLIND + "; sensor noise and JPEG blocks weigh most",
)
LOG = _card(
    "log",
    "mean absolute difference of scale-normalised Laplacians of Gaussian, sigma 1 and 2 px",
    "Marr and Hildreth, 1980; Lindeberg, IJCV 1998",
    BLIND + "; sees vessels of about 3 sigma width best, others less",
)


def _build_sobel(arguments: LossArguments) -> Loss:
    channel = arguments.choice("channel", CHANNELS)
    return Loss(
        SOBEL,
        lambda x, y, fov: gradient_magnitude_loss(
            x, y, fov, smoothing=SOBEL_WEIGHTS, channel=channel
        ),
    )


def _build_scharr(arguments: LossArguments) -> Loss:
    channel = arguments.choice("channel", CHANNELS)
    return Loss(
        SCHARR,
        lambda x, y, fov: gradient_magnitude_loss(
            x, y, fov, smoothing=SCHARR_WEIGHTS, channel=channel
        ),
    )


def _build_laplacian(arguments: LossArguments) -> Loss:
    channel = arguments.choice("channel", CHANNELS)
    return Loss(LAPLACIAN, lambda x, y, fov: laplacian(x, y, fov, channel=channel))


def _build_log(arguments: LossArguments) -> Loss:
    channel = arguments.choice("channel", CHANNELS)
    sigmas = arguments.numbers("sigma", (1.0, 2.0))
    return Loss(LOG, lambda x, y, fov: log(x, y, fov, sigmas_px=sigmas, channel=channel))


SOBEL_ENTRY = LossEntry(SOBEL, "edge", _build_sobel, options=("channel",))
SCHARR_ENTRY = LossEntry(SCHARR, "edge", _build_scharr, options=("channel",))
LAPLACIAN_ENTRY = LossEntry(LAPLACIAN, "edge", _build_laplacian, options=("channel",))
LOG_ENTRY = LossEntry(LOG, "edge", _build_log, options=("sigma", "channel"))
