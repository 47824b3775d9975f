"""Paint the optic disc: rim, cup, lamina, edge, and the atrophy beside it.

The disc's nerve tissue hardly depends on the fundus' pigment, so its contrast is the greater the
darker the fundus. Ratios of 40 Drishti-GS crops (10th, 50th, 90th percentile, R G B):
rim over ground 1.29-1.44-1.70, 1.25-1.35-1.96, 1.00-1.32-1.75;
cup over rim 1.07-1.12-1.17, 1.13-1.27-1.60, 1.08-1.39-2.18.
RIM_RATIO and CUP_RATIO lie above these medians, which vessels lower, and were set by eye.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from retinaforge.core import rng_for, seed_for
from retinaforge.phantoms.disc_shape import cup_radius_share, disc_radius_share, window
from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.fundus import Fundus, Layout
from retinaforge.phantoms.look import MEDIUM_RGB, Look
from retinaforge.phantoms.texture import noise, ring_noise

Colour = Float[np.ndarray, "height width 3"]
Plane = Float[np.ndarray, "height width"]

RIM_RATIO = np.array([1.38, 1.74, 1.64])
CUP_RATIO = np.array([1.12, 1.42, 1.6])
KEPT = 0.45
"""Exponent of the fundus' brightness in the disc's; set beside Drishti-GS, where the ratio of rim
to ground falls with the ground in red and green, not in blue (correlation of logarithms -0.7, -0.5,
+0.2)."""
REACH = 3.2
"""Disc radii round which the disc changes the picture."""


def _rgb(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


@dataclass(frozen=True)
class _Place:
    """Each pixel near the disc in the disc's own coordinates."""

    share: Plane
    angle: Plane
    temporal: Plane
    cup: Plane
    frame: Frame
    part: tuple[slice, slice]

    def noise(self, cell_um: float, *, seed: int) -> Plane:
        return noise(self.frame, cell_um, seed=seed, part=self.part)


def paint_disc(ground: Colour, frame: Frame, fundus: Fundus, look: Look) -> Colour:
    """Return the ground with the disc and what lies beside it, RGB 0-255."""
    part = window(frame, fundus.layout, reach=REACH)
    if min(part[0].stop - part[0].start, part[1].stop - part[1].start) < 1:
        return ground
    place = _place(frame, fundus.layout, part)
    scene = ground[part]
    scene = scene * np.exp(_beside(place, fundus, look))
    cover = _cover(place, fundus)[..., None]
    disc = _nerve(place, fundus, look)
    out = ground.copy()
    out[part] = scene + cover * (disc - scene)
    return out


def _place(frame: Frame, layout: Layout, part: tuple[slice, slice]) -> _Place:
    x, y = frame.x_um[part], frame.y_um[part]
    dx, dy = x - layout.disc_um[0], y - layout.disc_um[1]
    away = np.maximum(np.hypot(dx, dy), 1e-3)
    return _Place(
        share=disc_radius_share(x, y, layout),
        angle=np.arctan2(dy, dx),
        temporal=-dx / away,
        cup=cup_radius_share(x, y, layout),
        frame=frame,
        part=part,
    )


def _cover(place: _Place, fundus: Fundus) -> Plane:
    """Return how far the disc hides the ground: its edge is sharp temporally, veiled nasally."""
    rng = rng_for(fundus.seed, "disc edge")
    soft = rng.uniform(0.025, 0.07)
    veil = rng.uniform(0.0, 0.12)
    wobble = 0.022 * place.noise(700, seed=seed_for(fundus.seed, "border"))
    width = soft + veil * np.clip(0.4 - 0.6 * place.temporal, 0, 1)
    return rng.uniform(0.93, 1.0) * _step((1 + wobble - place.share) / width)


def _beside(place: _Place, fundus: Fundus, look: Look) -> Colour:
    """Return the logarithm of rings and crescents round the disc."""
    rng = rng_for(fundus.seed, "beside")
    out = place.share - 1
    patch = np.clip(0.5 + 0.8 * place.noise(260, seed=seed_for(fundus.seed, "patch")), 0, 1.6)
    side = np.clip(0.25 + 0.75 * place.temporal, 0, 1)
    ring = max(0.0, rng.normal(0.06, 0.1)) * np.exp(-(((out - 0.03) / 0.035) ** 2))
    dark_at, dark = rng.uniform(0.08, 0.16), max(0.0, rng.normal(0.0, 0.12))
    pigment = dark * side * patch * np.exp(-(((out - dark_at) / 0.09) ** 2))
    grey = rng.uniform(0, 0.13) * np.exp(-(((out - 0.14) / 0.16) ** 2))
    log = ring[..., None] * _rgb(0.8, 1.2, 1.2) - pigment[..., None] * _rgb(1.0, 1.0, 0.7)
    log -= grey[..., None] * _rgb(1.0, 0.55, 0.3)
    return log + _atrophy(place, fundus, rng)


def _atrophy(place: _Place, fundus: Fundus, rng: np.random.Generator) -> Colour:
    """Return the beta zone (sclera shows) beside the disc and the mottled alpha zone round it."""
    width, lean, ring = fundus.layout.atrophy, rng.normal(0.25, 0.35), rng.uniform(0, 0.5)
    alpha, pale = rng.uniform(0.05, 0.22), rng.uniform(0.75, 1.2)
    if width <= 0.02:
        return np.zeros((*place.share.shape, 3), dtype=np.float32)
    facing = np.cos(place.angle - np.pi - lean)
    # A narrow crescent stays temporal, a broad one grows into a ring.
    share = np.clip(facing, 0, 1) ** 0.7
    share = share + (1 - share) * ring * np.clip(width - 0.25, 0, 1)
    ragged = 1 + 0.13 * place.noise(420, seed=seed_for(fundus.seed, "ragged"))
    edge = width * share * ragged
    out = place.share - 1
    beta = _step((0.72 * edge - out) / 0.06) * np.clip(edge / 0.06, 0, 1)
    outer = _step((1.1 * edge + 0.04 - out) / 0.12) * np.clip(edge / 0.06, 0, 1)
    choroid = place.noise(130, seed=seed_for(fundus.seed, "deep"))
    speckle = place.noise(75, seed=seed_for(fundus.seed, "speckle"))
    zone = (outer - beta).clip(0)
    light = pale * beta[..., None] * _rgb(0.17, 0.31, 0.33) * (1 + 0.16 * choroid)[..., None]
    return light - alpha * (zone * (0.8 + 0.35 * speckle))[..., None] * _rgb(1.0, 0.95, 0.7)


def _nerve(place: _Place, fundus: Fundus, look: Look) -> Colour:
    """Return rim and cup, as bright as the nerve's tissue, streaked and lit unevenly."""
    layout, seed = fundus.layout, fundus.seed
    rng = rng_for(seed, "nerve")
    base = MEDIUM_RGB * (look.base / MEDIUM_RGB) ** KEPT * np.exp(rng.normal(0, (0.04, 0.07, 0.1)))
    pallor = float(np.clip((layout.cup_to_disc - 0.55) / 0.35, 0, 1)) * rng.uniform(0.2, 0.8)
    rim = base * RIM_RATIO * np.exp(pallor * np.array([0.02, 0.13, 0.25]))
    ratio = np.log(CUP_RATIO) * rng.lognormal(-0.1, 0.4) * rng.uniform(0.9, 1.1, 3)
    log = np.log(rim).astype(np.float32) + _unevenness(place, seed, rng)
    log += _cup_depth(place, layout, rng)[..., None] * ratio.astype(np.float32)
    log -= _lamina(place, layout, seed, rng)[..., None] * _rgb(0.6, 1.0, 1.1)
    return np.exp(log)


def _unevenness(place: _Place, seed: int, rng: np.random.Generator) -> Colour:
    """Return streaks of fibres, patches, and a nasal rim pinker and darker than the temporal."""
    turns = place.angle / (2 * np.pi)
    streaks = ring_noise(150, turns, seed=seed_for(seed, "streaks")) * np.clip(place.share, 0, 1)
    patches = place.noise(330, seed=seed_for(seed, "patches"))
    grain = place.noise(50, seed=seed_for(seed, "grain"))
    grey = 0.009 * streaks + 0.035 * patches + 0.014 * grain
    lean = rng.uniform(0.02, 0.14) * place.temporal * np.clip(place.share, 0, 1)
    rounding = rng.uniform(0.0, 0.12) * np.clip(place.share, 0, 1) ** 4
    return (grey - rounding)[..., None] * _rgb(0.8, 1, 1.1) + lean[..., None] * _rgb(0.5, 1.2, 1.4)


def _cup_depth(place: _Place, layout: Layout, rng: np.random.Generator) -> Plane:
    """Return 0 on the rim, 1 on the cup's floor; steep nasally, sloping temporally."""
    gap = 0.45 / max(layout.cup_to_disc, 0.2)
    soft = rng.uniform(0.12, 0.5) * (1 + 0.7 * np.clip(place.temporal, 0, 1)) * min(gap, 1.6)
    return _step((1 - place.cup) / soft)


def _lamina(place: _Place, layout: Layout, seed: int, rng: np.random.Generator) -> Plane:
    """Return the grey pores of the lamina cribrosa on the floor of a deep cup."""
    deep = float(np.clip((layout.cup_to_disc - 0.5) / 0.25, 0, 1)) * max(0, rng.uniform(-0.05, 0.1))
    pores = np.clip(0.5 - place.noise(36, seed=seed_for(seed, "pores")), 0, 1.5)
    shadow = rng.uniform(0, 0.1) * np.exp(-((place.cup / 0.4) ** 2))
    return deep * pores * _step((0.75 - place.cup) / 0.12) + shadow


def _step(inside: Plane) -> Plane:
    return 1 / (1 + np.exp(np.clip(-2.2 * inside, -40, 40)))
