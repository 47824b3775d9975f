"""Readings of the field of view: its shape, and how much of it is dark."""

from __future__ import annotations

import numpy as np

from retinaforge.audits.eye_findings import EyeFindings, Mask, Reading

DARK = 0.12
"""A pixel below this share of the field's median brightness shows nothing."""
NO_BORDER = "no border of the field shows"


def _circle(eye: EyeFindings) -> Mask:
    """Return the camera's circle, cut straight where the mask ends."""
    height, width = eye.fov.mask.shape
    y, x = np.ogrid[:height, :width]
    centre, radius = eye.fov.centre_px, eye.fov.radius_px
    circle = np.hypot(x - centre[0], y - centre[1]) <= radius
    rows, columns = eye.fov.mask.any(axis=1), eye.fov.mask.any(axis=0)
    return circle & rows[:, None] & columns[None, :]


def roundness(eye: EyeFindings) -> float | str:
    """Return overlap over union of the field and the circle, cut where the field is cut."""
    if eye.fov.kind == "full frame":
        return NO_BORDER
    circle = _circle(eye)
    return float((circle & eye.fov.mask).sum() / max(1, (circle | eye.fov.mask).sum()))


def visible(eye: EyeFindings) -> float | str:
    """Return the field's share of the whole circle's area."""
    if eye.fov.kind == "full frame":
        return NO_BORDER
    return float(eye.fov.mask.sum() / (np.pi * eye.fov.radius_px**2))


def darkness(eye: EyeFindings) -> float | str:
    """Return the share of the field that is black."""
    red, green, blue = np.moveaxis(eye.photo.pixels, 2, 0)
    inside = np.maximum(np.maximum(red, green), blue)[eye.fov.mask]
    if not inside.size:
        return "the field is empty"
    middle = np.partition(inside, [(inside.size - 1) // 2, inside.size // 2])
    median = (float(middle[(inside.size - 1) // 2]) + float(middle[inside.size // 2])) / 2
    return float((inside < DARK * median).mean())


FIELD_READINGS = (
    Reading("roundness", "the field covers {value:.1%} of a circle cut straight; in real "
            "photographs {limit:.1%} or more", "", roundness),
    Reading("visible", "the field shows {value:.0%} of its circle; real photographs {limit:.0%} "
            "or more", "", visible),
    Reading("darkness", "", "{value:.1%} of the field are black; in real photographs {limit:.1%} "
            "at most", darkness),
)  # fmt: skip
