"""Rotary positions in two axes, as DINOv3 has them: queries and keys are turned by where they lie.

References:
    Su et al., "RoFormer", arXiv 2104.09864; Siméoni et al., "DINOv3", arXiv 2508.10104, as in
    facebookresearch/dinov3 (commit 6876159), dinov3/layers/rope_position_encoding.py.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Rope(nn.Module):
    """Angles of rotary positions: a patch's centre in [-1, 1] over `periods` of both axes."""

    def __init__(self, head_width: int) -> None:
        super().__init__()
        self.register_buffer("periods", rope_periods(head_width))

    def forward(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """Return cosine and sine, (rows * columns, head width)."""
        periods = self.get_buffer("periods").float()
        down, across = (
            2 * torch.arange(0.5, count, device=periods.device) / count - 1
            for count in (rows, columns)
        )
        centres = torch.cartesian_prod(down, across)
        angles = (2 * math.pi * centres[:, :, None] / periods).flatten(1).tile(2)
        return angles.cos(), angles.sin()


def rope_periods(head_width: int, base: float = 100.0) -> Float[Tensor, " quarter"]:
    """Return base^(4 k / head width) for k = 0, 1, ... below a quarter of the head's width."""
    return base ** (torch.arange(head_width // 4) * 4 / head_width)


def turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn the last tokens of (batch, heads, tokens, width) by their angles; the first stay."""
    first, patches = x.split((x.shape[2] - len(cosine), len(cosine)), dim=2)
    left, right = patches.chunk(2, dim=3)
    return torch.cat([first, patches * cosine + torch.cat([-right, left], 3) * sine], dim=2)
