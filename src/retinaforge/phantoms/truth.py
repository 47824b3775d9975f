"""The true value of every biomarker of a phantom that has a closed form.

All is computed from the analytic eye (polylines, ellipses, outlines, in micrometres) by this
room's own formulas, never by the code that measures pictures. Vessels count as far as the camera's
field shows them; a value that is not defined there is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from retinaforge.core import VesselKind
from retinaforge.phantoms.fundus import LESION_KINDS, Fundus, Layout, Lesion
from retinaforge.phantoms.phantom import Phantom
from retinaforge.phantoms.truth_field import Field, field_of
from retinaforge.phantoms.truth_vessels import Branching, VesselRow, branchings, vessel_row
from retinaforge.phantoms.truth_zones import arcade_angle_deg, hubbard, knudtson, zone_calibres

KINDS: tuple[VesselKind, VesselKind] = ("artery", "vein")
GENERATIONS = range(1, 7)
WHOLE = 0.999
"""Share of a vessel's length that must be in view for its shape to count."""


def true_biomarkers(phantom: Phantom) -> dict[str, float]:
    """Return every closed-form biomarker of a phantom, its unit at the end of its name.

    Counts, ratios and tortuosities have no unit; lengths are um or mm, areas mm2, angles deg.
    """
    fundus, field = phantom.fundus, field_of(phantom)
    return biomarkers_in(fundus, field)


def biomarkers_in(fundus: Fundus, field: Field) -> dict[str, float]:
    """Return the biomarkers of a fundus as far as a field shows it."""
    found: dict[str, float] = {"field_area_mm2": field.area_um2 / 1e6}
    rows, parts = vessel_rows(fundus, field), branchings(fundus.vessels, field)
    for kind in KINDS:
        found |= kind_biomarkers(kind, rows, field)
        found |= count_biomarkers(kind, fundus, parts, field)
        found |= branching_biomarkers(kind, parts)
        found[f"{kind}_arcade_angle_deg"] = arcade_angle_deg(fundus.vessels, fundus.layout, kind)
    found["crossings"] = float(sum(_holds(field, c.point_um) for c in fundus.crossings))
    found |= zone_biomarkers(fundus, field)
    found |= landmark_biomarkers(fundus.layout)
    return found | lesion_biomarkers(fundus.lesions, fundus.layout, field)


def vessel_table(phantom: Phantom) -> tuple[VesselRow, ...]:
    """Return one row a vessel, in the order of `phantom.fundus.vessels`."""
    return vessel_rows(phantom.fundus, field_of(phantom))


def branching_table(phantom: Phantom) -> tuple[Branching, ...]:
    """Return one row a branching, in the order of the vessels that part."""
    return branchings(phantom.fundus.vessels, field_of(phantom))


def vessel_rows(fundus: Fundus, field: Field) -> tuple[VesselRow, ...]:
    """Return one row a vessel as far as a field shows it."""
    return tuple(vessel_row(i, vessel, field) for i, vessel in enumerate(fundus.vessels))


def kind_biomarkers(kind: VesselKind, rows: Sequence[VesselRow], field: Field) -> dict[str, float]:
    """Return length, density, calibre and tortuosity of one kind.

    `_length_times_calibre_density` sums length times calibre over the field's area; vessels that
    cross count twice, so that it is a little above the area fraction of a mask. Mean and median
    calibre weigh each vessel by its length in view.
    """
    own = [row for row in rows if row.kind == kind and row.length_in_field_um > 0]
    length = np.array([row.length_in_field_um for row in own])
    area = np.array([row.area_in_field_um2 for row in own])
    whole = [row for row in own if row.length_in_field_um >= WHOLE * row.length_um]
    found = {
        "length_mm": length.sum() / 1000,
        "length_density_mm_per_mm2": 1000 * length.sum() / field.area_um2,
        "length_times_calibre_density": area.sum() / field.area_um2,
        "mean_calibre_um": area.sum() / length.sum() if len(own) else math.nan,
        "median_calibre_um": weighted_median(area / length, length) if len(own) else math.nan,
        "pooled_tortuosity": _ratio(whole, "length_um", "chord_um"),
        "mean_tortuosity": _mean([row.tortuosity for row in whole]),
        "squared_curvature_per_mm2": 1000 * _ratio(whole, "squared_curvature_per_mm", "length_um"),
        "inflections_per_mm": 1000 * _ratio(whole, "inflections", "length_um"),
    }
    for generation in GENERATIONS:
        calibres = [row.calibre_um for row in own if row.generation == generation]
        found[f"generation_{generation}_calibre_um"] = _mean(calibres)
    return {f"{kind}_{name}": float(value) for name, value in found.items()}


def count_biomarkers(
    kind: VesselKind, fundus: Fundus, parts: Sequence[Branching], field: Field
) -> dict[str, float]:
    """Count roots, branchings and free ends of one kind in the field."""
    parents = {vessel.parent for vessel in fundus.vessels}
    own = [(i, vessel) for i, vessel in enumerate(fundus.vessels) if vessel.kind == kind]
    roots = [v.points_um[0] for _, v in own if v.parent is None]
    ends = [v.points_um[-1] for i, v in own if i not in parents]
    return {
        f"{kind}_roots": float(sum(_holds(field, point) for point in roots)),
        f"{kind}_branchings": float(sum(p.in_field for p in parts if p.kind == kind)),
        f"{kind}_ends": float(sum(_holds(field, point) for point in ends)),
    }


def branching_biomarkers(kind: VesselKind, parts: Sequence[Branching]) -> dict[str, float]:
    """Return the means over one kind's branchings in view."""
    own = [part for part in parts if part.kind == kind and part.in_field]
    exponents = [p.junction_exponent for p in own if math.isfinite(p.junction_exponent)]
    return {
        f"{kind}_branching_angle_deg": _mean([p.angle_deg for p in own]),
        f"{kind}_area_ratio": _mean([p.area_ratio for p in own]),
        f"{kind}_diameter_ratio": _mean([p.diameter_ratio for p in own]),
        f"{kind}_junction_exponent": float(np.median(exponents)) if exponents else math.nan,
    }


def zone_biomarkers(fundus: Fundus, field: Field) -> dict[str, float]:
    """Return CRAE, CRVE and AVR of zone B by both formulas."""
    zone = zone_calibres(fundus.vessels, fundus.layout, field)
    calibres = {k: [v.calibre_um for v in zone if v.kind == k] for k in KINDS}
    found = {f"{kind}_zone_b_vessels": float(len(calibres[kind])) for kind in KINDS}
    for name, rule in (("knudtson", knudtson), ("hubbard", hubbard)):
        crae, crve = (rule(calibres[kind], kind) for kind in KINDS)
        found |= {f"crae_{name}_um": crae, f"crve_{name}_um": crve, f"avr_{name}": crae / crve}
    return found


def landmark_biomarkers(layout: Layout) -> dict[str, float]:
    """Return what disc, cup, fovea and its avascular zone measure.

    `rim_area_mm2` is that between the two ellipses; a notch is drawn into the rim besides, and is
    given by its own figure.
    """
    (disc_w, disc_h), (cup_w, cup_h) = layout.disc_axes_um, layout.cup_axes_um
    x, y = layout.disc_um
    distance = math.hypot(x, y)
    return {
        "disc_height_um": 2 * disc_h,
        "disc_width_um": 2 * disc_w,
        "disc_area_mm2": math.pi * disc_w * disc_h / 1e6,
        "cup_height_um": 2 * cup_h,
        "cup_width_um": 2 * cup_w,
        "cup_area_mm2": math.pi * cup_w * cup_h / 1e6,
        "vertical_cup_to_disc": cup_h / disc_h,
        "horizontal_cup_to_disc": cup_w / disc_w,
        "area_cup_to_disc": cup_w * cup_h / (disc_w * disc_h),
        "rim_area_mm2": math.pi * (disc_w * disc_h - cup_w * cup_h) / 1e6,
        "notch": layout.notch,
        "disc_fovea_um": distance,
        "disc_fovea_dd": distance / (2 * disc_h),
        "disc_fovea_deg": math.degrees(math.atan2(-y, x)),
        "faz_radius_um": layout.faz_radius_um,
        "upper_arcade_um": layout.arcade_um[0],
        "lower_arcade_um": layout.arcade_um[1],
    }


def lesion_biomarkers(lesions: Sequence[Lesion], layout: Layout, field: Field) -> dict[str, float]:
    """Return number, area and least distance to fovea and disc of each kind whose centre is seen.

    The area of a lesion that consists of vessels is their length times their calibre.
    """
    found: dict[str, float] = {}
    for kind in LESION_KINDS:
        own = [lesion for lesion in lesions if lesion.kind == kind]
        own = [lesion for lesion in own if _holds(field, lesion.centre_um)]
        found[f"{kind}_count"] = float(len(own))
        found[f"{kind}_area_mm2"] = sum(lesion_area_um2(lesion) for lesion in own) / 1e6
        for name, place in (("fovea", (0.0, 0.0)), ("disc", layout.disc_um)):
            away = [math.dist(lesion.centre_um, place) for lesion in own]
            found[f"{kind}_to_{name}_um"] = min(away) if away else math.nan
    return found


def lesion_area_um2(lesion: Lesion) -> float:
    """Return the area inside the outline, or of the lesion's vessels where it has any."""
    if not lesion.points_um:
        return lesion.area_um2
    return sum(
        float((np.hypot(*np.diff(points, axis=0).T) * (radii[:-1] + radii[1:])).sum())
        for points, radii in zip(lesion.points_um, lesion.radii_um, strict=True)
    )


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the value at which half of the weight is reached."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def _holds(field: Field, point: Sequence[float] | np.ndarray) -> bool:
    return bool(field.holds(np.asarray(point)[None])[0])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _ratio(rows: Sequence[VesselRow], above: str, below: str) -> float:
    if not rows:
        return math.nan
    return sum(getattr(r, above) for r in rows) / sum(getattr(r, below) for r in rows)
