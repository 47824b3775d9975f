"""What a plain diffusion transformer is made of.

Blocks as in DiT with adaLN-zero, one modulation network for all blocks plus a learnt offset a block
(adaLN-single), and cross-attention to the words between self-attention and MLP, as in PixArt.

Positions are sines and cosines of where a token lies in the picture, not of its number: a network
taught on a coarse grid finds disc and macula at the same places on a finer one.

References:
    Peebles, Xie, ICCV 2023, arXiv 2212.09748 (adaLN-zero). Chen et al., "PixArt-alpha", ICLR 2024,
    arXiv 2310.00426, section 2.3 (adaLN-single, cross-attention).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, rms_norm, scaled_dot_product_attention, silu

SPAN = 16.0
"""The picture's shorter side in units of the sines: a grid of 16 has its tokens one apart."""


def picture_positions(width: int, rows: int, columns: int) -> Float[Tensor, "tokens width"]:
    """Return sines and cosines of each token's place in the picture, row by row.

    For each axis, sin(p f_k) and cos(p f_k) with f_k = 100^(-4k / width) pi / 2, p from -8 to 8
    along the shorter side and 0 in the middle of each.
    """
    frequency = math.pi / 2 * 100.0 ** (-torch.arange(width // 4) / (width / 4))
    step = SPAN / min(rows, columns)

    def axis(cells: int) -> Tensor:
        place = (torch.arange(cells) - (cells - 1) / 2) * step
        angle = place[:, None] * frequency
        return torch.cat([angle.sin(), angle.cos()], dim=1)

    across = axis(columns)[None].expand(rows, -1, -1)
    down = axis(rows)[:, None].expand(-1, columns, -1)
    return torch.cat([across, down], dim=-1).reshape(rows * columns, -1)


def time_features(time: Float[Tensor, " batch"], width: int) -> Float[Tensor, "batch width"]:
    """Return sines and cosines of 1000 t, t from 0 to 1, as DiT has them for 1000 steps."""
    half = width // 2
    frequency = torch.exp(-math.log(10000.0) * torch.arange(half, device=time.device) / half)
    angle = 1000.0 * time[:, None].float() * frequency
    return torch.cat([angle.cos(), angle.sin()], dim=1)


class ConditionedAttention(nn.Module):
    """Multi-head attention, of the picture to itself or to the words; queries and keys normed."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "batch tokens width"],
        context: Float[Tensor, "batch words width"],
        mask: Bool[Tensor, "batch 1 1 words"] | None = None,
    ) -> Float[Tensor, "batch tokens width"]:
        batch, tokens, width = x.shape
        head = width // self.heads
        q = self.query(x).view(batch, tokens, self.heads, head)
        k, v = self.key_value(context).view(batch, -1, 2, self.heads, head).unbind(2)
        q, k = rms_norm(q, (head,)), rms_norm(k, (head,))
        q, k, v = (part.transpose(1, 2).to(v.dtype) for part in (q, k, v))
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))


class DitBlock(nn.Module):
    """Self-attention, words, MLP; the condition shifts, scales and gates the first and last."""

    def __init__(self, width: int, heads: int, ratio: float = 4.0) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.randn(6, width) / width**0.5)
        self.attention = ConditionedAttention(width, heads)
        self.words = ConditionedAttention(width, heads)
        self.rise = nn.Linear(width, int(ratio * width))
        self.fall = nn.Linear(int(ratio * width), width)
        # A block begins as the identity towards the words, as its gates do (adaLN-zero).
        nn.init.zeros_(self.words.out.weight)
        nn.init.zeros_(self.words.out.bias)

    def forward(
        self,
        x: Float[Tensor, "batch tokens width"],
        modulation: Float[Tensor, "batch 6 width"],
        text: Float[Tensor, "batch words width"],
        mask: Bool[Tensor, "batch 1 1 words"],
    ) -> Float[Tensor, "batch tokens width"]:
        given = (modulation + self.offset).unsqueeze(2).unbind(1)
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = given
        y = _norm(x) * (1 + scale_a) + shift_a
        x = x + gate_a * self.attention(y, y)
        x = x + self.words(_norm(x), text, mask)
        y = _norm(x) * (1 + scale_m) + shift_m
        return x + gate_m * self.fall(gelu(self.rise(y), approximate="tanh"))


class TimeAndWords(nn.Module):
    """The vector that modulates every block: time, the words' mean, the classes."""

    def __init__(self, width: int, text_width: int, class_sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.time_in, self.time_out = nn.Linear(256, width), nn.Linear(width, width)
        self.pooled = nn.Linear(text_width, width)
        # The last row of each table is "not given".
        self.classes = nn.ModuleList(nn.Embedding(size + 1, width) for size in class_sizes)
        for table in self.classes:
            nn.init.normal_(table.weight, std=0.02)

    def forward(
        self, time: Tensor, text: Tensor, mask: Tensor, classes: Tensor | None
    ) -> Float[Tensor, "batch width"]:
        dtype = text.dtype
        c = self.time_out(silu(self.time_in(time_features(time, 256).to(dtype))))
        weight = mask[..., None].to(dtype)
        mean = (text * weight).sum(1) / weight.sum(1).clamp(min=1)
        c = c + self.pooled(layer_norm(mean, mean.shape[-1:]))
        for kind, table in enumerate(self.classes):
            index = -1 if classes is None else classes[:, kind]
            given = torch.as_tensor(index, device=c.device).expand(len(c))
            c = c + table(torch.where(given < 0, table.num_embeddings - 1, given))
        return c


def _norm(x: Tensor) -> Tensor:
    return layer_norm(x, x.shape[-1:], eps=1e-6)
