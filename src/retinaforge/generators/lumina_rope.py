"""Where a token lies: rotary positions of two axes, scaled for sizes that were not taught.

Equal to diffusers' `get_2d_rotary_pos_embed_lumina` on the part of its 384 x 384 grid that a latent
needs; the pipeline builds the whole grid at every step.
"""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float
from torch import Tensor

BASE = 10000.0


def rotary_grid(
    head: int, rows: int, columns: int, *, linear: float = 1.0, ntk: float = 1.0
) -> Complex[Tensor, "tokens pairs"]:
    """Return e^(i p f_k) of each token's row and column, in turns.

    f_k = 1 / (linear (ntk 10000)^(4k / head)), k from 0 to head / 4 (arXiv 2406.18583, eq. 4).

    Args:
        head: channels of one attention head, a multiple of 4.
        rows, columns: of the grid of tokens.
        linear: positions are squeezed by it.
        ntk: the base is stretched by it.
    """
    powers = torch.arange(0, head // 2, 2, dtype=torch.float32) / (head // 2)
    frequency = 1.0 / ((BASE * ntk) ** powers) / linear

    def axis(cells: int) -> Tensor:
        angle = torch.outer(torch.arange(cells, dtype=torch.float32), frequency)
        return torch.polar(torch.ones_like(angle), angle)

    down = axis(rows)[:, None].expand(-1, columns, -1)
    across = axis(columns)[None].expand(rows, -1, -1)
    return torch.stack([down, across], dim=-1).flatten(2).flatten(0, 1)


class Rope:
    """Grids by size, kept once made.

    Args:
        head: channels of one attention head.
        watershed: before this time a larger latent's positions are squeezed (its layout is drawn),
            from it on the base is stretched (its detail is); 1 squeezes always.
    """

    def __init__(self, head: int, watershed: float = 1.0) -> None:
        self.head, self.watershed = head, watershed
        self._kept: dict[tuple[object, ...], Tensor] = {}

    def __call__(
        self, rows: int, columns: int, factor: float, time: Float[Tensor, " batch"]
    ) -> Complex[Tensor, "batch tokens pairs"]:
        """Return the rotations of a batch; one row for all where nothing is scaled."""
        if factor == 1.0:
            return self._grid(rows, columns, 1.0, 1.0, time.device)[None]
        early = self._grid(rows, columns, factor, 1.0, time.device)[None]
        late = self._grid(rows, columns, 1.0, factor, time.device)[None]
        return torch.where((time < self.watershed)[:, None, None], early, late)

    def _grid(
        self, rows: int, columns: int, linear: float, ntk: float, device: torch.device
    ) -> Tensor:
        key = rows, columns, linear, ntk, device
        if key not in self._kept:
            grid = rotary_grid(self.head, rows, columns, linear=linear, ntk=ntk)
            self._kept[key] = grid.to(device)
        return self._kept[key]
