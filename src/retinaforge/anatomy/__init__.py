"""Where disc, cup, fovea and lesions lie in a photograph.

The names are loaded when they are asked for: who measures masks loads no network.
"""

from typing import TYPE_CHECKING

import lazy_loader as lazy

from retinaforge.anatomy.card import ModelCard

if TYPE_CHECKING:
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

__getattr__, __dir__, _ = lazy.attach(
    __name__,
    submod_attrs={
        "catalogue": ["load_anatomy", "load_lesions"],
        "lesions": [
            "LESION_TYPES", "LesionModel", "LesionType", "read_lesion_network",
            "save_lesion_network",
        ],
        "model": [
            "AnatomyMaps", "AnatomyModel", "read_landmark_network", "save_landmark_network",
            "side_of",
        ],
    },
)  # fmt: skip

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
