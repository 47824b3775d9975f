"""Strong augmentation of fundus squares: what a camera, a pose and an eye may differ by.

Mirror, turn, scale and shift; brightness, contrast, gamma, colour balance, saturation; blur; noise.
Every copy depends on its own seed alone. The ranges are fixed, tuned on nothing.

References:
    Castilla et al., "A ResNet is all you need?", arXiv 2210.03180 (augmentation before
    architecture; its ranges are not taken over).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample

AUGMENT_VERSION = 1
TURN_DEG, SCALE, SHIFT = 180.0, (0.85, 1.15), 0.08
BRIGHTNESS, CONTRAST, GAMMA, BALANCE, SATURATION = 0.2, 0.25, 0.25, 0.12, 0.3
BLUR_PX, NOISE = 1.5, 0.02


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
    images = _moved(images, rng)
    inside = images.amax(dim=1, keepdim=True) > 0.02
    images = _blurred(_coloured(images, rng), rng)
    images = images + NOISE * float(rng.random()) * torch.from_numpy(
        rng.normal(size=tuple(images.shape)).astype(np.float32)
    )
    # What was black beside the field stays black.
    done = (images.clamp(0, 1) * inside * 255).round().to(torch.uint8)
    return done.permute(0, 2, 3, 1).numpy()


def _moved(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    n = len(images)
    turn = np.deg2rad(rng.uniform(-TURN_DEG, TURN_DEG, n))
    scale = np.exp(rng.uniform(math.log(SCALE[0]), math.log(SCALE[1]), n))
    mirror = rng.choice([-1.0, 1.0], n)
    cos, sin = np.cos(turn) / scale, np.sin(turn) / scale
    shift = rng.uniform(-SHIFT, SHIFT, (n, 2))
    theta = np.stack(
        [np.stack([cos * mirror, -sin, shift[:, 0]], 1),
         np.stack([sin * mirror, cos, shift[:, 1]], 1)], axis=1,
    )  # fmt: skip
    grid = affine_grid(
        torch.from_numpy(theta.astype(np.float32)), list(images.shape), align_corners=False
    )
    return grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _coloured(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    n = len(images)

    def factor(width: float, *shape: int) -> torch.Tensor:
        drawn = np.exp(rng.uniform(-width, width, (n, *shape)))
        rest = [1] * (3 - len(shape))
        return torch.from_numpy(drawn.astype(np.float32)).reshape(n, *shape, *rest)

    images = images.clamp(1e-4, 1) ** factor(GAMMA)
    images = images * factor(BRIGHTNESS) * factor(BALANCE, 3)
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    images = middle + (images - middle) * factor(CONTRAST)
    grey = images.mean(dim=1, keepdim=True)
    return grey + (images - grey) * factor(SATURATION)


def _blurred(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Blur half of the images, each by its own width in px."""
    done = images.clone()
    for k in np.flatnonzero(rng.random(len(images)) < 0.5):
        sigma = float(rng.uniform(0.3, BLUR_PX))
        reach = torch.arange(-4, 5, dtype=torch.float32)
        kernel = torch.exp(-0.5 * (reach / sigma) ** 2)
        kernel = (kernel / kernel.sum()).repeat(3, 1)[:, None]
        one = torch.nn.functional.pad(images[k : k + 1], (4, 4, 4, 4), mode="replicate")
        one = torch.nn.functional.conv2d(one, kernel[:, :, None, :], groups=3)
        done[k : k + 1] = torch.nn.functional.conv2d(one, kernel[:, :, :, None], groups=3)
    return done
