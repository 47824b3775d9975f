"""One image as the row of numbers that a quality grade is told from.

    whole field    sharpness, contrast, light and colour of `IMAGE_NUMBERS`
    middle         the same of the circle of half the field's size, where the macula lies

Numbers per pixel depend on the image's size, so an image is first brought to one of a few working
sizes, the largest that it fills. Those that range over magnitudes are taken as logarithms, shares
as square roots, so that a step means much the same everywhere.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image as Pictures

from retinaforge.metrics.pairs import Image, Mask
from retinaforge.metrics.quality_numbers import IMAGE_NUMBERS, View

WORKING_SIZES_PX = (128, 256)
"""256 px show a field of 45 degrees at 50 um a pixel: enough for the blur that hides small vessels,
at a third of the time that 384 px take."""

FARTHEST = 4.0
"""Standard deviations beyond which a number says no more: training data end about there."""

TWO_SIDED = ("brightness", "unevenness", "dark_share", "saturated_share", "noise")
"""Numbers of which too little and too much are both bad: light and grain."""

MIDDLE = 0.5
"""Side of the middle over the side of the image."""

_LOGARITHMS = {
    "tenengrad": 1e-2, "laplacian_variance": 1e-2, "haar_1": 1e-5, "haar_2": 1e-5, "haar_3": 1e-5,
    "noise": 1e-2, "contrast": 0.1, "local_contrast": 0.1, "brightness": 1.0, "unevenness": 1e-3,
    "colourfulness": 1.0,
}  # fmt: skip
_ROOTS = ("dark_share", "saturated_share")
_AS_THEY_ARE = ("entropy", "red_over_green", "blue_over_green")
TAKEN = (*_LOGARITHMS, *_ROOTS, *_AS_THEY_ARE)
VECTOR_NAMES: tuple[str, ...] = (*TAKEN, *(f"middle_{name}" for name in TAKEN))
"""The row's columns, in order."""

Square = tuple[UInt8[np.ndarray, "s s 3"], Bool[np.ndarray, "s s"]]
_NUMBERS = {number.card.name: number for number in IMAGE_NUMBERS}


def working_size_px(size_px: int) -> int:
    """Return the largest working size that an image of a side fills; the least for smaller ones."""
    return max((s for s in WORKING_SIZES_PX if s <= size_px), default=WORKING_SIZES_PX[0])


def quality_vector(pixels: Image, inside: Mask, *, size_px: int) -> Float[np.ndarray, "n"]:
    """Return the row of one image.

    Args:
        pixels: RGB, 0-255, a square around the field of view.
        inside: the field of view, of the same size.
        size_px: working size it is brought to.

    Returns:
        Values in the order of `VECTOR_NAMES`; NaN where a number is undefined, as on a flat image.
    """
    square = _resized(pixels, inside, size_px)
    return np.array([*_values(*square), *_values(*_middle(*square))])


def _resized(pixels: Image, inside: Mask, size_px: int) -> Square:
    if pixels.shape[:2] == (size_px, size_px):
        return pixels, inside
    side = (size_px, size_px)
    smaller = Pictures.fromarray(pixels).resize(side, Pictures.Resampling.LANCZOS)
    mask = Pictures.fromarray(inside.astype(np.uint8)).resize(side, Pictures.Resampling.NEAREST)
    return np.array(smaller), np.array(mask) > 0


def _middle(pixels: Image, inside: Mask) -> Square:
    size = inside.shape[0]
    half = round(size * MIDDLE / 2)
    cut = slice(size // 2 - half, size // 2 + half)
    away = np.arange(-half, half) + 0.5
    circle = np.hypot(away[:, None], away[None, :]) <= half
    return pixels[cut, cut], inside[cut, cut] & circle


def _values(pixels: Image, inside: Mask) -> list[float]:
    view = View(pixels, inside)
    return [_stretched(name, _NUMBERS[name].of(view).value) for name in TAKEN]


def _stretched(name: str, value: float) -> float:
    if name in _LOGARITHMS:
        return math.log(value + _LOGARITHMS[name])
    return math.sqrt(value) if name in _ROOTS else value
