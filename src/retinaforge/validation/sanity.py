"""The sanity panel: planted damage on the user's own images, and which scores notice it.

Some real images are damaged, at five levels; every score compares them with other real images that
are not. What it says without damage is known from many draws: as many undamaged images, taken at
random, against the others.

    notices a level     the score lies outside what it said in all draws without damage, on the side
                        that its card calls worse, at this level and all higher ones: by chance
                        that happens once in DRAWS + 1
    moves steadily      Spearman's ρ of level and score is at least 0.9

A score that notices neither broken nor thickened vessels at any level is called blind to vessels.
An image that with its damage shows no fundus any more is left out, as in a run; it is named among
the problems.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
"""Share of the images shown that is replaced, by level."""
MODES = 3
DRAWS = 50
"""Draws without damage."""
REPEATS = 5
"""Draws of the undamaged images that damaged ones are compared with; their median counts."""
MOST_REFERENCES = 200
SMALLEST_N = 20
FEWEST = 2
"""Damaged images that must be left to be scored."""
Divisions = list[tuple[list[int], list[int]]]
"""Numbers of images: those compared with, and those shown."""


def sanity_panel(
    measured: Sequence[tuple[Job, Measured]], cache: Path, *, wounded: int, settings: Settings,
    seed: int, levels: tuple[int, ...] = ALL_LEVELS, pairing: Pairing | None = None,
    workers: int = 1, on_progress: Progress | None = None,
) -> Panel:  # fmt: skip
    """Damage real images and see which scores move.

    Args:
        measured: real images with what was found in them.
        cache: keeps what was measured of damaged images.
        wounded: how many of them to damage; at most half.
        settings: the footing.
        seed: decides draws and places.
        levels: of damage.
        pairing: how damaged images are compared with undamaged ones; None leaves that out.
        workers: processes.
        on_progress: called with (done, all).
    """
    whole = [m for _, m in measured]
    count = min(wounded, len(whole) // 2)
    hit = [k * len(whole) // count for k in range(count)]
    found, problems = measure_wounds(
        wounds_of([measured[k][0] for k in hit], levels, resaved=pairing is not None),
        {measured[k][0].name: whole[k] for k in hit}, cache, settings=settings, pairing=pairing,
        workers=workers, on_progress=on_progress,
    )  # fmt: skip
    floor: dict[Tracked, list[float]] = {}
    for table in _tracked(whole, whole, _undamaged(whole, count, seed=seed), settings):
        for score, value in table.items():
            floor.setdefault(score, []).append(value)
    divisions = _against(whole, hit, seed=seed)
    medians: Medians = {}
    for kind in DAMAGED:
        for level in levels:
            damaged = [found.get((job.name, kind, level)) for job, _ in measured]
            medians[kind, level] = _medians_of(_tracked(whole, damaged, divisions, settings))
    for kind, shares in SHARES.items():
        for level in levels:
            mixed = _replaced(divisions, kind, shares[level], seed)
            medians[kind, level] = _medians_of(_tracked(whole, whole, mixed, settings))
    _add_copies(floor, medians, whole, divisions, seed)
    if pairing is not None:
        _add_pairs(floor, medians, found, pairing)
    return Panel(count, len(divisions[0][0]), levels, floor, medians, tuple(problems))


def _undamaged(whole: Sequence[Measured], count: int, *, seed: int) -> Divisions:
    """Return draws of `count` images against others, no patient on both sides."""
    drawn = []
    for k in range(DRAWS):
        shown = rng_for(seed, "sanity", "draw", k).permutation(len(whole))[:count].tolist()
        drawn.append((_others(whole, shown, rng_for(seed, "sanity", "others", k)), shown))
    return drawn


def _against(whole: Sequence[Measured], hit: list[int], *, seed: int) -> Divisions:
    """Return draws of others for the images that are damaged."""
    rngs = (rng_for(seed, "sanity", "against", k) for k in range(REPEATS))
    return [(_others(whole, hit, rng), hit) for rng in rngs]


def _others(
    whole: Sequence[Measured], shown: Sequence[int], rng: np.random.Generator
) -> list[int]:  # fmt: skip
    """Return at most `MOST_REFERENCES` images of other patients than those shown."""
    patients = {str(whole[k].row["patient"]) for k in shown}
    others = [k for k, m in enumerate(whole) if str(m.row["patient"]) not in patients]
    return sorted(rng.permutation(others)[:MOST_REFERENCES].tolist())


def _tracked(
    whole: Sequence[Measured], other: Sequence[Measured | None], divisions: Divisions,
    settings: Settings,
) -> list[dict[Tracked, float]]:  # fmt: skip
    """Return every score of each division: references of `whole`, what is shown of `other`."""
    tables = []
    for references, shown in divisions:
        there = [m for k in shown if (m := other[k]) is not None]
        if min(len(there), len(references)) >= FEWEST:
            sides = Sides([whole[k] for k in references], there)
            tables.append(track(sides, settings.encoders))
    return tables


def _medians_of(tables: Sequence[dict[Tracked, float]]) -> dict[Tracked, float]:
    """Return each score's median over tables, without those that are nowhere defined."""
    return {
        score: float(np.median(values))
        for score in dict.fromkeys(name for table in tables for name in table)
        if (values := [t[score] for t in tables if math.isfinite(t.get(score, math.nan))])
    }


def _replaced(divisions: Divisions, kind: str, share: float, seed: int) -> Divisions:
    """Replace a share of what is shown by copies: of few of its own, or of the references."""
    rng = rng_for(seed, "sanity", kind, f"{share}")
    mixed = []
    for references, shown in divisions:
        sources = shown[:MODES] if kind == COLLAPSE else references
        many = max(1, round(share * len(shown)))
        replaced = set(rng.permutation(len(shown))[:many].tolist())
        now = [int(rng.choice(sources)) if k in replaced else i for k, i in enumerate(shown)]
        mixed.append((references, now))
    return mixed


def _add_copies(
    floor: dict[Tracked, list[float]], medians: Medians, whole: Sequence[Measured],
    divisions: Divisions, seed: int,
) -> None:  # fmt: skip
    """Add the search for copies: damage to single images makes nobody of somebody else."""
    score, share_copied = copied_of(whole, divisions)
    floor[score] = [share_copied(references, shown) for references, shown in divisions]
    for (kind, level), values in medians.items():
        if kind in SHARES:
            mixed = _replaced(divisions, kind, SHARES[kind][level], seed)
            values[score] = float(np.median([share_copied(r, shown) for r, shown in mixed]))


def _add_pairs(
    floor: dict[Tracked, list[float]], medians: Medians, found: Found, pairing: Pairing
) -> None:
    """Add the paired scores: each damage beside saving the same photograph again."""
    floor |= pair_floor(found, pairing)
    for (kind, level), values in medians.items():
        values |= pair_means(found, kind, level, pairing)
