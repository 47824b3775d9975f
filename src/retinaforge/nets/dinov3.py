"""DINOv3's vision transformer in its authors' key layout (`blocks.0.ls1.gamma`).

No position embedding is added: queries and keys of patches are turned by angles that depend on
where a patch lies (rotary positions in two axes). Class and storage tokens are not turned.

References:
    Siméoni et al., "DINOv3", arXiv 2508.10104; Su et al., "RoFormer", arXiv 2104.09864. Layout
    and arithmetic as in facebookresearch/dinov3 (commit 6876159), dinov3/models/
    vision_transformer.py and dinov3/layers/{rope_position_encoding,attention,ffn_layers}.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention, silu

from retinaforge.nets.rope import Rope, turned
from retinaforge.nets.tokens import TokenNetwork, TokenOutput
from retinaforge.nets.vit import PatchEmbed

EPSILON = 1e-5


@dataclass(frozen=True)
class Dinov3Shape:
    """Sizes: in tokens or channels but where the name says pixels.

    Attributes:
        gated: the MLP is SwiGLU: silu(w1 x) * (w2 x), then w3.
        biased: queries and values have a bias (keys never; the 7 B model has none).
        own_class_norm: class and storage tokens have a last norm of their own.
        spare_class_norm: a norm that only training's small crops went through is in the file.
    """

    width: int
    depth: int
    heads: int
    hidden: int
    patch_px: int = 16
    storage: int = 4
    gated: bool = False
    biased: bool = True
    own_class_norm: bool = False
    spare_class_norm: bool = False


class _Attention(nn.Module):
    def __init__(self, shape: Dinov3Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=shape.biased)
        self.proj = nn.Linear(shape.width, shape.width)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(turned(q, *rope), turned(k, *rope), v)
        return self.proj(mixed.transpose(1, 2).reshape(x.shape))


class _Mlp(nn.Module):
    def __init__(self, shape: Dinov3Shape) -> None:
        super().__init__()
        self.fc1 = nn.Linear(shape.width, shape.hidden)
        self.fc2 = nn.Linear(shape.hidden, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(gelu(self.fc1(x)))


class _GatedMlp(nn.Module):
    def __init__(self, shape: Dinov3Shape) -> None:
        super().__init__()
        self.w1 = nn.Linear(shape.width, shape.hidden)
        self.w2 = nn.Linear(shape.width, shape.hidden)
        self.w3 = nn.Linear(shape.hidden, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.w3(silu(self.w1(x)) * self.w2(x))


class _Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class _Block(nn.Module):
    def __init__(self, shape: Dinov3Shape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.width, eps=EPSILON)
        self.attn = _Attention(shape)
        self.ls1 = _Scale(shape.width)
        self.norm2 = nn.LayerNorm(shape.width, eps=EPSILON)
        self.mlp = _GatedMlp(shape) if shape.gated else _Mlp(shape)
        self.ls2 = _Scale(shape.width)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x), rope))
        return x + self.ls2(self.mlp(self.norm2(x)))


class Dinov3(TokenNetwork):
    """The frozen DINOv3: class token, storage tokens, patches; nothing masked."""

    def __init__(self, shape: Dinov3Shape) -> None:
        super().__init__()
        self.shape, self.depth, self.patch_px = shape, shape.depth, shape.patch_px
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.storage_tokens = nn.Parameter(torch.zeros(1, shape.storage, shape.width))
        self.patch_embed = PatchEmbed(shape.width, shape.patch_px)
        self.rope_embed = Rope(shape.width // shape.heads)
        self.blocks = nn.ModuleList(_Block(shape) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(shape.width, eps=EPSILON)
        for name in ("cls_norm",) * shape.own_class_norm + ("local_cls_norm",) * (
            shape.spare_class_norm
        ):
            self.add_module(name, nn.LayerNorm(shape.width, eps=EPSILON))

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], blocks: Sequence[int] = ()
    ) -> TokenOutput:
        """Return patch tokens after the blocks counted from 1, and the normed class token.

        Args:
            images: normalised; height and width multiples of `shape.patch_px`.
            blocks: after which blocks to keep the tokens, 1 to depth.
        """
        patches = self.patch_embed(images)
        rope = self.rope_embed(*patches.shape[-2:])
        tokens = patches.flatten(2).transpose(1, 2)
        first = torch.cat([self.cls_token, self.storage_tokens], dim=1)
        x = torch.cat([first.expand(len(tokens), -1, -1), tokens], dim=1)
        kept: list[Tensor] = []
        for number, block in enumerate(self.blocks, start=1):
            x = block(x, rope)
            if number in blocks:
                kept.append(x[:, first.shape[1] :])
        norm = self.get_submodule("cls_norm" if self.shape.own_class_norm else "norm")
        class_token = norm(x[:, 0])
        return TokenOutput(kept, class_token, class_token)
