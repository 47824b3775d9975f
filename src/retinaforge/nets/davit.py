"""DaViT: four stages of window and channel attention in turn, in MedImageInsight's layout.

Each attention and each MLP has a depthwise 3 x 3 convolution before it. Layout and definitions as
in the code published with MedImageInsight (davit_v1.py; visual-layer/MedImageInsight at 5deb6c3,
MIT), the network also that of Florence-2 in transformers.

References:
    Ding et al., "DaViT: dual attention vision transformers", ECCV 2022; Codella et al.,
    "MedImageInsight", arXiv 2410.06542.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, pad, scaled_dot_product_attention

HEAD_WIDTH = 32


@dataclass(frozen=True)
class DavitShape:
    """Sizes: channels, pairs of blocks and kernel of each stage, side of a window in tokens.

    Attributes:
        widths, depths, kernels: of each stage.
        norms_first: whether a stage's norm comes before its convolution.
        window: side of a window of attention.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    kernels: tuple[int, ...] = (7, 3, 3, 3)
    norms_first: tuple[bool, ...] = (False, True, True, True)
    window: int = 12


def _normed(norm: nn.Module, x: Tensor) -> Tensor:
    return norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvEmbed(nn.Module):
    """The convolution that begins a stage: a fourth of the side at first, then a half."""

    def __init__(self, inside: int, width: int, kernel: int, stride: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.proj = nn.Conv2d(inside, width, kernel, stride=stride, padding=kernel // 2)
        self.norm = nn.LayerNorm(inside if first else width)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(_normed(self.norm, x)) if self.first else _normed(self.norm, self.proj(x))


class WindowAttention(nn.Module):
    """Self-attention of the tokens inside each square window; the last ones are filled with 0."""

    def __init__(self, width: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = max(1, width // HEAD_WIDTH), window
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "batch rows columns width"]) -> Tensor:
        batch, rows, columns, width = x.shape
        side = self.window
        x = pad(x, (0, 0, 0, -columns % side, 0, -rows % side))
        down, across = x.shape[1] // side, x.shape[2] // side
        windows = x.reshape(batch, down, side, across, side, width).transpose(2, 3)
        qkv = self.qkv(windows.reshape(-1, side * side, width))
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        mixed = self.proj(mixed).reshape(batch, down, across, side, side, width).transpose(2, 3)
        return mixed.reshape(batch, down * side, across * side, width)[:, :rows, :columns]


class ChannelAttention(nn.Module):
    """Self-attention of the channels of each group, whose scale goes with the tokens' number."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.groups = max(1, width // HEAD_WIDTH)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "batch rows columns width"]) -> Tensor:
        qkv = self.qkv(x.flatten(1, 2))
        q, k, v = qkv.unflatten(-1, (3, self.groups, -1)).permute(2, 0, 3, 4, 1)
        mixed = scaled_dot_product_attention(q, k, v, scale=q.shape[-1] ** -0.5)
        return self.proj(mixed.permute(0, 3, 1, 2).flatten(2)).reshape(x.shape)


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(gelu(self.fc1(x)))


def _depthwise(width: int) -> nn.ModuleDict:
    return nn.ModuleDict(
        {"fn": nn.ModuleDict({"dw": nn.Conv2d(width, width, 3, padding=1, groups=width)})}
    )


def _after_norm(width: int, function: nn.Module) -> nn.ModuleDict:
    return nn.ModuleDict({"norm": nn.LayerNorm(width), "fn": function})


class Block(nn.Module):
    """Attention and MLP on the residual stream, a depthwise convolution before each."""

    def __init__(self, width: int, name: str, attention: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.conv1, self.conv2 = _depthwise(width), _depthwise(width)
        self.add_module(name, _after_norm(width, attention))
        self.ffn = _after_norm(width, nn.ModuleDict({"net": _Mlp(width)}))

    def forward(self, x: Float[Tensor, "batch width rows columns"]) -> Tensor:
        attention = self.get_submodule(self.name)
        x = x + self.conv1["fn"]["dw"](x)
        tokens = x.permute(0, 2, 3, 1)
        tokens = tokens + attention["fn"](attention["norm"](tokens))
        x = tokens.permute(0, 3, 1, 2)
        x = x + self.conv2["fn"]["dw"](x)
        tokens = x.permute(0, 2, 3, 1)
        tokens = tokens + self.ffn["fn"]["net"](self.ffn["norm"](tokens))
        return tokens.permute(0, 3, 1, 2)


def _pair(width: int, window: int) -> nn.ModuleDict:
    spatial = Block(width, "window_attn", WindowAttention(width, window))
    channel = Block(width, "channel_attn", ChannelAttention(width))
    return nn.ModuleDict({"spatial_block": spatial, "channel_block": channel})


class Davit(nn.Module):
    """The convolutional-attentional stages and the last norm."""

    def __init__(self, shape: DavitShape) -> None:
        super().__init__()
        self.shape = shape
        inside = (3, *shape.widths[:-1])
        self.convs = nn.ModuleList(
            ConvEmbed(before, width, kernel, 2 if number else 4, first=first)
            for number, (before, width, kernel, first) in enumerate(
                zip(inside, shape.widths, shape.kernels, shape.norms_first, strict=True)
            )
        )
        self.blocks = nn.ModuleList(
            nn.ModuleList(_pair(width, shape.window) for _ in range(depth))
            for width, depth in zip(shape.widths, shape.depths, strict=True)
        )
        self.norms = nn.LayerNorm(shape.widths[-1])

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], positions: Sequence[int]
    ) -> list[Tensor]:
        """Return the maps after the stages counted from 1; later stages never run."""
        x, kept = images, []
        for number, (embed, pairs) in enumerate(zip(self.convs, self.blocks, strict=True), start=1):
            if number > max(positions):
                break
            x = embed(x)
            for pair in pairs:
                x = pair["channel_block"](pair["spatial_block"](x))
            if number in positions:
                kept.append(x)
        return kept


class DavitTower(nn.Module):
    """MedImageInsight's image half: DaViT, its mean through the last norm, projected."""

    def __init__(self, shape: DavitShape, projected: int) -> None:
        super().__init__()
        self.image_encoder = Davit(shape)
        self.image_projection = nn.Parameter(torch.zeros(shape.widths[-1], projected))

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], positions: Sequence[int]
    ) -> list[Tensor]:
        """Return the maps after the stages counted from 1."""
        return self.image_encoder(images, positions)

    def project(self, means: Float[Tensor, "batch channels"]) -> Float[Tensor, "batch projected"]:
        """Return vectors, not yet of length 1, from the last map's mean."""
        return self.image_encoder.norms(means) @ self.image_projection
