"""Everything about a training that is not the model, the loss or the data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from retinaforge.core import Refusal

Precision = Literal["auto", "bf16", "fp32"]

# What may differ between a run and its resumption without changing a weight but by float error.
FREE_TO_CHANGE = frozenset(
    {"checkpoint_every", "keep_at", "log_every", "threads", "workers", "accumulate"}
)


@dataclass(frozen=True)
class TrainConfig:
    """State how long and how a model is trained; every field is written into the run.

    Attributes:
        steps: optimisation steps, at least 1.
        learning_rate: the peak, reached after the warm-up.
        warmup_steps: steps of linear rise from zero.
        last_learning_rate: where the cosine ends, as a fraction of the peak, 0 to 1.
        betas: Adam's two decay rates.
        ema_decay: decay of the averaged weights, 0 to 1; it warms up as (1 + t) / (10 + t).
        clip_norm: gradients longer than this are scaled back to it.
        precision: bf16 autocast, float32, or "auto": what a short timed probe finds faster.
            Arms of one study are to be given the same, not "auto" each.
        match_gradients: scale every added term to the pixel term's gradient norm.
        rematch_every: steps between two measurements of those norms, more often at first.
        checkpoint_every: steps between two checkpoints.
        keep_at: steps whose checkpoints stay for `branch_off`.
        log_every: steps between two lines of log.jsonl.
        seed: seeds PyTorch's generator at the start.
        threads: threads of this process; None leaves them as they are.
        workers: threads that draw batches ahead; 0 draws in the loop, None takes 4 on a GPU.
        device: "cpu" forbids the GPU.
        skips_in_a_row: so many unusable steps one after another stop the training.
        patience_steps: so many steps of collapse or divergence one after another stop it.
    """

    steps: int = 2000
    learning_rate: float = 1e-3
    warmup_steps: int = 50
    last_learning_rate: float = 0.05
    betas: tuple[float, float] = (0.9, 0.99)
    ema_decay: float = 0.999
    clip_norm: float = 1.0
    precision: Precision = "auto"
    match_gradients: bool = True
    rematch_every: int = 100
    checkpoint_every: int = 500
    keep_at: tuple[int, ...] = ()
    log_every: int = 20
    seed: int = 0
    threads: int | None = None
    workers: int | None = None
    device: Literal["auto", "cpu"] = "auto"
    skips_in_a_row: int = 10
    patience_steps: int = 200

    def __post_init__(self) -> None:
        for name in (
            "steps",
            "rematch_every",
            "checkpoint_every",
            "log_every",
            "skips_in_a_row",
            "patience_steps",
        ):
            _require(getattr(self, name) >= 1, name, "a whole number of at least 1", self)
        for name in ("learning_rate", "clip_norm"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value > 0, name, "a number above 0", self)
        for name in ("last_learning_rate", "ema_decay"):
            _require(0 <= getattr(self, name) <= 1, name, "a number from 0 to 1", self)
        _require(
            self.precision in ("auto", "bf16", "fp32"), "precision", "auto, bf16 or fp32", self
        )

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step: linear warm-up, then half a cosine."""
        rise = min(1.0, (step + 1) / (self.warmup_steps + 1))
        course = max(0, step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, course)))
        low = self.last_learning_rate
        return self.learning_rate * rise * (low + (1 - low) * fall)

    def rematches_at(self, step: int) -> bool:
        """Return whether norms are measured: at 0, 1, 2, 4, ... then each `rematch_every` steps.

        The first reconstructions are noise and their norms soon outdated.
        """
        young = step < self.rematch_every and step & (step - 1) == 0
        return young or step % self.rematch_every == 0

    def binding(self) -> dict[str, Any]:
        """Return the fields that a resumption must find unchanged, as plain data."""
        fields = {k: v for k, v in asdict(self).items() if k not in FREE_TO_CHANGE}
        return fields | {"betas": list(self.betas)}


def _require(holds: bool, name: str, expected: str, config: TrainConfig) -> None:
    if not holds:
        raise Refusal(
            f"{expected} for {name}",
            repr(getattr(config, name)),
            f"change {name} in the training configuration",
        )
