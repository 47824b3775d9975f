"""The image encoder of Segment Anything, a ViT with windows and relative positions, in its layout.

Most blocks attend inside windows of 14 patches, some to the whole image. The score of two patches
has two terms more: the query's product with an embedding of how far apart they lie in rows, and
one of columns. There is no class token.

References:
    Kirillov et al., "Segment anything", ICCV 2023; Li et al., "MViTv2", CVPR 2022. Layout and
    arithmetic as in facebookresearch/segment-anything (commit dca509f, Apache-2.0),
    segment_anything/modeling/image_encoder.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate, layer_norm

from retinaforge.nets.relative import RelativeAttention, in_windows
from retinaforge.nets.tokens import TokenNetwork, TokenOutput, mean_of_tokens
from retinaforge.nets.vit import PatchEmbed

EPSILON = 1e-6


@dataclass(frozen=True)
class SamShape:
    """Sizes: in tokens or channels but where the name says pixels.

    Attributes:
        windows: for each block its window's side in patches; 0 attends to the whole image.
        grid: side of the square of patches that it was trained on.
        positions: whether an embedding of absolute positions is added (LVM-Med has none).
        neck: channels of the two convolutions after the last block.
        pooled: what the embedding is the mean of: the last block's patches, or the neck's map.
    """

    width: int
    heads: int
    hidden: int
    windows: tuple[int, ...]
    grid: int
    patch_px: int = 16
    positions: bool = True
    neck: int = 256
    pooled: Literal["patches", "neck"] = "neck"


class _Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(width, hidden)
        self.lin2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.lin2(gelu(self.lin1(x)))


class _Block(nn.Module):
    def __init__(self, shape: SamShape, window: int) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(shape.width, eps=EPSILON)
        self.attn = RelativeAttention(shape.width, shape.heads, window or shape.grid)
        self.norm2 = nn.LayerNorm(shape.width, eps=EPSILON)
        self.mlp = _Mlp(shape.width, shape.hidden)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        x = x + (in_windows(self.attn, normed, self.window) if self.window else self.attn(normed))
        return x + self.mlp(self.norm2(x))


class _MapNorm(nn.Module):
    """Layer norm over the channels of a map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        last = x.movedim(1, -1)
        return layer_norm(last, self.weight.shape, self.weight, self.bias, EPSILON).movedim(-1, 1)


class SamVit(TokenNetwork):
    """SAM's image encoder; any size of image, relative positions interpolated."""

    pools_patches = True

    def __init__(self, shape: SamShape) -> None:
        super().__init__()
        self.shape, self.depth, self.patch_px = shape, len(shape.windows), shape.patch_px
        self.patch_embed = PatchEmbed(shape.width, shape.patch_px)
        if shape.positions:
            self.pos_embed = nn.Parameter(torch.zeros(1, shape.grid, shape.grid, shape.width))
        self.blocks = nn.ModuleList(_Block(shape, window) for window in shape.windows)
        self.neck = nn.Sequential(
            nn.Conv2d(shape.width, shape.neck, 1, bias=False),
            _MapNorm(shape.neck),
            nn.Conv2d(shape.neck, shape.neck, 3, padding=1, bias=False),
            _MapNorm(shape.neck),
        )

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        blocks: Sequence[int] = (),
        *,
        inside: Float[Tensor, "batch tokens"] | None = None,
    ) -> TokenOutput:
        """Return patch tokens after the blocks counted from 1; for a class token their mean.

        Args:
            images: normalised; height and width multiples of `shape.patch_px`.
            blocks: after which blocks to keep the tokens, 1 to depth.
            inside: how much of each patch lies in the field of view.
        """
        x = self.patch_embed(images).movedim(1, -1)
        if self.shape.positions:
            x = x + self._positions(*x.shape[1:3])
        kept: list[Tensor] = []
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number in blocks:
                kept.append(x.flatten(1, 2))
        mean = mean_of_tokens(x.flatten(1, 2), inside)
        if self.shape.pooled == "patches":
            return TokenOutput(kept, mean, mean)
        necked = self.neck(x.movedim(-1, 1)).flatten(2).transpose(1, 2)
        return TokenOutput(kept, mean, mean_of_tokens(necked, inside))

    def _positions(self, rows: int, columns: int) -> Tensor:
        if self.pos_embed.shape[1:3] == (rows, columns):
            return self.pos_embed
        resized = interpolate(self.pos_embed.movedim(-1, 1), (rows, columns), mode="bicubic")
        return resized.movedim(1, -1)
