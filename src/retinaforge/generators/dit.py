"""A plain diffusion transformer for a CPU: DiT's blocks with cross-attention to the words."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from retinaforge.core import Refusal
from retinaforge.generators.condition import Condition
from retinaforge.generators.network import NetworkShape
from retinaforge.nets.dit import DitBlock, TimeAndWords, picture_positions


class DiT(nn.Module):
    """A velocity network of its own blocks (`nets.dit`).

    Args:
        shape: latent, text, classes and maps.
        width, depth, heads: channels, blocks, attention heads.
        recompute: give memory for time: activations are computed again on the way back.
    """

    def __init__(
        self,
        shape: NetworkShape,
        *,
        width: int,
        depth: int,
        heads: int,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        if width % heads or width % 4:
            raise Refusal(
                "a width that 4 and the number of heads divide",
                f"width {width}, {heads} heads",
                "choose 64 channels a head",
            )
        self.shape, self.width, self.depth, self.heads = shape, width, depth, heads
        self.recompute = recompute
        cells = shape.patch**2
        self.patch_in = nn.Linear((shape.latent_channels + shape.map_channels) * cells, width)
        self.text_in = nn.Linear(shape.text_width, width)
        self.vector = TimeAndWords(width, shape.text_width, shape.class_sizes)
        self.modulation = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(DitBlock(width, heads) for _ in range(depth))
        self.last_modulation = nn.Linear(width, 2 * width)
        self.patch_out = nn.Linear(width, shape.latent_channels * cells)
        for layer in (self.patch_out, self.last_modulation):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self._positions: dict[tuple[int, int], Tensor] = {}

    def forward(
        self,
        x: Float[Tensor, "batch channels rows columns"],
        time: Float[Tensor, " batch"],
        condition: Condition,
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Return the velocity at x_t; see `VelocityNetwork`.

        Raises:
            Refusal: where a side of the latent is no multiple of the patch, or maps are missing.
        """
        rows, columns = self._grid(x, condition)
        if condition.maps is not None and self.shape.map_channels:
            x = torch.cat([x, condition.maps.to(x.dtype)], dim=1)
        tokens = self.patch_in(to_tokens(x, self.shape.patch))
        tokens = tokens + self._where(rows, columns, tokens)
        vector = self.vector(time, condition.text, condition.text_mask, condition.classes)
        vector = nn.functional.silu(vector)
        modulation = self.modulation(vector).view(len(x), 6, self.width)
        text, mask = self.text_in(condition.text), condition.text_mask[:, None, None]
        for block in self.blocks:
            if self.recompute and self.training:
                tokens = checkpoint(block, tokens, modulation, text, mask, use_reentrant=False)
            else:
                tokens = block(tokens, modulation, text, mask)
        shift, scale = self.last_modulation(vector)[:, None].chunk(2, dim=-1)
        tokens = nn.functional.layer_norm(tokens, (self.width,)) * (1 + scale) + shift
        return from_tokens(self.patch_out(tokens), rows, columns, self.shape.patch)

    def as_dict(self) -> dict[str, Any]:
        """Return what `DiT(**...)` is built from, as plain data."""
        return {
            "class": "DiT", "shape": self.shape.as_dict(), "width": self.width,
            "depth": self.depth, "heads": self.heads,
        }  # fmt: skip

    def _grid(self, x: Tensor, condition: Condition) -> tuple[int, int]:
        patch = self.shape.patch
        if x.shape[2] % patch or x.shape[3] % patch:
            raise Refusal(
                f"a latent whose sides are multiples of {patch}",
                f"{x.shape[2]} x {x.shape[3]}",
                "choose another image side",
            )
        if self.shape.map_channels and condition.maps is None:
            raise Refusal(
                f"{self.shape.map_channels} map channels beside the latent",
                "a condition without maps",
                "give the masks that this generator was taught with",
            )
        return x.shape[2] // patch, x.shape[3] // patch

    def _where(self, rows: int, columns: int, like: Tensor) -> Tensor:
        if (rows, columns) not in self._positions:
            self._positions[rows, columns] = picture_positions(self.width, rows, columns)
        return self._positions[rows, columns].to(like.device, like.dtype)


def to_tokens(x: Float[Tensor, "batch channels rows columns"], patch: int) -> Tensor:
    """Return patches as tokens, row by row, shape (batch, tokens, channels patch^2)."""
    return nn.functional.pixel_unshuffle(x, patch).flatten(2).transpose(1, 2)


def from_tokens(tokens: Tensor, rows: int, columns: int, patch: int) -> Tensor:
    """Undo `to_tokens` for a grid of tokens."""
    grid = tokens.transpose(1, 2).unflatten(2, (rows, columns))
    return nn.functional.pixel_shuffle(grid, patch)
