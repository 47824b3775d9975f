"""A fovea where one should be: heat of the network, darkness of the picture."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from retinaforge.audits.disc_home import home_of
from retinaforge.audits.eye_findings import EyeFindings, Map

STEP = 4
"""Darkness is looked for on every fourth pixel."""
SMALLEST_DISC = 0.115
OFF_MIDDLE = 0.3


def _darkness(eye: EyeFindings, unit: float) -> tuple[Map, Map]:
    """Return how much darker a place is than the ring about it, on every fourth pixel, and where
    that is known; `unit` is a disc diameter in pixels. Vessels are left out."""
    bare = eye.fov.mask & (eye.widest_probability < 0.3)
    weight = bare.astype(np.float32)
    image = (eye.log_green * weight).astype(np.float32)
    small = []
    for values in (image, weight):
        height, width = (n // STEP * STEP for n in values.shape)
        blocks = values[:height, :width].reshape(height // STEP, STEP, width // STEP, STEP)
        small.append(blocks.mean(axis=(1, 3)))
    means, known = [], small[1] > 0
    for sigma in (0.15, 0.5):
        s = sigma * unit / STEP
        total = ndimage.gaussian_filter(small[1], s)
        means.append(ndimage.gaussian_filter(small[0], s) / np.maximum(total, 1e-3))
        known &= total > 0.25
    return means[1] - means[0], known


def fovea_numbers(eye: EyeFindings) -> dict[str, float] | str:
    """Return how a fovea shows where one should lie, 1.6 to 3.4 disc diameters from the disc.

    fovea_both: highest sum of heat and darkness (log units) there.
    fovea_spread: ln of the standard deviation of darkness there.
    nasal_less: highest darkness there less the highest on the nasal side.
    """
    home = home_of(eye)
    if home is None or not home.sure:
        return "no disc with a sure outline to measure from"
    beside = (home.centre_px[0] - eye.fov.centre_px[0]) / eye.fov.radius_px
    stated = None if eye.photo.eye is None else (-1.0 if eye.photo.eye == "OD" else 1.0)
    temporal = stated if stated is not None else -math.copysign(1.0, beside)
    if -beside * temporal < OFF_MIDDLE:
        return "where the fovea should lie is not clearly in view"
    unit = 2 * max(home.radius_px, SMALLEST_DISC * eye.fov.radius_px)
    dark, known = _darkness(eye, unit)
    y, x = np.mgrid[: dark.shape[0], : dark.shape[1]]
    dx = ((x + 0.5) * STEP - home.centre_px[0]) / unit * temporal
    dy = ((y + 0.5) * STEP - home.centre_px[1]) / unit
    away = np.hypot(dx, dy)
    heat = eye.look.fovea[: STEP * dark.shape[0], : STEP * dark.shape[1]]
    heat = heat.reshape(dark.shape[0], STEP, dark.shape[1], STEP).max(axis=(1, 3))
    there = (away > 1.6) & (away < 3.4) & (np.abs(dy - 0.25) < 0.35 * dx) & known
    if there.sum() < 20:
        return "where the fovea should lie is out of view"
    nasal = (away > 0.75) & (dx < -0.5 * away) & known
    spread = float(np.std(dark[there]))
    return {
        "fovea_both": float((heat + dark)[there].max()),
        "fovea_spread": math.log(spread + 0.003),
        "nasal_less": _most(dark, there) - _most(dark, nasal),
    }


def _most(values: Map, where: np.ndarray) -> float:
    return float(values[where].max()) if where.any() else 0.0
