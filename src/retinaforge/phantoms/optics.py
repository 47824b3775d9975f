"""What lens and light do: blur, motion, sharpening, shadows, haze, reflections, dust.

Lengths are micrometres on the retina or shares of the field's radius, so that the same photograph
at another size has the same optics.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from PIL import Image
from scipy.fft import irfft2, next_fast_len, rfft2

from retinaforge.core import rng_for
from retinaforge.phantoms.frame import MARGIN, Frame
from retinaforge.phantoms.params import CameraParams

if TYPE_CHECKING:
    from retinaforge.phantoms.camera import Shot

Plane = Float[np.ndarray, "height width"]
Colour = Float[np.ndarray, "height width 3"]

CHANNEL_BLUR = (1.15, 1.0, 1.3)
"""Blur of R, G, B over the green one: red light spreads in the choroid, blue focuses nearer; set by
eye beside CHASE_DB1 and HRF."""

SHARPEN_UM = 30.0
"""Radius (SD) of the camera's sharpening, set by eye on the halos of DRIVE's vessels."""

FIELD_CELLS = 160
"""Shadows and hazes are computed on a lattice this fine, whatever the picture's size."""


def focused(scene: Colour, params: CameraParams, *, px_um: float) -> Colour:
    """Return the scene through the optics.

    H(f) = exp(-2 (pi s f)^2) · sinc(f · m) · (1 + a (1 - exp(-2 (pi 30um f)^2)))

    with s the blur, m the motion and a the sharpening: one product in the frequency domain, so that
    sub-pixel blurs are exact and long motions cost no more than short ones.

    Args:
        scene: 0-255.
        params: `defocus_um`, `motion_um`, `motion_deg` and `sharpen`.
        px_um: micrometres a pixel.
    """
    s, motion = params.defocus_um or 0.0, params.motion_um or 0.0
    sharpen = params.sharpen or 0.0
    if s == 0 and motion == 0 and sharpen == 0:
        return scene.astype(np.float32)
    size = scene.shape[0]
    pad = min(size // 2, math.ceil((3 * s + motion / 2 + 2 * SHARPEN_UM) / px_um))
    length = next_fast_len(size + pad, real=True)
    down = np.fft.fftfreq(length, d=px_um)[:, None].astype(np.float32)
    right = np.fft.rfftfreq(length, d=px_um)[None, :].astype(np.float32)
    f2 = down * down + right * right
    angle = math.radians(params.motion_deg or 0.0)
    shared = 1 + np.float32(sharpen) * (1 - np.exp(-2 * (np.pi * SHARPEN_UM) ** 2 * f2))
    if motion:
        shared = shared * np.sinc(motion * (right * math.cos(angle) + down * math.sin(angle)))
    out = np.empty(scene.shape, np.float32)
    for channel, factor in enumerate(CHANNEL_BLUR):
        passed = shared * np.exp(-2 * (np.pi * s * factor) ** 2 * f2)
        padded = _wrapped(scene[..., channel].astype(np.float32), length)
        out[..., channel] = irfft2(rfft2(padded) * passed, s=(length, length))[:size, :size]
    return np.maximum(out, 0)


def _wrapped(plane: Plane, length: int) -> Plane:
    """Continue a plane to `length` so that its far end leads smoothly back to its beginning."""
    size = plane.shape[0]
    extra = length - size
    after = np.arange(extra) < (extra + 1) // 2
    index = np.r_[
        np.arange(size), np.where(after, size - 1 - np.arange(extra), extra - 1 - np.arange(extra))
    ]
    return plane[index][:, index]


def light_of(shot: Shot, frame: Frame) -> tuple[Plane, Colour]:
    """Return how bright the field is lit (1 typical) and the veil that is added (0-255)."""
    params, profile = shot.params, shot.profile
    across = ((np.arange(FIELD_CELLS, dtype=np.float32) + 0.5) / FIELD_CELLS * 2 - 1) / MARGIN
    u, v = across[None, :], across[:, None]
    r = np.hypot(u, v)
    light = 1 - (params.vignette or 0) * r**profile.vignette_power
    toward = u * math.cos(shot.dark_rad) + v * math.sin(shot.dark_rad)
    light = light * np.clip(1 - (params.uneven or 0) * (toward + 0.3 * r * r), 0.05, 2)
    ring = _ring(u, v, shot.crescent_rad)
    crescent = params.crescent or 0
    light = light * (1 - max(0.0, -crescent) * ring) * (1 - _lashes(u, v, shot))
    light = light / np.median(light[r < 1])
    veil = (140 * max(0.0, crescent) * ring)[..., None] * np.array([1.0, 0.85, 0.6])
    side = 0.5 + 0.5 * (u * math.cos(shot.haze_rad) + v * math.sin(shot.haze_rad)) / (r + 1e-6)
    rim = (params.rim_haze or 0) * (0.2 + 0.8 * side**2) * np.clip(r, 0, 1.1) ** 6
    veil = veil + rim[..., None] * np.array(profile.haze_rgb)
    size = frame.size_px
    planes = [_resized(veil[..., channel], size) for channel in range(3)]
    return np.maximum(_resized(light, size), 0.02), np.stack(planes, axis=-1)


def _ring(u: Plane, v: Plane, angle: float) -> Plane:
    """Return a crescent at one side of the field: 0 over most of it, 1 beyond its border."""
    from_far = np.hypot(u + 0.35 * math.cos(angle), v + 0.35 * math.sin(angle))
    t = np.clip((from_far - 0.92) / 0.42, 0, 1)
    return t * t * (3 - 2 * t)


def _lashes(u: Plane, v: Plane, shot: Shot) -> Plane:
    """Return the shadow of a row of lashes from below, streaked, 0 none."""
    strength = shot.params.lashes or 0.0
    if strength == 0:
        return np.zeros((FIELD_CELLS, FIELD_CELLS), np.float32)
    rng = rng_for(shot.seed, "lashes")
    place = rng.uniform(-0.5, 0.5)
    shadow = np.zeros((FIELD_CELLS, FIELD_CELLS), np.float32)
    for _ in range(14):
        foot, lean, width = rng.normal(place, 0.22), rng.normal(0, 0.5), rng.uniform(0.012, 0.04)
        reach = rng.uniform(0.15, 0.5)
        up = np.clip(1.05 - v, 0, None)
        across = u - foot - lean * up - 0.4 * lean * up * up
        fade = np.clip(1 - up / reach, 0, 1)
        shadow = np.maximum(shadow, np.exp(-((across / width) ** 2)) * fade)
    soft = 0.6 * np.exp(-((u - place) ** 2) / 0.15) * np.clip((v - 0.6) / 0.4, 0, 1)
    return strength * np.maximum(shadow, soft) * 0.8


def _resized(cells: Plane, size: int) -> Plane:
    image = Image.fromarray(np.ascontiguousarray(cells, dtype=np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))


def dusted(image: Colour, frame: Frame, shot: Shot) -> Colour:
    """Darken specks of dust, 0.4-1.5 % of the field's radius; some are pale instead."""
    rng = rng_for(shot.seed, "dust")
    for _ in range(shot.params.dust or 0):
        x, y, radius = *rng.uniform(-0.95, 0.95, 2), rng.uniform(0.004, 0.015)
        strength = rng.uniform(0.03, 0.2) * (1 if rng.random() < 0.8 else -0.7)
        patch, blob = _blob(frame, x, y, radius)
        image[patch] *= 1 - strength * blob[..., None]
    return image


def spotted(image: Colour, frame: Frame, shot: Shot) -> Colour:
    """Add pale round reflections of the lens, 3-8 % of the field's radius."""
    rng = rng_for(shot.seed, "spots")
    for _ in range(shot.params.spots or 0):
        x, y, radius = *rng.normal(0, 0.4, 2), rng.uniform(0.03, 0.08)
        patch, blob = _blob(frame, x, y, radius)
        image[patch] += rng.uniform(8, 40) * blob[..., None] * np.array([1.0, 0.95, 0.85])
    return image


def _blob(frame: Frame, x: float, y: float, radius: float) -> tuple[tuple[slice, slice], Plane]:
    """Return a soft round spot (1 within) and where it lies; x, y, radius in field radii."""
    cx, cy = (frame.middle_px + t * frame.fov_radius_px for t in (x, y))
    r_px = radius * frame.fov_radius_px
    reach = r_px * 1.6 + 1
    low_x, low_y = (int(max(0, math.floor(c - reach))) for c in (cx, cy))
    high_x, high_y = (int(min(frame.size_px, math.ceil(c + reach) + 1)) for c in (cx, cy))
    rows = np.arange(low_y, max(low_y, high_y), dtype=np.float32)
    columns = np.arange(low_x, max(low_x, high_x), dtype=np.float32)
    away = np.hypot(columns[None, :] - cx, rows[:, None] - cy) / max(r_px, 0.7)
    patch = (slice(low_y, max(low_y, high_y)), slice(low_x, max(low_x, high_x)))
    return patch, 1 / (1 + np.exp(np.clip((away - 1) * 9, -30, 30)))
