"""Weights that are spread over processes (FSDP2): brought together, and taken apart again.

Zhao et al. 2023, arXiv 2304.11277; `torch.distributed.fsdp.fully_shard`. Everything here that
brings weights together is to be called by all processes at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def is_sharded(module: nn.Module) -> bool:
    """Return whether some weight is spread over processes."""
    return any(hasattr(p, "full_tensor") for p in module.parameters())


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor brought together from all processes; a plain one as it is."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def local(tensor: Tensor) -> Tensor:
    """Return this process's part of a tensor, sharing its memory; a plain one as it is."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def states(module: nn.Module, optimiser: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the states of a module and its optimiser, whole and on the CPU where sharded."""
    if not is_sharded(module):
        return module.state_dict(), optimiser.state_dict()
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict

    how = StateDictOptions(full_state_dict=True, cpu_offload=True)
    model, optimising = get_state_dict(module, _inner(optimiser), options=how)
    return dict(model), dict(optimising)


def load_states(
    module: nn.Module, optimiser: Any, model: Mapping[str, Any], optimising: Mapping[str, Any]
) -> None:
    """Put what `states` returned back, each process its own part."""
    if not is_sharded(module):
        module.load_state_dict(model)
        optimiser.load_state_dict(optimising)
        return
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_state_dict

    set_state_dict(
        module,
        _inner(optimiser),
        model_state_dict=dict(model),
        optim_state_dict=dict(optimising),
        options=StateDictOptions(full_state_dict=True),
    )


def _inner(optimiser: Any) -> torch.optim.Optimizer:
    """Return the optimiser inside Accelerate's wrapper."""
    return getattr(optimiser, "optimizer", optimiser)
