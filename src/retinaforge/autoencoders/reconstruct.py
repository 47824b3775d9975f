"""Reconstruction of images of any size: pad by reflection, pass, crop."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def reconstruct_images(
    model: nn.Module, images: Float[Tensor, "batch 3 height width"]
) -> Float[Tensor, "batch 3 height width"]:
    """Return the reconstruction of images of any size by any autoencoder of this room.

    The model runs in eval mode without gradients and is left in the mode it was in.

    Args:
        model: an Autoencoder or what load_autoencoder returned.
        images: RGB in [-1, 1].

    Returns:
        RGB clipped to [-1, 1], in float32, of the same size.
    """
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            padded, rows, columns = pad_to_multiple(images, model.config.factor)
            reconstruction = model(padded).reconstruction.float().clamp(-1, 1)
    finally:
        model.train(was_training)
    return reconstruction[:, :, rows, columns].contiguous()


def pad_to_multiple(
    images: Float[Tensor, "batch 3 height width"], multiple: int
) -> tuple[Float[Tensor, "batch 3 rows columns"], slice, slice]:
    """Pad to sides that `multiple` divides; return also where the original lies.

    The padding is a reflection; of a side too short for one (1 px more than the padding is
    needed) the edge is repeated.
    """
    height, width = images.shape[2:]
    extra_y, extra_x = -height % multiple, -width % multiple
    top, left = extra_y // 2, extra_x // 2
    padding = (left, extra_x - left, top, extra_y - top)
    fits = extra_y - top < height and extra_x - left < width
    padded = F.pad(images, padding, mode="reflect" if fits else "replicate")
    return padded, slice(top, top + height), slice(left, left + width)
