"""Age-related macular degeneration, scars of laser, and haemorrhage at the disc.

The stages of macular degeneration are those of Ferris et al. (2013); the slots of stage k (see
`disease`) open when it is reached: 1 medium drusen, 2 large drusen or pigment changes, 3 atrophy.
"""

from __future__ import annotations

import math

import numpy as np

from retinaforge.core import rng_for
from retinaforge.phantoms.disease import STAYS, reached_years, slot
from retinaforge.phantoms.fundus import FIELD_RADIUS_UM, Layout, Lesion, LesionKind, Point
from retinaforge.phantoms.lesion_shapes import Outline, blob, flame
from retinaforge.phantoms.lesion_sites import disc_diameter_um
from retinaforge.phantoms.params import DiseaseParams

SMALL_UM, LARGE_UM = 63.0, 125.0
"""Diameters that part small, medium and large drusen (Ferris et al. 2013)."""
ATROPHY_UM_A_YEAR = 200.0
"""Growth of the diameter of geographic atrophy; set by us, the order of what is reported."""
DISC_BLEEDS = (0.0, 0.08, 0.15)
"""Chance of a haemorrhage at the disc by glaucoma 0, 1, 2; set by us."""


def _lesion(
    kind: LesionKind, centre: Point, outline: Outline, *, onset: float, rng: np.random.Generator
) -> Lesion:
    return Lesion(
        kind=kind,
        centre_um=centre,
        outline_um=outline + np.array(centre),
        strength=float(rng.uniform(0.65, 1.35)),
        seed=int(rng.integers(2**31)),
        onset_years=onset,
    )


def place_amd(layout: Layout, disease: DiseaseParams, *, seed: int, years: float) -> list[Lesion]:
    """Return drusen, pigment changes and atrophy `years` after the first visit."""
    start, rate = disease.amd, disease.amd_progression
    reached = tuple(reached_years(stage, start, rate) for stage in range(4))
    counts = rng_for(seed, "amd")
    plans: list[tuple[LesionKind, int, int, float, float]] = [
        ("drusen", 1, int(counts.integers(8, 60)), 28.0, SMALL_UM - 4),
        ("drusen", 1, int(counts.integers(5, 35)), SMALL_UM + 4, LARGE_UM - 5),
        ("drusen", 2, int(counts.integers(4, 40)), LARGE_UM + 8, 360.0),
        ("pigment_change", 2, int(counts.integers(0, 7)), 50.0, 260.0),
        ("geographic_atrophy", 3, int(counts.integers(1, 4)), 500.0, 2000.0),
    ]
    crowd = rng_for(seed, "drusen").uniform(0.22, 0.6)
    found = []
    for name, (kind, stage, number, low, high) in enumerate(plans):
        # The first three of a kind carry the stage; they stay, the other drusen may fade.
        for i in range(number):
            it = slot(seed, f"amd {name}", i, reached=reached[stage], years=years,
                      life_years=9.0 if kind == "drusen" else STAYS, core=i < 3)  # fmt: skip
            if it:
                found.append(_macular(kind, layout, (low, high), crowd, years=years, it=it))
    return found


def _macular(
    kind: LesionKind, layout: Layout, width_um: tuple[float, float], crowd: float, *,
    years: float, it: tuple[float, np.random.Generator],
) -> Lesion:  # fmt: skip
    """Return one lesion of the macula, within 1.8 disc diameters of the fovea."""
    onset, rng = it
    dd = disc_diameter_um(layout)
    turn = rng.uniform(0, 2 * math.pi)
    away = dd * min(1.8, abs(rng.normal(0, crowd)) + 0.05)
    low, high = width_um
    width = low * (high / low) ** rng.beta(1.2, 2.2)
    rough, aspect = (0.07, 1.0) if width <= LARGE_UM else (0.13, rng.uniform(1.0, 1.5))
    if kind == "geographic_atrophy":
        away, rough = away * 0.5, 0.15
        width = min(4200.0, width + ATROPHY_UM_A_YEAR * (years - max(onset, 0.0)))
    place = (away * math.cos(turn), away * math.sin(turn))
    shape = blob(width, rng=rng, rough=rough, aspect=aspect, angle_rad=rng.uniform(0, math.pi))
    return _lesion(kind, place, shape, onset=onset, rng=rng)


def place_laser(layout: Layout, *, seed: int) -> list[Lesion]:
    """Return the scars of panretinal photocoagulation: a grid outside the arcades.

    Spared are the disc with half a disc diameter round it and all within the arcades up to 2.2
    disc diameters temporal of the fovea, as the Diabetic Retinopathy Study's treatment did.
    """
    rng = rng_for(seed, "laser")
    dd, pitch = disc_diameter_um(layout), rng.uniform(620, 950)
    usual, missing = rng.uniform(260, 430), rng.uniform(0.08, 0.4)
    onset = -rng.uniform(0.5, 8.0)
    turn = rng.uniform(0, math.pi)
    found = []
    span = np.arange(-14, 15)
    for row in span:
        for column in span:
            u, v = (column + 0.5 * (row % 2)) * pitch, row * 0.87 * pitch
            u, v = np.array([u, v]) + rng.normal(0, 0.14 * pitch, 2)
            skipped = rng.uniform() < missing
            x = layout.disc_um[0] / 2 + u * math.cos(turn) - v * math.sin(turn)
            y = layout.disc_um[1] / 2 + u * math.sin(turn) + v * math.cos(turn)
            width = usual * rng.uniform(0.75, 1.3)
            shape = blob(width, rng=rng, rough=0.07)
            inside = math.hypot(u, v) < FIELD_RADIUS_UM - 400
            if inside and not skipped and not _spared((x, y), layout, dd):
                found.append(_lesion("laser_scar", (x, y), shape, onset=onset, rng=rng))
    return found


def _spared(place: Point, layout: Layout, dd: float) -> bool:
    x, y = place
    left, right = -2.2 * dd, layout.disc_um[0] + 1.0 * dd
    half = (right - left) / 2
    height = layout.arcade_um[0] if y < 0 else layout.arcade_um[1]
    u = (x - left - half) / half
    return abs(u) ** 2.5 + (abs(y) / (height + 350)) ** 2.5 < 1


def place_disc_haemorrhage(layout: Layout, glaucoma: int, *, seed: int) -> list[Lesion]:
    """Return a splinter of blood across the disc's lower or upper temporal border, or none."""
    rng = rng_for(seed, "disc haemorrhage")
    if rng.uniform() >= DISC_BLEEDS[glaucoma]:
        return []
    turn = math.pi + rng.choice([-1, 1]) * rng.uniform(0.7, 1.3)
    place = (
        layout.disc_um[0] + layout.disc_axes_um[0] * 1.02 * math.cos(turn),
        layout.disc_um[1] + layout.disc_axes_um[1] * 1.02 * math.sin(turn),
    )
    shape = flame(rng.uniform(260, 560), rng.uniform(50, 110), rng=rng, angle_rad=turn)
    return [_lesion("disc_haemorrhage", place, shape, onset=-rng.uniform(0, 0.2), rng=rng)]
