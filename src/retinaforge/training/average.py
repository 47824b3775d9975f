"""Averaged weights: e <- d e + (1 - d) w, with d = min(decay, (1 + t) / (10 + t))."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from retinaforge.training.sharding import local


def start_average(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the trainable weights, by name."""
    return {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}


@torch.no_grad()
def update_average(
    average: dict[str, Tensor], model: nn.Module, *, decay: float, step: int
) -> None:
    """Move the average towards the model's weights, in place; early steps are forgotten fast."""
    d = min(decay, (1 + step) / (10 + step))
    weights = dict(model.named_parameters())
    # Of sharded weights each process averages its own part.
    kept = [local(tensor) for tensor in average.values()]
    torch._foreach_lerp_(kept, [local(weights[n].detach()) for n in average], 1 - d)


@torch.no_grad()
def averaged_model(average: dict[str, Tensor], model: nn.Module) -> nn.Module:
    """Return a copy of the model with averaged weights; buffers (the codebook) are the model's."""
    copied = copy.deepcopy(model)
    for name, parameter in copied.named_parameters():
        if name in average:
            parameter.copy_(average[name])
    return copied.eval()
