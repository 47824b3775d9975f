"""A batch of any size in bounded memory: as many images at a time as a budget allows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

BUDGET_BYTES = 500 * 2**20
MOST = 64
ALIVE = 4
"""Outputs of the largest layer that live at once: its input, itself, a sum, scratch."""


class Meter:
    """Count the bytes of the largest output while a network runs."""

    largest = 0

    def see(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """Be a forward hook."""
        if isinstance(output, Tensor):
            self.largest = max(self.largest, output.numel() * output.element_size())


@contextmanager
def metered(network: nn.Module):
    """Yield a `Meter` that watches every layer."""
    meter = Meter()
    hooks = [module.register_forward_hook(meter.see) for module in network.modules()]
    try:
        yield meter
    finally:
        for hook in hooks:
            hook.remove()


def chunk_for(bytes_an_image: int) -> int:
    """Return how many images may run at once, 1 to `MOST`."""
    return max(1, min(MOST, BUDGET_BYTES // max(1, ALIVE * bytes_an_image)))


def joined(parts: list[Any]) -> Any:
    """Return results of chunks as of one batch: tensors, and (named) tuples or lists of them."""
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.cat(parts)
    columns = [joined(list(column)) for column in zip(*parts, strict=True)]
    if hasattr(first, "_fields"):
        return type(first)(*columns)
    return type(first)(columns)


def in_chunks(function: Callable[..., Any], batches: tuple[Tensor | None, ...], size: int) -> Any:
    """Return `function(*batches)`, computed `size` rows at a time; None stays None."""
    rows = next(len(batch) for batch in batches if batch is not None)
    if rows <= size:
        return function(*batches)
    cut = [(None,) * -(-rows // size) if b is None else b.split(size) for b in batches]
    return joined([function(*parts) for parts in zip(*cut, strict=True)])
