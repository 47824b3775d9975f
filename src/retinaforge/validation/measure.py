"""Measure both sides, each image once: what was measured before is read from the cache.

A run that is killed goes on where it was; a second run with another partner folder finds the first
folder's images measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from retinaforge.tasks.crew import work_through
from retinaforge.validation.cache import keep, kept, key_of
from retinaforge.validation.eye import Measured, Settings, measure_job
from retinaforge.validation.jobs import Job

Progress = Callable[[int, int], None]
KILLED = "its process was killed, as by the system when memory runs out; try fewer --workers"


@dataclass(frozen=True)
class MeasuredSides:
    """Every image of a run, in the order of its folder.

    Attributes:
        jobs: what was to be measured.
        measured: one each.
        from_cache: how many had been measured before.
    """

    jobs: list[Job]
    measured: list[Measured]
    from_cache: int

    def of(self, side: str) -> list[Measured]:
        """Return the images of a side that were measured."""
        return [m for _, m in self.with_jobs(side)]

    def with_jobs(self, side: str) -> list[tuple[Job, Measured]]:
        """Return the images of a side that were measured, with their jobs."""
        both = zip(self.jobs, self.measured, strict=True)
        return [(job, m) for job, m in both if job.side == side and m.row["status"] == "ok"]

    def left_out(self, side: str) -> list[dict[str, Any]]:
        """Return name, status and reason of a side's images that were not."""
        return [
            {key: m.row[key] for key in ("name", "status", "reason")}
            for m in self.measured
            if m.row["side"] == side and m.row["status"] != "ok"
        ]


def measure_sides(
    jobs: Sequence[Job], cache: Path, *, settings: Settings, workers: int = 1,
    on_progress: Progress | None = None,
) -> MeasuredSides:  # fmt: skip
    """Measure every image, or read what was measured before.

    Args:
        jobs: of all sides.
        cache: folder that keeps results.
        settings: what decides the numbers.
        workers: processes; they do not change the result.
        on_progress: called with (done, all).
    """
    keys = [key_of(job, settings) for job in jobs]
    found: dict[str, Measured] = {}
    for key, job in dict(zip(keys, jobs, strict=True)).items():
        before = kept(cache, job, settings)
        if before is not None:
            found[key] = before
    from_cache = sum(key in found for key in keys)
    left = [(k, j) for k, j in dict(zip(keys, jobs, strict=True)).items() if k not in found]
    done = from_cache
    work = partial(_measure_keyed, settings=settings)
    for (key, job), measured in work_through(left, work, workers=workers):
        found[key] = measured or _killed(job)
        if found[key].row["status"] != "refused":
            keep(cache, job, settings, found[key])
        done += keys.count(key)
        if on_progress is not None:
            on_progress(done, len(jobs))
    own = [_for(job, found[key]) for key, job in zip(keys, jobs, strict=True)]
    return MeasuredSides(list(jobs), own, from_cache)


def _measure_keyed(item: tuple[str, Job], *, settings: Settings) -> Measured:
    return measure_job(item[1], settings=settings)


def _for(job: Job, measured: Measured) -> Measured:
    """Return a result under this job's name: the same bytes may stand in two places."""
    own = {"side": job.side, "name": job.name, "patient": job.patient, "groups": dict(job.groups)}
    return replace(measured, row=measured.row | own)


def _killed(job: Job) -> Measured:
    row = {"side": job.side, "name": job.name, "patient": job.patient, "groups": {}}
    tables: dict[str, Any] = {k: {} for k in ("vessels", "quality", "reasons", "checks", "grade")}
    return Measured({**row, "status": "refused", "reason": KILLED, **tables}, {})
