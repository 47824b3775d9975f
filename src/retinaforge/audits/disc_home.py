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
    turn = np.arange(TURNS) * 2 * math.pi / TURNS
    compass = np.stack([np.sin(turn), np.cos(turn)])
    size = np.geomspace(0.6, 1.7, 7) * radius_px
    beside = np.stack(np.meshgrid(*[(-0.3, 0.0, 0.3)] * 2, indexing="ij"), -1).reshape(-1, 2)
    middle = np.array(centre_px)[::-1] + size[:, None, None] * beside
    radius = np.repeat(size, len(beside))
    return _sharpest(eye.light, middle.reshape(-1, 2), radius, compass)


def _sharpest(light: Map, middle: np.ndarray, radius: np.ndarray, compass: np.ndarray) -> float:
    """Return the best circle's fall of light; 0 where none falls, or most of each is out of view.

    Args:
        light: NaN outside the field.
        middle: (y, x) of each circle.
        radius: of each circle.
        compass: unit vectors (y, x) in all directions, shape (2, directions).
    """
    # One call for all circles: a call costs more than its points.
    away = np.multiply.outer(np.array([0.8, 1.25]), radius)[..., None, None] * compass
    points = np.moveaxis(middle[:, :, None] + away, 2, 0)
    inner, outer = ndimage.map_coordinates(light, points, order=1, cval=np.nan)
    fall = np.sort(inner - outer, axis=1)  # NaN, where either is out of view, comes last
    seen = np.isfinite(fall).sum(axis=1)
    fall, seen = fall[seen >= 0.7 * TURNS], seen[seen >= 0.7 * TURNS]
    place = 0.3 * (seen - 1)
    row, below = np.arange(len(fall)), place.astype(int)
    low, high = fall[row, below], fall[row, np.minimum(below + 1, seen - 1)]
    return max(0.0, float((low + (place - below) * (high - low)).max(initial=0.0)))
