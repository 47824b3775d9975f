"""What vision transformers are made of: sizes, patch projection, attention, MLPs, blocks.

Names of parameters are those of timm, MAE and DINOv2.

References:
    Dosovitskiy et al., ICLR 2021; layer scale: Touvron et al., ICCV 2021; the gated MLP: Shazeer,
    arXiv 2002.05202, packed as in facebookresearch/dinov2 (layers/swiglu_ffn.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention, silu

from retinaforge.nets.positions import Resizing

Pooling = Literal["class", "normed mean", "plain mean", "mean of normed", "last classes"]


@dataclass(frozen=True)
class VitShape:
    """Sizes of a transformer: all in tokens or channels but where the name says pixels.

    Attributes:
        width, depth, heads: channels, blocks, attention heads.
        patch_px, input_px: sides of a patch and of the images that `pos_embed` was made for.
        hidden: channels inside the MLP; None for four times the width.
        final_norm: name of the last norm; "fc_norm" in MAE's and RETFound's fine-tuned files.
        registers: learnt tokens between class and patches, without a position.
        layer_scale: whether each branch is scaled by a learnt vector (ls1.gamma, ls2.gamma).
        gated: whether the MLP is SwiGLU (mlp.w12, mlp.w3).
        class_position: whether `pos_embed` has a row for the class token.
        positions: how position embeddings are fitted to another grid.
        pooling: what the embedding is: the class token through the last norm; that norm of the
            patches' mean ("normed mean"), a norm without weights of it ("plain mean"), the mean of
            the normed patches, or the normed class tokens of the last four blocks side by side.
            None: "normed mean" where the last norm is fc_norm, else "class".
    """

    width: int
    depth: int
    heads: int
    patch_px: int = 16
    input_px: int = 224
    hidden: int | None = None
    final_norm: Literal["norm", "fc_norm"] = "norm"
    registers: int = 0
    layer_scale: bool = False
    gated: bool = False
    class_position: bool = True
    positions: Resizing = "plain"
    pooling: Pooling | None = None

    @property
    def pools(self) -> Pooling:
        """Return what the embedding is."""
        return self.pooling or ("normed mean" if self.final_norm == "fc_norm" else "class")


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


class GatedMlp(nn.Module):
    """SwiGLU: w3(silu(a) b), a and b the halves of w12(x)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.w12 = nn.Linear(width, 2 * hidden)
        self.w3 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.w12(x).chunk(2, dim=-1)
        return self.w3(silu(a) * b)


class LayerScale(nn.Module):
    """Scale each channel of a branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Block(nn.Module):
    """Attention and MLP, each on the normalised residual stream."""

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        width, hidden = shape.width, shape.hidden or 4 * shape.width
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, shape.heads)
        self.ls1 = LayerScale(width) if shape.layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = GatedMlp(width, hidden) if shape.gated else Mlp(width, hidden)
        self.ls2 = LayerScale(width) if shape.layer_scale else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    """Cut the image into patches and project each to a token."""

    def __init__(self, width: int, patch_px: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch_px, stride=patch_px)

    def forward(self, images: Tensor) -> Tensor:
        return self.proj(images)
