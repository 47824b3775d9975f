"""A vision transformer of OCT volumes, given one slice: OCTCube's, and MAE-ST's which it extends.

Patches span a few slices; their places in the picture and along the depth are embedded apart. One
slice is one patch deep: where the network has a patch embedding for single pictures (of double
size), that one is used without a place along the depth, as its authors trained it; else the place
is the middle of the depth, as they interpolate it.

OCTCube runs flash-attn's blocks, which give the last MLP's output and what came before apart, and
goes on with the first alone. That is how the weights were trained, so it is done here too.

References:
    Liu et al., "OCTCube-M", arXiv 2408.11227; Feichtenhofer et al., "Masked autoencoders as
    spatiotemporal learners", NeurIPS 2022. As in ZucksLiu/OCTCubeM (commit a49ed8b, BSD-2-Clause),
    Pre-training/models_mae_joint_res_flash_attn.py and OCTCube/models_vit_st_flash_attn.py, and
    facebookresearch/mae_st (commit c5dec1b), models_vit.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from retinaforge.nets.tokens import TokenNetwork, TokenOutput, mean_of_tokens
from retinaforge.nets.vit_blocks import Attention, Mlp

EPSILON = 1e-6


@dataclass(frozen=True)
class Vit3dShape:
    """Sizes: in tokens or channels but where the name says pixels.

    Attributes:
        slices: how many a patch spans.
        channels: of a slice; 1 for OCT, 3 for films.
        grid: side of the square of patches whose places are embedded.
        depths: number of places along the depth.
        pictures: whether single pictures have a patch embedding of their own.
        last_mlp_alone: whether the last block's residual is left out (flash-attn's layout).
    """

    width: int
    depth: int
    heads: int
    hidden: int
    patch_px: int
    slices: int
    channels: int
    grid: int
    depths: int
    pictures: bool = False
    last_mlp_alone: bool = False


class _Block(nn.Module):
    def __init__(self, shape: Vit3dShape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.width, eps=EPSILON)
        self.attn = Attention(shape.width, shape.heads)
        self.norm2 = nn.LayerNorm(shape.width, eps=EPSILON)
        self.mlp = Mlp(shape.width, shape.hidden)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the stream after the block, and its MLP's share of it."""
        x = x + self.attn(self.norm1(x))
        share = self.mlp(self.norm2(x))
        return x + share, share


class _PatchEmbed(nn.Module):
    """A convolution over volumes, for one patch of depth: its slices are channels of one image."""

    def __init__(self, shape: Vit3dShape) -> None:
        super().__init__()
        inside = shape.channels * shape.slices
        self.proj = nn.Conv2d(inside, shape.width, shape.patch_px, stride=shape.patch_px)

    def forward(self, slices: Float[Tensor, "batch channels height width"]) -> Tensor:
        return self.proj(slices)


class Vit3d(TokenNetwork):
    """The encoder of volumes, for single slices."""

    pools_patches = True

    def __init__(self, shape: Vit3dShape) -> None:
        super().__init__()
        self.shape, self.depth, self.patch_px = shape, shape.depth, shape.patch_px
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.pos_embed_spatial = nn.Parameter(torch.zeros(1, shape.grid**2, shape.width))
        self.pos_embed_temporal = nn.Parameter(torch.zeros(1, shape.depths, shape.width))
        self.pos_embed_class = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.patch_embed = _PatchEmbed(shape)
        if shape.pictures:
            self.high_res_patch_embed = _PatchEmbed(shape)
        self.blocks = nn.ModuleList(_Block(shape) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(shape.width, eps=EPSILON)

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        blocks: Sequence[int] = (),
        *,
        inside: Float[Tensor, "batch tokens"] | None = None,
    ) -> TokenOutput:
        """Return patch tokens after the blocks counted from 1, the normed class token, the mean.

        Args:
            images: one slice each, normalised; height and width multiples of `shape.patch_px`.
            blocks: after which blocks to keep the tokens, 1 to depth.
            inside: how much of each patch lies in the field of view.
        """
        embed = self.patch_embed
        if self.shape.pictures and images.shape[-2] == self.shape.grid * self.patch_px:
            embed = self.high_res_patch_embed
        patches = embed(self._slices(images))
        places = self._places(*patches.shape[-2:])
        class_token = (self.cls_token + self.pos_embed_class).expand(len(images), -1, -1)
        x = torch.cat([class_token, patches.flatten(2).transpose(1, 2) + places], dim=1)
        kept: list[Tensor] = []
        share = x
        for number, block in enumerate(self.blocks, start=1):
            x, share = block(x)
            if number in blocks:
                kept.append(x[:, 1:])
        last = share if self.shape.last_mlp_alone else x
        mean = mean_of_tokens(last[:, 1:], inside)
        # MAE-ST norms the mean before its classifier; OCTCube's classifier takes it as it is.
        embedding = mean if self.shape.last_mlp_alone else self.norm(mean)
        return TokenOutput(kept, self.norm(last[:, 0]), embedding)

    def _slices(self, images: Tensor) -> Tensor:
        """Return one patch's depth of each image: its channels as slices, or it repeated."""
        if self.shape.channels == 3:
            return images.repeat_interleave(self.shape.slices, dim=1)
        if self.shape.slices == 3:
            return images
        return images.mean(1, keepdim=True).expand(-1, self.shape.slices, -1, -1)

    def _places(self, rows: int, columns: int) -> Tensor:
        side = self.shape.grid
        places = self.pos_embed_spatial
        if (rows, columns) != (side, side):
            square = places.unflatten(1, (side, side)).permute(0, 3, 1, 2)
            square = interpolate(square, (rows, columns), mode="bicubic", align_corners=False)
            places = square.flatten(2).transpose(1, 2)
        return places if self.shape.pictures else places + self._middle()

    def _middle(self) -> Tensor:
        along = self.pos_embed_temporal.transpose(1, 2)
        return interpolate(along, 1, mode="linear", align_corners=False).transpose(1, 2)
