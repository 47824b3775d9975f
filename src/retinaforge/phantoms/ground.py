"""Paint the eye's ground: background, macula, nerve fibres and disc, before and under the vessels.

All in display values (0-255, gamma as cameras save them); x, y are micrometres on the retina.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import map_coordinates

from retinaforge.core import rng_for
from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.fundus import Fundus, Layout
from retinaforge.phantoms.look import Look, smooth_noise

Plane = Float[np.ndarray, "height width"]
Mask = Bool[np.ndarray, "height width"]
Colour = Float[np.ndarray, "height width 3"]


def paint_ground(frame: Frame, fundus: Fundus, look: Look) -> Colour:
    """Return background, macula and nerve-fibre sheen."""
    x, y, layout, size = frame.x_um, frame.y_um, fundus.layout, frame.size_px
    rng = rng_for(fundus.seed, "ground")
    octaves = ((3, 1.0), (7, 0.8), (17, 0.5), (41, 0.4), (97, 0.35))
    mottle = sum(weight * smooth_noise(cells, size, rng=rng) for cells, weight in octaves)
    shade = look.mottle * mottle + look.tigroid * _choroid(size, rng=rng) * 0.22
    away = np.hypot(x, y)
    macula = look.macula * (
        0.55 * np.exp(-((away / 1300) ** 2)) + 0.75 * np.exp(-((away / 520) ** 2))
    )
    fibres = look.sheen * _fibres(x, y, layout, rng=rng)
    warm = np.array([0.55, 1.0, 1.1], dtype=np.float32)
    tone = (shade - macula)[..., None] * warm + fibres[..., None] * np.array([0.5, 1.0, 0.9])
    drift = 0.1 * smooth_noise(2, size, rng=rng)[..., None] * np.array([0.2, 1.0, 1.0])
    return (look.base * np.exp(tone + drift)).astype(np.float32)


def _choroid(size: int, *, rng: np.random.Generator) -> Plane:
    """Return bright ridges between dark choroidal vessels, as in tigroid fundi."""
    warp_x, warp_y = (smooth_noise(6, size, rng=rng) for _ in range(2))
    field = smooth_noise(13, size, rng=rng)
    row, column = np.mgrid[:size, :size].astype(np.float32)
    shift = size * 0.035
    warped = map_coordinates(field, [row + shift * warp_y, column + shift * warp_x], order=1,
                             mode="reflect")  # fmt: skip
    strength = np.clip(0.6 + 0.5 * smooth_noise(3, size, rng=rng), 0, 1.4)
    return strength * (0.45 - 0.8 * np.exp(-((warped / 0.6) ** 2))).astype(np.float32)


def _fibres(x: Plane, y: Plane, layout: Layout, *, rng: np.random.Generator) -> Plane:
    """Return the sheen of nerve fibres, striated along rays from the disc."""
    dx, dy = x - layout.disc_um[0], y - layout.disc_um[1]
    away, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    strands = rng.standard_normal(240)
    strands = np.concatenate([strands, strands[:1]])
    place = (angle + np.pi) / (2 * np.pi) * 240
    striae = np.interp(place, np.arange(241), strands)
    # Fibres are thickest above and below the disc, thin towards fovea and nose.
    poles = 0.35 + 0.65 * np.abs(np.sin(angle))
    return poles * np.exp(-((away / 2600) ** 2)) * (0.8 + 0.25 * striae)


def disc_mask(frame: Frame, layout: Layout) -> Mask:
    """Return the inside of the disc."""
    return disc_radius_share(frame.x_um, frame.y_um, layout) <= 1


def cup_mask(frame: Frame, layout: Layout) -> Mask:
    """Return the inside of the cup."""
    return (
        np.hypot(
            (frame.x_um - layout.cup_um[0]) / layout.cup_axes_um[0],
            (frame.y_um - layout.cup_um[1]) / layout.cup_axes_um[1],
        )
        <= 1
    )


def disc_radius_share(x: Plane, y: Plane, layout: Layout) -> Plane:
    """Return the elliptic radius of each pixel: 1 on the disc's border."""
    return np.hypot(
        (x - layout.disc_um[0]) / layout.disc_axes_um[0],
        (y - layout.disc_um[1]) / layout.disc_axes_um[1],
    )


def paint_disc(ground: Colour, frame: Frame, fundus: Fundus, look: Look) -> Colour:
    """Return the ground with the disc: yellowish rim, paler cup, sometimes a crescent."""
    x, y, layout, size = frame.x_um, frame.y_um, fundus.layout, frame.size_px
    rng = rng_for(fundus.seed, "disc")
    share = disc_radius_share(x, y, layout)
    base = ground.reshape(-1, 3).mean(0)
    rim = np.array([
        min(252.0, base[0] * rng.uniform(1.18, 1.3) + 18),
        min(190.0, base[1] * rng.uniform(1.75, 2.1) + 16),
        min(130.0, base[2] * rng.uniform(1.6, 2.2) + 14),
    ])  # fmt: skip
    # Every disc leans to the yellow of the nerve's tissue, whatever the fundus round it.
    rim += rng.uniform(0.15, 0.5) * (np.array([246.0, 184.0, 104.0]) - rim)
    cup = np.minimum(rim * np.array([1.06, 1.3, 1.35]), [255.0, 236.0, 165.0])
    halo = np.exp(-np.clip(share - 1, 0, None) * 3.2) * rng.uniform(0.05, 0.22)
    crescent = rng.uniform(-0.1, 0.25) * np.exp(-(((share - 1.08) / 0.11) ** 2))
    crescent = crescent * np.clip((layout.disc_um[0] - x) / layout.disc_axes_um[0], 0, 1)
    out = ground * np.exp((halo + crescent)[..., None] * np.array([0.4, 1.0, 1.0]))
    grain = 1 + 0.035 * (smooth_noise(60, size, rng=rng) + smooth_noise(25, size, rng=rng))
    # Less light from the nasal rim, which is the thicker one.
    nasal = 1 - 0.10 * np.clip((x - layout.disc_um[0]) / layout.disc_axes_um[0], -1, 1)
    inner = np.hypot(
        (x - layout.disc_um[0] + 0.12 * layout.disc_axes_um[0]) / layout.disc_axes_um[0],
        (y - layout.disc_um[1]) / layout.disc_axes_um[1],
    )
    in_cup = _step(layout.cup_to_disc - inner, 0.24) * rng.uniform(0.5, 1.0)
    disc = (rim + in_cup[..., None] * (cup - rim)) * (grain * nasal)[..., None]
    cover = _step(1 - share, rng.uniform(0.035, 0.08))[..., None] * rng.uniform(0.85, 0.97)
    return (out + cover * (disc - out)).astype(np.float32)


def _step(inside: Plane, soft: float) -> Plane:
    return 1 / (1 + np.exp(np.clip(-inside / soft * 2.2, -40, 40)))
