"""The choroid behind the pigment epithelium: broad vessels that show where pigment is uneven.

In a tigroid fundus choroidal vessels are pale-orange ribbons between dark polygons of pigment; in a
blond one they are red on a pale ground. They run outwards from the posterior pole towards the
vortex veins, join and part.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from retinaforge.core import seed_for
from retinaforge.phantoms.fundus import Layout
from retinaforge.phantoms.texture import Lattice, Map, white

REFERENCE_UM = 4500.0
"""Distance from the pole at which ribbons have their stated width."""

LENGTH = 3.2
"""Nodes of noise an octave of distance; fewer make longer ribbons."""

STEEP = 2.2
"""How sharply a ribbon ends, per SD of the noise; set by eye."""


def choroid_map(where: Map, layout: Layout, *, seed: int) -> Lattice:
    """Return a map of the retina, about 1 on a choroidal vessel and -1 between them."""
    broad = _ribbons(where, layout, 300.0, seed=seed_for(seed, "broad"))
    fine = _ribbons(where, layout, 170.0, seed=seed_for(seed, "fine"))
    layers = 0.7 * broad + 0.3 * fine
    x, y = where.x_um, where.y_um
    # Denser pigment hides the choroid at the macula; patches of it hide the choroid elsewhere.
    hidden = 0.85 * np.exp(-(x**2 + (1.2 * y) ** 2) / 1900.0**2)
    patches = np.clip(0.62 + 0.45 * where.noise(3600, seed=seed_for(seed, "patches")), 0.05, 1.2)
    return (2 * layers - 0.9) * (1 - hidden) * patches


def _ribbons(where: Map, layout: Layout, width_um: float, *, seed: int) -> Lattice:
    """Return 1 where noise that is long outwards and short across is high, 0 where it is low."""
    warp_x, warp_y = (where.noise(1500, seed=seed_for(seed, axis)) for axis in ("x", "y"))
    dx = where.x_um - 0.35 * layout.disc_um[0] + 330 * warp_x
    dy = (where.y_um - layout.disc_um[1] / 2) * 1.25 + 330 * warp_y
    octave = np.log2(np.hypot(dx, dy) / REFERENCE_UM + 0.05)
    turn = np.arctan2(dy, dx) / np.float32(2 * np.pi) + 0.5
    along = (octave + 5) * LENGTH * 260.0 / width_um
    # Twice as many round the far circle as round the near one, so that ribbons keep their width.
    across = round(2 * np.pi * REFERENCE_UM / (1.15 * width_um) / 2)
    far = np.clip(0.5 + octave, 0, 1)
    level = np.sqrt(1 - far) * _wrapped(across, turn, along, seed=seed_for(seed, "near"))
    level += np.sqrt(far) * _wrapped(2 * across, turn, along, seed=seed_for(seed, "far"))
    return 1 / (1 + np.exp(-STEEP * level))


def _wrapped(across: int, turn: Lattice, along: Lattice, *, seed: int) -> Lattice:
    """Return noise at whole turns times `across` and at `along`, both counted in nodes."""
    nodes = white(256, seed=seed)[:48, :across]
    return map_coordinates(nodes, [along, turn * across], np.float32, order=1, mode="grid-wrap")
