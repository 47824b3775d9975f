"""The nerve-fibre layer: arcuate bundles whose sheen is striated, brightest above and below.

Fibre courses in modified polar coordinates round the disc (r in degrees, phi from the nasal
horizontal, fovea at 180 degrees):

    phi(phi0, r) = phi0 + b(phi0) (r - r0)^c(phi0),  r0 = 4 degrees

    above: ln b = -1.9 + 3.9 tanh(-(phi0 - 121) / 14),  c = 1.9 + 1.4 tanh((phi0 - 121) / 14)
    below: ln(-b) = 0.7 + 1.5 tanh(-(-phi0 - 90) / 25),  c = 1.0 + 0.5 tanh((-phi0 - 90) / 25)

References:
    Jansonius et al., A mathematical description of nerve fiber bundle trajectories and their
    variability in the human retina, Vision Research 49 (2009) 2157-2163.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from scipy.ndimage import map_coordinates

from retinaforge.core import seed_for
from retinaforge.phantoms.fundus import Layout
from retinaforge.phantoms.params import UM_PER_DEG
from retinaforge.phantoms.texture import Lattice, Map, ring_noise

R0_DEG = 4.0
RADII_DEG = np.linspace(0.0, 40.0, 81)
PHI_DEG = np.linspace(-180.0, 180.0, 721)
NASAL_DEG = 60.0
"""Nasal of this the courses are straight; the formulas hold for 60-180 degrees."""
DEFECT_DEG = 7.0
"""Half width of a wedge defect at the disc."""


def course(phi0_deg: Float[np.ndarray, "n"], r_deg: float) -> Float[np.ndarray, "n"]:
    """Return where (phi, degrees) fibres that start at `phi0_deg` are at distance `r_deg`.

    Args:
        phi0_deg: starting angle at the disc, -180 to 180, positive above.
        r_deg: distance from the disc's centre, degrees.
    """
    reach = max(r_deg - R0_DEG, 0.0)
    up, down = (phi0_deg - 121) / 14, (-phi0_deg - 90) / 25
    above = np.exp(-1.9 - 3.9 * np.tanh(up)) * reach ** (1.9 + 1.4 * np.tanh(up))
    below = np.exp(0.7 - 1.5 * np.tanh(down)) * reach ** (1.0 + 0.5 * np.tanh(down))
    ease = np.clip((np.abs(phi0_deg) - NASAL_DEG) / 15, 0, 1)
    return phi0_deg + ease * np.where(phi0_deg > 0, above, -below)


def start_angles() -> Float[np.ndarray, "radii angles"]:
    """Return phi0 of the fibre at each (r, phi) of RADII_DEG x PHI_DEG; none crosses the raphe."""
    start = np.linspace(0.0, 180.0, 361)
    table = np.empty((len(RADII_DEG), len(PHI_DEG)), dtype=np.float32)
    for row, r in enumerate(RADII_DEG):
        for sign, part in ((1, PHI_DEG >= 0), (-1, PHI_DEG < 0)):
            reached = np.maximum.accumulate(sign * course(sign * np.maximum(start, 0.01), r))
            table[row, part] = sign * np.interp(np.abs(PHI_DEG[part]), reached, start)
    return table


_START = start_angles()


def fibre_map(where: Map, layout: Layout, *, seed: int) -> Lattice:
    """Return a map of the retina: the fibre layer's sheen, about 1 where it is thickest."""
    dx, dy = where.x_um - layout.disc_um[0], where.y_um - layout.disc_um[1]
    away_deg = np.hypot(dx, dy) / np.float32(UM_PER_DEG)
    tilt = math.atan2(-layout.disc_um[1], layout.disc_um[0])
    turn = ((np.arctan2(-dy, dx) - tilt) / np.float32(2 * np.pi) + 0.5) % 1
    place = [away_deg * ((len(RADII_DEG) - 1) / RADII_DEG[-1]), turn * (len(PHI_DEG) - 1)]
    sheen = _sheen(layout, seed).astype(np.float32)
    return map_coordinates(sheen, place, np.float32, order=1, mode="constant")


def _sheen(layout: Layout, seed: int) -> Float[np.ndarray, "radii angles"]:
    turns = _START / 360.0
    striae = ring_noise(420, turns, seed=seed_for(seed, "striae"))
    bundles = ring_noise(60, turns, seed=seed_for(seed, "bundles"))
    # Two humps, as the layer's thickness round the disc has them, above and below.
    humps = 0.25 + np.exp(-(((_START - 95) / 42) ** 2)) + np.exp(-(((_START + 95) / 42) ** 2))
    fade = np.exp(-((RADII_DEG[:, None] / 13.0) ** 2))
    lost = layout.notch * np.exp(-(((_START - _notch_deg(layout)) / DEFECT_DEG) ** 2))
    return humps * fade * np.clip(0.75 + 0.2 * bundles + 0.22 * striae, 0, None) * (1 - lost)


def _notch_deg(layout: Layout) -> float:
    return math.degrees(math.atan2(-math.sin(layout.notch_rad), math.cos(layout.notch_rad)))
