"""Canny's edges made soft, and the L1 between them.

    m = |grad (G_s * I)|       n = max(m one pixel ahead, m one pixel back along the gradient)
    edge = sigmoid((m - n) / t_n) * sigmoid((m - h) / t_h)        in [0, 1]

The first factor thins (non-maximum suppression), the second drops faint edges (threshold);
hysteresis has no soft form and is left out. The gradient's direction is taken as constant.

References:
    Canny, "A computational approach to edge detection", IEEE PAMI 1986, sections V-VI.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from retinaforge.core import Card
from retinaforge.losses.contract import Images, Loss, LossArguments, LossEntry, Region
from retinaforge.losses.filters import (
    Maps,
    derivatives,
    gradient,
    magnitude,
    radius_of,
    require_side,
)
from retinaforge.losses.region import erode, mean_inside, pick

# In intensity per pixel of images in [-1, 1]: a vessel's flank at 256 px has 0.02 to 0.1.
THRESHOLD, SOFTNESS, THINNING = 0.03, 0.01, 0.005


def _shifted(m: Maps, down: int, across: int) -> Maps:
    rows, columns = m.shape[-2] - 2, m.shape[-1] - 2
    return m[..., 1 + down : 1 + down + rows, 1 + across : 1 + across + columns]


def _along(m: Maps, across: Maps, down: Maps) -> Maps:
    """Return m sampled one step (across, down), |step| <= 1, away, bilinearly."""
    a, d = across.abs(), down.abs()
    beside = torch.where(across > 0, _shifted(m, 0, 1), _shifted(m, 0, -1))
    below = torch.where(down > 0, _shifted(m, 1, 0), _shifted(m, -1, 0))
    right = torch.where(down > 0, _shifted(m, 1, 1), _shifted(m, -1, 1))
    left = torch.where(down > 0, _shifted(m, 1, -1), _shifted(m, -1, -1))
    corner = torch.where(across > 0, right, left)
    here = _shifted(m, 0, 0)
    return (1 - d) * ((1 - a) * here + a * beside) + d * ((1 - a) * below + a * corner)


def soft_edges(images: Maps, *, sigma_px: float = 1.0, threshold: float = THRESHOLD) -> Maps:
    """Return soft Canny edges in [0, 1] on valid positions (radius: Gaussian's + 2).

    Args:
        images: maps in [-1, 1].
        sigma_px: width of the Gaussian before the gradient.
        threshold: gradient magnitude, per pixel, at which an edge counts half.
    """
    (smooth,) = derivatives(images, sigma_px, ((0, 0),))
    across, down = gradient(smooth, 1.0, 2.0)
    m = magnitude(across, down)
    unit_across = _shifted((across / m).detach(), 0, 0)
    unit_down = _shifted((down / m).detach(), 0, 0)
    ahead = _along(m, unit_across, unit_down)
    back = _along(m, -unit_across, -unit_down)
    here = _shifted(m, 0, 0)
    thin = torch.sigmoid((here - torch.maximum(ahead, back)) / THINNING)
    return thin * torch.sigmoid((here - threshold) / SOFTNESS)


def canny(
    reconstruction: Images,
    target: Images,
    fov: Region,
    *,
    sigma_px: float = 1.0,
    threshold: float = THRESHOLD,
    channel: str = "green",
) -> Float[Tensor, ""]:
    """Return the L1 between soft edges."""
    radius = radius_of(sigma_px) + 2
    require_side(target, radius, f"soft Canny edges at sigma {sigma_px}")
    x, y = pick(reconstruction, channel), pick(target, channel)
    with torch.no_grad():
        wanted = soft_edges(y, sigma_px=sigma_px, threshold=threshold)
    difference = soft_edges(x, sigma_px=sigma_px, threshold=threshold) - wanted
    return mean_inside(difference.abs(), erode(fov, radius))


CANNY = Card(
    name="canny",
    version=1,
    measures="mean absolute difference of soft Canny edges (sigma 1 px, threshold 0.03 per px) "
    "of RGB in [-1, 1] inside the field of view, green channel by default",
    range="[0, 1]",
    direction="lower is better",
    unit="1",
    smallest_n=1,
    reference="Canny, IEEE PAMI 1986, sections V-VI, soft and without hysteresis",
    known_failure="an edge one pixel off costs as much as a missing one; faint capillaries lie "
    "below the threshold; hardly any gradient where both images are flat",
)


def _build(arguments: LossArguments) -> Loss:
    channel = arguments.choice("channel", ("green", "all"))
    sigma, threshold = arguments.number("sigma", 1.0), arguments.number("threshold", THRESHOLD)
    return Loss(
        CANNY,
        lambda x, y, fov: canny(x, y, fov, sigma_px=sigma, threshold=threshold, channel=channel),
    )


CANNY_ENTRY = LossEntry(CANNY, "edge", _build, options=("sigma", "threshold", "channel"))
