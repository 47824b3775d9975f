"""What a study of usefulness is: how it is run, what it will do, and what came out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from retinaforge.core import Refusal
from retinaforge.tasks.usefulness_arms import RATIOS, Arm, refuse_unknown
from retinaforge.tasks.usefulness_fit import Fit
from retinaforge.tasks.usefulness_linear import BATCH, STEPS
from retinaforge.tasks.usefulness_rounds import Material, Round

LONG_S = 3600.0
COPIES = 4
"""Augmented copies of a photograph, for backbones that see it once only."""


@dataclass(frozen=True)
class Prepared:
    """Material with what a look saw of it, and what was left out.

    Attributes:
        material: readable images, with those labels that real images teach.
        vectors: one row an image.
        classes_left_out: with reasons.
        unreadable: (name, reason).
        silent: (name, reason) of images of which nothing is known.
        kept_apart: (name, reason) of images that would have stood on both sides.
    """

    material: Material
    vectors: np.ndarray
    classes_left_out: list[dict[str, str]]
    unreadable: tuple[tuple[str, str], ...]
    silent: tuple[tuple[str, str], ...]
    kept_apart: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Options:
    """How a study is run.

    Attributes:
        seeds: rounds; at least two.
        ratios: synthetic images for each photograph.
        few: teach with so many photographs and hold the rest back; 0 for all.
        leave_out: whether each source is left out in turn, where there are two.
        copies: augmented copies of a photograph, for a backbone on embeddings.
        steps, batch: of every arm alike.
        size_px: side of the square for encoders that take any.
        workers: threads that decode; they change no number.
        arms: to run beside photographs alone; none for all.
        jobs: trainings at once; None for one, of a trained backbone on a CPU for as many as fit.
    """

    seeds: int = 5
    ratios: tuple[float, ...] = RATIOS
    few: int = 0
    leave_out: bool = True
    copies: int = COPIES
    steps: int = STEPS
    batch: int = BATCH
    size_px: int | None = None
    workers: int = 1
    arms: tuple[str, ...] = ()
    jobs: int | None = None

    def __post_init__(self) -> None:
        refuse_unknown(self.arms)
        if self.seeds < 2:
            raise Refusal("at least two seeds", f"{self.seeds}", "five are usual")
        if not self.ratios or not all(0 < r < np.inf for r in self.ratios):
            raise Refusal(
                "ratios above 0", ", ".join(f"{r:g}" for r in self.ratios) or "none",
                "such as 0.25, 1 and 4 synthetic images for each photograph",
            )  # fmt: skip
        if self.steps < 1 or self.batch < 1 or self.few < 0 or self.copies < 1:
            raise Refusal(
                "steps, batch and copies of at least 1, few of at least 0",
                f"{self.steps}, {self.batch}, {self.copies} and {self.few}",
                "leave them out for the usual values",
            )


@dataclass(frozen=True)
class Plan:
    """What a study will do.

    Attributes:
        arms, seeds: their numbers.
        fits: (all, finished by an earlier run).
        looks: (images, not yet looked at).
        copies: augmented copies not yet looked at.
        seconds: expected, by what a few took just now.
        at_once: trainings beside each other.
        first: seconds that were expected before anything was looked at.
    """

    arms: int
    seeds: int
    fits: tuple[int, int]
    looks: tuple[int, int]
    copies: int
    seconds: float
    at_once: int = 1
    first: float = 0.0

    def in_words(self) -> str:
        """Return the plan in one line."""
        copies = f", {self.copies} augmented copies to look at" if self.copies else ""
        beside = f", {self.at_once} trainings at once" if self.at_once > 1 else ""
        return (
            f"{self.arms} arms, {self.seeds} seeds: {self.fits[0]} trainings "
            f"({self.fits[1]} finished); {self.looks[0]} images ({self.looks[1]} to look at)"
            f"{copies}; expected {duration(self.seconds)}{beside}"
        )

    def warning(self) -> str:
        """Return what to do about a study that takes long; nothing of a short one."""
        if self.seconds <= LONG_S:
            return ""
        return (
            f"more than an hour on this machine ({duration(self.seconds)}): run some arms first "
            "(--arm), fewer --seeds or --steps, a smaller --size, or use a GPU; it may be stopped "
            "at any time, and the same command goes on"
        )


@dataclass(frozen=True)
class Done:
    """All answers of a study, with what they are about."""

    prepared: Prepared
    rounds: list[Round]
    split_words: str
    arms: list[Arm]
    fits: list[Fit]
    plan: Plan
    backbone: dict[str, Any]
    seconds: float
    options: Options = field(default_factory=Options)


def duration(seconds: float) -> str:
    """Return a time in words: 40 s, 3 min 20 s, 2 h 5 min."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
