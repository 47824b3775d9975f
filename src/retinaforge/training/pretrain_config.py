"""How long an encoder is pretrained, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from retinaforge.core import Refusal
from retinaforge.training.config import TrainConfig


@dataclass(frozen=True)
class PretrainConfig(TrainConfig):
    """State how long and how an encoder is pretrained; what it adds to `TrainConfig`:

    Attributes:
        weight_decay: of AdamW, on matrices only.
        accumulate: passes that a step's batch is parted into, for less memory; their gradients
            add up to the whole batch's by float error, so a run may go on with another number.
    """

    steps: int = 5000
    learning_rate: float = 1e-3
    warmup_steps: int = 250
    last_learning_rate: float = 0.0
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.05
    accumulate: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.accumulate < 1:
            raise Refusal("at least one pass a step", str(self.accumulate), "change accumulate")


@dataclass(frozen=True)
class PretrainResult:
    """What `pretrain` returns.

    Attributes:
        state: "trained", or "found done" where an earlier call had finished.
        steps: steps done, skipped ones included.
        images: drawn in them, over all processes.
        seconds: spent in them, over all sittings.
        images_per_s: over all processes.
        skipped: steps that were left out.
        precision: bf16 or fp32.
        readings: means over the last lines of the log.
    """

    state: str
    steps: int
    images: int
    seconds: float
    images_per_s: float
    skipped: int
    precision: str
    readings: dict[str, float | None]
