"""The sanity panel: planted damage on the user's own images, and which scores notice it.

Half of the real images stand for real, the other half is damaged, at five levels; every score is
computed on both halves without and with damage, over several divisions by patient.

    notices a level     its median with damage lies outside what undamaged halves ever scored,
                        on the side that its card calls worse, at this level and all higher ones
    moves steadily      Spearman's ρ of level and median is at least 0.9

A score that notices neither broken nor thickened vessels at any level is called blind to vessels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from retinaforge.core import RetinaForgeError, rng_for
from retinaforge.core.artefacts import DiskFull
from retinaforge.phantoms.damage import damage_photograph
from retinaforge.tasks.crew import work_through
from retinaforge.validation.cache import keep, kept
from retinaforge.validation.eye import Measured, Settings, find, plain, prepared, vessel_mask
from retinaforge.validation.fidelity import Sides
from retinaforge.validation.jobs import Job
from retinaforge.validation.measure import Progress
from retinaforge.validation.trackers import Tracked, track

DAMAGED = ("blur", "broken-vessels", "thick-vessels", "colour-cast", "extra-disc")
COLLAPSE, COPIES = "mode-collapse", "planted-copies"
ALL_LEVELS, FEW_LEVELS = (1, 2, 3, 4, 5), (1, 3, 5)
COLLAPSED = {1: 0.1, 2: 0.25, 3: 0.5, 4: 0.75, 5: 0.9}
COPIED = {1: 0.02, 2: 0.05, 3: 0.1, 4: 0.25, 5: 0.5}
MODES = 3
STEADY = 0.9
VESSEL_DAMAGE = ("broken-vessels", "thick-vessels")
REPEATS = 10
SMALLEST_N = 20
NONE = "no level"


@dataclass(frozen=True)
class Wound:
    """One image with one damage at one level."""

    job: Job
    kind: str
    level: int


@dataclass(frozen=True)
class Panel:
    """What the panel found.

    Attributes:
        n: real images in it; half of them are damaged at a time.
        levels: of damage.
        floor: values of every score on undamaged halves.
        medians: by (kind, level), the median of every score with damage.
        problems: images or damages that could not be had.
    """

    n: int
    levels: tuple[int, ...]
    floor: dict[Tracked, list[float]]
    medians: dict[tuple[str, int], dict[Tracked, float]]
    problems: tuple[str, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of damage, in order."""
        return tuple(dict.fromkeys(kind for kind, _ in self.medians))

    def rows(self) -> list[dict[str, Any]]:
        """Return plain data: a row for each score and kind."""
        return [_row(self, score, kind) for score in self.floor for kind in self.kinds]


def sanity_panel(
    measured: Sequence[tuple[Job, Measured]], cache: Path, *, settings: Settings, seed: int,
    levels: tuple[int, ...] = ALL_LEVELS, workers: int = 1, on_progress: Progress | None = None,
) -> Panel:  # fmt: skip
    """Damage real images and see which scores move.

    Args:
        measured: real images with what was found in them; a third of a set is enough.
        cache: keeps what was measured of damaged images.
        settings: the footing.
        seed: decides divisions and places.
        levels: of damage.
        workers: processes.
        on_progress: called with (done, all).
    """
    wounds = [
        Wound(job, kind, level) for job, _ in measured for kind in DAMAGED for level in levels
    ]
    found, problems = _measure(
        wounds, dict_of_vessels(measured, settings), cache, settings, workers, on_progress
    )
    whole = [m for _, m in measured]
    divisions = list(_divisions(whole, seed=seed))
    floor: dict[Tracked, list[float]] = {}
    for a, b in divisions:
        for score, value in track(_sides(whole, a, whole, b), settings.encoders).items():
            floor.setdefault(score, []).append(value)
    medians = {}
    for kind in DAMAGED:
        for level in levels:
            damaged = [found.get((job.name, kind, level), m) for job, m in measured]
            medians[kind, level] = _median(whole, damaged, divisions, settings)
    for kind, shares in ((COLLAPSE, COLLAPSED), (COPIES, COPIED)):
        for level in levels:
            medians[kind, level] = _of_set(whole, divisions, settings, kind, shares[level], seed)
    return Panel(len(whole), levels, floor, medians, tuple(problems))


def dict_of_vessels(
    measured: Sequence[tuple[Job, Measured]], settings: Settings
) -> dict[str, np.ndarray]:
    """Return each image's vessels as the judge found them, in bits."""
    return {job.name: m.arrays["vessel_bits"] for job, m in measured if settings.size_px}


def _measure(
    wounds: list[Wound], vessels: dict[str, np.ndarray], cache: Path, settings: Settings,
    workers: int, on_progress: Progress | None,
) -> tuple[dict[tuple[str, str, int], Measured], list[str]]:  # fmt: skip
    """Damage and measure, or read what was measured before."""
    work = partial(_damage_and_measure, vessels=vessels, cache=cache, settings=settings)
    found: dict[tuple[str, str, int], Measured] = {}
    problems: dict[str, None] = {}
    for done, (wound, measured) in enumerate(work_through(wounds, work, workers=workers), start=1):
        if measured is None or measured.row["status"] != "ok":
            why = "its process was killed" if measured is None else measured.row["reason"]
            problems[f"{wound.kind}, level {wound.level}, {wound.job.name}: {why}"] = None
        else:
            found[wound.job.name, wound.kind, wound.level] = measured
        if on_progress is not None:
            on_progress(done, len(wounds))
    return found, list(problems)


def _damage_and_measure(
    wound: Wound, *, vessels: dict[str, np.ndarray], cache: Path, settings: Settings
) -> Measured:
    """Damage an image on the footing and measure it; a failure is a row too."""
    name, patient = wound.job.name, wound.job.patient
    row = {"side": "real", "name": name, "patient": patient, "groups": dict(wound.job.groups)}
    try:
        key = f"{wound.kind} {wound.level}"
        before = kept(cache, wound.job, settings, also=key)
        if before is not None:
            return replace(before, row=before.row | row)
        square = prepared(wound.job, settings)
        mask = vessel_mask({"vessel_bits": vessels[name]}, settings.size_px) & square.fov.mask
        damaged = damage_photograph(
            square.photograph, square.fov, {"vessel": mask}, wound.kind, wound.level,
            rng=rng_for(0, "sanity", wound.kind, name),
        )  # fmt: skip
        found = find(damaged.photograph, square.fov, settings)
        measured = Measured({**row, **plain(found), "status": "ok", "reason": ""}, found.arrays)
        keep(cache, wound.job, settings, measured, also=key)
        return measured
    except DiskFull:
        raise
    except (RetinaForgeError, OSError, ValueError) as error:
        return Measured({**row, "status": "refused", "reason": str(error)}, {})


def _divisions(whole: Sequence[Measured], *, seed: int) -> Iterator[tuple[list[int], list[int]]]:
    """Yield halves by patient, as numbers of images."""
    rng = rng_for(seed, "sanity")
    patients = sorted({str(m.row["patient"]) for m in whole})
    for _ in range(REPEATS):
        first = set(rng.permutation(patients)[: len(patients) // 2].tolist())
        a = [k for k, m in enumerate(whole) if str(m.row["patient"]) in first]
        yield a, [k for k in range(len(whole)) if k not in set(a)]


def _sides(
    real: Sequence[Measured], a: Sequence[int], other: Sequence[Measured], b: Sequence[int]
) -> Sides:
    return Sides([real[k] for k in a], [other[k] for k in b])


def _median(
    whole: Sequence[Measured], damaged: Sequence[Measured],
    divisions: Sequence[tuple[list[int], list[int]]], settings: Settings,
) -> dict[Tracked, float]:  # fmt: skip
    tables = [track(_sides(whole, a, damaged, b), settings.encoders) for a, b in divisions]
    return {
        score: float(np.median(values))
        for score in tables[0]
        if (values := [t[score] for t in tables if math.isfinite(t.get(score, math.nan))])
    }


def _of_set(
    whole: Sequence[Measured], divisions: Sequence[tuple[list[int], list[int]]],
    settings: Settings, kind: str, share: float, seed: int,
) -> dict[Tracked, float]:  # fmt: skip
    """Replace a share of the second half by copies, of few of its own or of the first half."""
    rng = rng_for(seed, "sanity", kind, share)
    tables = []
    for a, b in divisions:
        sources = b[:MODES] if kind == COLLAPSE else a
        many = max(1, round(share * len(b)))
        replaced = set(rng.permutation(len(b))[:many].tolist())
        shown = [int(rng.choice(sources)) if k in replaced else i for k, i in enumerate(b)]
        tables.append(track(_sides(whole, a, whole, shown), settings.encoders))
    return {
        score: float(np.median(values))
        for score in tables[0]
        if (values := [t[score] for t in tables if math.isfinite(t.get(score, math.nan))])
    }


def _row(panel: Panel, score: Tracked, kind: str) -> dict[str, Any]:
    floor = [value for value in panel.floor[score] if math.isfinite(value)]
    medians = {level: panel.medians[kind, level].get(score) for level in panel.levels}
    row = {
        "score": score.name, "family": score.family, "kind": kind,
        "floor_low": min(floor, default=None), "floor_high": max(floor, default=None),
        "floor_median": float(np.median(floor)) if floor else None,
        "medians": {str(level): value for level, value in medians.items()},
    }  # fmt: skip
    return {
        **row,
        "notices_from": _noticed(score, floor, medians),
        "steady": _steady(score, medians),
    }


def _noticed(score: Tracked, floor: list[float], medians: dict[int, float | None]) -> int | None:
    """Return the level from which on the score stays outside its floor; None for no level."""
    if not floor:
        return None
    first = None
    for level in sorted(medians, reverse=True):
        value = medians[level]
        if value is None or not _worse(score, value, floor):
            break
        first = level
    return first


def _worse(score: Tracked, value: float, floor: list[float]) -> bool:
    above, below = value > max(floor), value < min(floor)
    return above if score.worse > 0 else below if score.worse < 0 else above or below


def _steady(score: Tracked, medians: dict[int, float | None]) -> bool | None:
    """Return whether the score moves with the level, the way its card calls worse."""
    known = [(level, value) for level, value in medians.items() if value is not None]
    if len(known) < 3 or len({value for _, value in known}) == 1:
        return None if len(known) < 3 else False
    rho = float(stats.spearmanr(*zip(*known, strict=True)).statistic)
    return abs(rho) >= STEADY if score.worse == 0 else rho * score.worse >= STEADY


def blind_to_vessels(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the scores that notice no damage to vessels at any level."""
    noticed: dict[str, bool] = {}
    for row in rows:
        if row["kind"] in VESSEL_DAMAGE and row["floor_median"] is not None:
            seen = row["notices_from"] is not None
            noticed[row["score"]] = noticed.get(row["score"], False) or seen
    return [score for score, seen in noticed.items() if not seen]
