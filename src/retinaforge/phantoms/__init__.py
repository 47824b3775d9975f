"""Phantoms: drawn fundus photographs of which everything is known."""

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
from retinaforge.phantoms.write import write_phantoms

__all__ = [
    "AnatomyParams",
    "CameraParams",
    "Crossing",
    "DiseaseParams",
    "Fundus",
    "Layout",
    "Lesion",
    "Phantom",
    "PhantomParams",
    "Vessel",
    "VesselParams",
    "draw",
    "draw_fundus",
    "draw_phantom",
    "photograph_fundus",
    "write_phantoms",
]
