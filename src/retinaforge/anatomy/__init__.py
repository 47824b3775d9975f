"""Where disc, cup, fovea and lesions lie in a photograph."""

from retinaforge.anatomy.card import ModelCard
from retinaforge.anatomy.catalogue import load_anatomy, load_lesions
from retinaforge.anatomy.lesions import (
    LESION_TYPES,
    LesionModel,
    LesionType,
    read_lesion_network,
    save_lesion_network,
)
from retinaforge.anatomy.model import (
    AnatomyMaps,
    AnatomyModel,
    read_landmark_network,
    save_landmark_network,
    side_of,
)

__all__ = [
    "LESION_TYPES",
    "AnatomyMaps",
    "AnatomyModel",
    "LesionModel",
    "LesionType",
    "ModelCard",
    "load_anatomy",
    "load_lesions",
    "read_landmark_network",
    "read_lesion_network",
    "save_landmark_network",
    "save_lesion_network",
    "side_of",
]
