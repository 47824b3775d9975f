"""Hard exudates: clusters, rings round leaking places, and the star of the macula."""

from __future__ import annotations

import math

import numpy as np

from retinaforge.core import rng_for
from retinaforge.phantoms.disease import slot
from retinaforge.phantoms.fundus import Layout, Lesion, Point
from retinaforge.phantoms.lesion_shapes import blob
from retinaforge.phantoms.lesion_sites import Sites, disc_diameter_um

LIFE_YEARS = 4.0


def oedema_planned(wanted: bool | None, *, seed: int) -> bool:
    """Return whether exudates may come within a disc diameter of the fovea."""
    chance = rng_for(seed, "oedema").uniform() < 0.55
    return chance if wanted is None else wanted


def exudates(
    layout: Layout, sites: Sites, *, seed: int, years: float, reached: tuple[float, ...],
    oedema: bool,
) -> list[Lesion]:  # fmt: skip
    """Return hard exudates; where `oedema`, one cluster lies within a disc diameter of the fovea.

    Args:
        layout: landmarks.
        sites: where clusters may lie.
        seed: the eye's.
        years: after the first visit.
        reached: years at which stages 0-4 are reached.
        oedema: without it none comes within a disc diameter of the fovea.
    """
    counts = rng_for(seed, "exudates")
    many = {2: int(counts.integers(1, 7)), 3: int(counts.integers(1, 6)), 4: 0}
    star = counts.uniform() < 0.15
    found: list[Lesion] = []
    if oedema:
        it = slot(seed, "macular exudates", 0, reached=reached[2], years=years,
                  life_years=LIFE_YEARS, core=True)  # fmt: skip
        if it:
            draw = _star if star else _near_fovea
            found += draw(layout, onset=it[0], rng=it[1])
    for stage, number in many.items():
        for i in range(number):
            it = slot(seed, f"exudates {stage}", i, reached=reached[stage], years=years,
                      life_years=LIFE_YEARS)  # fmt: skip
            if it:
                at = int(it[1].choice(4, p=(0.42, 0.38, 0.1, 0.1)))
                x, y = sites.draw(at, rng=it[1])
                # Exudates gather nearer to the fovea than blood does.
                nearer = 0.78 if at < 2 else 1.0
                centre = (nearer * x, nearer * y)
                ring = it[1].uniform() < 0.45
                found += _cluster(centre, ring=ring, onset=it[0], rng=it[1])
    nearest = 0.0 if oedema else disc_diameter_um(layout)
    return [e for e in found if np.hypot(*e.outline_um.T).min() > nearest]


def _fleck(centre: Point, *, onset: float, rng: np.random.Generator, most_um: float = 420.0):
    """Return one exudate; many small ones for one that has run together."""
    width = float(np.clip(rng.lognormal(math.log(52), 0.6), 20, most_um))
    outline = blob(width, rng=rng, rough=0.08 + 0.14 * min(1.0, width / 150),
                   aspect=1 + min(1.6, rng.exponential(0.5)),
                   angle_rad=rng.uniform(0, math.pi))  # fmt: skip
    return Lesion(
        kind="hard_exudate",
        centre_um=centre,
        outline_um=outline + np.array(centre),
        strength=float(np.clip(0.45 + width / 150, 0.5, 1.6) * rng.uniform(0.9, 1.1)),
        seed=int(rng.integers(2**31)),
        onset_years=onset,
    )


def _cluster(centre: Point, *, ring: bool, onset: float, rng: np.random.Generator) -> list[Lesion]:
    """Return a cloud of exudates, or an open ring as round a leaking microaneurysm."""
    number = int(np.clip(rng.gamma(1.5, 30), 6, 160))
    reach = rng.uniform(450, 1000) if ring else rng.uniform(300, 900)
    gap, open_rad = rng.uniform(0, 2 * math.pi), rng.uniform(0.6, 2.6)
    knots = rng.normal(0, 0.45 * reach, (max(2, number // 9), 2))
    found = []
    for _ in range(number):
        if ring:
            turn = gap + open_rad / 2 + rng.uniform(0, 2 * math.pi - open_rad)
            away = reach * (1 + rng.normal(0, 0.13))
            dx, dy = away * math.cos(turn), 0.8 * away * math.sin(turn)
        else:
            # Exudates gather in knots within the cloud, not evenly.
            dx, dy = knots[int(rng.integers(len(knots)))] + rng.normal(0, 0.2 * reach, 2)
        found.append(_fleck((centre[0] + float(dx), centre[1] + float(dy)), onset=onset, rng=rng))
    return found


def _near_fovea(layout: Layout, *, onset: float, rng: np.random.Generator) -> list[Lesion]:
    dd = disc_diameter_um(layout)
    turn, away = rng.uniform(0, 2 * math.pi), dd * rng.uniform(0.35, 0.8)
    centre = (away * math.cos(turn), away * math.sin(turn))
    first = _fleck(centre, onset=onset, rng=rng)
    return [first, *_cluster(centre, ring=rng.uniform() < 0.35, onset=onset, rng=rng)]


def _star(layout: Layout, *, onset: float, rng: np.random.Generator) -> list[Lesion]:
    """Return exudates on rays round the fovea, as they lie between the fibres of Henle's layer."""
    dd = disc_diameter_um(layout)
    rays = rng.uniform(0, 2 * math.pi) + np.arange(int(rng.integers(7, 13))) * 0.5
    found = []
    for ray in rays:
        for away in np.arange(rng.uniform(0.18, 0.3), rng.uniform(0.4, 0.75), 0.035):
            place = (dd * away * math.cos(ray + rng.normal(0, 0.03)), dd * away * math.sin(ray))
            found.append(_fleck(place, onset=onset, rng=rng, most_um=110.0))
    return found
