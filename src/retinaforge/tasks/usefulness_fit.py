"""Teach one arm in one round and keep its answers: a finished file each, so that a run resumes.

The setting (decay, rate) is chosen by inner folds of the round's own photographs, the same for
every arm: what teaches is the arm's pool without the fold's patients, what judges is the fold. The
largest pooled AUROC wins, of ties the first setting (the most cautious).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np

from retinaforge.core.artefacts import whole_file
from retinaforge.metrics.prediction import auroc
from retinaforge.tasks.usefulness_arms import REAL_ARM, Arm, Pool, pool_of
from retinaforge.tasks.usefulness_rounds import (
    EXTERNAL,
    SPLIT,
    SYNTHETIC,
    Material,
    Round,
    inner_folds,
)

FIT_VERSION = 1
JUDGE = "judge"
MOST_JUDGED = 2000
"""Synthetic images that the photographs' arm is asked about at most."""


class Backbone(Protocol):
    """What can be taught with a pool and then answers."""

    @property
    def settings(self) -> tuple[float, ...]: ...
    @property
    def folds(self) -> int: ...
    @property
    def widths(self) -> tuple[int, ...]: ...
    def facts(self) -> dict[str, Any]: ...
    def mark(self, place: int) -> bytes: ...
    def fit(
        self, pool: Pool, judged: np.ndarray, *, seed: int, settings: Sequence[float]
    ) -> np.ndarray: ...


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
        setting: that was chosen.
        taught: number of images that taught.
    """

    job: Job
    answers: dict[str, np.ndarray]
    places: dict[str, np.ndarray]
    setting: float
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
) -> Iterator[Fit]:
    """Yield every job's fit, from its file where an earlier run finished it."""
    marks = Marks(backbone, material)
    for done, job in enumerate(jobs, 1):
        yield fitted(job, material, backbone, folder, marks)
        on_fit(done, len(jobs))


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


def fitted(job: Job, material: Material, backbone: Backbone, folder: Path, marks: Marks) -> Fit:
    """Return a job's fit: what its file holds, or what is taught now and written there."""
    asked = asked_of(job, material)
    path = file_of(job, material, backbone, folder, marks)
    pool = pool_of(job.arm, job.round, material)
    held = _read(path, asked)
    if held is None:
        begun = monotonic()
        setting = chosen(job, pool, material, backbone)
        everyone = np.concatenate(list(asked.values()))
        said = backbone.fit(pool, everyone, seed=job.round.seed, settings=[setting])[0]
        cuts = np.cumsum([len(places) for places in asked.values()])[:-1]
        held = dict(zip(asked, np.split(said.astype(np.float32), cuts), strict=True))
        with whole_file(path) as stream:
            np.savez(stream, setting=setting, seconds=monotonic() - begun, **held)
    else:
        setting = float(held.pop("setting"))
    return Fit(job, held, asked, setting, len(pool.places))


def _read(path: Path, asked: dict[str, np.ndarray]) -> dict[str, Any] | None:
    """Return a finished fit's arrays; None where there is none, or a damaged one."""
    try:
        with np.load(path) as file:
            held = {name: file[name] for name in (*asked, "setting")}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    return held if all(len(held[k]) == len(v) for k, v in asked.items()) else None


def chosen(job: Job, pool: Pool, material: Material, backbone: Backbone) -> float:
    """Return the setting that answers best for folds of the round's photographs."""
    settings = backbone.settings
    if len(settings) == 1:
        return settings[0]
    teach = job.round.teach
    parts = inner_folds(material, teach, seed=job.round.seed, count=backbone.folds)
    said = np.full((len(settings), len(material.examples), sum(backbone.widths)), np.nan)
    for number, fold in enumerate(parts):
        rest = pool.without(_own(material, fold))
        if len(rest.places):
            seed = job.round.seed * 1000 + number + 1
            said[:, fold] = backbone.fit(rest, fold, seed=seed, settings=settings)
    scores = [_score(material.labels.values[teach], one[teach], backbone.widths) for one in said]
    return settings[int(np.argmax(scores))] if parts else settings[len(settings) // 2]


def _own(material: Material, fold: np.ndarray) -> np.ndarray:
    """Return all images of the patients of a fold."""
    return np.flatnonzero(np.isin(material.patients, material.patients[fold]))


def _score(values: np.ndarray, said: np.ndarray, widths: Sequence[int]) -> float:
    """Return the mean AUROC over questions, rounded so that settings alike are ties."""
    found, start = [], 0
    for column, width in zip(values.T, widths, strict=True):
        block = said[:, start : start + width]
        good = np.isfinite(column) & np.isfinite(block).all(axis=1)
        start += width
        if good.any():
            truth = column[good].astype(np.int64)
            found.append(auroc(truth, block[good], np.ones((1, good.sum())))[0])
    return round(float(np.nanmean(found)), 3) if np.isfinite(found).any() else 0.0
