"""Readings of disc and fovea: how many discs, how large, where the fovea lies from there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from retinaforge.anatomy.regions import half_axes
from retinaforge.audits.eye_findings import EyeFindings, Mask, Reading

DISC_LEVEL = 0.5
RIM_SHARE = 0.05
"""A region whose middle lies within this share of the field's radius from its rim is glare."""

NO_DISC, NO_FOVEA = "no disc was found", "no fovea was found"
ONE_SIDE_DD = (1.5, 3.8)
"""How far a disc lies from the fovea, in disc diameters."""
DISC_OF_FIELD = 0.14
"""Diameter of a disc as a share of the field's, where none is seen to be measured."""


@dataclass(frozen=True)
class Region:
    """A region that looks like a disc: its middle (x, y), its radius, its mean probability."""

    centre_px: tuple[float, float]
    radius_px: float
    probability: float
    fill: float


def disc_radius(eye: EyeFindings) -> float | None:
    """Return the disc's radius in pixels, the mean of half width and half height."""
    axes = eye.landmarks.disc_axes_px
    return None if axes is None else (axes[0] + axes[1]) / 2


def regions(eye: EyeFindings) -> list[Region]:
    """Return the regions that the first look takes for disc, the largest first."""
    labels, count = ndimage.label(eye.discs >= DISC_LEVEL)
    found = [_region(labels == k + 1, eye) for k in range(count)]
    return sorted(found, key=lambda r: -r.radius_px)


def _region(mask: Mask, eye: EyeFindings) -> Region:
    centre, axes = half_axes(mask)
    radius = math.sqrt(float(mask.sum()) / math.pi)
    fill = float(mask.sum()) / (math.pi * max(axes) ** 2)
    return Region(centre, radius, float(eye.discs[mask].mean()), fill)


def rival_size(eye: EyeFindings) -> float | str:
    """Return the radius of the largest other region that passes for a disc, in disc radii."""
    radius, centre = disc_radius(eye), eye.landmarks.disc_centre_px
    if radius is None or centre is None:
        return NO_DISC
    sizes = [
        r.radius_px * r.probability * min(1.0, r.fill) / radius
        for r in regions(eye)
        if math.dist(r.centre_px, centre) > radius + r.radius_px and not _at_rim(r, eye)
    ]
    return max(sizes, default=0.0)


def _at_rim(region: Region, eye: EyeFindings) -> bool:
    away = math.dist(region.centre_px, eye.fov.centre_px) / eye.fov.radius_px
    return away > 1 - RIM_SHARE


def disc_size(eye: EyeFindings) -> float | str:
    """Return the disc's diameter as a share of the field's."""
    radius = disc_radius(eye)
    return NO_DISC if radius is None else radius / eye.fov.radius_px


def discs_missing(eye: EyeFindings) -> float | str:
    """Return 1 where no disc was found though the fovea says that it lies in the field, else 0."""
    if eye.landmarks.disc_centre_px is not None:
        return 0.0
    fovea = eye.landmarks.fovea_px
    if fovea is None:
        return f"{NO_DISC}, {NO_FOVEA}"
    far = 2.65 * DISC_OF_FIELD * 2 * eye.fov.radius_px
    places = [(fovea[0] + side * far, fovea[1] - 0.1 * far) for side in (-1, 1)]
    if all(_inside(place, eye.fov.mask) for place in places):
        return 1.0
    return f"{NO_DISC}; it may lie outside the field"


def _inside(place: tuple[float, float], mask: Mask) -> bool:
    column, row = round(place[0]), round(place[1])
    height, width = mask.shape
    return 0 <= row < height and 0 <= column < width and bool(mask[row, column])


def _to_fovea(eye: EyeFindings) -> tuple[float, float] | str:
    """Return (x, y) from disc to fovea in disc diameters."""
    marks, radius = eye.landmarks, disc_radius(eye)
    if radius is None or marks.disc_centre_px is None:
        return NO_DISC
    if marks.fovea_px is None:
        return NO_FOVEA
    x, y = np.subtract(marks.fovea_px, marks.disc_centre_px) / (2 * radius)
    return float(x), float(y)


def fovea_distance(eye: EyeFindings) -> float | str:
    """Return how far the fovea lies from the disc, in disc diameters."""
    step = _to_fovea(eye)
    return step if isinstance(step, str) else math.hypot(*step)


def fovea_angle(eye: EyeFindings) -> float | str:
    """Return how far below the disc's level the fovea lies, in degrees."""
    step = _to_fovea(eye)
    return step if isinstance(step, str) else math.degrees(math.atan2(step[1], abs(step[0])))


def fovea_side(eye: EyeFindings) -> float | str:
    """Return 1 where the fovea lies on the temporal side of the stated eye, -1 where nasal."""
    step = _to_fovea(eye)
    if isinstance(step, str):
        return step
    if eye.photo.eye is None:
        return "nobody said which eye this is"
    return 1.0 if (step[0] < 0) == (eye.photo.eye == "OD") else -1.0


DISC_READINGS = (
    Reading("discs_missing", "", "no disc, though the fovea lies where the disc would be in view",
            discs_missing),
    Reading("disc_size", "a disc of {value:.1%} of the field's diameter; real ones reach {limit:.1%}",
            "a disc of {value:.1%} of the field's diameter; real ones stay below {limit:.1%}",
            disc_size),
    Reading("rival_size", "", "a second disc, {value:.2f} times as large as the first", rival_size),
)  # fmt: skip
FOVEA_READINGS = (
    Reading("fovea_distance", "fovea {value:.2f} disc diameters from the disc; real ones lie "
            "{limit:.2f} or more away", "fovea {value:.2f} disc diameters from the disc; real ones "
            "lie within {limit:.2f}", fovea_distance),
    Reading("fovea_angle", "fovea {value:.0f} degrees below the disc (negative: above it); real "
            "ones lie at {limit:.0f} or more", "fovea {value:.0f} degrees below the disc; real "
            "ones lie within {limit:.0f}", fovea_angle),
    Reading("fovea_side", "the fovea lies on the nasal side of the eye that was stated", "",
            fovea_side),
)  # fmt: skip
