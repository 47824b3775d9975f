"""People: a patient, both eyes, visits over the years, from a recipe and a seed.

Photographs are numbered person by person, visit by visit, right eye before left. What is drawn for
a photograph depends on the seed and on its place alone, so a set may be lengthened, and drawn by
any number of workers in any order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count as naturals
from itertools import islice
from typing import Literal

import numpy as np
from scipy.special import ndtr

from retinaforge.core import Eye, Split, rng_for, seed_for
from retinaforge.phantoms.cameras import PROFILES
from retinaforge.phantoms.fundus import Fundus
from retinaforge.phantoms.layout import GLAUCOMA_CUP
from retinaforge.phantoms.params import PhantomParams
from retinaforge.phantoms.phantom import Phantom, draw_fundus, photograph_fundus
from retinaforge.phantoms.recipe import (
    CAUSES,
    GROUPS,
    SPLITS,
    PeoplePlan,
    Recipe,
    camera_names,
)

Sex = Literal["female", "male"]
CUP_SD, CUP_ENDS = 0.08, (0.15, 0.92)
OF_THE_PERSON = frozenset(
    ("anatomy.pigment", "anatomy.tigroid", "anatomy.foveal_reflex", "camera.model",
     "camera.fov_deg", "camera.aperture", "camera.jpeg_quality")
)  # fmt: skip
"""Traits that a person's eyes and visits share; other camera settings are each photograph's."""


@dataclass(frozen=True)
class Place:
    """Where a photograph stands in a set.

    Attributes:
        index: number of the photograph, from 0.
        person: number of the person.
        visit: number of the visit, 0 the first.
        eye: OD or OS.
        split: of the person.
    """

    index: int
    person: int
    visit: int
    eye: Eye
    split: Split

    @property
    def patient(self) -> str:
        """Return the person's name."""
        return f"synthetic_p{self.person:05d}"

    @property
    def name(self) -> str:
        """Return the photograph's file name without its ending."""
        return f"synthetic_{self.index:05d}_{self.eye}"


@dataclass(frozen=True)
class Sitting:
    """One photograph's person and parameters.

    Attributes:
        place: where it stands in the set.
        sex: of the person.
        group: of the person; empty where the recipe has none.
        age: years at this visit.
        years: since the first visit.
        person_seed: of what both eyes share.
        eye_seed: of the eye, the same at every visit.
        params: of the phantom.
    """

    place: Place
    sex: Sex
    group: str
    age: float
    years: float
    person_seed: int
    eye_seed: int
    params: PhantomParams


def places(recipe: Recipe, *, seed: int, count: int) -> list[Place]:
    """Return the places of the first `count` photographs of a set."""
    return list(islice(_all_places(recipe, seed), count))


def _all_places(recipe: Recipe, seed: int) -> Iterator[Place]:
    number, taken = naturals(), dict.fromkeys(SPLITS, 0)
    for person in naturals():
        split = _next_split(recipe.people.split, taken, person)
        taken[split] += 1
        eyes = _eyes_of(recipe.people, seed_for(seed, "person", person))
        for visit in range(_visits_of(recipe.people, seed_for(seed, "person", person))):
            for eye in eyes:
                yield Place(next(number), person, visit, eye, split)


def _next_split(shares, taken: dict[Split, int], person: int) -> Split:
    """Return the split furthest behind its share; of several, the one with the smallest share."""
    behind = {name: round(shares.get(name, 0) * (person + 1) - taken[name], 9) for name in SPLITS}
    wanted = [name for name in SPLITS if shares.get(name, 0) > 0]
    return max(wanted, key=lambda name: (behind[name], -shares[name]))


def _eyes_of(plan: PeoplePlan, person_seed: int) -> tuple[Eye, ...]:
    if plan.eyes == 2:
        return ("OD", "OS")
    return (("OD", "OS")[int(rng_for(person_seed, "eye").integers(2))],)


def _visits_of(plan: PeoplePlan, person_seed: int) -> int:
    return int(plan.visits.at(float(rng_for(person_seed, "visits").random())))


def sit(recipe: Recipe, place: Place, *, seed: int) -> Sitting:
    """Draw the person and the parameters of one photograph.

    Args:
        recipe: the population.
        place: of the photograph.
        seed: of the set.
    """
    plan = recipe.people
    person_seed = seed_for(seed, "person", place.person)
    z = _latents(recipe, person_seed, place)
    years = _years(plan, person_seed, place.visit)
    values = {name: spread.at(float(ndtr(z[name]))) for name, spread in recipe.spreads.items()}
    params = PhantomParams(
        **{
            group: cls(**{
                name.partition(".")[2]: value
                for name, value in values.items() if name.startswith(f"{group}.")
            })
            for group, cls in GROUPS.items()
        }
    )  # fmt: skip
    return Sitting(
        place=place,
        sex="female" if ndtr(z["sex"]) >= 1 - plan.female else "male",
        group=_group_of(plan, float(ndtr(z["group"]))),
        age=float(plan.age.at(float(ndtr(z["age"])))) + years,
        years=years,
        person_seed=person_seed,
        eye_seed=seed_for(person_seed, place.eye),
        params=_with_camera(_with_cup(params, z["cup"]), person_seed),
    )


def _latents(recipe: Recipe, person_seed: int, place: Place) -> dict[str, float]:
    """Return the standard normal number behind each trait; see `recipe` for the formula."""
    alike = recipe.people.alike
    eye_seed = seed_for(person_seed, place.eye)

    def own(name: str) -> float:
        shared = float(rng_for(person_seed, "trait", name).standard_normal())
        if name in OF_THE_PERSON or name in ("age", "sex", "group"):
            return shared
        if name.startswith("camera."):
            return float(rng_for(eye_seed, "trait", name, place.visit).standard_normal())
        alone = float(rng_for(eye_seed, "trait", name).standard_normal())
        return math.sqrt(alike) * shared + math.sqrt(1 - alike) * alone

    z = {name: own(name) for name in ("age", "sex", "group", "cup")}
    # Causes first: a disease may depend on the person, everything else on both.
    for name in sorted(recipe.spreads, key=lambda name: name not in CAUSES):
        links = [(one.strength, z[one.on]) for one in recipe.dependence
                 if one.of == name and one.on in z]  # fmt: skip
        rest = max(0.0, 1 - sum(strength**2 for strength, _ in links))
        z[name] = sum(strength * cause for strength, cause in links) + math.sqrt(rest) * own(name)
    return z


def _years(plan: PeoplePlan, person_seed: int, visit: int) -> float:
    gaps = (rng_for(person_seed, "gap", number).random() for number in range(visit))
    return sum((float(plan.years_between.at(float(gap))) for gap in gaps), start=0.0)


def _group_of(plan: PeoplePlan, u: float) -> str:
    reached = 0.0
    for name, share in plan.groups.items():
        reached += share
        if u < reached:
            return name
    return next(reversed(plan.groups), "")


def _with_cup(params: PhantomParams, z: float) -> PhantomParams:
    """Give both eyes cups that are alike, where the recipe says nothing of them."""
    if params.anatomy.cup_to_disc is not None:
        return params
    low, high = CUP_ENDS
    cup = GLAUCOMA_CUP[params.disease.glaucoma] + CUP_SD * z
    anatomy = replace(params.anatomy, cup_to_disc=min(max(cup, low), high))
    return replace(params, anatomy=anatomy)


def _with_camera(params: PhantomParams, person_seed: int) -> PhantomParams:
    """Let one camera with one aperture see all of a person, where the recipe names none."""
    rng, names = rng_for(person_seed, "camera"), camera_names()
    drawn = names[int(rng.integers(len(names)))]
    camera = replace(params.camera, model=params.camera.model or drawn)
    apertures, odds = zip(*PROFILES[camera.model or drawn].aperture, strict=True)
    shape = apertures[int(rng.choice(len(odds), p=np.array(odds) / sum(odds)))]
    return replace(params, camera=replace(camera, aperture=camera.aperture or shape))


def fundus_of(sitting: Sitting) -> Fundus:
    """Draw the eye of a sitting as it is at that visit."""
    return draw_fundus(
        sitting.eye_seed, eye=sitting.place.eye, params=sitting.params,
        person=sitting.person_seed, years=sitting.years,
    )  # fmt: skip


def phantom_of(sitting: Sitting, *, size_px: int) -> Phantom:
    """Draw the photograph of a sitting."""
    return photograph_fundus(
        fundus_of(sitting), sitting.params.camera, size_px=size_px, params=sitting.params,
        shot=sitting.place.visit,
    )  # fmt: skip
