"""Patches of a masked autoencoder: cut, chosen, normalised, compared.

References:
    He et al., "Masked autoencoders are scalable vision learners", CVPR 2022.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import conv2d, pad


def cut_patches(
    images: Float[Tensor, "batch channels _ _"], patch_px: int
) -> Float[Tensor, "batch patches values"]:
    """Return patches row by row, the values of each in the order row, column, channel."""
    b, c, h, w = images.shape
    x = images.reshape(b, c, h // patch_px, patch_px, w // patch_px, patch_px)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(b, -1, patch_px * patch_px * c)


def join_patches(
    patches: Float[Tensor, "batch patches values"], patch_px: int, rows: int
) -> Float[Tensor, "batch channels _ _"]:
    """Undo `cut_patches` for a square grid of `rows` rows."""
    b, _, values = patches.shape
    x = patches.reshape(b, rows, rows, patch_px, patch_px, values // patch_px**2)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(b, -1, rows * patch_px, rows * patch_px)


def choose_patches(
    field: Bool[Tensor, "batch patches"], noise: Float[Tensor, "batch patches"], ratio: float
) -> tuple[Int[Tensor, "batch kept"], Bool[Tensor, "batch patches"]]:
    """Return which patches are shown (indices, equally many an image) and which are asked for."""
    kept = max(1, round((1 - ratio) * int(field.sum(1).min())))
    shown = noise.masked_fill(~field, torch.inf).argsort(1)[:, :kept]
    hidden = torch.ones_like(field).scatter(1, shown, value=False)
    return shown, field & hidden


def masked_error(prediction: Tensor, target: Tensor, weight: Tensor, asked: Tensor) -> Tensor:
    """Return the mean squared error to each patch's normalised target, over the asked patches.

    A patch is normalised by its own mean and deviation, and its error averaged, where `weight`
    is 1: inside the field of view.
    """
    difference = (prediction - normalise_patches(target, weight)).square()
    share = weight / weight.sum(-1, keepdim=True).clamp(min=1)
    errors = (difference.unflatten(-1, (weight.shape[-1], -1)).mean(-1) * share).sum(-1)
    return (errors * asked).sum() / asked.sum().clamp(min=1)


def normalise_patches(target: Tensor, weight: Tensor) -> Tensor:
    """Return the contrast of each patch: (t - its channel's mean) / sqrt(variance + 1e-6).

    The means are each channel's own, the variance is of all channels together, both where
    `weight` is 1. He et al. take one mean; a fundus is so orange that the distance between its
    channels would then be nine tenths of the variance, and the vessels the rest.
    """
    t = target.unflatten(-1, (weight.shape[-1], -1))
    mean, deviation = patch_statistics(target, weight)
    return ((t - mean) / deviation).flatten(-2)


def patch_statistics(target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return each patch's means, (batch, patches, 1, channels), and deviation, (..., 1, 1)."""
    t = target.unflatten(-1, (weight.shape[-1], -1))
    share = (weight / weight.sum(-1, keepdim=True).clamp(min=1))[..., None]
    mean = (t * share).sum(-2, keepdim=True)
    variance = ((t - mean).square() * share).sum(-2, keepdim=True).mean(-1, keepdim=True)
    return mean, (variance + 1e-6).sqrt()


def gradient_map(images: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 1 h w"]:
    """Return the length of the Sobel gradient of the channels' mean."""
    grey = pad(images.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], device=images.device) / 8
    kernels = torch.stack([across, across.mT])[:, None]
    return conv2d(grey, kernels).square().sum(1, keepdim=True).add(1e-12).sqrt()
