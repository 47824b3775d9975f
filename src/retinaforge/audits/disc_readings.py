"""Readings of disc and fovea: one disc, how large, and where the fovea lies from there."""

from __future__ import annotations

import math

import numpy as np

from retinaforge.audits.disc_home import Home, home_of
from retinaforge.audits.eye_findings import EyeFindings, Reading

NO_DISC, NO_FOVEA = "no disc was found", "no fovea was found"
UNSURE = "the disc's outline is unsure"
FOVEA_LEVEL = 0.12
"""Heat at which a fovea counts as found."""
CLEARLY = 15.0
"""Convergence from which vessels clearly come from one place."""
SMALLEST_DISC = 0.115
"""A smaller disc (radii of the field) counts as one of this size when distances are measured in
it."""
OFF_MIDDLE = 0.35
"""A disc this far beside the field's middle (in its radii) has the fovea on the longer side."""


def sure_home(eye: EyeFindings) -> Home | str:
    """Return the disc if its outline is known, else why not."""
    home = home_of(eye)
    if home is None:
        return NO_DISC
    return home if home.sure else UNSURE


def disc_missed(eye: EyeFindings) -> str:
    """Return why nobody can tell whether a disc is missing; "" where that can be told."""
    peak = eye.convergence.peak_px
    inside = math.dist(peak, eye.fov.centre_px) < 0.85 * eye.fov.radius_px
    if home_of(eye) is not None or (inside and eye.convergence.strength >= CLEARLY):
        return ""
    return f"{NO_DISC}; it may lie outside the field"


def disc_size(eye: EyeFindings) -> float | str:
    """Return the disc's diameter as a share of the field's."""
    home = sure_home(eye)
    return home if isinstance(home, str) else home.radius_px / eye.fov.radius_px


def _fovea(eye: EyeFindings) -> tuple[float, float] | str:
    """Return (x, y) from disc to fovea in disc diameters."""
    home = sure_home(eye)
    if isinstance(home, str):
        return home
    heat = eye.look.fovea
    if float(heat.max()) < FOVEA_LEVEL:
        return NO_FOVEA
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    x, y = home.centre_px
    unit = 2 * max(home.radius_px, SMALLEST_DISC * eye.fov.radius_px)
    return (float(column) - x) / unit, (float(row) - y) / unit


def fovea_distance(eye: EyeFindings) -> float | str:
    """Return how far the fovea lies from the disc, in disc diameters."""
    step = _fovea(eye)
    return step if isinstance(step, str) else math.hypot(*step)


def fovea_angle(eye: EyeFindings) -> float | str:
    """Return how far below the disc's level the fovea lies, in degrees."""
    step = _fovea(eye)
    return step if isinstance(step, str) else math.degrees(math.atan2(step[1], abs(step[0])))


def fovea_side(eye: EyeFindings) -> float | str:
    """Return 1 where the fovea lies on the temporal side, -1 where on the nasal side.

    The side is that of the stated eye; else the longer side of the field, where the disc lies
    clearly beside its middle.
    """
    step = _fovea(eye)
    if isinstance(step, str):
        return step
    temporal = temporal_side(eye)
    if temporal is None:
        return "nobody said which eye this is, and the disc lies in the field's middle"
    return 1.0 if step[0] * temporal > 0 else -1.0


def temporal_side(eye: EyeFindings) -> float | None:
    """Return -1 where temporal is left in the picture, 1 where right, None where unknown."""
    if eye.photo.eye is not None:
        return -1.0 if eye.photo.eye == "OD" else 1.0
    home = home_of(eye)
    if home is None:
        return None
    beside = (home.centre_px[0] - eye.fov.centre_px[0]) / eye.fov.radius_px
    return None if abs(beside) < OFF_MIDDLE else -math.copysign(1.0, beside)


DISC_READINGS = (
    Reading("disc_size", "the disc's diameter is {value:.1%} of the field's; real ones reach "
            "{limit:.1%}", "the disc's diameter is {value:.1%} of the field's; real ones stay "
            "below {limit:.1%}", disc_size),
)  # fmt: skip
FOVEA_READINGS = (
    Reading("fovea_distance", "fovea {value:.2f} disc diameters from the disc; real ones lie "
            "{limit:.2f} or more away", "fovea {value:.2f} disc diameters from the disc; real ones "
            "lie within {limit:.2f}", fovea_distance),
    Reading("fovea_angle", "fovea {value:.0f} degrees below the disc (negative: above it); real "
            "ones lie at {limit:.0f} or more", "fovea {value:.0f} degrees below the disc; real "
            "ones lie within {limit:.0f}", fovea_angle),
    Reading("fovea_side", "the fovea lies on the nasal side of the disc", "", fovea_side),
)  # fmt: skip
