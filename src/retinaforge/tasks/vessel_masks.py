"""Read masks as people write them: black and white, small numbers, or a colour a kind.

artery/vein   red artery, blue vein, green or magenta where they cross, white not told apart;
              or 1 artery, 2 vein, 3 both
disc          white or 1, the cup 2 where both stand in one file; or red disc, blue cup
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image
from scipy import ndimage

from retinaforge.core import Fov, Landmarks, Refusal
from retinaforge.images import (
    MaskSizeError,
    UnreadableImage,
    read_index_mask,
    read_mask,
    read_photograph,
)
from retinaforge.images.artery_vein import ArteryVein, read_artery_vein_mask

Mask = Bool[np.ndarray, "height width"]
MOST_INDEX = 3
GREY_LEVELS = (16, 239)
MOST_GREY, LEAST_GREY = 0.25, 0.02
"""Shares of pixels neither black nor full: more than the first is no mask, less no photograph."""


def share_of_grey(pixels: UInt8[np.ndarray, "height width 3"]) -> float:
    """Return the share of pixels whose brightest channel is neither black nor full."""
    brightest = pixels.max(axis=2)
    low, high = GREY_LEVELS
    return float(((brightest >= low) & (brightest <= high)).mean())


def _mask_pixels(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """Read a mask's colours.

    Raises:
        Refusal: expected a mask, with full and empty pixels only.
    """
    pixels = read_photograph(path).pixels
    share = share_of_grey(pixels)
    if share > MOST_GREY:
        raise Refusal(
            "a mask of black and full colours",
            f"an image of which {share:.0%} is neither: {path}",
            "leave --masks-are out if it is a photograph",
        )
    return pixels


def read_vessel_mask(path: Path) -> Mask:
    """Read a vessel mask: True where it is bright, or above 0 if it holds 0-3 only.

    Raises:
        UnreadableImage: see `read_photograph`.
        Refusal: if it is no mask but a photograph.
    """
    pixels = _mask_pixels(path)
    if pixels.max() <= MOST_INDEX:
        return pixels[..., 0] > 0
    return read_mask(path)


def read_kind_mask(path: Path) -> ArteryVein:
    """Read a mask of arteries and veins, in colours or as 1, 2, 3.

    Raises:
        UnreadableImage: see `read_photograph`.
        Refusal: if it is no mask, or names no vessel.
    """
    pixels = _mask_pixels(path)
    if pixels.max() > MOST_INDEX:
        return read_artery_vein_mask(path)
    index = pixels[..., 0]
    artery, vein = (index == 1) | (index == 3), (index == 2) | (index == 3)
    return ArteryVein(index > 0, artery, vein, np.zeros_like(artery))


def landmarks_of_masks(masks: Mapping[str, Path], *, size_px: tuple[int, int]) -> Landmarks:
    """Return disc and cup as mask files show them.

    Args:
        masks: files of the kinds "disc" and "cup", or "disc_cup" for one in red and blue.
        size_px: (height, width) of the frame; a mask of the same shape but another size is scaled.
    """
    if "disc_cup" in masks:
        pixels = read_photograph(masks["disc_cup"]).pixels > 127
        disc, cup = pixels[..., 0] | pixels[..., 2], pixels[..., 2]
    else:
        disc = _filled(masks.get("disc"), at_least=1)
        same = masks.get("cup") == masks.get("disc")
        cup = _filled(masks.get("cup"), at_least=2 if same else 1)
    centre, axes = _box_of(disc, size_px)
    cup_centre, cup_axes = _box_of(cup, size_px)
    return Landmarks(
        disc_centre_px=centre, disc_axes_px=axes, cup_centre_px=cup_centre, cup_axes_px=cup_axes
    )


def _filled(path: Path | None, *, at_least: int) -> Mask | None:
    if path is None:
        return None
    try:
        return read_index_mask(path, at_least=at_least)
    except UnreadableImage:
        return read_mask(path)


def _box_of(
    mask: Mask | None, size_px: tuple[int, int]
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Return centre (x, y) and half width and height of a mask's largest piece."""
    if mask is None or not mask.any():
        return None, None
    pieces, _ = ndimage.label(mask)
    largest = 1 + int(np.argmax(np.bincount(pieces.reshape(-1))[1:]))
    rows, columns = ndimage.find_objects(pieces)[largest - 1]
    y_scale, x_scale = size_px[0] / mask.shape[0], size_px[1] / mask.shape[1]
    if abs(y_scale / x_scale - 1) > 0.02:
        raise MaskSizeError(
            f"a mask of the shape of its frame, {size_px[1]}x{size_px[0]} px",
            f"one of {mask.shape[1]}x{mask.shape[0]} px",
            "give the mask drawn for this photograph",
        )
    x, y = (columns.start + columns.stop) / 2, (rows.start + rows.stop) / 2
    axes = (columns.stop - columns.start) / 2 * x_scale, (rows.stop - rows.start) / 2 * y_scale
    return (x * x_scale - 0.5, y * y_scale - 0.5), axes


def fitted(mask: Mask, size_px: tuple[int, int]) -> Mask:
    """Return a mask at another size of the same shape, by nearest pixels."""
    if mask.shape == size_px:
        return mask
    image = Image.fromarray(mask).resize((size_px[1], size_px[0]), Image.Resampling.NEAREST)
    return np.asarray(image)


def whole_frame(size_px: tuple[int, int]) -> Fov:
    """Return a field of view that is the whole frame, for masks of which no more is known."""
    height, width = size_px
    centre = (width - 1) / 2, (height - 1) / 2
    return Fov(np.ones(size_px, bool), centre, float(np.hypot(height, width)) / 2, "full frame")


def circle_in_frame(size_px: tuple[int, int]) -> Fov:
    """Return the circle that a square crop was cut round."""
    height, width = size_px
    x, y, radius = (width - 1) / 2, (height - 1) / 2, min(height, width) / 2
    rows, columns = np.ogrid[:height, :width]
    inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    return Fov(inside, (x, y), radius, "circle")


def fov_of_mask(mask: Mask) -> Fov:
    """Return the field of view that a mask file shows.

    Raises:
        Refusal: if the mask is empty.
    """
    if not mask.any():
        raise Refusal("a mask of the field of view", "an empty one", "leave it out of the table")
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    y, x = (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2
    radius = max(rows[-1] - rows[0], columns[-1] - columns[0]) / 2 + 0.5
    share = mask.sum() / (np.pi * radius**2)
    kind = "circle" if 0.97 < share < 1.03 else "full frame" if mask.all() else "cut circle"
    return Fov(mask, (float(x), float(y)), float(radius), kind)
