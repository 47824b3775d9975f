"""A vision transformer in the published key layout of MAE and RETFound (timm's names).

References:
    Dosovitskiy et al., "An image is worth 16 x 16 words", ICLR 2021; He et al., "Masked
    autoencoders", CVPR 2022; Zhou et al., "RETFound", Nature 2023.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate, scaled_dot_product_attention

from retinaforge.nets.tokens import TokenNetwork, TokenOutput


@dataclass(frozen=True)
class VitShape:
    """Sizes of a transformer: all in tokens or channels but where the name says pixels."""

    width: int
    depth: int
    heads: int
    patch_px: int = 16
    input_px: int = 224
    hidden: int | None = None
    final_norm: Literal["norm", "fc_norm"] = "norm"


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(q, k, v).transpose(1, 2)
        return self.proj(mixed.reshape(batch, tokens, width))


class Mlp(nn.Module):
    """Two linear layers with a GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention and MLP, each on the normalised residual stream."""

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.width, eps=1e-6)
        self.attn = Attention(shape.width, shape.heads)
        self.norm2 = nn.LayerNorm(shape.width, eps=1e-6)
        self.mlp = Mlp(shape.width, shape.hidden or 4 * shape.width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    """Cut the image into patches and project each to a token."""

    def __init__(self, width: int, patch_px: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch_px, stride=patch_px)

    def forward(self, images: Tensor) -> Tensor:
        return self.proj(images)


class VisionTransformer(TokenNetwork):
    """The encoder half of MAE: class token, absolute position embedding, pre-norm blocks."""

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        grid = shape.input_px // shape.patch_px
        self.shape, self.depth, self.patch_px = shape, shape.depth, shape.patch_px
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, grid * grid + 1, shape.width))
        self.patch_embed = PatchEmbed(shape.width, shape.patch_px)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.add_module(shape.final_norm, nn.LayerNorm(shape.width, eps=1e-6))

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], blocks: Sequence[int] = ()
    ) -> TokenOutput:
        """Return patch tokens after the blocks counted from 1, class token and embedding.

        The embedding is the class token, or the normed mean of the patches where the last norm is
        called fc_norm (MAE's and RETFound's fine-tuned files).

        Args:
            images: normalised; height and width multiples of `shape.patch_px`.
            blocks: after which blocks to keep the tokens, 1 to depth.
        """
        patches = self.patch_embed(images)
        rows, columns = patches.shape[-2:]
        position = resize_positions(self.pos_embed, rows, columns)
        class_token = self.cls_token + position[:, :1]
        x = patches.flatten(2).transpose(1, 2) + position[:, 1:]
        x = torch.cat([class_token.expand(len(x), -1, -1), x], dim=1)
        kept: list[Tensor] = []
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number in blocks:
                kept.append(x[:, 1:])
        norm = self.get_submodule(self.shape.final_norm)
        class_token = norm(x[:, 0])
        pooled = self.shape.final_norm == "fc_norm"
        return TokenOutput(kept, class_token, norm(x[:, 1:].mean(1)) if pooled else class_token)


def resize_positions(
    embedding: Float[Tensor, "1 tokens width"], rows: int, columns: int
) -> Float[Tensor, "1 tokens2 width"]:
    """Interpolate a square grid of position embeddings (bicubic); the class token's stays."""
    side = math.isqrt(embedding.shape[1] - 1)
    if (rows, columns) == (side, side):
        return embedding
    grid = embedding[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid = interpolate(grid.float(), (rows, columns), mode="bicubic", align_corners=False)
    resized = grid.permute(0, 2, 3, 1).reshape(1, rows * columns, -1).to(embedding.dtype)
    return torch.cat([embedding[:, :1], resized], dim=1)


def initialise(model: VisionTransformer, seed: int) -> VisionTransformer:
    """Fill a transformer with MAE's starting weights, the same for the same seed anywhere.

    Xavier-uniform linear maps (the patch projection as one), zero biases, sine-cosine positions.

    References:
        He et al., "Masked autoencoders", CVPR 2022, appendix A.1.
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                nn.init.xavier_uniform_(module.weight.flatten(1), generator=rng)
                nn.init.zeros_(module.bias) if module.bias is not None else None
        nn.init.normal_(model.cls_token, std=0.02, generator=rng)
        grid = model.shape.input_px // model.shape.patch_px
        model.pos_embed[:, 1:] = sine_positions(model.shape.width, grid)
    return model


def sine_positions(width: int, grid: int) -> Float[Tensor, "tokens width"]:
    """Return the two-dimensional sine-cosine embedding of a square grid, row by row.

    For each axis, sin(p f_k) and cos(p f_k) with f_k = 10000^(-4k / width).
    """
    frequency = 10000.0 ** (-torch.arange(width // 4) / (width / 4))
    angle = torch.arange(grid)[:, None] * frequency
    axis = torch.cat([angle.sin(), angle.cos()], dim=1)
    across = axis[None].expand(grid, -1, -1)
    down = axis[:, None].expand(-1, grid, -1)
    return torch.cat([across, down], dim=-1).reshape(grid * grid, width)
