"""Copies planted on purpose: would the search have found them among these very references?

Some of the references' own photographs are disguised in every way of `COPY_KINDS`, at the middle of
its levels; their vessels are found anew, as those of any synthetic image are. A search that
misses these says little about copies that it does not find.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from retinaforge.audits.copies import comparable
from retinaforge.audits.disguises import COPY_KINDS, CopyKind, disguise
from retinaforge.audits.patterns import Pattern, pattern_of_mask
from retinaforge.core import RetinaForgeError, rng_for
from retinaforge.core.artefacts import DiskFull
from retinaforge.images import find_fov
from retinaforge.images.geometry import normalise
from retinaforge.tasks.crew import work_through
from retinaforge.validation.cache import keep, kept
from retinaforge.validation.copy_search import arrays_of_pattern, pattern_of_arrays
from retinaforge.validation.eye import Measured, Settings, prepared
from retinaforge.validation.finders import vessel_judge
from retinaforge.validation.jobs import Job

Progress = Callable[[int, int], None]
FOLDER = "planted"
IMAGES = 8
"""Photographs that are disguised."""


@dataclass(frozen=True)
class Planted:
    """One planted copy.

    Attributes:
        kind: of the disguise.
        level: of it.
        original: number of the reference that it shows.
        pattern: its vessels as they were found; None where it could not be read as a photograph.
    """

    kind: str
    level: float
    original: int
    pattern: Pattern | None


@dataclass(frozen=True)
class _Plan:
    job: Job
    original: int
    kind: str
    level: float

    @property
    def tag(self) -> str:
        """Return what makes its key in the cache another than the image's."""
        return f"planted copy 1: {self.kind} {self.level:g}"


def plant_copies(
    references: Sequence[tuple[Job, Measured]], *, settings: Settings, cache: Path,
    images: int = IMAGES, workers: int = 1, on_progress: Progress | None = None,
) -> list[Planted]:  # fmt: skip
    """Disguise some references in every way and find their vessels again.

    Args:
        references: real images that synthetic ones may be copies of.
        settings: the footing.
        cache: keeps the patterns, in a folder of their own.
        images: how many are disguised, evenly spaced among those with vessels enough.
        workers: processes; they do not change the result.
        on_progress: called with (done, all).
    """
    cache = cache / FOLDER
    plans = _plans(references, images)
    before = [kept(cache, plan.job, settings, also=plan.tag) for plan in plans]
    found = {k: m.arrays for k, m in enumerate(before) if m is not None}
    left = [(k, plan) for k, plan in enumerate(plans) if k not in found]
    work = partial(_plant, settings=settings, cache=cache)
    for (k, _), arrays in work_through(left, work, workers=workers) if left else ():
        found[k] = arrays or {}
        if on_progress is not None:
            on_progress(len(found), len(plans))
    patterns = [pattern_of_arrays(found[k]) if found[k] else None for k in range(len(plans))]
    return [
        Planted(plan.kind, plan.level, plan.original, pattern)
        for plan, pattern in zip(plans, patterns, strict=True)
    ]


def control_of(planted: Sequence[Planted], hits: Sequence[bool]) -> dict[str, Any]:
    """Return how many planted copies were found, of all and of each kind, as plain data."""
    levels = {p.kind: p.level for p in planted}
    each = {
        kind: [h for p, h in zip(planted, hits, strict=True) if p.kind == kind] for kind in levels
    }
    return {
        "n": len(planted), "found": sum(hits), "images": len({p.original for p in planted}),
        "kinds": [
            {"kind": kind, "level": levels[kind], "found": sum(each[kind]), "n": len(each[kind])}
            for kind in sorted(each)
        ],
    }  # fmt: skip


def middle_level(kind: CopyKind) -> float:
    """Return the level at which copies are planted."""
    return kind.levels[(len(kind.levels) - 1) // 2]


def _plans(references: Sequence[tuple[Job, Measured]], images: int) -> list[_Plan]:
    able = [
        (k, job) for k, (job, m) in enumerate(references)
        if comparable(pattern_of_arrays(m.arrays))
    ]  # fmt: skip
    count = min(images, len(able))
    chosen = [able[k * len(able) // count] for k in range(count)]
    each = [(job, k, kind.name, middle_level(kind)) for k, job in chosen for kind in COPY_KINDS]
    return [_Plan(*plan) for plan in each]


def _plant(item: tuple[int, _Plan], *, settings: Settings, cache: Path) -> dict[str, Any]:
    """Return the pattern's arrays of one planted copy; none if it is no photograph any more."""
    _, plan = item
    try:
        square = prepared(plan.job, settings)
        (kind,) = (kind for kind in COPY_KINDS if kind.name == plan.kind)
        rng = rng_for(0, "planted copy", plan.kind, plan.job.path.name)
        copy = disguise(square.photograph, kind, plan.level, rng=rng)
        again = normalise(copy, find_fov(copy), size_px=settings.size_px)
        pixels = vessel_judge().mask(again.photograph, again.fov)
    except (RetinaForgeError, ValueError) as error:
        if isinstance(error, DiskFull):
            raise
        return {}
    arrays = arrays_of_pattern(pattern_of_mask(pixels, again.fov))
    keep(cache, plan.job, settings, Measured({}, arrays), also=plan.tag)
    return arrays
