"""How wide, deep and sharp vessels are: what a camera makes of a vessel goes with its calibre.

A vessel darkens light by what it is deep, so that a wide one is darker than a narrow one, and its
walls are as soft as the camera makes them. One that was widened is paler than its width should
be and its walls softer; one that was narrowed the other way round.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from retinaforge.audits.eye_findings import EyeFindings

REACH, EVERY = 9.0, 0.5
"""Profiles go so many units (diameter of the field / 512) either way, in such steps."""
LEAST = 40
FAINTEST = 0.02


def wall_numbers(eye: EyeFindings) -> dict[str, float]:
    """Return area, sharpness of the middle third's walls, width of the widest third.

    area: ln of the vessels' area in square units, over the share of the circle that is seen.
    steep_middle: ln of the steepest darkening per unit over depth, median.
    width_wide: ln of the profile's integral over its depth, in units, median.
    """
    unit = eye.fov.radius_px / 256
    whole = eye.fov.mask.sum() / (math.pi * eye.fov.radius_px**2)
    area = float(eye.vasculature.pixels.sum()) / unit**2 / max(float(whole), 1e-3)
    found = {"area": math.log(max(area, 1.0)), "steep_middle": math.nan, "width_wide": math.nan}
    profiles = _profiles(eye, unit)
    if profiles is None:
        return found
    half, width, steep = profiles
    first, second = np.quantile(half, (0.33, 0.67))
    middle, wide = (half >= first) & (half <= second), half >= second
    return found | {
        "steep_middle": math.log(max(1e-3, float(np.median(steep[middle])))),
        "width_wide": math.log(max(1e-3, float(np.median(width[wide])))),
    }


def _profiles(eye: EyeFindings, unit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return half calibre, width and steepness of places along the vessels, in units."""
    lines = eye.vasculature.centrelines
    points, radii, branch = lines.points_px, lines.radii_px, lines.branch
    i = np.arange(3, len(points) - 3, 2)
    i = i[(branch[i - 3] == branch[i + 3]) & np.isfinite(radii[i])]
    along = points[i + 3] - points[i - 3]
    norm = np.linalg.norm(along, axis=1)
    i, along = i[norm > 0], along[norm > 0] / norm[norm > 0, None]
    off = np.arange(-REACH, REACH + EVERY / 2, EVERY)
    x = points[i, 0][:, None] - along[:, 1][:, None] * off * unit
    y = points[i, 1][:, None] + along[:, 0][:, None] * off * unit
    profile = ndimage.map_coordinates(eye.log_green, [y, x], order=1, mode="nearest")
    height, width_px = eye.fov.mask.shape
    framed = (y >= 0) & (y <= height - 1) & (x >= 0) & (x <= width_px - 1)
    row = np.floor(np.where(framed, y, 0) + 0.5).astype(np.intp)
    column = np.floor(np.where(framed, x, 0) + 0.5).astype(np.intp)
    inside = framed & (eye.depth > 2)[row, column]
    vessel = framed & eye.vasculature.pixels[row, column]
    half = radii[i] / unit
    far = np.abs(off) - half[:, None]
    beside = (far > 1.5) & (far < 4.5) & ~vessel
    good = inside.all(axis=1)
    good &= (beside[:, off < 0].sum(1) >= 3) & (beside[:, off > 0].sum(1) >= 3)
    if good.sum() < LEAST:
        return None
    profile, beside, half, far = profile[good], beside[good], half[good], far[good]
    dark = ((profile * beside).sum(1) / beside.sum(1))[:, None] - profile
    core = np.abs(off) <= np.maximum(0.35 * half, 0.5)[:, None]
    depth = (dark * core).sum(1) / core.sum(1)
    own, least = far <= 2.5, np.maximum(depth, FAINTEST)
    width = (np.clip(dark, 0, None) * own).sum(1) * EVERY / least
    rise = np.where(own[:, 1:] & own[:, :-1], np.abs(np.diff(dark, axis=1)), 0)
    seen = depth > FAINTEST
    if seen.sum() < LEAST:
        return None
    return half[seen], width[seen], (rise.max(axis=1) / EVERY / least)[seen]
