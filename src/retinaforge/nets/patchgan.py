"""A discriminator that judges patches: strided convolutions down to one logit per patch.

References:
    Isola, Zhu, Zhou, Efros 2017, arXiv 1611.07004, appendix 6.1.2 (C64-C128-C256-C512 with 4 x 4
    kernels; three strided layers see 70 px).
    Miyato et al. 2018, arXiv 1802.05957 (spectral norm).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from retinaforge.core import Refusal

Norm = Literal["none", "group", "batch"]


class PatchDiscriminator(nn.Module):
    """Give one logit for each overlapping patch; larger means more real.

    Args:
        width: channels of the first layer, doubled at each of the others up to eightfold.
            The papers take 64; 32 costs a quarter.
        layers: strided layers after which a patch sees 16, 34, 70, ... px.
        norm: none, group (one group: fast on CPUs, independent of the batch) or batch.
        spectral: divide each weight by its largest singular value.
    """

    def __init__(
        self, *, width: int = 64, layers: int = 3, norm: Norm = "group", spectral: bool = False
    ) -> None:
        super().__init__()
        if norm not in ("none", "group", "batch"):
            raise Refusal("norm 'none', 'group' or 'batch'", repr(norm), "choose one of them")
        widths = [width * min(2**i, 8) for i in range(layers + 1)]
        blocks: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for i, (narrow, wide) in enumerate(pairwise(widths)):
            stride = 2 if i < layers - 1 else 1
            blocks += [
                nn.Conv2d(narrow, wide, 4, stride, 1, bias=norm == "none"),
                _norm(norm, wide),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        blocks.append(nn.Conv2d(widths[-1], 1, 4, 1, 1))
        self.layers = nn.Sequential(*blocks)
        self._start(spectral)
        self.to(memory_format=torch.channels_last)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 1 rows columns"]:
        """Return the logits of all patches."""
        return self.layers(images.contiguous(memory_format=torch.channels_last))

    def _start(self, spectral: bool) -> None:
        # Isola et al. start all weights from N(0, 0.02).
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
                if spectral:
                    spectral_norm(module)


def _norm(norm: Norm, channels: int) -> nn.Module:
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(1, channels) if norm == "group" else nn.Identity()
