"""Run a stack of layers and keep the outputs of some of them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


def tap(layers: nn.Sequential, x: Tensor, positions: Sequence[int]) -> list[Tensor]:
    """Return the outputs of the layers at `positions`, in ascending order; later layers never run.

    Args:
        layers: the stack.
        x: its input.
        positions: indices into `layers`, from 0.
    """
    wanted, outputs = set(positions), []
    for position, layer in enumerate(layers):
        if position > max(wanted):
            break
        x = layer(x)
        if position in wanted:
            outputs.append(x)
    return outputs
