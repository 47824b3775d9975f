"""Watching a training for divergence and collapse, and saying what to do about it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from retinaforge.core import Refusal
from retinaforge.training.config import TrainConfig

SMOOTHING = 0.98  # the pixel loss is averaged over about 50 steps before it is judged
RISE = 4.0  # times its lowest: no healthy training of an autoencoder climbs so far
FEWEST_CODES = 2.0  # perplexity below which the codebook says nothing
FLAT = 0.02  # contrast of the reconstruction as a fraction of the photographs'


class TrainingStopped(Refusal):
    """The training was stopped because going on would have wasted time."""


@dataclass
class Watch:
    """How often, one after another, something looked wrong; plain numbers for the checkpoint."""

    unusable: int = 0
    narrow: int = 0
    flat: int = 0
    rising: int = 0
    smooth: float = math.nan
    lowest: float = math.inf

    def as_dict(self) -> dict[str, float]:
        """Return the state as plain numbers."""
        return asdict(self)


def see_skip(watch: Watch, config: TrainConfig, reason: str) -> None:
    """Count an unusable step; stop after `skips_in_a_row` of them.

    Raises:
        TrainingStopped: naming the last reason.
    """
    watch.unusable += 1
    if watch.unusable < config.skips_in_a_row:
        return
    in_data = reason.startswith("NaN or infinite pixels")
    raise TrainingStopped(
        "usable batches" if in_data else "finite losses and gradients",
        f"{watch.unusable} unusable steps one after another, the last with {reason}",
        "run `retinaforge data check` on the folder"
        if in_data
        else "train into another folder with a lower learning_rate, or with precision fp32",
    )


def see_step(
    watch: Watch, config: TrainConfig, *, pixel: float, contrast: float, perplexity: float
) -> None:
    """Count signs of divergence and collapse; stop after `patience_steps` of them.

    Args:
        watch: the counts so far, changed in place.
        config: its patience and learning rate.
        pixel: the first (pixel) term's loss.
        contrast: standard deviation of the reconstruction over that of the photographs.
        perplexity: exp(entropy) of the codes in the batch; NaN without a codebook.

    Raises:
        TrainingStopped: with advice.
    """
    watch.unusable = 0
    first = math.isnan(watch.smooth)
    watch.smooth = pixel if first else SMOOTHING * watch.smooth + (1 - SMOOTHING) * pixel
    watch.lowest = min(watch.lowest, watch.smooth)
    watch.rising = watch.rising + 1 if watch.smooth > RISE * watch.lowest else 0
    watch.flat = watch.flat + 1 if contrast < FLAT else 0
    watch.narrow = watch.narrow + 1 if perplexity < FEWEST_CODES else 0
    n = config.patience_steps
    if watch.rising >= n:
        raise TrainingStopped(
            f"a pixel loss near its lowest, {watch.lowest:.4g}",
            f"{watch.smooth:.4g}, above {RISE:g} times that for {n} steps: the training diverged",
            f"train into another folder with learning_rate below {config.learning_rate:g}, "
            "or let the adversary start later",
        )
    if watch.flat >= n:
        raise TrainingStopped(
            "reconstructions with contrast",
            f"images of one colour for {n} steps: the decoder collapsed",
            "train into another folder with a lower learning_rate or smaller added weights",
        )
    if watch.narrow >= n:
        raise TrainingStopped(
            "a codebook in use",
            f"a perplexity below {FEWEST_CODES:g} for {n} steps: the codebook collapsed",
            "train into another folder with a lower learning_rate, fewer codes, or kind fsq",
        )
