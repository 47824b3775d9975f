"""Readings of disc and fovea: one disc, how large, and where the fovea lies from there."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from retinaforge.audits.disc_home import Home, edge_of_disc, home_of, regions
from retinaforge.audits.eye_findings import EyeFindings, Map, Mask, Reading

NO_DISC, NO_FOVEA = "no disc was found", "no fovea was found"
UNSURE = "the disc's outline is unsure"
FULL_SIZE = 0.09
"""A rival of this share of the field's radius or more counts in full."""
FOVEA_LEVEL = 0.12
"""Heat at which a fovea counts as found."""
CLEARLY = 15.0
"""Convergence from which vessels clearly come from one place."""
NEAREST_DD, FARTHEST_DD = 1.5, 3.8
SMALLEST_DISC, GREEN_SIGMA_PX, BRIGHT_LESION = 0.115, 2.0, 0.45
"""A smaller disc (radii of the field) counts as one of this size when distances are measured in
it; brighter than the median by so much, in log units, is a lesion."""
OFF_MIDDLE = 0.35
"""A disc this far beside the field's middle (in its radii) has the fovea on the longer side."""


def sure_home(eye: EyeFindings) -> Home | str:
    """Return the disc if its outline is known, else why not."""
    home = home_of(eye)
    if home is None:
        return NO_DISC
    return home if home.sure else UNSURE


def disc_clarity(eye: EyeFindings) -> float | str:
    """Return how clearly the disc is brighter than what surrounds it, in log units.

    0 where no disc was found though vessels come clearly from one place inside the field.
    """
    home = home_of(eye)
    if home is not None:
        return edge_of_disc(eye, home.centre_px, home.radius_px)
    peak = eye.convergence.peak_px
    inside = math.dist(peak, eye.fov.centre_px) < 0.85 * eye.fov.radius_px
    if inside and eye.convergence.strength >= CLEARLY:
        return 0.0
    return f"{NO_DISC}; it may lie outside the field"


def disc_size(eye: EyeFindings) -> float | str:
    """Return the disc's diameter as a share of the field's."""
    home = sure_home(eye)
    return home if isinstance(home, str) else home.radius_px / eye.fov.radius_px


def rival(eye: EyeFindings) -> float | str:
    """Return how much another region looks like a disc: its edge times its size and probability."""
    home = home_of(eye)
    if home is None:
        return NO_DISC
    seen = [
        edge_of_disc(eye, r.centre_px, r.radius_px)
        * min(1.0, r.radius_px / (FULL_SIZE * eye.fov.radius_px)) * r.probability
        for r in regions(eye)
        if math.dist(r.centre_px, home.centre_px) > home.radius_px + 0.5 * r.radius_px
    ]  # fmt: skip
    return max(seen, default=0.0)


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
    temporal = _temporal(eye)
    if temporal is None:
        return "nobody said which eye this is, and the disc lies in the field's middle"
    return 1.0 if step[0] * temporal > 0 else -1.0


def _temporal(eye: EyeFindings) -> float | None:
    """Return -1 where temporal is left in the picture, 1 where right, None where unknown."""
    if eye.photo.eye is not None:
        return -1.0 if eye.photo.eye == "OD" else 1.0
    home = home_of(eye)
    if home is None:
        return None
    beside = (home.centre_px[0] - eye.fov.centre_px[0]) / eye.fov.radius_px
    return None if abs(beside) < OFF_MIDDLE else -math.copysign(1.0, beside)


def fovea_sign(eye: EyeFindings) -> float | str:
    """Return how much a fovea shows where one should lie: heat, and darkness in log units.

    Judged where that place is clearly in view and free of bright lesions. Darkness: the median
    green of a ring 0.7 to 1.05 disc diameters round a place over that within 0.25, vessels left
    out, at the best of 16 places.
    """
    home, temporal = sure_home(eye), _temporal(eye)
    if isinstance(home, str):
        return home
    beside = (home.centre_px[0] - eye.fov.centre_px[0]) / eye.fov.radius_px
    if temporal is None or -beside * temporal < OFF_MIDDLE:
        return "where the fovea should lie is not clearly in view"
    unit = 2 * max(home.radius_px, SMALLEST_DISC * eye.fov.radius_px)
    height, width = eye.look.fovea.shape
    y, x = np.mgrid[:height, :width]
    dx, dy = (x - home.centre_px[0]) / unit * temporal, (y - home.centre_px[1]) / unit
    away = np.hypot(dx, dy)
    there = (away >= NEAREST_DD) & (away <= FARTHEST_DD) & (dx > 0.7 * away) & eye.fov.mask
    if not there.any():
        return "where the fovea should lie is out of view"
    green = ndimage.gaussian_filter(eye.photo.pixels[..., 1].astype(np.float32), GREEN_SIGMA_PX)
    green = np.log1p(green)
    if np.quantile(green[there], 0.995) - np.median(green[there]) > BRIGHT_LESION:
        return "bright lesions lie where the fovea should be"
    bare = eye.fov.mask & ~ndimage.binary_dilation(eye.vasculature.pixels, iterations=2)
    dark = max(
        _darker(green, bare, np.hypot(dx - far * math.cos(turn), dy - far * math.sin(turn)))
        for far in (2.1, 2.4, 2.7, 3.0)
        for turn in np.radians((-4, 4, 12, 20))
    )
    return float(eye.look.fovea[there].max()) + dark


def _darker(green: Map, bare: Mask, away: Map) -> float:
    inner, ring = bare & (away < 0.25), bare & (away > 0.7) & (away < 1.05)
    if inner.sum() < 20 or ring.sum() < 50:
        return 0.0
    return float(np.median(green[ring]) - np.median(green[inner]))


DISC_READINGS = (
    Reading("disc_clarity", "no clear disc where one should be: its edge stands out by "
            "{value:.3f} log units, in real photographs by {limit:.3f} or more", "", disc_clarity),
    Reading("disc_size", "the disc's diameter is {value:.1%} of the field's; real ones reach "
            "{limit:.1%}", "the disc's diameter is {value:.1%} of the field's; real ones stay "
            "below {limit:.1%}", disc_size),
    Reading("rival", "", "a second disc: a region that looks like one by {value:.2f}; in real "
            "photographs {limit:.2f} at most", rival),
)  # fmt: skip
FOVEA_READINGS = (
    Reading("fovea_distance", "fovea {value:.2f} disc diameters from the disc; real ones lie "
            "{limit:.2f} or more away", "fovea {value:.2f} disc diameters from the disc; real ones "
            "lie within {limit:.2f}", fovea_distance),
    Reading("fovea_angle", "fovea {value:.0f} degrees below the disc (negative: above it); real "
            "ones lie at {limit:.0f} or more", "fovea {value:.0f} degrees below the disc; real "
            "ones lie within {limit:.0f}", fovea_angle),
    Reading("fovea_side", "the fovea lies on the nasal side of the disc", "", fovea_side),
    Reading("fovea_sign", "no fovea where one should be: heat and darkness come to {value:.2f}; in "
            "real photographs to {limit:.2f} or more", "", fovea_sign),
)  # fmt: skip
