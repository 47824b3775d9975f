"""Attention over a map whose scores know how far apart two places lie, whole or in windows.

References:
    Li et al., "MViTv2", CVPR 2022, and "Exploring plain vision transformer backbones", ECCV 2022,
    as in facebookresearch/segment-anything (commit dca509f, Apache-2.0).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, one_hot, pad, scaled_dot_product_attention


def distances(table: Float[Tensor, "length width"], side: int) -> Float[Tensor, "side side width"]:
    """Return the embedding of each signed distance between `side` places, interpolated to them."""
    length = 2 * side - 1
    if len(table) != length:
        table = interpolate(table.T[None], length, mode="linear", align_corners=False)[0].T
    place = torch.arange(side, device=table.device)
    return table[place[:, None] - place + side - 1]


class RelativeAttention(nn.Module):
    """Self-attention over a map, with the two terms of distance; tables for `side` places."""

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        head = width // heads
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, head))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, head))

    def forward(self, x: Float[Tensor, "batch rows columns width"]) -> Tensor:
        batch, rows, columns, width = x.shape
        split = (batch, rows * columns, 3, self.heads, width // self.heads)
        q, k, v = self.qkv(x).reshape(split).permute(2, 0, 3, 1, 4)
        # The two terms of distance as products too: one channel more a row and a column, in which
        # a key is 1 where it lies. So no array of all pairs is ever needed.
        square = q.unflatten(2, (rows, columns))
        down = torch.einsum("bnhwc,hkc->bnhwk", square, distances(self.rel_pos_h, rows))
        across = torch.einsum("bnhwc,wkc->bnhwk", square, distances(self.rel_pos_w, columns))
        terms = torch.cat([down, across], dim=-1).flatten(2, 3)
        lies = _lies(rows, columns).to(q).expand(*k.shape[:2], -1, -1)
        q = torch.cat([q * q.shape[-1] ** -0.5, terms], dim=-1)
        mixed = scaled_dot_product_attention(q, torch.cat([k, lies], dim=-1), v, scale=1.0)
        return self.proj(mixed.transpose(1, 2).reshape(x.shape))


def _lies(rows: int, columns: int) -> Tensor:
    """Return for each patch 1 at its row and 1 at its column, (rows * columns, rows + columns)."""
    row = one_hot(torch.arange(rows)).repeat_interleave(columns, dim=0)
    return torch.cat([row, one_hot(torch.arange(columns)).repeat(rows, 1)], dim=1)


def in_windows(attend: nn.Module, x: Tensor, side: int) -> Tensor:
    """Attend inside squares of `side` patches; the last ones are filled up with zeros."""
    batch, rows, columns, width = x.shape
    padded = pad(x, (0, 0, 0, -columns % side, 0, -rows % side))
    down, across = padded.shape[1] // side, padded.shape[2] // side
    cut = padded.reshape(batch, down, side, across, side, width).transpose(2, 3)
    attended = attend(cut.reshape(-1, side, side, width)).reshape(cut.shape).transpose(2, 3)
    return attended.reshape(padded.shape)[:, :rows, :columns]
