"""What happens to images in [-1, 1] before a frozen network's first layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from retinaforge.core import Refusal

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BLACK = -1.0

Images = Float[Tensor, "batch 3 _ _"]
Field = Float[Tensor, "batch 1 _ _"] | Bool[Tensor, "batch 1 _ _"]
"""The field of view: 1 inside, 0 outside."""
Resampling = Literal["bilinear", "bicubic"]


class Preprocess(nn.Module):
    """Map RGB in [-1, 1] to what a network was trained on: (a x + b), channels perhaps turned.

    Args:
        scale, shift: a and b of the three channels.
        bgr: whether the network takes blue first.
        resampling: with which filter images are resized before (always antialiased).
    """

    def __init__(
        self,
        scale: Sequence[float],
        shift: Sequence[float],
        *,
        bgr: bool = False,
        resampling: Resampling = "bilinear",
    ) -> None:
        super().__init__()
        self.bgr, self.resampling = bgr, resampling
        self.register_buffer("scale", torch.tensor(scale).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", torch.tensor(shift).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Images) -> Images:
        ordered = images.flip(1) if self.bgr else images
        return ordered * self.scale + self.shift


def standardise(
    mean: Sequence[float], std: Sequence[float], *, resampling: Resampling = "bilinear"
) -> Preprocess:
    """Return ((x + 1) / 2 - mean) / std; mean and std of RGB in [0, 1]."""
    shift = [(0.5 - m) / s for m, s in zip(mean, std, strict=True)]
    return Preprocess([0.5 / s for s in std], shift, resampling=resampling)


def imagenet(resampling: Resampling = "bilinear") -> Preprocess:
    """Return torchvision's, MAE's and LPIPS's normalisation."""
    return standardise(IMAGENET_MEAN, IMAGENET_STD, resampling=resampling)


def caffe() -> Preprocess:
    """Return BGR in 0-255 minus (104, 117, 123), the normalisation of SqueezeNet 1.0's release."""
    return Preprocess([127.5] * 3, [127.5 - mean for mean in (104.0, 117.0, 123.0)], bgr=True)


def require_batch(images: Tensor) -> None:
    """Refuse one image without its batch, and bytes, which would be taken for values of 0 to 255.

    Raises:
        Refusal: "expected images (B, C, h, w) of floating-point numbers from -1 to 1".
    """
    if images.ndim != 4 or not images.is_floating_point():
        raise Refusal(
            "images (B, C, h, w) of floating-point numbers from -1 to 1",
            f"{images.dtype} of shape {tuple(images.shape)}",
            "write images[None] for one image, images.float() / 127.5 - 1 for bytes",
        )


def resize(images: Images, size_px: int | None, resampling: Resampling = "bilinear") -> Images:
    """Resize to a square of `size_px` (antialiased, differentiable, clipped); None leaves it."""
    if size_px is None or images.shape[-2:] == (size_px, size_px):
        return images
    resized = interpolate(images, (size_px, size_px), mode=resampling, antialias=True)
    return resized.clamp(-1, 1) if resampling == "bicubic" else resized


def blacken(images: Images, fov: Field | None) -> Images:
    """Return the images with everything outside the field of view black."""
    if fov is None:
        return images
    inside = fov.to(images.dtype)
    return BLACK + inside * (images - BLACK)


def inside_share(fov: Field, rows: int, columns: int) -> Float[Tensor, "batch 1 rows columns"]:
    """Return how much of each cell of a grid lies inside; 1 everywhere for an empty field."""
    share = adaptive_avg_pool2d(fov.float(), (rows, columns))
    seen = share.sum((2, 3), keepdim=True) > 0
    return torch.where(seen, share, torch.ones_like(share))
