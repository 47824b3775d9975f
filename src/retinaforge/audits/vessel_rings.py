"""Vessels on circles about the disc: how much of a circle they take up, how many cross it."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from retinaforge.audits.disc_home import home_of
from retinaforge.audits.eye_findings import EyeFindings

RINGS = (1.15, 1.3, 1.5, 1.7, 2.0, 2.4, 2.8, 3.3)
"""Radii of the circles, in the disc's."""
INNER, OUTER = slice(0, 4), slice(5, 8)
ROUND, LEAST_SEEN = 240, 0.3


def ring_numbers(eye: EyeFindings) -> dict[str, float] | str:
    """Return cover of the circles of 2.4 and 3.3 radii and crossings, near over far, as logarithms.

    cover_24, cover_33: mean probability of vessel times the circle's radius, plus 0.01.
    crossing_ratio: one plus the median number of vessels crossing the four inner circles, over the
    same for the three outer ones.
    """
    home = home_of(eye)
    if home is None:
        return "no disc was found"
    turn = np.arange(ROUND) * 2 * math.pi / ROUND
    far = np.array(RINGS)[:, None] * home.radius_px
    at = [home.centre_px[1] + far * np.sin(turn), home.centre_px[0] + far * np.cos(turn)]
    inside = ndimage.map_coordinates(eye.depth, at, order=0) > 2
    seen = inside.mean(axis=1)
    if seen[INNER].min() < 0.4:
        return "half of the disc's surroundings or more lie outside the field"
    p = np.where(inside, ndimage.map_coordinates(eye.probability, at, order=1), 0.0)
    cover = p.sum(axis=1) / np.maximum(inside.sum(axis=1), 1) * np.array(RINGS)
    cover[seen <= LEAST_SEEN] = math.nan
    on = (p > 0.5) & inside
    cross = (on & ~np.roll(on, 1, axis=1)).sum(axis=1) / np.maximum(seen, LEAST_SEEN)
    near, away = (1 + float(np.median(cross[part])) for part in (INNER, OUTER))
    return {
        "cover_24": math.log(float(cover[5]) + 0.01), "cover_33": math.log(float(cover[7]) + 0.01),
        "crossing_ratio": math.log(near / away),
    }  # fmt: skip
