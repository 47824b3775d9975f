"""A vessel mask with what is measured on it once: centreline, calibres, walls.

Calibre at a centreline point p, from the two walls it lies between:

    b₁ = nearest background pixel to p
    b₂ = nearest background pixel to 2p − b₁        (the same step, taken the other way)
    calibre = |b₂ − b₁| − max(|u_x|, |u_y|),  u = (b₂ − b₁) / |b₂ − b₁|

Twice the distance transform reads a vessel of even width one pixel too thin or too wide, since
its centreline passes between two pixels; the sum of both sides does not. The last term is the
distance between the centres of two neighbouring lines of pixels, across them: walls lie between
pixels, b₁ and b₂ are pixels. It is exact for vessels along rows, columns and diagonals.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from scipy.spatial import KDTree
from skimage.morphology import skeletonize

from retinaforge.core import Refusal

UNIT_FOV_PX = 512
"""Widths and areas that must mean the same at every resolution are stated in units of the field
of view's diameter / 512: one pixel where the field of view is 512 pixels wide."""

MIN_AREA = 10.0
"""Smaller specks and holes are noise to the Betti numbers; in units squared."""

AROUND = np.ones((3, 3), bool)
Mask = Bool[np.ndarray, "height width"]
_ACROSS = ndimage.generate_binary_structure(2, 1)


@dataclass(frozen=True)
class VesselMask:
    """Vessels inside the field of view, cut to its bounding box; built by `vessel_mask`.

    What costs time is worked out when first asked for, and kept: hold on to the reference's
    when many estimates are compared with it.

    Attributes:
        pixels: True on vessels inside the field of view.
        fov: True inside the field of view, same shape.
    """

    pixels: Mask
    fov: Mask

    @property
    def unit_px(self) -> float:
        """Return the longer side of the field of view's bounding box / 512, in pixels."""
        return max(self.fov.shape) / UNIT_FOV_PX

    @cached_property
    def points(self) -> Int[np.ndarray, "n 2"]:
        """Return the (row, column) of every pixel of the one-pixel-wide centreline.

        By scikit-image's `skeletonize` (Zhang and Suen), which clDice's authors and everybody who
        reports clDice use, so that scores of masks compare with published ones. It rubs out an
        even vessel at exactly 45°, two or four pixels wide, which the thinning that trees are
        traced by (`thinning`) keeps: measured trees and these scores need not agree there.
        """
        return np.argwhere(skeletonize(self.pixels))

    @cached_property
    def tree(self) -> KDTree:
        """Return the centreline's search tree."""
        return KDTree(self.points)

    @cached_property
    def walls(self) -> KDTree | None:
        """Return the search tree of the background pixels that touch a vessel; None without."""
        walls = np.argwhere(wall_pixels(self.pixels, self.fov))
        return KDTree(walls) if len(walls) else None

    @cached_property
    def _between(self) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"]] | None:
        """Return the walls (row, column) either side of each of `points`."""
        if self.walls is None or not len(self.points):
            return None
        pixels = self.walls.data
        first = pixels[self.walls.query(self.points)[1]]
        return first, pixels[self.walls.query(2 * self.points - first)[1]]

    @cached_property
    def calibres_px(self) -> Float[np.ndarray, "n"]:
        """Return the local calibre at `points`, in pixels; NaN where no wall is in view."""
        if self._between is None:
            return np.full(len(self.points), np.nan)
        return width_between(*self._between)

    @cached_property
    def centres(self) -> Float[np.ndarray, "n 2"]:
        """Return the middle between the walls at `points` (row, column), at most a pixel away."""
        points = self.points.astype(float)
        if self._between is None:
            return points
        first, second = self._between
        step = (first + second) / 2 - points
        return points + np.where(np.hypot(*step.T)[:, None] <= 1.01, step, 0.0)

    @cached_property
    def betti_numbers(self) -> tuple[int, int]:
        """Return β₀ (pieces, 8-neighbours) and β₁ (enclosed holes, 4-neighbours)."""
        smallest = MIN_AREA * self.unit_px**2
        vessels = labels_of(self.pixels, AROUND)
        background = labels_of(np.pad(~self.pixels, 1, constant_values=True), _ACROSS)
        areas, holes = np.bincount(vessels.reshape(-1))[1:], np.bincount(background.reshape(-1))[1:]
        # Padding makes the surroundings background 1, even where vessels reach the frame.
        return int((areas >= smallest).sum()), int((holes[1:] >= smallest).sum())


def vessel_mask(pixels: Mask, fov_mask: Mask) -> VesselMask:
    """Cut a mask to the field of view, ready to be compared.

    Args:
        pixels: True on vessels, shape (height, width).
        fov_mask: True inside the field of view, same shape.

    Returns:
        The vessels inside the field of view, in its bounding box.

    Raises:
        Refusal: if either is not a boolean image, their shapes differ, or nothing is inside.
    """
    require_masks(fov_mask, pixels)
    box = fov_box(fov_mask)
    fov = fov_mask[box]
    return VesselMask(pixels=pixels[box] & fov, fov=fov)


def require_masks(fov_mask: Mask, *masks: Mask) -> None:
    """Refuse anything but boolean images of one shape with a field of view in them.

    Raises:
        Refusal: naming the shapes and types that came.
    """
    for mask in (fov_mask, *masks):
        if mask.dtype != np.bool_ or mask.ndim != 2 or mask.shape != fov_mask.shape:
            raise Refusal(
                f"boolean masks of the field of view's shape {fov_mask.shape}",
                f"shape {mask.shape} and type {mask.dtype}",
                "read masks with retinaforge.images.read_mask(path, size_px=...)",
            )
    if not fov_mask.any():
        raise Refusal(
            "a field of view with at least one pixel inside",
            "a mask that is False everywhere",
            "find it with retinaforge.images.find_fov, or check the mask's file",
        )


def fov_box(fov_mask: Mask) -> tuple[slice, slice]:
    """Return the rows and columns of the field of view's bounding box."""
    rows, columns = (np.flatnonzero(fov_mask.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def wall_pixels(pixels: Mask, fov: Mask) -> Mask:
    """Return the background pixels inside the field of view that share a side with a vessel."""
    beside = np.zeros_like(pixels)
    beside[1:] |= pixels[:-1]
    beside[:-1] |= pixels[1:]
    beside[:, 1:] |= pixels[:, :-1]
    beside[:, :-1] |= pixels[:, 1:]
    return beside & ~pixels & fov


def labels_of(mask: Mask, neighbours: Bool[np.ndarray, "3 3"]) -> Int[np.ndarray, "height width"]:
    """Number the pieces of a mask from 1; 0 is what it leaves out."""
    labels = np.zeros(mask.shape, np.int32)
    ndimage.label(mask, neighbours, output=labels)
    return labels


def width_between(
    first: Float[np.ndarray, "n 2"], second: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, "n"]:
    """Return the width between background pixels on either side, at least one pixel."""
    step = (second - first).astype(float)
    distance = np.hypot(step[:, 0], step[:, 1])
    largest = np.abs(step).max(axis=1)
    line = np.divide(largest, distance, out=np.ones_like(distance), where=distance > 0)
    return np.maximum(distance - line, 1.0)
