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
from retinaforge.phantoms.macula import macula_log, reflexes
from retinaforge.phantoms.texture import noise, sample

Colour = Float[np.ndarray, "height width 3"]
Plane = Float[np.ndarray, "height width"]

OCTAVES = ((2400.0, 0.035), (1000.0, 0.03), (420.0, 0.022), (180.0, 0.016), (80.0, 0.014),
           (40.0, 0.014))  # fmt: skip
"""Node distance (um) and log contrast of the mottle; set beside the band energies of photographs
(SD of log green between blurs of 1-64 px at 512 px)."""


def _rgb(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def paint_ground(frame: Frame, fundus: Fundus, look: Look) -> Colour:
    """Return the retina without disc and vessels, RGB 0-255 (may exceed it in reflexes)."""
    seed = fundus.seed
    log = _drift(frame, look, seed=seed)
    log += look.mottle * _mottle(frame, seed=seed)[..., None] * _rgb(0.75, 1.0, 1.05)
    log += _choroid(frame, fundus, look)
    sheen = look.fibres * sample(fibre_map(fundus.layout, seed=seed_for(seed, "fibres")), frame)
    log += sheen[..., None] * _rgb(0.09, 0.22, 0.24)
    log += look.glow * _glow(frame, fundus.layout)[..., None] * _rgb(0.1, 0.2, 0.22)
    log += macula_log(frame, look, seed=seed_for(seed, "macula"))
    ground = look.base.astype(np.float32) * np.exp(log)
    shine = reflexes(frame, look, seed=seed_for(seed, "reflexes"))
    return ground + shine[..., None] * _rgb(0.8, 1.0, 0.8)


def _drift(frame: Frame, look: Look, *, seed: int) -> Colour:
    light = noise(frame, 6000, seed=seed_for(seed, "light"))
    hue = noise(frame, 4800, seed=seed_for(seed, "hue"))
    return look.drift * (
        0.07 * light[..., None] * _rgb(0.9, 1.0, 1.0) + 0.04 * hue[..., None] * _rgb(-0.4, 1.0, 1.4)
    )


def _mottle(frame: Frame, *, seed: int) -> Plane:
    return sum(
        weight * noise(frame, cell, seed=seed_for(seed, "mottle", round(cell)))
        for cell, weight in OCTAVES
    )


def _choroid(frame: Frame, fundus: Fundus, look: Look) -> Colour:
    """Return choroidal vessels: pale between pigment; red on the pale ground of a blond fundus."""
    vessels = sample(choroid_map(fundus.layout, seed=seed_for(fundus.seed, "choroid")), frame)
    blond = float(np.clip((0.3 - look.pigment) / 0.15, 0, 1))
    pale = look.tigroid * _rgb(0.17, 0.21, 0.12)
    red = look.tigroid * _rgb(-0.05, -0.17, -0.13)
    return vessels[..., None] * ((1 - blond) * pale + blond * red)


def _glow(frame: Frame, layout: Layout) -> Plane:
    """Return the light round the disc, 1 at its centre."""
    dx, dy = frame.x_um - layout.disc_um[0], frame.y_um - layout.disc_um[1]
    return np.exp(-np.hypot(dx, dy * 0.85) / np.float32(1.6 * layout.disc_axes_um[1]))
