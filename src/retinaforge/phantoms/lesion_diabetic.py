"""Diabetic retinopathy: which lesions an eye of a grade has, and where.

The slots of stage k (see `disease`) open when grade k is reached; the core ones carry the grade:
1 microaneurysms; 2 haemorrhages, exudates, cotton-wool spots; 3 the 4-2-1 rule: beading in two
quadrants, intraretinal microvascular abnormalities, or more than 20 haemorrhages in each quadrant;
4 new vessels, preretinal blood. Counts and sizes follow the lesion masks of IDRiD (disc diameter
taken as 1800 um): a median eye has 40 microaneurysms of 57 um, 25 haemorrhages of 145 um, 104 hard
exudates of 57 um, 2 cotton-wool spots of 336 um.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from retinaforge.core import rng_for
from retinaforge.phantoms.disease import STAYS, reached_years, slot
from retinaforge.phantoms.fundus import Layout, Lesion, LesionKind, Point, Vessel
from retinaforge.phantoms.lesion_exudates import exudates, oedema_planned
from retinaforge.phantoms.lesion_shapes import Outline, blob, boat, flame
from retinaforge.phantoms.lesion_sites import (
    QUADRANTS,
    Sites,
    disc_diameter_um,
    fibre_angle,
    sites_of,
)
from retinaforge.phantoms.lesion_vessels import beadable, beading, irma, new_vessels
from retinaforge.phantoms.params import DiseaseParams

MANY = 20
"""Haemorrhages a quadrant above which the 4-2-1 rule speaks."""
SMALLEST_VESSELS_UM, MIDDLE_VESSELS_UM = 24.0, 60.0


@dataclass(frozen=True)
class Case:
    """One diabetic eye at one moment.

    Attributes:
        layout: landmarks.
        vessels: both trees.
        seed: the eye's.
        years: after the first visit.
        reached: years at which stages 0-4 are reached.
        fine: sites beside the smallest vessels.
        middle: sites beside vessels of middle calibre.
    """

    layout: Layout
    vessels: tuple[Vessel, ...]
    seed: int
    years: float
    reached: tuple[float, ...]
    fine: Sites
    middle: Sites


def place_diabetic(
    layout: Layout, vessels: tuple[Vessel, ...], disease: DiseaseParams, *, seed: int, years: float
) -> list[Lesion]:
    """Return the lesions of diabetic retinopathy `years` after the first visit."""
    start, rate = disease.diabetic_grade, disease.diabetic_progression
    reached = tuple(reached_years(stage, start, rate) for stage in range(5))
    if years < reached[1]:
        return []
    case = Case(
        layout, vessels, seed, years, reached,
        fine=sites_of(layout, vessels, largest_um=SMALLEST_VESSELS_UM),
        middle=sites_of(layout, vessels, largest_um=MIDDLE_VESSELS_UM),
    )  # fmt: skip
    oedema = oedema_planned(disease.macular_oedema, seed=seed)
    return [
        *_microaneurysms(case),
        *_haemorrhages(case),
        *exudates(layout, case.middle, seed=seed, years=years, reached=reached, oedema=oedema),
        *_cotton_wool(case),
        *_severe(case),
        *_proliferative(case),
    ]


def _lesion(
    kind: LesionKind, centre: Point, outline: Outline, *, onset: float, rng: np.random.Generator
) -> Lesion:
    """Return a lesion from its outline round the origin; contrast varies by a quarter."""
    return Lesion(
        kind=kind,
        centre_um=centre,
        outline_um=outline + np.array(centre),
        strength=float(np.exp(np.clip(rng.normal(0, 0.25), -0.5, 0.5))),
        seed=int(rng.integers(2**31)),
        onset_years=onset,
    )


def _microaneurysms(case: Case) -> list[Lesion]:
    counts = rng_for(case.seed, "microaneurysms")
    many = {1: int(counts.integers(5, 16)), 2: int(counts.gamma(2.0, 26.0)) + 3}
    many |= {3: int(counts.integers(8, 40)), 4: 0}
    found = []
    for stage, number in many.items():
        for i in range(number):
            core = stage == 1 and i < 3
            it = slot(case.seed, f"microaneurysm {stage}", i, reached=case.reached[stage],
                      years=case.years, life_years=1.5, core=core)  # fmt: skip
            if it is None:
                continue
            onset, rng = it
            place = case.fine.draw(int(rng.choice(4, p=(0.36, 0.34, 0.15, 0.15))), rng=rng,
                                   core=core)  # fmt: skip
            width = float(np.clip(rng.lognormal(math.log(56), 0.32), 22, 110))
            shape = blob(width, rng=rng, rough=0.05)
            found.append(_lesion("microaneurysm", place, shape, onset=onset, rng=rng))
    return found


def _haemorrhages(case: Case) -> list[Lesion]:
    """Return dot, blot and flame haemorrhages, at most 18 a quadrant but for the 4-2-1 rule."""
    counts = rng_for(case.seed, "haemorrhages")
    # Fewer nasal of the disc; ten and seven at most keep the 4-2-1 rule silent.
    drawn = counts.gamma(1.6, 4.5, 4) * (1.0, 1.0, 0.5, 0.5)
    second = np.minimum(drawn.astype(int), 10) + np.array([1, 0, 0, 0])
    third = counts.integers(2, 8, 4)
    four_quadrants, excess = counts.uniform() < 0.15, counts.integers(MANY + 2, MANY + 12, 4)
    found = []
    for q in QUADRANTS:
        for stage, number in ((2, second[q]), (3, third[q])):
            for i in range(int(number)):
                core = stage == 2 and q == 0 and i == 0
                found += _haemorrhage(case, f"haemorrhage {stage} {q}", i, q, stage, core=core)
        if four_quadrants:
            for i in range(int(excess[q])):
                found += _haemorrhage(case, f"haemorrhage many {q}", i, q, 3, core=True)
    return found


def _haemorrhage(
    case: Case, name: str, index: int, at: int, stage: int, *, core: bool
) -> list[Lesion]:
    it = slot(case.seed, name, index, reached=case.reached[stage], years=case.years,
              life_years=1.2, core=core)  # fmt: skip
    if it is None:
        return []
    onset, rng = it
    if rng.uniform() < (0.28 if stage == 3 else 0.16):
        place = case.middle.draw(at, rng=rng)
        length = float(np.clip(rng.lognormal(math.log(430), 0.5), 150, 1600))
        width = length * rng.uniform(0.22, 0.42)
        shape = flame(length, width, rng=rng, angle_rad=fibre_angle(place, case.layout))
        return [_lesion("haemorrhage_flame", place, shape, onset=onset, rng=rng)]
    place = case.fine.draw(at, rng=rng, core=core and stage == 2)
    width = float(np.clip(rng.lognormal(math.log(130), 0.65), 62, 900))
    aspect = float(1 + min(1.4, rng.exponential(0.45)))
    rough = 0.05 + 0.12 * min(1.0, width / 350)
    shape = blob(width, rng=rng, rough=rough, aspect=aspect, angle_rad=rng.uniform(0, math.pi))
    return [_lesion("haemorrhage_dot", place, shape, onset=onset, rng=rng)]


def _cotton_wool(case: Case) -> list[Lesion]:
    """Return cotton-wool spots: along the fibres, 0.4 to 2 disc diameters from the disc."""
    counts = rng_for(case.seed, "cotton wool")
    many = {2: int(counts.integers(1, 4)) if counts.uniform() < 0.4 else 0}
    many |= {3: int(counts.integers(1, 7)), 4: int(counts.integers(0, 3))}
    dd, found = disc_diameter_um(case.layout), []
    for stage, number in many.items():
        for i in range(number):
            it = slot(case.seed, f"cotton wool {stage}", i, reached=case.reached[stage],
                      years=case.years, life_years=0.8)  # fmt: skip
            if it is None:
                continue
            onset, rng = it
            turn = rng.choice([-1, 1]) * rng.uniform(0.25, 0.75) * math.pi
            away = dd * rng.uniform(1.0, 3.3)
            place = (
                case.layout.disc_um[0] + away * math.cos(turn) - 0.35 * dd,
                case.layout.disc_um[1] + away * math.sin(turn),
            )
            width = float(np.clip(rng.lognormal(math.log(335), 0.42), 150, 900))
            angle = fibre_angle(place, case.layout) + rng.normal(0, 0.3)
            shape = blob(width, rng=rng, rough=0.16, aspect=rng.uniform(1.1, 1.9), angle_rad=angle)
            found.append(_lesion("cotton_wool_spot", place, shape, onset=onset, rng=rng))
    return found


def _severe(case: Case) -> list[Lesion]:
    """Return IRMA and beading: one of the two at least, both in a third of the eyes."""
    if case.years < case.reached[3]:
        return []
    plan = rng_for(case.seed, "severe")
    choice = plan.uniform()
    places = int(plan.integers(1, 4))
    stretches = beadable(case.vessels, case.layout)
    beaded = [q for q in QUADRANTS if stretches[q]]
    may_bead = len(beaded) >= 2
    found = []
    if choice < 0.67 or not may_bead:
        for i in range(places):
            it = slot(case.seed, "irma", i, reached=case.reached[3], years=case.years,
                      life_years=STAYS, core=i == 0)  # fmt: skip
            if it:
                place = case.middle.draw(i % 2, rng=it[1], core=True)
                found.append(irma(place, onset=it[0], rng=it[1]))
    if choice > 0.34 and may_bead:
        for i, q in enumerate(beaded):
            for j, vessel in enumerate(stretches[q][: 1 + i % 2]):
                it = slot(case.seed, f"beading {q}", j, reached=case.reached[3],
                          years=case.years, life_years=STAYS, core=i < 2 and j == 0)  # fmt: skip
                if it:
                    found.append(beading(case.vessels[vessel], onset=it[0], rng=it[1]))
    return found


def _proliferative(case: Case) -> list[Lesion]:
    """Return new vessels at the disc or elsewhere, and sometimes blood before the retina."""
    plan = rng_for(case.seed, "proliferative")
    at_disc, elsewhere = plan.uniform() < 0.5, int(plan.integers(1, 4))
    bleeds = plan.uniform() < 0.4
    dd, found = disc_diameter_um(case.layout), []

    def now(name: str, index: int, core: bool, life: float = STAYS):
        return slot(case.seed, name, index, reached=case.reached[4], years=case.years,
                    life_years=life, core=core)  # fmt: skip

    if at_disc and (it := now("disc vessels", 0, True)):
        turn = it[1].uniform(0, 2 * math.pi)
        at = (
            case.layout.disc_um[0] + 0.25 * dd * math.cos(turn),
            case.layout.disc_um[1] + 0.25 * dd * math.sin(turn),
        )
        found.append(new_vessels(at, dd * it[1].uniform(0.45, 0.8), onset=it[0], rng=it[1]))
    for i in range(elsewhere):
        if it := now("new vessels", i, not at_disc and i == 0):
            place = case.middle.draw(int(it[1].integers(2)) if i == 0 else i % 4, rng=it[1],
                                     core=True)  # fmt: skip
            found.append(new_vessels(place, it[1].uniform(300, 850), onset=it[0], rng=it[1]))
    if bleeds and (it := now("preretinal", 0, False, 0.7)):
        place = case.middle.draw(int(it[1].integers(4)), rng=it[1], core=True)
        shape = boat(dd * it[1].uniform(0.5, 1.6), rng=it[1])
        found.append(_lesion("preretinal_haemorrhage", place, shape, onset=it[0], rng=it[1]))
    return found
