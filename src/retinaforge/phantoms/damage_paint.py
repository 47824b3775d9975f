"""Damage pixels: blur, colour, compression, noise, a second disc, a macula elsewhere.

All of it stays inside the field of view (JPEG apart): what lies outside keeps its bytes.
"""

from __future__ import annotations

import io
import math

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from retinaforge.core import Fov

Pixels = UInt8[np.ndarray, "height width 3"]
Mask = Bool[np.ndarray, "height width"]
Spot = tuple[float, float]

RIM_TONE, CUP_TONE = 0.92, 1.12
"""Brightness of a painted disc's rim and of its cup over the disc's mean; set by eye."""


def to_bytes(values: np.ndarray) -> Pixels:
    """Round and clip to 0-255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def inside_only(pixels: Pixels, damaged: np.ndarray, mask: Mask) -> Pixels:
    """Take `damaged` inside the mask and the old bytes outside."""
    return np.where(mask[..., None], to_bytes(damaged), pixels)


def blurred(pixels: Pixels, fov: Fov, sigma_px: float) -> Pixels:
    """Blur by a Gaussian normalised within the field: (G * I m) / (G * m)."""
    weight = fov.mask.astype(np.float32)
    total = np.maximum(gaussian_filter(weight, sigma_px), 1e-6)
    planes = [gaussian_filter(pixels[..., c] * weight, sigma_px) / total for c in range(3)]
    return inside_only(pixels, np.stack(planes, axis=-1), fov.mask)


def cast(pixels: Pixels, fov: Fov, gain: float) -> Pixels:
    """Multiply red by 1 + gain and blue by 1 - gain."""
    factor = np.array([1 + gain, 1.0, 1 - gain], dtype=np.float32)
    return inside_only(pixels, pixels * factor, fov.mask)


def compressed(pixels: Pixels, quality: int) -> Pixels:
    """Return what is left after JPEG at a quality of 1-95, chroma 4:2:0."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg", quality=quality, subsampling=2)
    return np.array(Image.open(buffer))


def noisy(pixels: Pixels, fov: Fov, sd: float, *, rng: np.random.Generator) -> Pixels:
    """Add Gaussian noise of standard deviation `sd` grey levels inside the field."""
    grain = rng.standard_normal(pixels.shape, dtype=np.float32) * sd
    return inside_only(pixels, pixels + grain, fov.mask)


def disc_place(
    pixels: Pixels, fov: Fov, radius_px: float, *, avoid: tuple[tuple[Spot, float], ...],
    rng: np.random.Generator,
) -> Spot:  # fmt: skip
    """Choose where a second disc fits: within the field, off what is to be avoided, not bright.

    Args:
        pixels: the photograph; the brighter half of the places is left out, where a disc that no
            mask names may lie.
        fov: the field.
        radius_px: of the disc to be painted.
        avoid: places (x, y) with the distance to keep from each.
        rng: consumed by the choice alone.
    """
    reach = max(fov.radius_px - 1.3 * radius_px, 1.0)
    far, turn = reach * np.sqrt(rng.uniform(size=400)), rng.uniform(0, 2 * np.pi, 400)
    x = fov.centre_px[0] + far * np.cos(turn)
    y = fov.centre_px[1] + far * np.sin(turn)
    fits = _whole_inside(fov.mask, x, y, 1.05 * radius_px)
    for (ax, ay), apart in avoid:
        fits &= np.hypot(x - ax, y - ay) > apart
    x, y = (x[fits], y[fits]) if fits.any() else (x, y)
    step = max(1, int(radius_px / 8))
    light = gaussian_filter(pixels[::step, ::step, 1].astype(np.float32), radius_px / step)
    rows = np.clip(np.rint(y / step).astype(int), 0, light.shape[0] - 1)
    columns = np.clip(np.rint(x / step).astype(int), 0, light.shape[1] - 1)
    bright = light[rows, columns]
    first = int(np.flatnonzero(bright <= np.median(bright))[0])
    return float(x[first]), float(y[first])


def _whole_inside(mask: Mask, x: np.ndarray, y: np.ndarray, radius_px: float) -> np.ndarray:
    """Tell which circles lie in a mask, by eight points of each."""
    turn = np.arange(8) * math.pi / 4
    row = np.rint(y[:, None] + radius_px * np.sin(turn)).astype(int)
    column = np.rint(x[:, None] + radius_px * np.cos(turn)).astype(int)
    height, width = mask.shape
    framed = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    row, column = np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)
    return (framed & mask[row, column]).all(axis=1)


def with_disc(
    pixels: Pixels, fov: Fov, centre: Spot, radius_px: float, *, disc: Mask | None = None
) -> tuple[Pixels, Mask]:
    """Paint a disc with its cup at a place; return the picture and the disc's mask.

    Its mean colour is that of the photograph's own disc, or, where no mask shows one, of the
    brightest hundredth of the field; what was there shines through, so vessels and grain stay.
    """
    height, width = fov.mask.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    dx, dy = (x - centre[0]) / (0.92 * radius_px), (y - centre[1]) / radius_px
    away = np.hypot(dx, dy)
    soft = max(0.07, 1.2 / radius_px)
    rim = 1 / (1 + np.exp(np.clip((away - 1) / (0.45 * soft), -40, 40)))
    turn = np.arctan2(dy, dx)
    waver = 1 + 0.06 * np.cos(2 * turn + 1) + 0.04 * np.cos(3 * turn)
    cup = 1 / (1 + np.exp(np.clip((away - 0.42 * waver) / (2.2 * soft), -40, 40)))
    mask = (away <= 1) & fov.mask
    gain = _disc_colour(pixels, fov, disc, radius_px) / (pixels[mask].mean(axis=0) + 1)
    tone = RIM_TONE + (CUP_TONE - RIM_TONE) * cup[..., None]
    painted = pixels * (1 + rim[..., None] * (np.maximum(gain, 1.05) * tone - 1))
    painted = np.where(painted > 205, 255 - 50 * np.exp(-(painted - 205) / 50), painted)
    return inside_only(pixels, painted, fov.mask & (rim > 0.003)), mask


def _disc_colour(pixels: Pixels, fov: Fov, disc: Mask | None, radius_px: float) -> np.ndarray:
    if disc is not None and disc.any():
        return pixels[disc].mean(axis=0)
    sigma = 0.3 * radius_px
    green = gaussian_filter(pixels[..., 1].astype(np.float32), sigma)
    bright = fov.mask & (green >= np.quantile(green[fov.mask], 0.99))
    return pixels[bright].mean(axis=0)


def moved_macula(
    pixels: Pixels, fov: Fov, *, old: Spot, new: Spot, disc_px: float, vessel: Mask
) -> Pixels:
    """Divide the macula's darkening out where it is and multiply it in elsewhere.

    The darkening is the picture's own: per channel the mean log brightness on rings round the
    fovea, vessels left out, less that of the ring at 1.1 disc diameters.

    Args:
        pixels: the photograph.
        fov: the field.
        old: the fovea (x, y).
        new: where it goes.
        disc_px: disc diameter.
        vessel: left out of the rings.
    """
    profile = _darkening(pixels, fov.mask & ~vessel, old, disc_px)
    height, width = fov.mask.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    rings = np.linspace(0, 1.2 * disc_px, profile.shape[0])
    change = np.zeros(pixels.shape, dtype=np.float32)
    for (cx, cy), sign in ((old, -1.0), (new, 1.0)):
        away = np.hypot(x - cx, y - cy)
        for c in range(3):
            change[..., c] += sign * np.interp(away, rings, profile[:, c])
    touched = fov.mask & (np.abs(change).max(axis=-1) > 1e-3)
    return inside_only(pixels, (pixels + 1.0) * np.exp(change) - 1.0, touched)


def _darkening(
    pixels: Pixels, use: Mask, centre: Spot, disc_px: float
) -> Float[np.ndarray, "rings 3"]:
    """Return log brightness on 25 rings out to 1.2 disc diameters, 0 at the outermost."""
    rings = 25
    height, width = use.shape
    y, x = np.mgrid[:height, :width]
    ring = np.hypot(x - centre[0], y - centre[1]) / (1.2 * disc_px) * (rings - 1)
    near = use & (ring <= rings - 1)
    index = np.rint(ring[near]).astype(int)
    count = np.bincount(index, minlength=rings)
    profile = np.zeros((rings, 3))
    for c in range(3):
        total = np.bincount(index, np.log(pixels[near][:, c] + 1.0), minlength=rings)
        mean = np.interp(np.arange(rings), np.flatnonzero(count), (total / np.maximum(count, 1))[
            count > 0])  # fmt: skip
        mean = gaussian_filter1d(mean, 1.0, mode="nearest")
        outside = mean[-3:].mean()
        # Fading to nothing at the last ring leaves no edge.
        fade = np.clip((rings - 1 - np.arange(rings)) / 5, 0, 1)
        profile[:, c] = (mean - outside) * fade
    return profile


def mirrored_band(image: np.ndarray, fov: Fov, share: float) -> np.ndarray:
    """Mirror the middle rows of the field about its vertical axis, where both sides are retina.

    Args:
        image: picture (height, width, 3) or mask (height, width).
        fov: the field; its centre lies on the axis.
        share: of the field's height, in (0, 1].
    """
    height, width = fov.mask.shape
    rows = np.abs(np.arange(height) - fov.centre_px[1]) <= share * (fov.radius_px + 1)
    columns = round(2 * fov.centre_px[0]) - np.arange(width)
    valid = (columns >= 0) & (columns < width)
    source = np.where(valid, columns, 0)
    both = fov.mask & fov.mask[:, source] & valid[None] & rows[:, None]
    swapped = image[:, source]
    return np.where(both if image.ndim == 2 else both[..., None], swapped, image)


def disc_of(mask: Mask) -> tuple[Spot, float]:
    """Return centre (x, y) and the diameter of the circle of a mask's area, pixels."""
    y, x = np.nonzero(mask)
    return (float(x.mean()), float(y.mean())), 2 * math.sqrt(len(x) / math.pi)
