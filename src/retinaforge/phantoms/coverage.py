"""The share of a pixel that a vessel covers, in closed form at every angle.

A pixel is the unit square round its centre. The part of it within signed distance t of a straight
wall whose normal makes a = |cos|, b = |sin| (a >= b) with the axes is

    A(t) = 1/2 + t / a                          for |t| <= (a - b) / 2
    A(t) = 1 - ((a + b) / 2 - t)^2 / (2 a b)    up to t = (a + b) / 2, and A(-t) = 1 - A(t).

A vessel of radius r whose axis passes at distance d covers A(r - d) - A(-r - d): exact for straight
vessels of any calibre, so that coverage summed across a vessel is its calibre.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Values = Float[np.ndarray, "*shape"]


def half_plane_share(depth_px: Values, normal_x: Values, normal_y: Values) -> Values:
    """Return the share of each pixel on the inner side of a straight wall.

    Args:
        depth_px: how far inside the wall the pixel's centre lies; negative outside.
        normal_x: the wall's unit normal, either sign.
        normal_y: the same.
    """
    a = np.maximum(np.abs(normal_x), np.abs(normal_y))
    b = np.minimum(np.abs(normal_x), np.abs(normal_y))
    t = np.abs(depth_px)
    corner = np.maximum((a + b) / 2 - t, 0)
    # b > 0 wherever the corner's formula is asked for: elsewhere the interval is empty.
    tail = corner**2 / np.maximum(2 * a * b, 1e-12)
    outside = np.where(t <= (a - b) / 2, 0.5 - t / a, np.minimum(tail, 0.5))
    return np.where(depth_px > 0, 1 - outside, outside)


def strip_share(
    distance_px: Values, radius_px: Values, normal_x: Values, normal_y: Values
) -> Values:
    """Return the share of each pixel between the two walls of a straight vessel.

    Args:
        distance_px: from the pixel's centre to the vessel's axis, 0 or more.
        radius_px: half the vessel's calibre, 0 or more.
        normal_x: unit vector across the vessel, either sign.
        normal_y: the same.
    """
    near = half_plane_share(radius_px - distance_px, normal_x, normal_y)
    far = half_plane_share(-radius_px - distance_px, normal_x, normal_y)
    return near - far


def union_share(one: Values, other: Values) -> Values:
    """Return the share covered by one or the other: exact where either covers none or all.

    The walls of two vessels that cross meet in few pixels; there they are taken as independent.
    """
    return one + other - one * other
