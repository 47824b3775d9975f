"""The facts of a phantom: one plain record, from which a caption can be written and checked.

Everything in it follows from what was drawn: places, sizes and counts in the frame of the eye,
labels from the lesions that are there, biomarkers from the analytic tree.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from retinaforge.phantoms.fundus import LESION_KINDS, Fundus, Lesion, Point
from retinaforge.phantoms.grading import labels_of, lesions_in
from retinaforge.phantoms.lesion_sites import quadrant
from retinaforge.phantoms.people import Sitting
from retinaforge.phantoms.phantom import FOVEA_RADIUS_UM, MACULA_RADIUS_UM, Phantom
from retinaforge.phantoms.quality import quality_of
from retinaforge.phantoms.truth import true_biomarkers

FORMAT = 1
QUADRANTS = ("superior temporal", "inferior temporal", "superior nasal", "inferior nasal")


def facts_of(phantom: Phantom, sitting: Sitting | None = None) -> dict[str, Any]:
    """Return everything that is known of a phantom, as plain data.

    Lengths are in micrometres on the retina and places in pixels of the picture, so that the
    same eye drawn at another size differs in `picture` and in the places in pixels only.

    Args:
        phantom: what was drawn.
        sitting: whose eye it is and at which visit; None for an eye by itself.
    """
    fundus = phantom.fundus
    return plain({
        "format": FORMAT,
        "synthetic": True,
        "source": phantom.photograph.source,
        "seed": fundus.seed,
        "eye": phantom.photograph.eye,
        "person": person_facts(sitting) if sitting else {},
        "picture": picture_facts(phantom),
        "disc": disc_facts(phantom),
        "macula": macula_facts(phantom),
        "vessels": vessel_facts(fundus),
        "lesions": lesion_facts(phantom),
        "labels": label_facts(phantom),
        "labels_of_eye": asdict(labels_of(fundus.layout, fundus.lesions)),
        "quality": asdict(quality_of(phantom.shot, phantom.frame, fundus.layout)),
        "biomarkers": true_biomarkers(phantom),
        "parameters": asdict(sitting.params) if sitting else {},
        "camera": asdict(phantom.shot.params),
        "look": asdict(phantom.look),
    })  # fmt: skip


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: lists for arrays, None for what is not a finite number."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def person_facts(sitting: Sitting) -> dict[str, Any]:
    """Return who it is and when they came; years to a hundredth."""
    place = sitting.place
    return {
        "patient": place.patient,
        "age": round(sitting.age, 2),
        "sex": sitting.sex,
        "group": sitting.group,
        "visit": place.visit,
        "years": round(sitting.years, 2),
        "split": place.split,
    }


def picture_facts(phantom: Phantom) -> dict[str, Any]:
    """Return size, scale and field of the picture."""
    return {
        "size_px": phantom.vessel.shape[0],
        "um_per_px": round(phantom.px_um, 6),
        "fov_deg": phantom.shot.params.fov_deg,
        "fov_centre_px": _pair(phantom.fov.centre_px),
        "fov_radius_px": round(phantom.fov.radius_px, 3),
    }


def disc_facts(phantom: Phantom) -> dict[str, Any]:
    """Return the disc's place, size and cup."""
    layout = phantom.fundus.layout
    return plain({
        "centre_px": _pair(phantom.disc_centre_px),
        "vertical_diameter_um": 2 * layout.disc_axes_um[1],
        "horizontal_diameter_um": 2 * layout.disc_axes_um[0],
        "cup_to_disc": layout.cup_to_disc,
        "notch": layout.notch,
        "notch_at": _vertical(layout.notch_rad) if layout.notch > 0 else "",
        "atrophy": layout.atrophy,
    })  # fmt: skip


def macula_facts(phantom: Phantom) -> dict[str, Any]:
    """Return the fovea's place and how it lies to the disc."""
    layout, (x, y) = phantom.fundus.layout, phantom.fundus.layout.disc_um
    distance = math.hypot(x, y)
    return plain({
        "fovea_px": _pair(phantom.fovea_px),
        "in_view": bool(phantom.fovea.any()),
        "disc_fovea_um": distance,
        "disc_fovea_dd": distance / (2 * layout.disc_axes_um[1]),
        "disc_fovea_deg": math.degrees(math.atan2(-y, x)),
        "avascular_radius_um": layout.faz_radius_um,
    })  # fmt: skip


def vessel_facts(fundus: Fundus) -> dict[str, Any]:
    """Return how many vessels of each kind there are and which lie above at the crossings."""
    counts = Counter(vessel.kind for vessel in fundus.vessels)
    over = Counter(crossing.over for crossing in fundus.crossings)
    return {
        "segments": {kind: counts[kind] for kind in ("artery", "vein")},
        "crossings": {"artery_over": over["artery"], "vein_over": over["vein"]},
    }


def lesion_facts(phantom: Phantom) -> dict[str, Any]:
    """Return, for every kind there is, how many are in the field, where, how large, and each."""
    lesions = phantom.fundus.lesions
    return {
        kind: _of_kind(phantom, [lesion for lesion in lesions if lesion.kind == kind])
        for kind in LESION_KINDS
    }


def label_facts(phantom: Phantom) -> dict[str, Any]:
    """Return the labels of what the picture shows (see `grading`) and how well (`quality`)."""
    fundus = phantom.fundus
    labels = asdict(labels_of(fundus.layout, lesions_in(phantom.frame, fundus.lesions)))
    return labels | {"quality": quality_of(phantom.shot, phantom.frame, fundus.layout).label}


def _of_kind(phantom: Phantom, lesions: list[Lesion]) -> dict[str, Any]:
    each = [_lesion(phantom, lesion) for lesion in lesions]
    shown = [one for one in each if one["in_view"]]
    return {
        "count": len(shown),
        "count_in_eye": len(each),
        "area_mm2": round(sum(one["area_um2"] for one in shown) / 1e6, 6),
        "quadrants": dict(sorted(Counter(one["quadrant"] for one in shown).items())),
        "places": dict(sorted(Counter(one["place"] for one in shown).items())),
        "each": each,
    }


def _lesion(phantom: Phantom, lesion: Lesion) -> dict[str, Any]:
    layout, centre = phantom.fundus.layout, lesion.centre_um
    at = to_picture(phantom, centre)
    size = phantom.vessel.shape[0]
    row, column = round(at[1]), round(at[0])
    inside = 0 <= row < size and 0 <= column < size and bool(phantom.fov.mask[row, column])
    return {
        "centre_px": _pair(at),
        "centre_um": _pair(centre),
        "area_um2": round(lesion.area_um2, 1),
        "quadrant": QUADRANTS[quadrant(centre, layout)],
        "place": place_of(centre, phantom.fundus),
        "to_fovea_dd": round(math.hypot(*centre) / (2 * layout.disc_axes_um[1]), 4),
        "onset_years": round(lesion.onset_years, 3),
        "in_view": inside,
    }


def place_of(point: Point, fundus: Fundus) -> str:
    """Return fovea, macula, disc (within a disc diameter of its centre) or periphery."""
    if math.hypot(*point) <= FOVEA_RADIUS_UM:
        return "fovea"
    disc = fundus.layout.disc_um
    if math.hypot(point[0] - disc[0], point[1] - disc[1]) <= 2 * fundus.layout.disc_axes_um[1]:
        return "disc"
    return "macula" if math.hypot(*point) <= MACULA_RADIUS_UM else "periphery"


def to_picture(phantom: Phantom, point_um: Point) -> Point:
    """Return where in the picture a point of the fundus lies, mirrored for a left eye."""
    x, y = phantom.frame.to_px(np.array([point_um]))[0]
    last = phantom.vessel.shape[1] - 1
    return (float(last - x) if phantom.photograph.eye == "OS" else float(x)), float(y)


def _pair(point: Point) -> list[float]:
    return [round(float(point[0]), 3), round(float(point[1]), 3)]


def _vertical(angle_rad: float) -> str:
    return "inferior" if math.sin(angle_rad) > 0 else "superior"
