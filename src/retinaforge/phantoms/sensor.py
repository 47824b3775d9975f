"""What sensor and camera software do: colours, tone, haze, noise, JPEG."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

Plane = Float[np.ndarray, "height width"]
Colour = Float[np.ndarray, "height width 3"]
Three = Float[np.ndarray, "3"]

WHITE, BRIGHTEST = 262.0, 275.0
"""Grey levels that scene and photograph approach under endless light; a photograph ends at 255, so
that discs and reflexes burn out as they do in real ones."""

HIGHLIGHTS = np.float32(0.25)
"""Contrast that is added above the median, from the skewness of real photographs' channels."""

GLOW, GLOW_REACH, DARK_NOISE = 4.0, 0.03, 0.45
"""Grey levels of scattered light just outside the field, its reach in radii, and the sensor's noise
in the dark; set on IDRiD's and DRIVE's borders."""

VEIL_OVER_MEDIAN = np.array([0.98, 1.35, 1.7])
"""Scattered light is whiter than the fundus that scatters it."""


def developed(
    image: Colour, *, typical: Three, target: Three, contrast: tuple[float, float, float],
    light: Plane,
) -> Colour:  # fmt: skip
    """Return the picture in the camera's colours and tones.

    Display values saturate as film does, y = Y (1 - exp(-e)): the scene's exposure e is found from
    it, brought to the camera's own, (e / e_typical · light)^contrast with a quarter more contrast
    above the median, and shown again. So a bright disc stays white whatever the camera's cast, and
    dark channels have the harder contrast.

    Args:
        image: 0-255.
        typical: its median colour.
        target: the median colour it is to have.
        contrast: exponent of each channel.
        light: 1 where the field is lit as usual.
    """
    out = np.empty_like(image)
    for channel in range(3):
        seen = np.clip(image[..., channel], 1, 255) / np.float32(-WHITE)
        exposed = np.log1p(seen) / np.float32(np.log1p(-min(typical[channel], 255) / WHITE))
        log = np.log(exposed * light)
        power = np.exp(np.float32(contrast[channel]) * (log + HIGHLIGHTS * np.maximum(log, 0)))
        usual = np.float32(np.log1p(-min(target[channel], 245.0) / BRIGHTEST))
        out[..., channel] = np.float32(-BRIGHTEST) * np.expm1(usual * power)
    return out


def hazed(image: Colour, *, haze: float, target: Three) -> Colour:
    """Mix the picture with an even veil: contrast falls by the share `haze`."""
    if haze == 0:
        return image
    veil = np.minimum(target * VEIL_OVER_MEDIAN + 12, 235).astype(np.float32)
    return image + np.float32(haze) * (veil - image)


def grain(image: Colour, *, noise: float, rng: np.random.Generator) -> Colour:
    """Add noise whose variance grows with the signal, alike in the channels and blotchy in colour.

    sigma(x) = noise · sqrt(0.35 + 0.65 x / 128); 3/4 of the variance is shared by the channels; the
    rest is correlated over about two pixels, as demosaicking and chroma subsampling leave it.

    Args:
        image: 0-255.
        noise: SD at medium grey, grey levels.
        rng: of this photograph.
    """
    if noise == 0:
        return image
    size = image.shape[0]
    shared = rng.standard_normal((size, size), dtype=np.float32)
    half = rng.standard_normal((3, size // 2 + 2, size // 2 + 2), dtype=np.float32)
    for channel in range(3):
        blotch = Image.fromarray(half[channel]).resize((size, size), Image.Resampling.BILINEAR)
        both = np.float32(0.88) * shared + np.float32(0.7) * np.asarray(blotch)
        level = np.float32(0.35) + np.float32(0.65 / 128) * np.maximum(image[..., channel], 0)
        image[..., channel] += np.float32(noise) * np.sqrt(level) * both
    return image


def stopped(
    image: Colour, depth: Plane, *, edge_px: float, radius_px: float,
    black: tuple[float, float, float], rng: np.random.Generator,
) -> Colour:  # fmt: skip
    """Return the picture within the field stop and the camera's black beyond it.

    The black is never quite black: a glow of scattered light falls off over 3 % of the radius, and
    the sensor's noise is there too.

    Args:
        image: 0-255.
        depth: pixels inside the field's border, below 0 outside.
        edge_px: width over which the border fades, at least a pixel.
        radius_px: of the field.
        black: RGB far outside.
        rng: of this photograph.
    """
    cover = np.clip(depth / np.float32(max(1.0, edge_px)) + np.float32(0.5), 0, 1)[..., None]
    glow = np.exp(np.minimum(depth, 0) / np.float32(GLOW_REACH * radius_px))
    dark = rng.standard_normal(depth.shape, dtype=np.float32) * np.float32(DARK_NOISE)
    outside = np.array(black, np.float32) + (dark + np.float32(GLOW) * glow)[..., None]
    return outside + cover * (image - outside)


def as_jpeg(
    pixels: UInt8[np.ndarray, "height width 3"], *, quality: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Return the pixels as a JPEG of that quality would give them back; 0 leaves them alone."""
    if quality == 0:
        return pixels
    file = io.BytesIO()
    subsampling = 0 if quality >= 90 else 2
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.array(Image.open(io.BytesIO(file.getvalue())).convert("RGB"))
