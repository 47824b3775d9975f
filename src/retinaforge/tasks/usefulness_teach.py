"""The loop that teaches a classifier: flat, visible, resumable.

A step: draw -> forward -> cross-entropy of known labels -> backward -> clip -> AdamW. Batch k
depends on its number only, so that a training that was killed goes on at its checkpoint to the very
weights that it would have reached (on a CPU; on a GPU to rounding).

    loss  mean over the questions that the batch knows of the mean cross-entropy of known labels
    rate  rises linearly over a tenth of the steps, then falls to zero along half a cosine

References:
    Loshchilov, Hutter 2019, arXiv 1711.05101 (AdamW). Unknown labels are left out of the loss as in
    multi-label sets whose experts did not judge all (Pachade et al., RFMiD, Data 6, 2021).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from retinaforge.training import checkpoint
from retinaforge.training.precision import autocast
from retinaforge.training.pretrain import weight_groups
from retinaforge.training.watch import TrainingStopped

WARM_UP, CLIP, MOST_SKIPPED = 0.1, 1.0, 10
CHECKPOINT_S = 60.0
BatchAt = Callable[[int], tuple[Tensor, Tensor]]
"""Images (batch, 3, side, side) in [0, 1] and values (batch, questions), NaN where unknown."""


@dataclass(frozen=True)
class Course:
    """How long and how fast.

    Attributes:
        steps: of the optimiser.
        rate: peak learning rate.
        decay: AdamW's, of matrices alone.
    """

    steps: int
    rate: float
    decay: float

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rise = max(1, round(WARM_UP * self.steps))
        if step < rise:
            return self.rate * (step + 1) / rise
        along = (step - rise) / max(1, self.steps - rise)
        return self.rate * 0.5 * (1 + math.cos(math.pi * along))


def teach(
    network: nn.Module, batch_at: BatchAt, course: Course, widths: Sequence[int], *,
    keep: Path | None = None, every_s: float = CHECKPOINT_S,
    on_step: Callable[[], None] | None = None,
) -> nn.Module:  # fmt: skip
    """Teach a network, or go on where a checkpoint stands; return it ready to answer.

    Args:
        network: gives logits of all questions side by side; changed in place, where it lies.
        batch_at: draws batch number k.
        course: how long and how fast.
        widths: number of classes of each question.
        keep: folder of its checkpoint; None for none.
        every_s: seconds between two checkpoints.
        on_step: called after every step that is taken now.

    Raises:
        TrainingStopped: after many steps on end whose gradient is not finite.
    """
    device = next(network.parameters()).device
    precision = "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    optimiser = torch.optim.AdamW(weight_groups(network, course.decay), course.rate)
    step, skipped, saved = _restored(keep, network, optimiser), 0, monotonic()
    network.train()
    while step < course.steps:
        images, values = batch_at(step)
        for group in optimiser.param_groups:
            group["lr"] = course.rate_at(step)
        with autocast(device, precision):
            logits = network(images)
        loss = masked_loss(logits.float(), values, widths)
        optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        skipped = 0 if bool(norm.isfinite()) else skipped + 1
        if skipped == 0:
            optimiser.step()
        elif skipped >= MOST_SKIPPED:
            raise _stopped(course)
        step += 1
        if keep and step < course.steps and monotonic() - saved >= every_s:
            _save(keep, step, network, optimiser)
            saved = monotonic()
        if on_step:
            on_step()
    return network.eval()


def masked_loss(
    logits: Float[Tensor, "batch classes"], values: Float[Tensor, "batch questions"],
    widths: Sequence[int],
) -> Float[Tensor, ""]:  # fmt: skip
    """Return the mean over questions of the cross-entropy of known labels; 0 where none is known.

    Args:
        logits: all questions side by side.
        values: index of the class; NaN where unknown.
        widths: number of classes of each question.
    """
    known = values.isfinite()
    losses = [
        cross_entropy(block[has], column[has].long())
        for block, column, has in zip(
            logits.split(list(widths), dim=1), values.unbind(1), known.unbind(1), strict=True
        )
        if bool(has.any())
    ]
    return torch.stack(losses).mean() if losses else logits.sum() * 0


def probabilities(
    logits: Float[Tensor, "batch classes"], widths: Sequence[int]
) -> Float[Tensor, "batch classes"]:
    """Return a softmax of each question's own columns."""
    return torch.cat([block.softmax(1) for block in logits.split(list(widths), dim=1)], dim=1)


def _save(keep: Path, step: int, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    state = {"step": step, "model": network.state_dict(), "optimiser": optimiser.state_dict()}
    checkpoint.save(keep, state)


def _restored(keep: Path | None, network: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    """Bring network and optimiser to where they were, and return the steps that they have done."""
    stored = checkpoint.load(keep) if keep and keep.is_dir() else None
    if stored is None:
        return 0
    network.load_state_dict(stored["model"])
    optimiser.load_state_dict(stored["optimiser"])
    return int(stored["step"])


def _stopped(course: Course) -> TrainingStopped:
    return TrainingStopped(
        "finite losses and gradients",
        f"{MOST_SKIPPED} steps on end without, at rate {course.rate:g}, decay {course.decay:g}",
        "give a lower --rate",
    )
