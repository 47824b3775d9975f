"""Phantoms to learn vessels from: a population as wide as the cameras and eyes it stands for.

A network that has seen no photograph must not come to rely on anything that all phantoms share, so
every trait is spread over its whole range: field of view, light, focus, pigment, calibres, winding,
diseases.
"""

from __future__ import annotations

from collections.abc import Iterator

from retinaforge.phantoms.people import phantom_of, places, sit
from retinaforge.phantoms.phantom import Phantom
from retinaforge.phantoms.recipe import parse_recipe
from retinaforge.tasks.sauna import sauna_plane
from retinaforge.tasks.segmenter_samples import PHANTOMS, Annotated, annotate

PHANTOM_PX = 768
POPULATION = {
    "name": "segmenter",
    "people": {"eyes": 1, "age": {"low": 10, "high": 90}},
    "anatomy": {
        "disc_diameter_um": {"mean": 1800, "sd": 160, "low": 1400, "high": 2400},
        "disc_fovea_dd": {"mean": 2.55, "sd": 0.15, "low": 2.1, "high": 3.0},
        "disc_fovea_deg": {"mean": 6.5, "sd": 3.5, "low": -4, "high": 16},
    },
    "vessels": {
        "artery_um": {"low": 80, "high": 135},
        "artery_vein_ratio": {"low": 0.6, "high": 0.9},
        "tortuosity": {"low": 0.4, "high": 2.2},
        "spacing": {"low": 0.75, "high": 1.5},
        "asymmetry": {"low": 0.45, "high": 0.8},
        "smallest_um": {"low": 22, "high": 40},
        "arcade_dd": {"mean": 1.85, "sd": 0.2, "low": 1.4, "high": 2.4},
    },
    "disease": {
        "diabetic_grade": {"choices": [0, 1, 2, 3, 4], "weights": [0.5, 0.1, 0.2, 0.1, 0.1]},
        "amd": {"choices": [0, 1, 2, 3], "weights": [0.8, 0.08, 0.07, 0.05]},
        "glaucoma": {"choices": [0, 1, 2], "weights": [0.7, 0.15, 0.15]},
    },
    "camera": {"fov_deg": {"choices": [30, 35, 45, 50, 60], "weights": [3, 1, 4, 1, 2]}},
}
"""As a recipe is written; what it does not name is drawn by each phantom's own seed."""


def phantom_population(
    count: int, *, seed: int, first: int = 0, size_px: int = PHANTOM_PX
) -> Iterator[Phantom]:
    """Draw phantoms number `first` to `first + count` of a wide population, one at a time.

    Args:
        count: how many.
        seed: of the population; a phantom depends on it and on its own number only.
        first: number of the first, so that others may be held out.
        size_px: side of each photograph.
    """
    recipe = parse_recipe(POPULATION)
    for place in places(recipe, seed=seed, count=first + count)[first:]:
        yield phantom_of(sit(recipe, place, seed=seed), size_px=size_px)


def annotated_phantoms(count: int, *, seed: int, soft_labels: bool = False) -> list[Annotated]:
    """Draw phantoms to learn from; as a group of their own they are as likely as a data set."""
    derive = sauna_plane if soft_labels else None
    return [
        annotate(p.photograph, p.fov, p.vessel, group=PHANTOMS, derive=derive)
        for p in phantom_population(count, seed=seed)
    ]
