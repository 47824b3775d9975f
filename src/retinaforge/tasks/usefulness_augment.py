"""Augmentation of fundus squares: what a camera, a pose and an eye may differ by.

Mirror, turn, scale and shift; brightness, contrast, gamma, colour balance, saturation; blur; noise.
Every copy depends on its own seed alone. The ranges are fixed, tuned on nothing: `STRONG` is the
augmented arm's, `USUAL` is what every arm of a network that is trained on pixels sees.

References:
    Castilla et al., "A ResNet is all you need?", arXiv 2210.03180 (augmentation before
    architecture; its ranges are not taken over).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample

AUGMENT_VERSION = 1
EDGE = 0.02
"""Pixels darker than this in all colours lie beside the field."""


@dataclass(frozen=True)
class Ranges:
    """How far a copy may differ; logarithms of factors, but where units are named.

    Attributes:
        turn_deg: either way.
        scale: least and largest.
        shift: of the square's half side.
        brightness, contrast, gamma, balance, saturation: widths of the logarithm.
        blur_px: largest sigma, of half of the copies; 0 for none.
        noise: largest standard deviation, of the full range.
    """

    turn_deg: float
    scale: tuple[float, float]
    shift: float
    brightness: float
    contrast: float
    gamma: float
    balance: float
    saturation: float
    blur_px: float
    noise: float


STRONG = Ranges(180.0, (0.85, 1.15), 0.08, 0.2, 0.25, 0.25, 0.12, 0.3, 1.5, 0.02)
USUAL = Ranges(20.0, (0.9, 1.1), 0.04, 0.1, 0.1, 0.1, 0.03, 0.1, 0.0, 0.0)


def mirrored(pixels: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Return squares, each mirrored with chance one half: what every arm's images may be."""
    flip = rng.random(len(pixels)) < 0.5
    return np.where(flip[:, None, None, None], pixels[:, :, ::-1], pixels)


def augmented(pixels: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Return strongly augmented copies of squares, each by its own draw.

    Args:
        pixels: RGB, 0-255, uint8, shape (n, side, side, 3).
        rng: drawn from; its state moves on.

    Returns:
        uint8 of the same shape.
    """
    images = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255
    images = _moved(images, rng, STRONG)
    inside = images.amax(dim=1, keepdim=True) > EDGE
    images = _blurred(_coloured(images, rng, STRONG), rng, STRONG)
    images = images + STRONG.noise * float(rng.random()) * torch.from_numpy(
        rng.normal(size=tuple(images.shape)).astype(np.float32)
    )
    # What was black beside the field stays black.
    done = (images.clamp(0, 1) * inside * 255).round().to(torch.uint8)
    return done.permute(0, 2, 3, 1).numpy()


def altered(images: torch.Tensor, *, rng: np.random.Generator, ranges: Ranges) -> torch.Tensor:
    """Return augmented copies of a batch where it lies, on a GPU or not.

    Args:
        images: RGB in [0, 1], shape (n, 3, side, side).
        rng: drawn from; its state moves on.
        ranges: how far copies may differ.

    Returns:
        Of the same shape, in [0, 1], black where the images are black beside the field.
    """
    images = _moved(images, rng, ranges)
    inside = images.amax(dim=1, keepdim=True) > EDGE
    images = _coloured(images, rng, ranges)
    if ranges.blur_px:
        images = _blurred(images, rng, ranges)
    if ranges.noise:
        drawn = torch.Generator(images.device).manual_seed(int(rng.integers(2**62)))
        grain = torch.randn(images.shape, generator=drawn, device=images.device)
        images = images + ranges.noise * float(rng.random()) * grain
    return images.clamp(0, 1) * inside


def _moved(images: torch.Tensor, rng: np.random.Generator, ranges: Ranges) -> torch.Tensor:
    n = len(images)
    turn = np.deg2rad(rng.uniform(-ranges.turn_deg, ranges.turn_deg, n))
    scale = np.exp(rng.uniform(*map(math.log, ranges.scale), n))
    mirror = rng.choice([-1.0, 1.0], n)
    cos, sin = np.cos(turn) / scale, np.sin(turn) / scale
    shift = rng.uniform(-ranges.shift, ranges.shift, (n, 2))
    theta = np.stack(
        [np.stack([cos * mirror, -sin, shift[:, 0]], 1),
         np.stack([sin * mirror, cos, shift[:, 1]], 1)], axis=1,
    )  # fmt: skip
    grid = affine_grid(
        torch.from_numpy(theta.astype(np.float32)).to(images.device), list(images.shape),
        align_corners=False,
    )  # fmt: skip
    return grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _coloured(images: torch.Tensor, rng: np.random.Generator, ranges: Ranges) -> torch.Tensor:
    n = len(images)

    def factor(width: float, *shape: int) -> torch.Tensor:
        drawn = np.exp(rng.uniform(-width, width, (n, *shape)))
        rest = [1] * (3 - len(shape))
        factors = torch.from_numpy(drawn.astype(np.float32)).to(images.device)
        return factors.reshape(n, *shape, *rest)

    images = images.clamp(1e-4, 1) ** factor(ranges.gamma)
    images = images * factor(ranges.brightness) * factor(ranges.balance, 3)
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    images = middle + (images - middle) * factor(ranges.contrast)
    grey = images.mean(dim=1, keepdim=True)
    return grey + (images - grey) * factor(ranges.saturation)


def _blurred(images: torch.Tensor, rng: np.random.Generator, ranges: Ranges) -> torch.Tensor:
    """Blur half of the images, each by its own width in px."""
    done = images.clone()
    for k in np.flatnonzero(rng.random(len(images)) < 0.5):
        sigma = float(rng.uniform(0.3, ranges.blur_px))
        reach = torch.arange(-4, 5, dtype=torch.float32, device=images.device)
        kernel = torch.exp(-0.5 * (reach / sigma) ** 2)
        kernel = (kernel / kernel.sum()).repeat(3, 1)[:, None]
        one = torch.nn.functional.pad(images[k : k + 1], (4, 4, 4, 4), mode="replicate")
        one = torch.nn.functional.conv2d(one, kernel[:, :, None, :], groups=3)
        done[k : k + 1] = torch.nn.functional.conv2d(one, kernel[:, :, :, None], groups=3)
    return done
