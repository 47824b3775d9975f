"""What makes a photograph worse: seven kinds of damage, each of a size, within the field alone.

Each takes pixels (RGB, 0-255), the field, a size and a generator, and returns floats, 0-255.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image
from scipy import ndimage

Pixels = UInt8[np.ndarray, "height width 3"]
Mask = Bool[np.ndarray, "height width"]
Damage = Callable[[Pixels, Mask, float, np.random.Generator], np.ndarray]
BRIGHTER_VEIL = 1.35
"""A veil of scattered light over the field's median."""
REACH = 3.0
"""Radii of a speck beyond which it darkens by less than 1 in 100,000."""


def _diameter(fov: Mask) -> float:
    return 2 * math.sqrt(max(float(fov.sum()), 1.0) / math.pi)


def _within(pixels: Pixels, fov: Mask, smooth: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Smooth within the field alone: what is black beside it does not bleed in."""
    weight = fov.astype(np.float32)
    total = np.maximum(smooth(weight), 1e-6)
    return np.stack([smooth(pixels[..., c] * weight) / total for c in range(3)], axis=-1)


def defocus(pixels: Pixels, fov: Mask, size: float, rng: np.random.Generator) -> np.ndarray:
    """Blur by a Gaussian; `size` is sigma in diameters of the field."""
    sigma = size * _diameter(fov)
    return _within(pixels, fov, lambda x: ndimage.gaussian_filter(x, sigma))


def illumination(pixels: Pixels, fov: Mask, size: float, rng: np.random.Generator) -> np.ndarray:
    """Let light fall off by `size` along a direction drawn by chance."""
    turn = rng.uniform(-math.pi, math.pi)
    y, x = np.mgrid[: fov.shape[0], : fov.shape[1]].astype(np.float32)
    along = (x - x[fov].mean()) * math.cos(turn) + (y - y[fov].mean()) * math.sin(turn)
    t = np.clip(along / (_diameter(fov) / 2), -1, 1)
    return pixels * (1 - size * (1 + t) / 2)[..., None]


def haze(pixels: Pixels, fov: Mask, size: float, rng: np.random.Generator) -> np.ndarray:
    """Lay a bright veil over the field; `size` is its share."""
    veil = np.minimum(np.median(pixels[fov], axis=0) * BRIGHTER_VEIL + 12, 235)
    return pixels + size * (veil - pixels)


def jpeg(pixels: Pixels, fov: Mask, size: float, rng: np.random.Generator) -> np.ndarray:
    """Compress and read again; `size` is the quality."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=round(size), subsampling=2)
    return np.asarray(Image.open(buffer).convert("RGB"))


def dust(pixels: Pixels, fov: Mask, size: float, rng: np.random.Generator) -> np.ndarray:
    """Strew `size` dark specks, each 0.4 to 1.2 % of the field's diameter wide."""
    d, done = _diameter(fov), pixels.astype(np.float32)
    rows, columns = np.nonzero(fov)
    for _ in range(round(size)):
        place = rng.integers(len(rows))
        radius = max(0.6, rng.uniform(0.002, 0.006) * d)
        _speck(done, int(rows[place]), int(columns[place]), radius, rng.uniform(0.3, 0.8))
    return done


def _speck(done: np.ndarray, row: int, column: int, radius: float, depth: float) -> None:
    """Darken a round speck in place; three radii from its middle nothing is left of it."""
    reach = math.ceil(REACH * radius)
    top, left = max(0, row - reach), max(0, column - reach)
    part = done[top : row + reach + 1, left : column + reach + 1]
    y, x = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
    away = np.hypot(y - row, x - column) / radius
    part *= (1 - depth / (1 + np.exp(np.minimum(6 * (away - 1), 40))))[..., None]


def motion(pixels: Pixels, fov: Mask, size: float, rng: np.random.Generator) -> np.ndarray:
    """Blur along a line drawn by chance; `size` is its length in diameters of the field."""
    length, turn = size * _diameter(fov), rng.uniform(0, math.pi)
    reach = max(1, math.ceil(length / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    steps = np.linspace(-length / 2, length / 2, 8 * reach + 1)
    # Each step falls on four pixels by its share, so that a line below one pixel blurs too.
    y, x = reach + steps * math.sin(turn), reach + steps * math.cos(turn)
    for down in (0, 1):
        for right in (0, 1):
            rows = np.minimum(np.floor(y).astype(int) + down, 2 * reach)
            columns = np.minimum(np.floor(x).astype(int) + right, 2 * reach)
            share = np.abs(1 - down - y % 1) * np.abs(1 - right - x % 1)
            np.add.at(kernel, (rows, columns), share.astype(np.float32))
    kernel /= kernel.sum()
    return _within(pixels, fov, lambda x: ndimage.convolve(x, kernel, mode="nearest"))


def channel(pixels: Pixels, fov: Mask, size: float, rng: np.random.Generator) -> np.ndarray:
    """Fade one channel, drawn by chance, to its mean by the share `size`."""
    which, done = int(rng.integers(3)), pixels.astype(np.float32)
    done[..., which] += size * (done[..., which][fov].mean() - done[..., which])
    return done
