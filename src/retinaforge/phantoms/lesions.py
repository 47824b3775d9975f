"""Lesions of an eye: placed as diseases place them, as masks, and painted (`lesion_paint`)."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool
from skimage.draw import polygon

from retinaforge.core import Refusal
from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.fundus import LESION_KINDS, Layout, Lesion, LesionKind, Vessel
from retinaforge.phantoms.lesion_diabetic import place_diabetic
from retinaforge.phantoms.lesion_macular import place_amd, place_disc_haemorrhage, place_laser
from retinaforge.phantoms.lesion_paint import own_vessels, paint_over, paint_under
from retinaforge.phantoms.lesion_vessels import bead
from retinaforge.phantoms.params import DiseaseParams

__all__ = ["bead", "lesion_masks", "paint_over", "paint_under", "place_lesions"]

Mask = Bool[np.ndarray, "height width"]


def place_lesions(
    layout: Layout, vessels: tuple[Vessel, ...], disease: DiseaseParams, *, seed: int,
    years: float = 0.0,
) -> tuple[Lesion, ...]:  # fmt: skip
    """Place the lesions of an eye as they are `years` after its first visit.

    The same seed puts the same lesions in the same places at every visit and, up to the grade, at
    every grade. Microaneurysms, haemorrhages, exudates and cotton-wool spots that no grade rests
    on resolve and give way to others; the grades never fall.

    Args:
        layout: landmarks.
        vessels: both trees; lesions lie beside small ones, beads on veins.
        disease: grades at the first visit and their progression.
        seed: of the eye.
        years: 0 or more.

    Raises:
        Refusal: if `years` is negative or not finite.
    """
    if not (math.isfinite(years) and years >= 0):
        raise Refusal("years of 0 or more", f"{years!r}", "count years from the first visit")
    return (
        *place_amd(layout, disease, seed=seed, years=years),
        *(place_laser(layout, seed=seed) if disease.laser else ()),
        *place_diabetic(layout, vessels, disease, seed=seed, years=years),
        *place_disc_haemorrhage(layout, disease.glaucoma, seed=seed),
    )


def lesion_masks(frame: Frame, lesions: tuple[Lesion, ...]) -> dict[LesionKind, Mask]:
    """Return one mask a kind of lesion that the eye has.

    A pixel belongs to a lesion where its centre lies within the outline, or within the radius of
    one of the lesion's own vessels (at least half a pixel); a lesion that encloses no pixel's
    centre takes the pixel nearest to its own centre, so that none is lost in a small picture.
    """
    shape = (frame.size_px, frame.size_px)
    masks: dict[LesionKind, Mask] = {}
    for kind in LESION_KINDS:
        found = [lesion for lesion in lesions if lesion.kind == kind]
        if not found:
            continue
        mask = np.zeros(shape, dtype=bool)
        for lesion in found:
            _fill(mask, lesion, frame)
        masks[kind] = mask
    return masks


def _fill(mask: Mask, lesion: Lesion, frame: Frame) -> None:
    if lesion.points_um:
        box, depth = own_vessels(lesion, frame)
        mask[box] |= depth >= 0
        return
    corners = frame.to_px(lesion.outline_um)
    if (corners.max(0) < -0.5).any() or (corners.min(0) > frame.size_px - 0.5).any():
        return
    rows, columns = polygon(corners[:, 1], corners[:, 0], mask.shape)
    if len(rows):
        mask[rows, columns] = True
        return
    column, row = np.rint(frame.to_px(np.array([lesion.centre_um]))[0]).astype(int)
    if 0 <= row < frame.size_px and 0 <= column < frame.size_px:
        mask[row, column] = True
