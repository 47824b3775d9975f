"""Image filters on valid positions: differences by slices, separable Gaussian derivatives."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from retinaforge.core import Refusal

# Sizes are left open: filters return their valid positions only.
Maps = Float[Tensor, "batch channels _ _"]
TRUNCATE = 4.0


def radius_of(sigma_px: float) -> int:
    """Return the radius, in pixels, at which a Gaussian of this width is cut off: 4 sigma."""
    return max(1, math.ceil(TRUNCATE * sigma_px))


def require_side(images: Maps, radius_px: int, what: str) -> None:
    """Refuse images on which a filter of this radius has no valid position."""
    least = 2 * radius_px + 1
    if min(images.shape[-2:]) < least:
        raise Refusal(
            f"images of at least {least} px for {what}",
            f"{images.shape[-2]} x {images.shape[-1]} px",
            "use larger crops or a smaller sigma",
        )


@lru_cache
def gaussian_1d(sigma_px: float, radius_px: int, order: int) -> Tensor:
    """Return a sampled Gaussian or its first or second derivative, shape (2 radius + 1,).

    Moments are set right on the grid, so that the filters are exact on low polynomials:
    sum g = 1; sum x g' = 1 (turned round: it correlates); sum g'' = 0 and sum x^2 g'' = 2.
    """
    x = torch.arange(-radius_px, radius_px + 1, dtype=torch.float64)
    g = torch.exp(-0.5 * (x / sigma_px) ** 2)
    g = g / g.sum()
    if order == 0:
        return g
    if order == 1:
        slope = x * g
        return slope / (x * slope).sum()
    bend = (x**2 / sigma_px**2 - 1) * g
    bend = bend - g * bend.sum()
    return 2 * bend / (x**2 * bend).sum()


@lru_cache(maxsize=128)
def band(
    sigma_px: float, radius_px: int, order: int, *, side_px: int, device: torch.device
) -> Float[Tensor, "side valid"]:
    """Return the matrix by which a row is filtered on its valid positions.

    For a few hundred pixels a matrix product is the fastest separable filter there is: forward and
    backward together take half to a quarter of `conv2d` with one channel.
    """
    valid = side_px - 2 * radius_px
    # Kept for later calls, so it must not be born an inference tensor.
    with torch.inference_mode(False):
        matrix = torch.zeros(side_px, valid)
        places = torch.arange(valid)
        for offset, value in enumerate(gaussian_1d(sigma_px, radius_px, order).tolist()):
            matrix[places + offset, places] = value
        return matrix.to(device)


def derivatives(
    x: Maps, sigma_px: float, orders: tuple[tuple[int, int], ...], *, radius_px: int | None = None
) -> list[Maps]:
    """Return Gaussian derivatives for each (order across, order down), on valid positions.

    Args:
        x: float32 maps of any number of channels.
        sigma_px: width of the Gaussian.
        orders: such as ((2, 0), (1, 1), (0, 2)) for a Hessian.
        radius_px: of the kernels; None for 4 sigma.
    """
    radius = radius_of(sigma_px) if radius_px is None else radius_px

    def matrix(order: int, side_px: int) -> Tensor:
        return band(sigma_px, radius, order, side_px=side_px, device=x.device)

    height, width = x.shape[-2:]
    rows = {first: x @ matrix(first, width) for first in {first for first, _ in orders}}
    return [matrix(second, height).T @ rows[first] for first, second in orders]


def log_filter(x: Maps, sigma_px: float) -> Maps:
    """Return the scale-normalised Laplacian of Gaussian, sigma^2 (G_xx + G_yy) * x."""
    h_xx, h_yy = derivatives(x, sigma_px, ((2, 0), (0, 2)))
    return sigma_px**2 * (h_xx + h_yy)


def gradient(x: Maps, side: float, middle: float) -> tuple[Maps, Maps]:
    """Return 3 x 3 derivatives (across, down) per pixel, smoothed by (side, middle, side).

    Sobel: (1, 2); Scharr: (3, 10). Divided by the smoothing's sum and by 2, so that a ramp of
    slope s gives s.
    """
    scale = 1 / (2 * (2 * side + middle))
    a, b = side * scale, middle * scale
    down = a * (x[..., :-2, :] + x[..., 2:, :]) + b * x[..., 1:-1, :]
    across = a * (x[..., :-2] + x[..., 2:]) + b * x[..., 1:-1]
    return down[..., 2:] - down[..., :-2], across[..., 2:, :] - across[..., :-2, :]


def magnitude(across: Maps, down: Maps, eps: float = 1e-6) -> Maps:
    """Return sqrt(a^2 + d^2 + eps): smooth at 0, where the plain root's gradient is NaN."""
    return (across.square() + down.square() + eps).sqrt()


def laplacian_filter(x: Maps) -> Maps:
    """Return the isotropic 3 x 3 Laplacian (1 4 1; 4 -20 4; 1 4 1) / 6, valid positions."""
    straight = x[..., 1:-1, :-2] + x[..., 1:-1, 2:] + x[..., :-2, 1:-1] + x[..., 2:, 1:-1]
    oblique = x[..., :-2, :-2] + x[..., :-2, 2:] + x[..., 2:, :-2] + x[..., 2:, 2:]
    return (4 * straight + oblique - 20 * x[..., 1:-1, 1:-1]) / 6
