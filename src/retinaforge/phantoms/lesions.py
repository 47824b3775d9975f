"""Lesions: where diseases place them. (Under construction: no lesion is placed yet.)"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.fundus import Layout, Lesion, LesionKind, Vessel
from retinaforge.phantoms.params import DiseaseParams


def place_lesions(
    layout: Layout, vessels: tuple[Vessel, ...], disease: DiseaseParams, *, seed: int,
    years: float = 0.0,
) -> tuple[Lesion, ...]:  # fmt: skip
    """Place the lesions of an eye as they are `years` after its first visit."""
    return ()


def paint_under(
    scene: Float[np.ndarray, "height width 3"], frame: Frame, lesions: tuple[Lesion, ...]
) -> Float[np.ndarray, "height width 3"]:
    """Paint the lesions that lie under the vessels."""
    return scene


def paint_over(
    scene: Float[np.ndarray, "height width 3"], frame: Frame, lesions: tuple[Lesion, ...]
) -> Float[np.ndarray, "height width 3"]:
    """Paint the lesions that cover the vessels."""
    return scene


def lesion_masks(
    frame: Frame, lesions: tuple[Lesion, ...]
) -> dict[LesionKind, Bool[np.ndarray, "height width"]]:
    """Return one mask a kind of lesion that the eye has."""
    return {}
