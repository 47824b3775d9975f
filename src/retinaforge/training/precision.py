"""Which arithmetic is faster here: measured, not guessed."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from retinaforge.training.checkpoint import random_states, restore_random_states

PROBE_STEPS = 3
# bf16 has to win clearly: at a draw float32 is the safer choice.
MARGIN = 1.05


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the context under which the networks run; losses run outside it, in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextlib.contextmanager
def untouched_generators() -> Iterator[None]:
    """Put all random generators back afterwards."""
    states = random_states()
    try:
        yield
    finally:
        restore_random_states(states)


def choose_precision(
    model: nn.Module, device: torch.device, loss: Callable[[nn.Module, str], Tensor]
) -> tuple[str, dict[str, float]]:
    """Return "bf16" or "fp32", whichever steps faster, and the seconds of a step of each.

    The best of a few steps counts, since other programs can only slow a step down. A GPU with
    bf16 takes it unmeasured.

    Args:
        model: probed in a copy.
        device: where the model is.
        loss: gives the total loss of a model under a precision.
    """
    if device.type == "cuda":
        return ("bf16" if torch.cuda.is_bf16_supported() else "fp32"), {}
    seconds: dict[str, float] = {}
    with untouched_generators():
        for precision in ("fp32", "bf16"):
            copied = copy.deepcopy(model).train()
            times = []
            for _ in range(PROBE_STEPS):
                began = time.perf_counter()
                loss(copied, precision).backward()
                copied.zero_grad()
                times.append(time.perf_counter() - began)
            seconds[precision] = min(times)
    faster = seconds["bf16"] * MARGIN < seconds["fp32"]
    return ("bf16" if faster else "fp32"), seconds
