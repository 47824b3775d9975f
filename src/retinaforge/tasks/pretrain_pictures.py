"""See what a masked autoencoder has learnt: photographs, what it was shown, what it drew."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from retinaforge.nets.mae_patches import cut_patches, join_patches, patch_statistics
from retinaforge.training.pretrain_methods import MaskedModelling

GREY = 0.0  # of hidden patches, in [-1, 1]
GAP_PX = 4


@torch.no_grad()
def reconstruction_picture(
    method: MaskedModelling, inputs: Mapping[str, Tensor], most: int = 8
) -> UInt8[np.ndarray, "height width 3"]:
    """Return rows of (photograph, what was shown, what was drawn) for the first images of a batch.

    A drawn patch is a contrast; mean and deviation are the photograph's, as the method never asks
    for them. Shown patches are the photograph's own.

    Args:
        method: trained or not.
        inputs: a batch of `view_drawer`.
        most: how many images.
    """
    few = {name: x[:most] for name, x in inputs.items()}
    network = method.network
    normal = method.preprocess(few["images"])
    given = few.get("metadata") if network.metadata is not None else None
    output = network.reconstruct(
        normal, few["fov"], few["noise"], ratio=method.ratio, metadata=given
    )
    patch, rows = network.shape.patch_px, network.shape.input_px // network.shape.patch_px
    target = cut_patches(normal, patch).float()
    mean, deviation = patch_statistics(target, cut_patches(few["fov"], patch))
    drawn = (output.prediction.unflatten(-1, (patch**2, 3)) * deviation + mean).flatten(-2)
    asked = output.asked[..., None]
    filled = join_patches(torch.where(asked, drawn, target), patch, rows)
    filled = (filled - method.preprocess.shift) / method.preprocess.scale * few["fov"]
    filled = filled - (1 - few["fov"])
    hidden = join_patches(asked.float().expand_as(target), patch, rows)
    shown = torch.where(hidden > 0, torch.tensor(GREY), few["images"])
    return _sheet([few["images"], shown, filled])


def _sheet(rows: list[Tensor]) -> UInt8[np.ndarray, "height width 3"]:
    """Lay images in [-1, 1] out, a column an image, with white gaps."""
    framed = [torch.nn.functional.pad(x, (GAP_PX,) * 4, value=1.0) for x in rows]
    lines = [torch.cat(list(x), dim=2) for x in framed]
    whole = ((torch.cat(lines, dim=1).clamp(-1, 1) + 1) * 127.5).round().byte()
    return whole.permute(1, 2, 0).contiguous().numpy()
