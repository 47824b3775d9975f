"""The macula: darker towards the fovea, yellow of xanthophyll, reflexes of a young retina."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from retinaforge.core import rng_for, seed_for
from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.look import Look
from retinaforge.phantoms.texture import noise

DEPTH = np.array([0.19, 0.37, 0.55], dtype=np.float32)
"""Log darkening at the fovea in R, G, B; medians of 36 IDRiD photographs (0.83, 0.69, 0.50 of the
ground two disc radii away; blue less, for the lesions and the clipped blue of that camera)."""
WIDTH_UM = np.array([700.0, 720.0, 820.0], dtype=np.float32)
"""1/e radius of the darkening, fitted to the same profiles."""

Colour = Float[np.ndarray, "height width 3"]
Plane = Float[np.ndarray, "height width"]


def macula_log(frame: Frame, look: Look, *, seed: int) -> Colour:
    """Return the logarithm of what the macula does to each channel."""
    rng = rng_for(seed, "macula")
    aspect, lean = rng.uniform(1.0, 1.2), rng.normal(0, 60, 2)
    x, y = (frame.x_um - lean[0]) / aspect, (frame.y_um - lean[1]) * aspect**0.5
    ragged = 1 + 0.16 * noise(frame, 700, seed=seed_for(seed, "ragged"))
    square = (x * x + y * y) * ragged
    wide = 0.16 * rng.uniform(0, 1.5) * np.exp(-square / 1900.0**2)
    scale = look.macula * rng.uniform(0.8, 1.2, 3).astype(np.float32)
    core = [
        -(d * k) * np.exp(-square / w**2)
        for d, k, w in zip(DEPTH, scale, WIDTH_UM * rng.uniform(0.8, 1.15), strict=True)
    ]
    return np.stack(core, axis=-1) - wide[..., None] * np.array([0.7, 1, 1], dtype=np.float32)


def reflexes(frame: Frame, look: Look, *, seed: int) -> Plane:
    """Return light added at the fovea and round it, in grey levels of the red channel.

    A dot or a little ring at the fovea, a broken oval at the macula's border.
    """
    rng = rng_for(seed, "reflex")
    kind, size_um, lean = rng.uniform(), rng.uniform(35, 75), rng.normal(0, 25, 2)
    radius_um, arc = rng.uniform(90, 170), rng.uniform(0, 2 * np.pi)
    oval_um, oval = rng.uniform(850, 1250), rng.uniform(1.05, 1.3)
    if look.foveal_reflex <= 0:
        return np.zeros((frame.size_px, frame.size_px), dtype=np.float32)
    x, y = frame.x_um - np.float32(lean[0]), frame.y_um - np.float32(lean[1])
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
    broken = np.clip(0.3 + 0.7 * noise(frame, 500, seed=seed_for(seed, "broken")), 0, 2)
    return look.foveal_reflex * (dot + 16 * edge * broken)
