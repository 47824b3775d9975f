"""The disc that the checks measure from, by network and vessels together, and its rivals.

The network's disc stands where vessels converge on it. Where they do not, but converge on another
region that the network sees, that region is the disc, its outline unsure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from retinaforge.anatomy.regions import half_axes
from retinaforge.audits.eye_findings import EyeFindings, Map

Point = tuple[float, float]
REGION_LEVEL, FAINT_LEVEL = 0.5, 0.2
ON_VESSELS = 0.6
"""A disc with this share of the best convergence is where the vessels come from."""
ROUND_ENOUGH = 1.8
LEAST_RADIUS, MOST_RADIUS, USUAL_RADIUS = 0.05, 0.33, 0.15
"""In radii of the field."""
TURNS = 36


@dataclass(frozen=True)
class Region:
    """A region that may be a disc: middle (x, y), radius, mean probability of disc."""

    centre_px: Point
    radius_px: float
    probability: float


@dataclass(frozen=True)
class Home:
    """The disc.

    Attributes:
        centre_px: (x, y).
        radius_px: mean of half width and half height; a usual one where `sure` is False.
        sure: whether its outline is known.
    """

    centre_px: Point
    radius_px: float
    sure: bool


def regions(eye: EyeFindings) -> list[Region]:
    """Return the regions that the first look takes for disc."""
    disc = eye.look.disc
    labels = np.zeros(disc.shape, dtype=np.int32)
    ndimage.label(disc >= REGION_LEVEL, output=labels)
    found: list[Region] = []
    for k in range(1, int(labels.max()) + 1):
        mask = labels == k
        if mask.sum() >= math.pi * (0.02 * eye.fov.radius_px) ** 2:
            radius = math.sqrt(float(mask.sum()) / math.pi)
            found.append(Region(half_axes(mask)[0], radius, float(disc[mask].mean())))
    return found


@lru_cache(maxsize=4)
def home_of(eye: EyeFindings) -> Home | None:
    """Return the disc, or None where neither network nor vessels show one."""
    marks, whole = eye.landmarks, eye.fov.radius_px
    centre, axes = marks.disc_centre_px, marks.disc_axes_px
    named = None
    if centre is not None and axes is not None:
        radius = (axes[0] + axes[1]) / 2
        shapely = max(axes) / min(axes) <= ROUND_ENOUGH
        sized = LEAST_RADIUS <= radius / whole <= MOST_RADIUS
        named = Home(centre, radius, shapely and sized)
        if named.sure and eye.convergence.at(centre, 0.08 * whole) >= ON_VESSELS:
            return named
    peak = eye.convergence.peak_px
    if _faint_disc(eye, peak) >= FAINT_LEVEL:
        return Home(peak, USUAL_RADIUS * whole, sure=False)
    return named


def _faint_disc(eye: EyeFindings, place: Point) -> float:
    """Return the highest probability of disc within 0.1 radii of a place."""
    height, width = eye.look.disc.shape
    y, x = np.ogrid[:height, :width]
    near = np.hypot(x - place[0], y - place[1]) <= 0.1 * eye.fov.radius_px
    return float(eye.look.disc[near].max()) if near.any() else 0.0


def edge_of_disc(eye: EyeFindings, centre_px: Point, radius_px: float) -> float:
    """Return how clearly a bright disc ends here, all the way round, in log units of brightness.

    The best circle within 0.3 radii and of 0.6 to 1.7 times the size: the fall from 0.8 to 1.25
    radii that 70 % of its directions exceed.
    """
    light = eye.light
    best = 0.0
    turn = np.arange(TURNS) * 2 * math.pi / TURNS
    compass = np.stack([np.sin(turn), np.cos(turn)])
    for size in np.geomspace(0.6, 1.7, 7) * radius_px:
        for dy in (-0.3, 0.0, 0.3):
            for dx in (-0.3, 0.0, 0.3):
                middle = np.array([[centre_px[1] + dy * size], [centre_px[0] + dx * size]])
                best = max(best, _fall(light, middle, compass, float(size)))
    return best


def _fall(light: Map, middle: np.ndarray, compass: np.ndarray, radius: float) -> float:
    inner, outer = (
        ndimage.map_coordinates(light, middle + k * radius * compass, order=1, cval=np.nan)
        for k in (0.8, 1.25)
    )
    fall = (inner - outer)[np.isfinite(inner) & np.isfinite(outer)]
    return float(np.quantile(fall, 0.3)) if len(fall) >= 0.7 * TURNS else 0.0
