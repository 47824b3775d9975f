"""A study of usefulness: what it will do and how long that takes, then all its arms and scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from retinaforge.core import Refusal
from retinaforge.encoders import Encoder
from retinaforge.tasks.embedding_looks import Look, encoder_look
from retinaforge.tasks.usefulness_arms import RATIOS, Arm, arms_of, pool_of
from retinaforge.tasks.usefulness_features import (
    COPIES,
    see,
    see_copies,
    waiting,
    waiting_copies,
)
from retinaforge.tasks.usefulness_fit import Backbone, Fit, Job, finished, fit_all
from retinaforge.tasks.usefulness_linear import BATCH, STEPS, LinearBackbone
from retinaforge.tasks.usefulness_prepare import Asked, Prepared, look_at
from retinaforge.tasks.usefulness_rounds import REAL, Round, rounds_of

TRIED = 3
"""Photographs that are looked at to tell how long all will take; they are kept."""
Say = Callable[[str], None]
Progress = Callable[[str, int, int], None]


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

    def __post_init__(self) -> None:
        if self.seeds < 2:
            raise Refusal("at least two seeds", f"{self.seeds}", "five are usual")
        if not self.ratios or min(self.ratios) <= 0:
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
    """

    arms: int
    seeds: int
    fits: tuple[int, int]
    looks: tuple[int, int]
    copies: int
    seconds: float

    def in_words(self) -> str:
        """Return the plan in one line."""
        return (
            f"{self.arms} arms, {self.seeds} seeds: {self.fits[0]} trainings "
            f"({self.fits[1]} finished); {self.looks[0]} images ({self.looks[1]} to look at), "
            f"{self.copies} augmented copies to look at; expected {duration(self.seconds)}"
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


def run_linear(
    asked: Asked, encoder: Encoder, cache: Path, fits: Path, options: Options,
    *, say: Say, on_progress: Progress,
) -> Done:  # fmt: skip
    """Run a study with a linear head on what an encoder sees.

    Args:
        asked: from `gather`.
        encoder: frozen.
        cache: keeps what the encoder saw, by content.
        fits: keeps what each arm answered, so that the same call resumes.
        options: how.
        say: told the plan before the work starts.
        on_progress: called with (what, done, all).
    """
    look = encoder_look(encoder, size_px=options.size_px)
    speed = Speed(asked, look, cache, options)
    say(speed.before().in_words())
    begun = monotonic()
    prepared = look_at(asked, look, cache, workers=options.workers,
                       on_progress=lambda *c: on_progress("looking at images", *c))  # fmt: skip
    rounds, words = rounds_of(prepared.material, seeds=options.seeds, few=options.few,
                              sources=options.leave_out)  # fmt: skip
    copies = _copies(prepared, look, cache, options, rounds, on_progress)
    widths = tuple(len(q.classes) for q in prepared.material.labels.questions)
    backbone = LinearBackbone(
        prepared.vectors, copies, widths, encoder.card.name, look.fingerprint,
        steps=options.steps, batch=options.batch,
    )  # fmt: skip
    arms = arms_of(rounds, options.ratios)
    jobs = [Job(arm, one) for one in rounds for arm in arms]
    plan = speed.exactly(jobs, prepared, backbone, fits)
    say(plan.in_words())
    taught = list(fit_all(jobs, prepared.material, backbone, fits,
                          on_fit=lambda *c: on_progress("teaching arms", *c)))  # fmt: skip
    facts = {**backbone.facts(), "encoder": encoder.card.name, "side_px": look.size_px,
             "fingerprint": look.fingerprint, "card": encoder.card.as_dict()}  # fmt: skip
    return Done(prepared, rounds, words, arms, taught, plan, facts, monotonic() - begun, options)


class Speed:
    """How long a study will take, told by a few images and steps of the real thing."""

    def __init__(self, asked: Asked, look: Look, cache: Path, options: Options) -> None:
        self._options, self._count = options, len(asked.examples)
        self._new = waiting(look, asked.records, cache)
        real = [r for r, kind in zip(asked.records, asked.origin, strict=True) if kind == REAL]
        self._copies = len(waiting_copies(look, real, cache, options.copies))
        self._each = 0.0
        if self._new:
            begun = monotonic()
            some = self._new[:TRIED]
            # Where none of these can be read, `look_at` will name them.
            with suppress(Refusal):
                see(look, some, cache, workers=1, on_progress=lambda *_: None)
            self._each = (monotonic() - begun) / len(some)
            self._new = self._new[TRIED:]

    def before(self) -> Plan:
        """Return the plan before any training is known: the looks, and trainings as they may be."""
        count = (3 + len(self._options.ratios) + 2) * self._options.seeds
        seconds = self._looks() + count * 4 * 2e-4 * self._options.steps
        return self._plan(count // self._options.seeds, (count, 0), seconds)

    def exactly(
        self, jobs: Sequence[Job], prepared: Prepared, backbone: LinearBackbone, folder: Path
    ) -> Plan:
        """Return the plan with all images looked at, a few steps of training timed."""
        self._new, self._copies = [], 0
        done = len(finished(jobs, prepared.material, backbone, folder))
        each = _seconds_of(jobs[0], prepared, backbone)
        arms = len({job.arm.name for job in jobs})
        return self._plan(arms, (len(jobs), done), (len(jobs) - done) * each)

    def _looks(self) -> float:
        return self._each * (len(self._new) / self._options.workers
                             + self._copies * self._options.copies * 0.7)  # fmt: skip

    def _plan(self, arms: int, fits: tuple[int, int], seconds: float) -> Plan:
        copies = self._copies * self._options.copies
        looks = self._count, len(self._new)
        return Plan(arms, self._options.seeds, fits, looks, copies, seconds)


def _seconds_of(job: Job, prepared: Prepared, backbone: Backbone) -> float:
    """Return how long one training takes with the choice of its setting, from a whole one."""
    pool = pool_of(job.arm, job.round, prepared.material)
    begun = monotonic()
    backbone.fit(pool, job.round.judge, seed=0, settings=backbone.settings)
    return (monotonic() - begun) * (backbone.folds + 0.7)


def _copies(
    prepared: Prepared, look: Look, cache: Path, options: Options, rounds: Sequence[Round],
    on_progress: Progress,
) -> np.ndarray:  # fmt: skip
    """Return augmented copies of all photographs that teach anywhere; NaN for the others."""
    material = prepared.material
    places = sorted({int(k) for one in rounds for k in one.teach})
    found = see_copies(
        look, [material.examples[k].record for k in places], cache, count=options.copies,
        on_progress=lambda *c: on_progress("augmented copies", *c),
    )  # fmt: skip
    shape = (len(material.examples), options.copies, prepared.vectors.shape[1])
    copies = np.full(shape, np.nan, np.float32)
    for row, vectors in found.items():
        copies[places[row]] = vectors
    return copies


def duration(seconds: float) -> str:
    """Return a time in words: 40 s, 3 min 20 s, 2 h 5 min."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
