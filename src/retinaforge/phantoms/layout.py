"""Where things lie in an eye: disc, fovea and the camera's field, in micrometres.

The frame is that of a right eye seen in a photograph: x to the right (nasal), y down, fovea at
the origin. A left eye is the mirror image and is mirrored only when it is rendered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from retinaforge.phantoms.params import UM_PER_DEG, PhantomParams

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """One eye's landmarks, in micrometres.

    Attributes:
        disc_um: disc centre (x, y).
        disc_axes_um: half width and half height of the disc.
        cup_ratio: cup-to-disc ratio.
        frame_um: centre of the camera's field (x, y).
        fov_radius_um: radius of the camera's field.
        faz_radius_um: radius of the zone round the fovea without vessels.
        arcade_um: heights at which (upper, lower) temporal arcades pass the fovea.
    """

    disc_um: Point
    disc_axes_um: Point
    cup_ratio: float
    frame_um: Point
    fov_radius_um: float
    faz_radius_um: float
    arcade_um: Point


def lay_out(params: PhantomParams, *, rng: np.random.Generator) -> Layout:
    """Draw one eye's landmarks round the parameters' means.

    Args:
        params: means; distances vary by a few per cent between eyes, the angle by 2.5 degrees.
        rng: consumed in a fixed order, so that one seed gives one eye at every size.
    """
    half_height = params.disc_diameter_um / 2 * rng.uniform(0.94, 1.06)
    distance = params.disc_fovea_dd * params.disc_diameter_um * rng.uniform(0.97, 1.03)
    angle = math.radians(params.disc_fovea_deg + float(np.clip(rng.normal(0, 2.5), -5, 5)))
    disc = (distance * math.cos(angle), -distance * math.sin(angle))
    fov_radius = params.fov_deg / 2 * UM_PER_DEG
    # Photographers aim at the macula, between macula and disc, or (less often) at the disc.
    aims = (rng.uniform(0.0, 0.15), rng.uniform(0.3, 0.6), rng.uniform(0.85, 1.05))
    aim = aims[int(rng.choice(3, p=(0.45, 0.4, 0.15)))]
    # The disc is always in the picture: vessels are grown from it.
    least = 1 - (0.93 * fov_radius - half_height) / distance
    aim = max(aim, least)
    wander = rng.uniform(-0.05, 0.05, 2) * fov_radius
    arcade = params.arcade_dd * params.disc_diameter_um * rng.uniform(0.84, 1.16, 2)
    return Layout(
        disc_um=disc,
        disc_axes_um=(half_height * rng.uniform(0.86, 0.98), half_height),
        cup_ratio=float(np.clip(rng.normal(0.42, 0.1), 0.2, 0.7)),
        frame_um=(aim * disc[0] + wander[0], aim * disc[1] + wander[1]),
        fov_radius_um=fov_radius,
        faz_radius_um=params.faz_radius_um * rng.uniform(0.85, 1.15),
        arcade_um=(float(arcade[0]), float(arcade[1])),
    )
