"""How long a study takes and how much memory, told by a few images and steps of the real thing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Protocol

import numpy as np

from retinaforge.core import Refusal
from retinaforge.tasks.embedding_looks import Look
from retinaforge.tasks.usefulness_arms import OF_RATIOS, REAL_ARM, pool_of
from retinaforge.tasks.usefulness_backbone import Backbone
from retinaforge.tasks.usefulness_features import see, waiting, waiting_copies
from retinaforge.tasks.usefulness_fit import Job, asked_of, finished
from retinaforge.tasks.usefulness_prepare import Asked
from retinaforge.tasks.usefulness_rounds import REAL
from retinaforge.tasks.usefulness_study import Options, Plan, Prepared

TRIED = 3
"""Photographs that are looked at to tell how long all will take; they are kept."""
LINEAR_STEP_S = 8e-4
"""Of a linear head with its choice, before it can be timed."""
LINEAR_BYTES = 2**29


class Cost(Protocol):
    """What one arm in one round costs."""

    bytes: int

    def guess(self, steps: int) -> float: ...
    def of(self, job: Job, prepared: Prepared, backbone: Backbone) -> float: ...


@dataclass(frozen=True)
class LinearCost:
    """Of a linear head: a whole one is timed."""

    bytes: int = LINEAR_BYTES

    def guess(self, steps: int) -> float:
        """Return seconds before anything was looked at."""
        return LINEAR_STEP_S * steps

    def of(self, job: Job, prepared: Prepared, backbone: Backbone) -> float:
        """Return seconds of one training with the choice of its setting."""
        pool = pool_of(job.arm, job.round, prepared.material)
        begun = monotonic()
        backbone.fit(pool, job.round.judge, seed=0, settings=backbone.settings)
        return (monotonic() - begun) * (backbone.folds + 0.7)


@dataclass(frozen=True)
class TrainedCost:
    """Of a network that is trained: a few steps were timed.

    Attributes:
        bytes: memory of one training.
        step_s: seconds of a step.
        answer_s: seconds of an answer.
        trainings: with those that choose the setting.
    """

    bytes: int
    step_s: float
    answer_s: float
    trainings: int

    def guess(self, steps: int) -> float:
        """Return seconds of one arm in one round, answers left out."""
        return self.trainings * steps * self.step_s

    def of(self, job: Job, prepared: Prepared, backbone: Backbone) -> float:
        """Return seconds of one arm in one round."""
        asked = sum(map(len, asked_of(job, prepared.material).values()))
        asked += len(job.round.teach) // 4 * (self.trainings - 1)
        return self.guess(backbone.facts()["steps"]) + asked * self.answer_s


class Speed:
    """Tells the plan twice: before the images are looked at, and exactly after.

    Args:
        asked: from `gather`.
        look: of the images.
        cache: of what it saw.
        options: of the study.
        cost: of one arm in one round.
        copies: whether augmented copies are looked at beside.
    """

    def __init__(
        self, asked: Asked, look: Look, cache: Path, options: Options, cost: Cost,
        *, copies: bool = True,
    ) -> None:  # fmt: skip
        self._options, self._count, self._cost = options, len(asked.examples), cost
        self._new = waiting(look, asked.records, cache)
        real = [r for r, kind in zip(asked.records, asked.origin, strict=True) if kind == REAL]
        teach = [r for r in real if r.split != "test"]
        self._copies = len(waiting_copies(look, teach, cache, options.copies)) if copies else 0
        self._each = self._first = 0.0
        # The first look of all also warms the network up: it is not what the others will take.
        for count in (1, TRIED):
            some, self._new = self._new[:count], self._new[count:]
            if some:
                begun = monotonic()
                # Where none of these can be read, `look_at` will name them.
                with suppress(Refusal):
                    see(look, some, cache, workers=1, on_progress=lambda *_: None)
                self._each = (monotonic() - begun) / len(some)

    def before(self, at_once: int = 1) -> Plan:
        """Return the plan before any training is known: the looks, and trainings as they may be."""
        arms = _arms(self._options)
        count = arms * self._options.seeds
        seconds = self._looks() + count * self._cost.guess(self._options.steps) / at_once
        self._first = seconds
        return self._plan(arms, (count, 0), seconds, at_once)

    def exactly(
        self, jobs: Sequence[Job], prepared: Prepared, backbone: Backbone, folder: Path,
        at_once: int = 1,
    ) -> Plan:  # fmt: skip
        """Return the plan with all images looked at."""
        self._new, self._copies = [], 0
        done = len(finished(jobs, prepared.material, backbone, folder))
        left = len(jobs) - done
        each = self._cost.of(jobs[0], prepared, backbone) if left else 0.0
        arms = len({job.arm.name for job in jobs})
        rounds = int(np.ceil(left / at_once))
        return self._plan(arms, (len(jobs), done), rounds * each, at_once)

    def _looks(self) -> float:
        return self._each * (len(self._new) / self._options.workers
                             + self._copies * self._options.copies * 0.7)  # fmt: skip

    def _plan(self, arms: int, fits: tuple[int, int], seconds: float, at_once: int) -> Plan:
        copies = self._copies * self._options.copies
        looks = self._count, len(self._new)
        return Plan(arms, self._options.seeds, fits, looks, copies, seconds, at_once, self._first)


def _arms(options: Options) -> int:
    """Return how many arms there may be, before the images are counted."""
    ratios = len(options.ratios)
    if not options.arms:
        return 3 + ratios + 2
    asked = {REAL_ARM, *options.arms}
    return sum(ratios if name in OF_RATIOS else 1 for name in asked)
