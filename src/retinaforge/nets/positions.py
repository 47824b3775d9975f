"""Position embeddings of a square grid of patches: sine-cosine ones, and how they are resized.

Published models differ in how they fit their embeddings to another grid, by up to some percent of
the features, so each family names its way.

References:
    MAE (facebookresearch/mae) and RETFound resize to the asked grid. DINO and DINOv2 scale by
    (cells + 0.1) / side, after facebookresearch/dino issue 8; DINOv2 with registers, and timm,
    resize antialiased. transformers resizes DINOv2 plainly and antialiased with registers.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

Resizing = Literal["plain", "antialiased", "offset"]
OFFSET = 0.1


def resize_positions(
    embedding: Float[Tensor, "1 tokens width"],
    rows: int,
    columns: int,
    way: Resizing = "plain",
    before: int = 1,
) -> Float[Tensor, "1 tokens2 width"]:
    """Interpolate a square grid of position embeddings (bicubic).

    Args:
        embedding: of the tokens before the patches, then of the patches row by row.
        rows, columns: of the grid wanted.
        way: "plain", "antialiased", or "offset", which scales by (cells + 0.1) / side.
        before: how many tokens before the patches have a position; theirs stays.
    """
    side = math.isqrt(embedding.shape[1] - before)
    if (rows, columns) == (side, side):
        return embedding
    grid = embedding[:, before:].reshape(1, side, side, -1).permute(0, 3, 1, 2).float()
    if way == "offset":
        factors = ((rows + OFFSET) / side, (columns + OFFSET) / side)
        grid = interpolate(grid, scale_factor=factors, mode="bicubic")
    else:
        antialias = way == "antialiased"
        grid = interpolate(grid, (rows, columns), mode="bicubic", antialias=antialias)
    resized = grid.permute(0, 2, 3, 1).reshape(1, rows * columns, -1).to(embedding.dtype)
    return torch.cat([embedding[:, :before], resized], dim=1)


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
