"""A study of usefulness: what it will do and how long that takes, then all its arms and scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

import numpy as np

from retinaforge.core import Refusal
from retinaforge.encoders import Encoder
from retinaforge.tasks.embedding_looks import Look, encoder_look
from retinaforge.tasks.usefulness_arms import arms_of, pool_of
from retinaforge.tasks.usefulness_features import see, see_copies, waiting, waiting_copies
from retinaforge.tasks.usefulness_fit import Backbone, Job, finished, fit_all
from retinaforge.tasks.usefulness_linear import LinearBackbone
from retinaforge.tasks.usefulness_prepare import Asked, look_at
from retinaforge.tasks.usefulness_rounds import REAL, Round, rounds_of
from retinaforge.tasks.usefulness_study import Done, Options, Plan, Prepared

TRIED = 3
"""Photographs that are looked at to tell how long all will take; they are kept."""
Say = Callable[[str], None]
Progress = Callable[[str, int, int], None]


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
