"""What a trained backbone costs on this machine: a few of its steps on noise, timed and weighed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from time import monotonic

import numpy as np
import torch
from torch import Tensor, nn

from retinaforge.tasks.usefulness_arms import Pool
from retinaforge.tasks.usefulness_plan import TrainedCost
from retinaforge.tasks.usefulness_teach import Course, teach
from retinaforge.tasks.usefulness_trained import TrainedBackbone

TIMED, SMALL = 3, 4
SLOW_S = 1.0
"""Where a step of `SMALL` images takes longer, a whole batch is not timed but reckoned from it."""
PROCESS_BYTES = 700 * 2**20
"""Of Python with PyTorch loaded."""
BYTES_A_WEIGHT = 16
"""Weight, slope and AdamW's two moments."""
WORKING = 1.5
"""Memory beside what is kept for the way back: buffers of the convolutions."""


def cost_of(backbone: TrainedBackbone) -> TrainedCost:
    """Return seconds and bytes of one training, by a warm step and a few timed ones."""
    batch = backbone.batch
    with _one_thread():
        small = min(SMALL, batch)
        step_s, answer_s, kept, weights = _tried(backbone, small, steps=1)
        times = batch / small
        if step_s < SLOW_S:
            step_s, answer_s, kept, weights = _tried(backbone, batch, steps=TIMED)
            times = 1.0
    need = PROCESS_BYTES + BYTES_A_WEIGHT * weights + WORKING * kept * times
    many = len(backbone.settings)
    trainings = 1 + (many * backbone.folds if many > 1 else 0)
    return TrainedCost(int(need), step_s * times, answer_s, trainings)


def _tried(backbone: TrainedBackbone, batch: int, *, steps: int) -> tuple[float, float, float, int]:
    """Return seconds of a step and of an answer, bytes kept for the way back, and weights."""
    rng, side = np.random.default_rng(0), backbone.pixels.shape[1]
    noise = rng.integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
    values = rng.integers(0, min(backbone.widths), (batch, len(backbone.widths)))
    pool = Pool(np.arange(batch), values.astype(np.float64), np.full(batch, 1 / batch))
    toy = TrainedBackbone(noise, np.arange(batch), backbone.widths, backbone.start, "noise",
                          steps=1 + steps, batch=batch)  # fmt: skip
    network, marks = toy.network(0), list[float]()
    with _weighed(network) as kept:
        teach(network, lambda k: toy.batch_at(pool, 0, k), Course(1 + steps, 1e-9, 0.0),
              toy.widths, on_step=lambda: marks.append(_now()))  # fmt: skip
    begun = _now()
    toy.answers(network, pool.places)
    answer_s = (_now() - begun) / batch
    step_s = min(b - a for a, b in pairwise(marks))
    return step_s, answer_s, kept[0] / (1 + steps), sum(p.numel() for p in network.parameters())


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return monotonic()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Work as trainings do, with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _weighed(network: nn.Module) -> Iterator[list[int]]:
    """Add up the bytes that autograd keeps for the way back, the network's own weights left out."""
    kept, own = [0], {p.untyped_storage().data_ptr() for p in network.parameters()}

    def weigh(saved: Tensor) -> Tensor:
        if saved.untyped_storage().data_ptr() not in own:
            kept[0] += saved.numel() * saved.element_size()
        return saved

    with torch.autograd.graph.saved_tensors_hooks(weigh, lambda saved: saved):
        yield kept
