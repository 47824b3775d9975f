"""Copies in disguise: what a photograph may have gone through and still be that photograph.

The positive control of every search for copies. Each kind has levels of growing strength in a
stated unit; displacements are in shares of the frame's shorter side, so that they do not depend
on its pixels.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from scipy import ndimage

from retinaforge.core import Photograph

Pixels = UInt8[np.ndarray, "height width 3"]
Disguise = Callable[[Pixels, float, np.random.Generator], Pixels]

WARP_GRAIN = 0.12
"""Bends of a warp are about this long (standard deviation of the smoothing), in shares of the
frame."""


@dataclass(frozen=True)
class CopyKind:
    """One way to hide a copy.

    Attributes:
        name: of the kind.
        unit: of its levels, in words.
        levels: from weak to strong.
        apply: takes pixels, a level and a generator.
    """

    name: str
    unit: str
    levels: tuple[float, ...]
    apply: Disguise


def disguise(
    photo: Photograph, kind: CopyKind, level: float, *, rng: np.random.Generator
) -> Photograph:
    """Return a copy of a photograph, disguised.

    Args:
        photo: the original.
        kind: from `COPY_KINDS`.
        level: how strongly, in the kind's unit; not only those listed.
        rng: decides where a crop lies, how a warp bends and which way colours go.
    """
    pixels = kind.apply(photo.pixels, level, rng)
    return photo.after(pixels, f"planted copy: {kind.name} {level:g} ({kind.unit})", synthetic=True)


def _jpeg(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=round(level))
    return np.asarray(Image.open(buffer).convert("RGB"))


def _resize(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    height, width = (max(16, round(side * level)) for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def _blur(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    sigma = level * min(pixels.shape[:2])
    return ndimage.gaussian_filter(pixels, (sigma, sigma, 0))


def _recolour(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    """Change each channel's gain and gamma by up to a factor of 1 + level, either way."""
    gain, gamma = np.exp(rng.choice([-1.0, 1.0], (2, 3)) * np.log1p(level) * rng.uniform(0.5, 1))
    return np.rint(255 * np.clip(gain * (pixels / 255.0) ** gamma, 0, 1)).astype(np.uint8)


def _flip(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    """Mirror left and right (1), or up and down (2)."""
    return np.ascontiguousarray(pixels[:, ::-1] if level < 1.5 else pixels[::-1])


def _rotate(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    turned = Image.fromarray(pixels).rotate(level * rng.choice([-1, 1]), Image.Resampling.BICUBIC)
    return np.asarray(turned)


def _crop(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    """Keep a rectangle with `level` of each side, anywhere inside."""
    height, width = (round(level * side) for side in pixels.shape[:2])
    top = rng.integers(0, pixels.shape[0] - height + 1)
    left = rng.integers(0, pixels.shape[1] - width + 1)
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def _stretch(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    """Make it wider by a factor, as copies do that do not keep the aspect ratio."""
    height, width = pixels.shape[:2]
    size = (round(width * level), height)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _warp(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    """Bend it smoothly: displacements of this root mean square, in shares of the frame."""
    return bend(pixels, level * min(pixels.shape[:2]) * displacements(pixels.shape[:2], rng))


def displacements(size_px: tuple[int, int], rng: np.random.Generator) -> Float[np.ndarray, "2 h w"]:
    """Return a smooth random field (rows, columns) of root mean square 1 per point."""
    coarse = rng.normal(size=(2, 48, 48))
    smooth = ndimage.gaussian_filter(coarse, (0, 48 * WARP_GRAIN, 48 * WARP_GRAIN))
    smooth -= smooth.mean(axis=(1, 2), keepdims=True)
    smooth /= np.sqrt((smooth**2).sum(axis=0).mean())
    zoom = (1, size_px[0] / 48, size_px[1] / 48)
    return ndimage.zoom(smooth, zoom, order=1, mode="nearest", grid_mode=True)


def bend(pixels: Pixels, shift_px: Float[np.ndarray, "2 h w"]) -> Pixels:
    """Return pixels taken from where each point was shifted to (bilinear, black beyond)."""
    rows, columns = np.indices(pixels.shape[:2], np.float32)
    at = np.stack([rows, columns]) + shift_px.astype(np.float32)
    channels = [ndimage.map_coordinates(pixels[..., c], at, order=1) for c in range(3)]
    return np.stack(channels, axis=-1)


def _several(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    """Mirror, turn, crop, warp, recolour and compress at once; level 1 is moderate."""
    pixels = _rotate(_flip(pixels, 1, rng), 8 * level, rng)
    pixels = _warp(_crop(pixels, 1 - 0.12 * level, rng), 0.006 * level, rng)
    return _jpeg(_recolour(pixels, 0.25 * level, rng), 70 - 20 * level, rng)


COPY_KINDS: tuple[CopyKind, ...] = (
    CopyKind("jpeg", "quality", (75, 40, 15), _jpeg),
    CopyKind("resize", "share of the size", (0.75, 0.5, 0.3), _resize),
    CopyKind("blur", "sigma, share of the frame", (0.002, 0.004, 0.008), _blur),
    CopyKind("recolour", "change of gain and gamma", (0.15, 0.4, 0.8), _recolour),
    CopyKind("flip", "1 left-right, 2 up-down", (1, 2), _flip),
    CopyKind("rotate", "degrees", (5, 20, 90), _rotate),
    CopyKind("crop", "share of each side kept", (0.9, 0.7, 0.5), _crop),
    CopyKind("stretch", "width over height", (1.05, 1.1, 1.25), _stretch),
    CopyKind("warp", "root mean square, share of the frame", (0.005, 0.01, 0.02, 0.04), _warp),
    CopyKind("several", "all together, 1 moderate", (0.5, 1, 1.5), _several),
)
