"""Grades of an eye, from what is drawn in it and never from what it was drawn for.

References:
    Diabetic retinopathy: C. P. Wilkinson et al., "Proposed international clinical diabetic
    retinopathy and diabetic macular edema disease severity scales", Ophthalmology 110 (2003).
    Macular oedema: the risk grades of IDRiD, P. Porwal et al., Data 3 (2018) 25.
    Macular degeneration: F. L. Ferris et al., "Clinical classification of age-related macular
    degeneration", Ophthalmology 120 (2013).
    Glaucoma: P. J. Foster et al., "The definition and classification of glaucoma in prevalence
    surveys", Br J Ophthalmol 86 (2002).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.fundus import Layout, Lesion
from retinaforge.phantoms.lesion_diabetic import MANY
from retinaforge.phantoms.lesion_macular import LARGE_UM, SMALL_UM
from retinaforge.phantoms.lesion_shapes import equivalent_diameter
from retinaforge.phantoms.lesion_sites import QUADRANTS, disc_diameter_um, quadrant

PROLIFERATIVE = frozenset({"neovascularisation", "preretinal_haemorrhage"})
HAEMORRHAGES = frozenset({"haemorrhage_dot", "haemorrhage_flame"})
BEYOND_MICROANEURYSMS = HAEMORRHAGES | {
    "hard_exudate", "cotton_wool_spot", "irma", "venous_beading",
}  # fmt: skip

GLAUCOMA_RATIO, SUSPECT_RATIO = 0.7, 0.55
"""Vertical cup-to-disc ratios: 0.7 is about the 97.5th percentile of healthy eyes, from where
Foster et al. (2002) count a disc as glaucomatous; 0.55 for a suspect is ours."""
THINNEST_RIM = 0.1
"""Rim over the vertical disc diameter at or below which a disc is glaucomatous (Foster et al.)."""


def dr_grade(lesions: Iterable[Lesion], layout: Layout) -> int:
    """Return the grade of diabetic retinopathy, 0-4, by the international scale.

    0 no lesion of it; 1 microaneurysms only; 2 more than that; 3 the 4-2-1 rule: more than 20
    haemorrhages in each of four quadrants, or venous beading in two, or intraretinal microvascular
    abnormalities in one; 4 new vessels or preretinal haemorrhage. Quadrants meet at the disc; a
    lesion counts where its centre lies. Haemorrhages at the disc and scars of laser do not count.
    """
    found = tuple(lesions)
    kinds = {lesion.kind for lesion in found}
    if kinds & PROLIFERATIVE:
        return 4
    bleeds = [quadrant(s.centre_um, layout) for s in found if s.kind in HAEMORRHAGES]
    beaded = {quadrant(s.centre_um, layout) for s in found if s.kind == "venous_beading"}
    if all(bleeds.count(q) > MANY for q in QUADRANTS) or len(beaded) >= 2 or "irma" in kinds:
        return 3
    if kinds & BEYOND_MICROANEURYSMS:
        return 2
    return int("microaneurysm" in kinds)


def macular_oedema(lesions: Iterable[Lesion], layout: Layout) -> int:
    """Return the risk of macular oedema: 0 no hard exudate, 2 within a disc diameter, 1 farther.

    The distance is from the fovea to the nearest corner of an exudate's outline.
    """
    away = [_distance(s) for s in lesions if s.kind == "hard_exudate"]
    if not away:
        return 0
    return 2 if min(away) <= disc_diameter_um(layout) else 1


def amd_stage(lesions: Iterable[Lesion], layout: Layout) -> int:
    """Return the stage of macular degeneration: 0 none, 1 early, 2 intermediate, 3 late.

    Within two disc diameters of the fovea: 3 geographic atrophy; 2 a druse above 125 um, or pigment
    changes beside a druse above 63 um; 1 a druse above 63 um. A druse's size is the diameter of the
    circle of its area.
    """
    near = [s for s in lesions if _distance(s) <= 2 * disc_diameter_um(layout)]
    kinds = {s.kind for s in near}
    largest = max(
        (equivalent_diameter(s.outline_um) for s in near if s.kind == "drusen"), default=0
    )
    if "geographic_atrophy" in kinds:
        return 3
    if largest > LARGE_UM or ("pigment_change" in kinds and largest > SMALL_UM):
        return 2
    return int(largest > SMALL_UM)


def thinnest_rim(layout: Layout) -> float:
    """Return the narrowest vertical rim over the vertical disc diameter, notch included.

    rim = (1 - notch) (b - |dy| - c) / 2b, with half heights b of the disc and c of the cup and dy
    between their centres.
    """
    half, cup = layout.disc_axes_um[1], layout.cup_axes_um[1]
    shift = abs(layout.cup_um[1] - layout.disc_um[1])
    return (1 - layout.notch) * max(0.0, half - shift - cup) / (2 * half)


def glaucoma_label(layout: Layout) -> int:
    """Return 2 (glaucoma) for a cup-to-disc ratio of 0.7 or a rim of 0.1, 1 (suspect) from 0.55.

    The ratio is vertical, the rim `thinnest_rim`. Fields and pressure are not known here: the label
    says what the disc looks like.
    """
    if layout.cup_to_disc >= GLAUCOMA_RATIO or thinnest_rim(layout) <= THINNEST_RIM:
        return 2
    return int(layout.cup_to_disc >= SUSPECT_RATIO)


def laser_treated(lesions: Iterable[Lesion]) -> bool:
    """Return whether there are scars of laser."""
    return any(lesion.kind == "laser_scar" for lesion in lesions)


@dataclass(frozen=True)
class Labels:
    """The labels that follow from what is drawn; see the functions of the same names."""

    dr_grade: int
    macular_oedema: int
    amd_stage: int
    glaucoma: int
    laser_treated: bool


def labels_of(layout: Layout, lesions: Sequence[Lesion]) -> Labels:
    """Return all labels of an eye, or of a picture if given only the lesions that it shows."""
    return Labels(
        dr_grade=dr_grade(lesions, layout),
        macular_oedema=macular_oedema(lesions, layout),
        amd_stage=amd_stage(lesions, layout),
        glaucoma=glaucoma_label(layout),
        laser_treated=laser_treated(lesions),
    )


def lesions_in(frame: Frame, lesions: Iterable[Lesion]) -> tuple[Lesion, ...]:
    """Return the lesions whose centres lie in the camera's field."""
    return tuple(
        s
        for s in lesions
        if np.hypot(*(np.array(s.centre_um) - frame.centre_um)) <= frame.fov_radius_um
    )


def _distance(lesion: Lesion) -> float:
    return float(np.hypot(*lesion.outline_um.T).min())
