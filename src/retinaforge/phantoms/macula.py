"""The macula: darker towards the fovea, yellow of xanthophyll, reflexes of a young retina."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from retinaforge.core import rng_for, seed_for
from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.look import Look
from retinaforge.phantoms.texture import Part, noise

DEPTH = np.array([0.19, 0.33, 0.5])
"""Log darkening at the fovea in R, G, B. Set by eye, shallower than what 36 IDRiD photographs gave
(median 0.19, 0.37, 0.69): there the fovea was sought as the darkest spot near its usual place."""
WIDTH_UM, YELLOW_UM = 720.0, 820.0
"""1/e radius of the darkening and of the loss of blue, set beside the same profiles."""
WIDE_UM = 1900.0
REFLEX_REACH_UM = 2400.0

Colour3 = tuple[float, float, float]
Colour = Float[np.ndarray, "height width 3"]
Plane = Float[np.ndarray, "height width"]


def macula_layers(frame: Frame, look: Look, *, seed: int) -> list[tuple[Plane, Colour3]]:
    """Return planes of log light and their RGB shares: a core, its yellow pigment, a wide shade."""
    rng = rng_for(seed, "macula")
    aspect, lean, wide = rng.uniform(1.0, 1.2), rng.normal(0, 60, 2), rng.uniform(0, 0.15)
    size, (red, green, blue) = rng.uniform(0.8, 1.15), DEPTH * rng.uniform(0.8, 1.2, 3)
    x, y = (frame.x_um - float(lean[0])) / aspect, (frame.y_um - float(lean[1])) * aspect**0.5
    ragged = 1 + 0.16 * noise(frame, 700, seed=seed_for(seed, "ragged"))
    square = (x * x + y * y) * ragged
    depth = -look.macula
    return [
        (depth * np.exp(square / -((size * WIDTH_UM) ** 2)), (red, green, 0.0)),
        (depth * np.exp(square / -((size * YELLOW_UM) ** 2)), (0.0, 0.0, blue)),
        (-wide * np.exp(square / -(WIDE_UM**2)), (0.7, 1.0, 1.0)),
    ]


def add_reflexes(ground: Colour, frame: Frame, look: Look, *, seed: int) -> Colour:
    """Return the ground with the light of foveal reflexes, within 2.4 mm of the fovea."""
    if look.foveal_reflex <= 0:
        return ground
    middle, half = frame.to_px(np.zeros((1, 2)))[0], REFLEX_REACH_UM / frame.px_um
    low = np.clip(np.floor(middle - half), 0, frame.size_px).astype(int)
    high = np.clip(np.ceil(middle + half), 0, frame.size_px).astype(int)
    part = (slice(low[1], high[1]), slice(low[0], high[0]))
    if min(high - low) > 0:
        shine = reflexes(frame, look, seed=seed, part=part)
        ground[part] += shine[..., None] * np.array([0.8, 1.0, 0.8], dtype=np.float32)
    return ground


def reflexes(frame: Frame, look: Look, *, seed: int, part: Part) -> Plane:
    """Return light added at the fovea and round it, in grey levels.

    A dot or a little ring at the fovea, a broken oval at the macula's border.
    """
    rng = rng_for(seed, "reflex")
    kind, size_um, lean = rng.uniform(), rng.uniform(35, 75), rng.normal(0, 25, 2)
    radius_um, arc = rng.uniform(90, 170), rng.uniform(0, 2 * np.pi)
    oval_um, oval = rng.uniform(850, 1250), rng.uniform(1.05, 1.3)
    x, y = frame.x_um[part] - float(lean[0]), frame.y_um[part] - float(lean[1])
    away = np.hypot(x, y)
    # A spot smaller than a pixel spreads over it and keeps its light.
    spot_um = float(np.hypot(size_um, 0.5 * frame.px_um))
    if kind < 0.6:
        dot = 60 * (size_um / spot_um) ** 2 * np.exp(-((away / spot_um) ** 2))
    else:
        facing = 0.5 + 0.5 * np.cos(np.arctan2(y, x) - arc)
        ring = np.exp(-(((away - radius_um) / (0.6 * spot_um)) ** 2))
        dot = 45 * (size_um / spot_um) * ring * facing
    edge = np.exp(-(((np.hypot(x / oval, y) - oval_um) / 130) ** 2))
    patches = noise(frame, 500, seed=seed_for(seed, "broken"), part=part)
    return look.foveal_reflex * (dot + 16 * edge * np.clip(0.3 + 0.7 * patches, 0, 2))
