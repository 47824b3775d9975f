"""Carry a photograph into a network's working frame and its answer back.

A network works where the aperture's circle is a stated number of pixels wide, so that things have
about the same size from every camera; its probability map returns at the photograph's own size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from retinaforge.core import Fov, Photograph


@dataclass(frozen=True)
class Frame:
    """Where the working image lies in the photograph.

    Attributes:
        box: (left, top, right, bottom), in photograph pixels; may reach beyond the border.
        size_px: (height, width) of the working image.
    """

    box: tuple[int, int, int, int]
    size_px: tuple[int, int]


def bounding_box(mask: Bool[np.ndarray, "height width"]) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of the True pixels; the whole frame if none is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0, 0, mask.shape[1], mask.shape[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def working_frame(fov: Fov, *, diameter_px: float) -> Frame:
    """Return the frame in which the aperture's circle is `diameter_px` wide."""
    left, top, right, bottom = bounding_box(fov.mask)
    scale = diameter_px / (2.0 * fov.radius_px)
    size = max(8, round((bottom - top) * scale)), max(8, round((right - left) * scale))
    return Frame((left, top, right, bottom), size)


def square_frame(fov: Fov, *, side_px: int) -> Frame:
    """Return the frame that squeezes the field of view's bounding box into a square."""
    return Frame(bounding_box(fov.mask), (side_px, side_px))


def near_frame(centre_px: tuple[float, float], *, reach_px: float, side_px: int) -> Frame:
    """Return the frame that makes a square about a point `side_px` wide.

    Args:
        centre_px: (x, y) in the photograph.
        reach_px: from there to the sides of the square, in photograph pixels.
        side_px: of the working image.
    """
    left, top = (round(at + 0.5 - reach_px) for at in centre_px)
    width = max(2, round(2 * reach_px))
    return Frame((left, top, left + width, top + width), (side_px, side_px))


def resize_pixels(pixels: UInt8[np.ndarray, "..."], frame: Frame) -> UInt8[np.ndarray, "..."]:
    """Cut the frame's box out of an 8-bit image and resize it, antialiased; black beyond."""
    height, width = frame.size_px
    left, top, right, bottom = frame.box
    x, y = min(0, left), min(0, top)
    image = Image.fromarray(pixels)
    if x < 0 or y < 0 or right > image.width or bottom > image.height:
        image = image.crop((x, y, max(image.width, right), max(image.height, bottom)))
    box = (left - x, top - y, right - x, bottom - y)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=box))


def enter(
    photo: Photograph, fov: Fov, frame: Frame
) -> tuple[Float[Tensor, "1 3 height width"], Float[Tensor, "1 1 height width"]]:
    """Return the photograph in [-1, 1] and the field of view as 0 or 1, in the working frame."""
    pixels = torch.from_numpy(resize_pixels(photo.pixels, frame).copy())
    inside = torch.from_numpy(resize_pixels(fov.mask.astype(np.uint8) * 255, frame).copy())
    images = pixels.permute(2, 0, 1)[None].float() / 127.5 - 1.0
    return images, (inside[None, None] > 127).float()


def leave(
    probability: Float[np.ndarray, "height width"], fov: Fov, frame: Frame
) -> Float[np.ndarray, "rows columns"]:
    """Carry a probability map back to the photograph's pixels; 0 outside the field of view."""
    left, top, right, bottom = frame.box
    image = Image.fromarray(np.ascontiguousarray(probability, dtype=np.float32))
    patch = np.asarray(image.resize((right - left, bottom - top), Image.Resampling.BICUBIC))
    rows, columns = fov.mask.shape
    full = np.zeros((rows, columns), dtype=np.float32)
    shown = patch[max(0, -top) : rows - top, max(0, -left) : columns - left]
    y, x = max(0, top), max(0, left)
    full[y : y + shown.shape[0], x : x + shown.shape[1]] = np.clip(shown, 0.0, 1.0)
    return full * fov.mask
