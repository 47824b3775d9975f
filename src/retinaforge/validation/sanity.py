"""The sanity panel: planted damage on the user's own images, and which scores notice it.

Half of the real images stand for real, the other half is damaged, at five levels; every score is
computed on both halves without and with damage, over several divisions by patient.

    notices a level     its median with damage lies outside what undamaged halves ever scored,
                        on the side that its card calls worse, at this level and all higher ones
    moves steadily      Spearman's ρ of level and median is at least 0.9

A score that notices neither broken nor thickened vessels at any level is called blind to vessels.
An image that with its damage shows no fundus any more is left out, as in a run; it is named among
the problems.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from retinaforge.core import rng_for
from retinaforge.validation.eye import Measured, Settings
from retinaforge.validation.fidelity import Sides
from retinaforge.validation.jobs import Job
from retinaforge.validation.measure import Progress
from retinaforge.validation.panel import Medians, Panel
from retinaforge.validation.panel_extras import copied_of, pair_floor, pair_means
from retinaforge.validation.trackers import Tracked, track
from retinaforge.validation.wounds import DAMAGED, Found, Pairing, measure_wounds, wounds_of

COLLAPSE, COPIES = "mode-collapse", "planted-copies"
ALL_LEVELS, FEW_LEVELS = (1, 2, 3, 4, 5), (1, 3, 5)
SHARES = {
    COLLAPSE: {1: 0.1, 2: 0.25, 3: 0.5, 4: 0.75, 5: 0.9},
    COPIES: {1: 0.02, 2: 0.05, 3: 0.1, 4: 0.25, 5: 0.5},
}
"""Share of a half that is replaced, by level."""
MODES = 3
REPEATS = 10
SMALLEST_N = 20
FEWEST = 2
"""Damaged images that a half must keep to be scored."""
Halves = list[tuple[list[int], list[int]]]


def sanity_panel(
    measured: Sequence[tuple[Job, Measured]], cache: Path, *, settings: Settings, seed: int,
    levels: tuple[int, ...] = ALL_LEVELS, pairing: Pairing | None = None, workers: int = 1,
    on_progress: Progress | None = None,
) -> Panel:  # fmt: skip
    """Damage real images and see which scores move.

    Args:
        measured: real images with what was found in them; a third of a set is enough.
        cache: keeps what was measured of damaged images.
        settings: the footing.
        seed: decides divisions and places.
        levels: of damage.
        pairing: how damaged images are compared with undamaged ones; None leaves that out.
        workers: processes.
        on_progress: called with (done, all).
    """
    wounds = wounds_of([job for job, _ in measured], levels, resaved=pairing is not None)
    found, problems = measure_wounds(
        wounds, {job.name: m for job, m in measured}, cache, settings=settings, pairing=pairing,
        workers=workers, on_progress=on_progress,
    )  # fmt: skip
    whole = [m for _, m in measured]
    halves = list(_divisions(whole, seed=seed))
    floor: dict[Tracked, list[float]] = {}
    for table in _tracked(whole, whole, halves, settings):
        for score, value in table.items():
            floor.setdefault(score, []).append(value)
    medians: Medians = {}
    for kind in DAMAGED:
        for level in levels:
            damaged = [found.get((job.name, kind, level)) for job, _ in measured]
            medians[kind, level] = _medians_of(_tracked(whole, damaged, halves, settings))
    for kind, shares in SHARES.items():
        for level in levels:
            mixed = _replaced(halves, kind, shares[level], seed)
            medians[kind, level] = _medians_of(_tracked(whole, whole, mixed, settings))
    _add_copies(floor, medians, whole, halves, seed)
    if pairing is not None:
        _add_pairs(floor, medians, found, pairing)
    return Panel(len(whole), levels, floor, medians, tuple(problems))


def _divisions(whole: Sequence[Measured], *, seed: int) -> Iterator[tuple[list[int], list[int]]]:
    """Yield halves by patient, as numbers of images."""
    rng = rng_for(seed, "sanity")
    patients = sorted({str(m.row["patient"]) for m in whole})
    for _ in range(REPEATS):
        first = set(rng.permutation(patients)[: len(patients) // 2].tolist())
        a = [k for k, m in enumerate(whole) if str(m.row["patient"]) in first]
        yield a, [k for k in range(len(whole)) if k not in set(a)]


def _tracked(
    whole: Sequence[Measured], other: Sequence[Measured | None], halves: Halves, settings: Settings
) -> list[dict[Tracked, float]]:
    """Return every score of each division: the first half of `whole`, the second of `other`."""
    tables = []
    for a, b in halves:
        shown = [m for k in b if (m := other[k]) is not None]
        if len(shown) >= FEWEST:
            tables.append(track(Sides([whole[k] for k in a], shown), settings.encoders))
    return tables


def _medians_of(tables: Sequence[dict[Tracked, float]]) -> dict[Tracked, float]:
    """Return each score's median over tables, without those that are nowhere defined."""
    return {
        score: float(np.median(values))
        for score in dict.fromkeys(name for table in tables for name in table)
        if (values := [t[score] for t in tables if math.isfinite(t.get(score, math.nan))])
    }


def _replaced(halves: Halves, kind: str, share: float, seed: int) -> Halves:
    """Replace a share of the second half by copies, of few of its own or of the first half."""
    rng = rng_for(seed, "sanity", kind, f"{share}")
    mixed = []
    for a, b in halves:
        sources = b[:MODES] if kind == COLLAPSE else a
        many = max(1, round(share * len(b)))
        replaced = set(rng.permutation(len(b))[:many].tolist())
        shown = [int(rng.choice(sources)) if k in replaced else i for k, i in enumerate(b)]
        mixed.append((a, shown))
    return mixed


def _add_copies(
    floor: dict[Tracked, list[float]], medians: Medians, whole: Sequence[Measured],
    halves: Halves, seed: int,
) -> None:  # fmt: skip
    """Add the search for copies: damage to single images makes nobody of somebody else."""
    score, share_copied = copied_of(whole)
    floor[score] = [share_copied(a, b) for a, b in halves]
    for (kind, level), values in medians.items():
        if kind in SHARES:
            mixed = _replaced(halves, kind, SHARES[kind][level], seed)
            values[score] = float(np.median([share_copied(a, shown) for a, shown in mixed]))


def _add_pairs(
    floor: dict[Tracked, list[float]], medians: Medians, found: Found, pairing: Pairing
) -> None:
    """Add the paired scores: each damage beside saving the same photograph again."""
    floor |= pair_floor(found, pairing)
    for (kind, level), values in medians.items():
        values |= pair_means(found, kind, level, pairing)
