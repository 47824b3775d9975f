"""A small residual U-Net that finds vessels.

    x_c' = m (x_c - G*x_c) / sd_m(x_c - G*x_c)      G: local mean inside the field of view, m
    logits = head(up_0(... up_3(bottom) + enc_3 ...) + stem(x'))

The photograph's colour cast, exposure and vignetting are removed inside the network, so whoever
calls it hands over plain pixels. Skips are added, not concatenated, and the full-resolution level
has two convolutions only: on a CPU most of a U-Net's time goes there.

References:
    O. Ronneberger et al., "U-Net", MICCAI 2015; K. He et al., "Deep residual learning", CVPR 2016.
    A. Galdran et al., "State-of-the-art retinal vessel segmentation with minimalistic models",
    Sci. Rep. 12, 2022, for how little such a network needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

CELL_PX = 8
"""Side of the cells on which the local mean is computed; its window is 9 cells wide."""

WIDTHS = (16, 32, 64, 96, 128)
STRIDE = 16
"""What the deepest stage divides the side by; any size is accepted and padded to a multiple."""


def blur_cells(x: Float[Tensor, "batch _ _ _"]) -> Float[Tensor, "batch _ _ _"]:
    """Average over 5 × 5 cells twice: a smooth window 9 cells wide, zeros beyond the border."""
    for _ in range(2):
        x = F.avg_pool2d(x, 5, stride=1, padding=2)
    return x


def flatten_background(
    images: Float[Tensor, "batch 3 height width"], fov: Float[Tensor, "batch 1 height width"]
) -> Float[Tensor, "batch 3 height width"]:
    """Subtract the local mean inside the field of view and divide by the residual's spread.

    Args:
        images: RGB in [-1, 1]; height and width multiples of `CELL_PX`.
        fov: 1 inside the field of view, 0 outside.

    Returns:
        Residuals of mean about 0 and standard deviation 1 inside, 0 outside, clipped to [-5, 5].
    """
    mass = blur_cells(F.avg_pool2d(fov, CELL_PX)).clamp_min(1e-4)
    mean = blur_cells(F.avg_pool2d(images * fov, CELL_PX)) / mass
    mean = F.interpolate(mean, scale_factor=CELL_PX, mode="bilinear", align_corners=False)
    residual = (images - mean) * fov
    area = fov.sum((2, 3), keepdim=True).clamp_min(1.0)
    spread = (residual.square().sum((2, 3), keepdim=True) / area + 1e-4).sqrt()
    return (residual / spread).clamp(-5.0, 5.0)


def _conv_norm(inputs: int, outputs: int, size: int, *, stride: int = 1) -> nn.Sequential:
    padding = size // 2 if stride == 1 else 0
    conv = nn.Conv2d(inputs, outputs, size, stride=stride, padding=padding, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class ResidualBlock(nn.Module):
    """Two 3 × 3 convolutions around an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv_norm(width, width, 3)
        self.second = _conv_norm(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(x + f(x)), same shape."""
        return F.relu(x + self.second(F.relu(self.first(x), inplace=True)), inplace=True)


class VesselNet(nn.Module):
    """Map a photograph to logits, of vessels or more; 0.92 M parameters at the default widths.

    Args:
        widths: channels at full, half, quarter, ... resolution.
        outputs: maps that come out, 1 for vessels.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS, outputs: int = 1) -> None:
        super().__init__()
        self.widths, self.outputs = tuple(widths), outputs
        pairs = list(pairwise(widths))
        self.stem = _conv_norm(3, widths[0], 3)
        self.downs = nn.ModuleList(_conv_norm(wide, deep, 2, stride=2) for wide, deep in pairs)
        self.encoders = nn.ModuleList(ResidualBlock(deep) for _, deep in pairs)
        self.ups = nn.ModuleList(_conv_norm(deep, wide, 1) for wide, deep in pairs)
        self.decoders = nn.ModuleList(ResidualBlock(wide) for wide, _ in pairs[1:])
        self.head = nn.Sequential(
            _conv_norm(widths[0], widths[0], 3),
            nn.ReLU(inplace=True),
            nn.Conv2d(widths[0], outputs, 1),
        )

    @property
    def stride(self) -> int:
        """Return what height and width are padded to a multiple of, in pixels."""
        return max(CELL_PX, 2 ** (len(self.widths) - 1))

    def normalise(
        self,
        images: Float[Tensor, "batch 3 height width"],
        fov: Float[Tensor, "batch 1 height width"],
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return what the first convolution sees: here the image without its background."""
        return flatten_background(images, fov)

    def features(
        self,
        images: Float[Tensor, "batch 3 height width"],
        fov: Float[Tensor, "batch 1 height width"] | None = None,
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """Return the encoder's stages, finest first, of images in [-1, 1].

        Args:
            images: RGB in [-1, 1], any size.
            fov: 1 inside the field of view; None means everywhere.
        """
        if fov is None:
            fov = torch.ones_like(images[:, :1])
        height, width = images.shape[-2:]
        pad = (0, -width % self.stride, 0, -height % self.stride)
        x = self.normalise(F.pad(images, pad), F.pad(fov, pad))
        x = x.contiguous(memory_format=torch.channels_last)
        stages = [F.relu(self.stem(x), inplace=True)]
        for down, encoder in zip(self.downs, self.encoders, strict=True):
            stages.append(encoder(F.relu(down(stages[-1]), inplace=True)))
        return stages

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        fov: Float[Tensor, "batch 1 height width"] | None = None,
    ) -> Float[Tensor, "batch outputs height width"]:
        """Return logits of images in [-1, 1].

        Args:
            images: RGB in [-1, 1], any size.
            fov: 1 inside the field of view; None means everywhere.
        """
        return self.decode(self.features(images, fov), images.shape[-2:])

    def decode(
        self, stages: Sequence[Float[Tensor, "batch _ _ _"]], size_px: Sequence[int]
    ) -> Float[Tensor, "batch outputs height width"]:
        """Return logits from the encoder's stages.

        Args:
            stages: what `features` returned.
            size_px: (height, width) of the images they are of.
        """
        *skips, x = stages
        for level in reversed(range(len(skips))):
            x = skips[level] + F.interpolate(self.ups[level](x), scale_factor=2, mode="nearest")
            x = F.relu(x, inplace=True) if level == 0 else self.decoders[level - 1](x)
        return self.head(x)[..., : size_px[0], : size_px[1]]


Network = TypeVar("Network", bound=nn.Module)


def folded(network: Network) -> Network:
    """Return a copy for inference: each batch norm folded into the convolution before it.

    The same function up to rounding (logits move by 1e-5 or less), a sixth faster. Its keys are no
    longer those of a weight file.

    Args:
        network: in evaluation mode; of pairs `_conv_norm`, as `VesselNet` is.
    """
    copy = deepcopy(network)
    for parent in list(copy.modules()):
        for name, part in list(parent.named_children()):
            if isinstance(part, nn.Sequential) and len(part) == 2:
                conv, norm = part
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    setattr(parent, name, fuse_conv_bn_eval(conv, norm))
    return copy.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
