"""Where disc and cup lie in a picture: the truth behind the masks.

disc: elliptic radius <= 1
cup: r <= r_ellipse(a) + notch g(a) (0.94 r_disc(a) - r_ellipse(a)), polar round the cup's
centre, g a Gaussian in the angle from `notch_rad`: notch 1 takes the rim away there.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.fundus import Layout

Plane = Float[np.ndarray, "height width"]
Mask = Bool[np.ndarray, "height width"]

NOTCH_WIDTH_RAD = 0.38
NOTCH_REACH = 0.94
ANGLES = np.linspace(-np.pi, np.pi, 721)


def disc_mask(frame: Frame, layout: Layout) -> Mask:
    """Return the inside of the disc."""
    return disc_radius_share(frame.x_um, frame.y_um, layout) <= 1


def cup_mask(frame: Frame, layout: Layout) -> Mask:
    """Return the inside of the cup, its notch included; never outside the disc."""
    rows, columns = window(frame, layout, reach=1.1)
    x, y = frame.x_um[rows, columns], frame.y_um[rows, columns]
    mask = np.zeros((frame.size_px, frame.size_px), dtype=bool)
    inside_disc = disc_radius_share(x, y, layout) <= 1
    mask[rows, columns] = (cup_radius_share(x, y, layout) <= 1) & inside_disc
    return mask


def disc_radius_share(x: Plane, y: Plane, layout: Layout) -> Plane:
    """Return the elliptic radius of each place: 1 on the disc's border."""
    return np.hypot(
        (x - np.float32(layout.disc_um[0])) / np.float32(layout.disc_axes_um[0]),
        (y - np.float32(layout.disc_um[1])) / np.float32(layout.disc_axes_um[1]),
    )


def cup_radius_share(x: Plane, y: Plane, layout: Layout) -> Plane:
    """Return the distance from the cup's centre over the cup's radius in that direction."""
    dx, dy = x - np.float32(layout.cup_um[0]), y - np.float32(layout.cup_um[1])
    place = (np.arctan2(dy, dx) + np.pi) * (len(ANGLES) - 1) / (2 * np.pi)
    radius = np.interp(place.ravel(), np.arange(len(ANGLES)), cup_radius_um(layout))
    return np.hypot(dx, dy) / radius.reshape(place.shape).astype(np.float32)


def cup_radius_um(layout: Layout) -> Float[np.ndarray, "n"]:
    """Return the cup's radius from its centre in each direction of ANGLES."""
    cos, sin = np.cos(ANGLES), np.sin(ANGLES)
    plain = 1 / np.hypot(cos / layout.cup_axes_um[0], sin / layout.cup_axes_um[1])
    off = np.angle(np.exp(1j * (ANGLES - layout.notch_rad)))
    bite = layout.notch * np.exp(-((off / NOTCH_WIDTH_RAD) ** 2))
    return plain + bite * np.maximum(NOTCH_REACH * _to_border(layout, cos, sin) - plain, 0)


def _to_border(layout: Layout, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    """Return the distance from the cup's centre to the disc's border in each direction."""
    a, b = layout.disc_axes_um
    x = (layout.cup_um[0] - layout.disc_um[0]) / a
    y = (layout.cup_um[1] - layout.disc_um[1]) / b
    square, half = (cos / a) ** 2 + (sin / b) ** 2, x * cos / a + y * sin / b
    return (-half + np.sqrt(np.maximum(half**2 - square * (x * x + y * y - 1), 0))) / square


def window(frame: Frame, layout: Layout, *, reach: float) -> tuple[slice, slice]:
    """Return (rows, columns) of the picture within `reach` disc radii of the disc's centre."""
    centre = frame.to_px(np.array([layout.disc_um]))[0]
    half = reach * max(layout.disc_axes_um) / frame.px_um + 2
    lows = np.clip(np.floor(centre - half), 0, frame.size_px).astype(int)
    highs = np.clip(np.ceil(centre + half) + 1, 0, frame.size_px).astype(int)
    return slice(lows[1], highs[1]), slice(lows[0], highs[0])
