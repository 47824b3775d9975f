"""Teach one arm in one round and keep its answers: a finished file each, so that a run resumes.

Trainings that are not yet finished run one after another, or several at once in processes of their
own, with the same numbers: each takes one thread. What a long training keeps of itself lies under
`parts` and goes when its file is there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any
from zipfile import BadZipFile

import numpy as np

from retinaforge.core import RetinaForgeError
from retinaforge.core.artefacts import whole_file
from retinaforge.tasks.crew import work_through
from retinaforge.tasks.usefulness_arms import REAL_ARM, Arm, pool_of
from retinaforge.tasks.usefulness_backbone import Backbone, Setting, borrowed, lent
from retinaforge.tasks.usefulness_choice import chosen
from retinaforge.tasks.usefulness_rounds import EXTERNAL, SPLIT, SYNTHETIC, Material, Round

FIT_VERSION = 1
JUDGE = "judge"
PARTS = "parts"
MOST_JUDGED = 2000
"""Synthetic images that the photographs' arm is asked about at most."""


@dataclass(frozen=True)
class Job:
    """One arm in one round."""

    arm: Arm
    round: Round

    @property
    def name(self) -> str:
        """Return a file's name without its ending."""
        words = f"{self.round.protocol} {self.arm.name} seed{self.round.seed}"
        return "".join(c if c.isalnum() or c in ".+" else "-" for c in words)


@dataclass(frozen=True)
class Fit:
    """What a taught arm answers.

    Attributes:
        job: arm and round.
        answers: probabilities (n, all classes) by who was asked: "judge", "external", "synthetic".
        places: who was asked, as places in the material.
        setting: that was chosen: a number, or a learning rate with its decay.
        taught: number of images that taught.
    """

    job: Job
    answers: dict[str, np.ndarray]
    places: dict[str, np.ndarray]
    setting: Setting
    taught: int


def asked_of(job: Job, material: Material) -> dict[str, np.ndarray]:
    """Return who is asked: those who judge; in the split also others, for photographs TRTS."""
    asked = {JUDGE: job.round.judge}
    if job.round.protocol != SPLIT:
        return asked
    external = material.places(EXTERNAL)
    if len(external):
        asked[EXTERNAL] = external
    if job.arm.name == REAL_ARM and len(job.round.synthetic):
        asked[SYNTHETIC] = np.sort(job.round.synthetic[:MOST_JUDGED])
    return asked


def fit_all(
    jobs: Sequence[Job],
    material: Material,
    backbone: Backbone,
    folder: Path,
    *,
    on_fit: Callable[[int, int], None],
    workers: int = 1,
) -> Iterator[Fit]:
    """Yield every job's fit, from its file where an earlier run finished it.

    Args:
        jobs: arms in rounds.
        material: all images.
        backbone: what is taught.
        folder: of the files.
        on_fit: called with (finished, all) as trainings end.
        workers: trainings at once, each in a process of its own; 1 for this process.

    Raises:
        RetinaForgeError: naming trainings whose process died; the others are finished then.
    """
    marks, count = Marks(backbone, material), len(jobs)
    paths = [file_of(job, material, backbone, folder, marks) for job in jobs]
    todo = [(job, path) for job, path in zip(jobs, paths, strict=True)
            if _read(path, asked_of(job, material)) is None]  # fmt: skip
    on_fit(count - len(todo), count)
    workers, dead = max(1, min(workers, len(todo))), list[str]()
    with lent(backbone, folder, workers=workers) as given:
        teach = partial(taught, material=material, backbone=given)
        ended = work_through(todo, teach, workers=workers)
        for number, ((job, _), path) in enumerate(ended, 1):
            dead += [job.name] * (path is None)
            on_fit(count - len(todo) + number, count)
    if dead:
        raise RetinaForgeError(
            f"{len(dead)} trainings ended with their process, perhaps for want of memory: "
            f"{', '.join(dead[:3])}; run the same command again with fewer at once (--jobs)"
        )
    for job, path in zip(jobs, paths, strict=True):
        yield _fit(job, material, path)


def finished(
    jobs: Sequence[Job], material: Material, backbone: Backbone, folder: Path
) -> list[Job]:
    """Return the jobs whose file an earlier run left."""
    marks = Marks(backbone, material)
    return [job for job in jobs if file_of(job, material, backbone, folder, marks).is_file()]


class Marks:
    """What each image is known by, hashed once."""

    def __init__(self, backbone: Backbone, material: Material) -> None:
        self._backbone, self._values = backbone, material.labels.values
        self._known: dict[int, bytes] = {}

    def of(self, places: np.ndarray) -> bytes:
        """Return one mark for images in their order."""
        for place in places.tolist():
            if place not in self._known:
                self._known[place] = hashlib.sha256(self._backbone.mark(place)).digest()
        joined = b"".join(self._known[place] for place in places.tolist())
        return hashlib.sha256(joined).digest()


def file_of(job: Job, material: Material, backbone: Backbone, folder: Path, marks: Marks) -> Path:
    """Return where a fit lies: named by all that its numbers depend on."""
    pool, asked = pool_of(job.arm, job.round, material), asked_of(job, material)
    facts = {
        "version": FIT_VERSION, **backbone.facts(), "seed": job.round.seed,
        "widths": list(backbone.widths), "strong": pool.strong, "asked": sorted(asked),
    }  # fmt: skip
    told = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for part in (pool.places, job.round.teach, *(asked[k] for k in sorted(asked))):
        told.update(marks.of(part))
    told.update(pool.values.tobytes() + pool.chances.tobytes())
    told.update(material.labels.values[job.round.teach].tobytes())
    return folder / f"{job.name}-{told.hexdigest()[:12]}.npz"


def taught(task: tuple[Job, Path], material: Material, backbone: Backbone) -> Path:
    """Teach a job, write what it answers to its file, and return the file."""
    (job, path), backbone = task, borrowed(backbone)
    keep, asked = path.parent / PARTS / path.stem, asked_of(job, material)
    pool, begun = pool_of(job.arm, job.round, material), monotonic()
    setting = chosen(job.round, pool, material, backbone, keep)
    everyone, seed = np.concatenate(list(asked.values())), job.round.seed
    own = keep / "whole"
    said = backbone.fit(pool, everyone, seed=seed, settings=[setting], keep=own)[0]
    cuts = np.cumsum([len(places) for places in asked.values()])[:-1]
    held = dict(zip(asked, np.split(said.astype(np.float32), cuts), strict=True))
    with whole_file(path) as stream:
        np.savez(stream, setting=setting, seconds=monotonic() - begun, **held)
    shutil.rmtree(keep, ignore_errors=True)
    return path


def _fit(job: Job, material: Material, path: Path) -> Fit:
    asked = asked_of(job, material)
    held = _read(path, asked)
    if held is None:
        raise RetinaForgeError(f"{path} cannot be read again; run the same command again")
    told = held.pop("setting")
    setting = tuple(told.tolist()) if told.ndim else float(told)
    return Fit(job, held, asked, setting, len(pool_of(job.arm, job.round, material).places))


def _read(path: Path, asked: dict[str, np.ndarray]) -> dict[str, Any] | None:
    """Return a finished fit's arrays; None where there is none, or a damaged one."""
    try:
        with np.load(path) as file:
            held = {name: file[name] for name in (*asked, "setting")}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    return held if all(len(held[k]) == len(v) for k, v in asked.items()) else None
