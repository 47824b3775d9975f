"""bfloat16 where it is safe and faster, measured on the first images; else float32.

bfloat16 keeps 8 bits of mantissa: vectors move by parts in a thousand. Whether that matters depends
on the network, and whether it is faster on the processor, so both are measured, not assumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from retinaforge.core import Refusal

Precision = Literal["fp32", "bf16", "auto"]
SAFE_COSINE = 0.9995
FASTER = 0.95
"""bfloat16 must take at most this share of float32's time to be worth it."""
MOST_TRIED = 8


@dataclass(frozen=True)
class Verdict:
    """What was measured: `chosen` and the words that say why."""

    chosen: Precision
    words: str


def require_precision(name: str) -> Precision:
    """Return the name, or refuse it."""
    for known in get_args(Precision):
        if name == known:
            return known
    raise Refusal(f"precision {', '.join(get_args(Precision))}", repr(name), "choose one")


def running(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """Return the context in which a network runs; fp32 leaves the caller's autocast as it is."""
    if precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def measured(embed: Callable[[Precision], Tensor]) -> Verdict:
    """Return bf16 where its vectors agree (cosine > 0.9995) and it is faster, else fp32.

    Args:
        embed: computes the vectors of a first batch in a precision.
    """
    exact, slow = _timed(lambda: embed("fp32"))
    rough, fast = _timed(lambda: embed("bf16"))
    cosine = float(cosine_similarity(exact.double(), rough.double(), dim=1).min())
    found = f"cosine {cosine:.5f} to float32, {fast / slow:.2f} of its time, {len(exact)} images"
    if not cosine > SAFE_COSINE:
        return Verdict("fp32", f"float32: bfloat16 moves the vectors too far ({found})")
    if fast > FASTER * slow:
        return Verdict("fp32", f"float32: bfloat16 is no faster here ({found})")
    return Verdict("bf16", f"bfloat16 ({found})")


def _timed(run: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """Return a result and the shorter time of two runs, the first of which also warms up."""
    times = []
    result = torch.empty(0)
    for _ in range(2):
        start = time.perf_counter()
        result = run()
        if result.is_cuda:
            torch.cuda.synchronize(result.device)
        times.append(time.perf_counter() - start)
    return result, min(times)
