"""AutoMorph's vessel networks, in the key layout of its published checkpoints.

    d_0 = C(x),   d_k = C(pool(d_{k-1})),   k = 1 ... 4          C: twice conv, norm, ReLU
    u_k = fold(y) ⊕ fold(s) + C(y ⊕ s),   y = double(conv(u_{k+1})),   s = d_k,   u_4 = d_4
    z   = W u_0                                                  fold: pairs of channels summed,
                                                                 norm, ReLU;  ⊕: side by side

`Segmenter` finds vessels. Arteries and veins take three networks of the same stages: a branch for
each kind, of which only u_0 is used, and a main one: z = W mean(u_0 of artery, main, vein).

Written from the layout of the published files and the description of the networks; the names of
the parts are those of the published keys, so that a checkpoint loads strictly. Side outputs that
only training uses (S1-S3) keep their keys and are not computed.

References:
    Y. Zhou et al., "AutoMorph: Automated Retinal Vascular Morphology Quantification via a Deep
    Learning Pipeline", Transl. Vis. Sci. Technol. 11(7), 12 (2022); github.com/rmaphoh/AutoMorph.
    Y. Zhou et al., "A refined equilibrium generative adversarial network for retinal vessel
    segmentation", Neurocomputing 437, 118 (2021).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

WIDTH = 32
"""Channels at full resolution in the published files."""

DEPTH = 4
KINDS = 4
"""Background, artery, vein, both or uncertain."""


def _stage(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]


class _Twice(nn.Module):
    """C above, under the key "double_conv"."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(*_stage(inputs, outputs), *_stage(outputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.double_conv(x)


class _Down(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), _Twice(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.maxpool_conv(x)


class _Once(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.single_conv = nn.Sequential(*_stage(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.single_conv(x)


class _Fold(nn.Module):
    """Sum neighbouring channels in pairs, then norm and ReLU, the same for both inputs."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.activation = nn.Sequential(nn.BatchNorm2d(channels // 2), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x.unflatten(1, (-1, 2)).sum(2))


class _Up(nn.Module):
    """u_k above."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_bottom = _Once(inputs, outputs)
        self.add = _Fold(outputs)
        self.conv = _Twice(inputs, outputs)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        y = F.interpolate(self.conv_bottom(below), scale_factor=2.0)
        folded = torch.cat([self.add(y), self.add(skip)], 1)
        return folded + self.conv(torch.cat([y, skip], 1))


class _Head(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Segmenter(nn.Module):
    """Map three normalised planes to logits; height and width are multiples of 16.

    Args:
        classes: output channels: 1 for vessels, 4 in the branches of arteries and veins.
        width: channels at full resolution, even.
    """

    def __init__(self, classes: int = 1, width: int = WIDTH) -> None:
        super().__init__()
        self.inc = _Twice(3, width)
        for k in range(1, DEPTH + 1):
            wide = width * 2 ** (DEPTH - k)
            self.add_module(f"down{k}", _Down(width * 2 ** (k - 1), width * 2**k))
            self.add_module(f"up{k}", _Up(2 * wide, wide))
        self.outc = _Head(width, classes)

    def features(
        self, x: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch width height width"]:
        """Return u_0."""
        stages = [self.inc(x)]
        for k in range(1, DEPTH + 1):
            stages.append(self.get_submodule(f"down{k}")(stages[-1]))
        u = stages.pop()
        for k in range(1, DEPTH + 1):
            u = self.get_submodule(f"up{k}")(u, stages.pop())
        return u

    def forward(
        self, x: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch classes height width"]:
        """Return z."""
        return self.outc(self.features(x))


class _Side(nn.Module):
    """An output of a middle stage, for training only."""

    def __init__(self, inputs: int, doublings: int, classes: int) -> None:
        super().__init__()
        for k in range(1, doublings + 1):
            block = nn.Module()
            block.block = nn.Sequential(nn.Upsample(scale_factor=2), *_stage(inputs, inputs // 2))
            self.add_module(f"side_block_{k}", block)
            inputs //= 2
        self.side_output = nn.Conv2d(inputs, classes, 1)


class MainSegmenter(Segmenter):
    """The main network of arteries and veins, with the side outputs of its training.

    Args:
        width: channels at full resolution, even.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__(KINDS, width)
        for k in (1, 2, 3):
            self.add_module(f"S{k}", _Side(width * 2 ** (DEPTH - k), DEPTH - k, KINDS))


class ArteryVeinTrio(nn.Module):
    """The three networks of arteries and veins.

    Args:
        width: channels at full resolution, even.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.main = MainSegmenter(width)
        self.artery = Segmenter(KINDS, width)
        self.vein = Segmenter(KINDS, width)

    def forward(
        self, x: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 4 height width"]:
        """Return z of the three networks' mean features."""
        parts = (self.artery.features(x), self.main.features(x), self.vein.features(x))
        return self.main.outc(torch.stack(parts).mean(0))
