"""Paint the eye's ground: pigment, choroid, nerve fibres and macula, before the disc.

Display values of a neutral camera (0-255, gamma as cameras save them), as sums of logarithms:

    ground = base exp(drift + mottle + choroid + fibres + macula) + reflexes

Light that crosses the pigment epithelium shows in red as much as in green; what lies before it
(fibres, macular pigment) shows in green and blue.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from retinaforge.core import seed_for
from retinaforge.phantoms.choroid import choroid_map
from retinaforge.phantoms.fibres import fibre_map
from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.fundus import Fundus, Layout
from retinaforge.phantoms.look import Look
from retinaforge.phantoms.macula import add_reflexes, macula_layers
from retinaforge.phantoms.texture import map_for, noise

Colour = Float[np.ndarray, "height width 3"]
Plane = Float[np.ndarray, "height width"]

OCTAVES = ((2400.0, 0.034), (1000.0, 0.028), (420.0, 0.019), (180.0, 0.008), (80.0, 0.008),
           (40.0, 0.012))  # fmt: skip
"""Node distance (um) and log contrast of the mottle; set by eye and moved towards photographs where
benchmarks/phantom_statistics.py found too much fine and too little coarse texture."""


CHOROID_PALE = np.array([0.15, 0.18, 0.1])
CHOROID_RED = np.array([-0.05, -0.17, -0.13])
"""Log contrast of a choroidal vessel in a tigroid and in a blond fundus; set by eye."""
Layer = tuple[Plane, tuple[float, float, float]]
"""A plane of log light and what of it each channel sees."""


def paint_ground(frame: Frame, fundus: Fundus, look: Look) -> Colour:
    """Return the retina without disc and vessels, RGB 0-255 (may exceed it in reflexes)."""
    layers = [
        *_drift(frame, look, seed=fundus.seed),
        (look.mottle * _mottle(frame, seed=fundus.seed), (0.75, 1.0, 1.05)),
        *_mapped(frame, fundus, look),
        (look.glow * _glow(frame, fundus.layout), (0.1, 0.25, 0.28)),
        *macula_layers(frame, look, seed=seed_for(fundus.seed, "macula")),
    ]
    planes = np.stack([plane for plane, _ in layers], axis=-1)
    log = planes @ np.array([rgb for _, rgb in layers], dtype=np.float32)
    ground = look.base.astype(np.float32) * np.exp(log)
    return add_reflexes(ground, frame, look, seed=seed_for(fundus.seed, "reflexes"))


def _drift(frame: Frame, look: Look, *, seed: int) -> list[Layer]:
    light = noise(frame, 6000, seed=seed_for(seed, "light"))
    hue = noise(frame, 4800, seed=seed_for(seed, "hue"))
    patches = noise(frame, 1300, seed=seed_for(seed, "patches"))
    return [
        (0.07 * look.drift * light, (0.9, 1.0, 1.0)),
        (0.025 * look.drift * hue, (-0.4, 0.6, 1.8)),
        (0.012 * look.drift * patches, (-0.4, 0.6, 1.8)),
    ]


def _mottle(frame: Frame, *, seed: int) -> Plane:
    return sum(
        weight * noise(frame, cell, seed=seed_for(seed, "mottle", round(cell)))
        for cell, weight in OCTAVES
    )


def _mapped(frame: Frame, fundus: Fundus, look: Look) -> list[Layer]:
    """Return nerve fibres, and choroidal vessels: pale between pigment, red in a blond fundus."""
    where, layout, layers = map_for(frame), fundus.layout, []
    if look.fibres > 0:
        sheen = fibre_map(where, layout, seed=seed_for(fundus.seed, "fibres"))
        layers.append((look.fibres * where.sample(sheen, frame), (0.09, 0.26, 0.28)))
    if look.tigroid > 0:
        vessels = choroid_map(where, layout, seed=seed_for(fundus.seed, "choroid"))
        blond = float(np.clip((0.3 - look.pigment) / 0.15, 0, 1))
        rgb = (1 - blond) * CHOROID_PALE + blond * CHOROID_RED
        layers.append((look.tigroid * where.sample(vessels, frame), tuple(rgb)))
    return layers


def _glow(frame: Frame, layout: Layout) -> Plane:
    """Return the light round the disc, 1 at its centre."""
    dx, dy = frame.x_um - layout.disc_um[0], frame.y_um - layout.disc_um[1]
    return np.exp(np.hypot(dx, dy * 0.85) / np.float32(-1.6 * layout.disc_axes_um[1]))
