"""Phantoms: drawn fundus photographs of which everything is known."""

from retinaforge.phantoms.facts import facts_of
from retinaforge.phantoms.fundus import Crossing, Fundus, Layout, Lesion, Vessel
from retinaforge.phantoms.params import (
    AnatomyParams,
    CameraParams,
    DiseaseParams,
    PhantomParams,
    VesselParams,
)
from retinaforge.phantoms.phantom import (
    Phantom,
    draw,
    draw_fundus,
    draw_phantom,
    photograph_fundus,
)
from retinaforge.phantoms.recipe import RECIPES, Recipe, load_recipe
from retinaforge.phantoms.shards import write_shards
from retinaforge.phantoms.write import write_phantoms

__all__ = [
    "RECIPES",
    "AnatomyParams",
    "CameraParams",
    "Crossing",
    "DiseaseParams",
    "Fundus",
    "Layout",
    "Lesion",
    "Phantom",
    "PhantomParams",
    "Recipe",
    "Vessel",
    "VesselParams",
    "draw",
    "draw_fundus",
    "draw_phantom",
    "facts_of",
    "load_recipe",
    "photograph_fundus",
    "write_phantoms",
    "write_shards",
]
