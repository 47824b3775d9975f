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
from retinaforge.phantoms.texture import Lattice, map_axes_um, map_noise, white

REFERENCE_UM = 4500.0
"""Distance from the pole at which ribbons have their stated width."""


def choroid_map(layout: Layout, *, seed: int) -> Lattice:
    """Return a map of the retina, about 1 on a choroidal vessel and -1 between them."""
    broad = _ribbons(layout, 260.0, seed=seed_for(seed, "broad"))
    fine = _ribbons(layout, 150.0, seed=seed_for(seed, "fine"))
    layers = np.maximum(broad, 0.75 * fine)
    x, y = map_axes_um()
    # Denser pigment hides the choroid at the macula; patches of it hide the choroid elsewhere.
    hidden = 0.85 * np.exp(-(x**2 + (1.2 * y) ** 2) / 1900.0**2)
    patches = np.clip(0.62 + 0.45 * map_noise(3600, seed=seed_for(seed, "patches")), 0.05, 1.2)
    return (2 * layers - 0.9) * (1 - hidden) * patches


def _ribbons(layout: Layout, width_um: float, *, seed: int) -> Lattice:
    """Return 1 along the zero lines of noise that is long outwards and short across, else 0."""
    x, y = map_axes_um()
    warp_x, warp_y = (
        map_noise(cell, seed=seed_for(seed, axis)) for cell, axis in ((1500, "x"), (1200, "y"))
    )
    dx = x - 0.35 * layout.disc_um[0] + 260 * warp_x
    dy = (y - layout.disc_um[1] / 2) * 1.25 + 260 * warp_y
    away = np.sqrt(dx * dx + dy * dy)
    texture = white(256, seed=seed)
    # The arc is measured in ribbons: their number must not change round the pole.
    across = round(2 * np.pi * REFERENCE_UM / (2.6 * width_um))
    turn = (np.arctan2(dy, dx) / (2 * np.pi) + 0.5) * across
    along = 7.0 * np.log1p(away / 1400.0) * 260.0 / width_um
    level = map_coordinates(texture[:, :across], [along, turn], order=1, mode="grid-wrap")
    return np.exp(-((level / 0.85) ** 2))
