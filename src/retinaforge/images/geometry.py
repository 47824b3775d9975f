"""Bring a photograph to a square, and carry masks, points and maps both ways.

With pixel centres at whole numbers, the FOV's centre c, half the side h of the square cut out
of the photograph and S pixels along the result,

    u = (x - c) S / (2 h) + (S - 1) / 2        (native x -> square u)
    x = (u - (S - 1) / 2) 2 h / S + c          (square u -> native x)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from retinaforge.core import Fov, Photograph, Refusal

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Geometry:
    """Where the square lies in the native photograph; plain data in and out.

    Attributes:
        native_size_px: (height, width) of the photograph as read.
        centre_px: (x, y) of the square's centre in it.
        half_side_px: half the side of the square, in native pixels.
        size_px: side of the square, in its own pixels.
    """

    native_size_px: tuple[int, int]
    centre_px: tuple[float, float]
    half_side_px: float
    size_px: int

    @property
    def scale(self) -> float:
        """Return how many square pixels one native pixel becomes."""
        return self.size_px / (2 * self.half_side_px)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Geometry:
        """Return the geometry that `as_dict` wrote."""
        height, width = plain["native_size_px"]
        x, y = plain["centre_px"]
        return cls(
            (int(height), int(width)),
            (float(x), float(y)),
            float(plain["half_side_px"]),
            int(plain["size_px"]),
        )

    def carry_points(self, points_px: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Take (x, y) from native to square coordinates."""
        native = np.asarray(points_px, np.float64)
        return (native - self.centre_px) * self.scale + (self.size_px - 1) / 2

    def undo_points(self, points_px: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Take (x, y) from square to native coordinates."""
        square = np.asarray(points_px, np.float64)
        return (square - (self.size_px - 1) / 2) / self.scale + self.centre_px

    def carry_image(
        self, pixels: UInt8[np.ndarray, "height width 3"]
    ) -> UInt8[np.ndarray, "s s 3"]:
        """Take native pixels to the square, antialiased (Lanczos), black beyond the frame."""
        self._check(pixels, self.native_size_px, "native")
        return _resampled(pixels, self._square_box(), self._square_size, Image.Resampling.LANCZOS)

    def undo_image(self, pixels: UInt8[np.ndarray, "s s 3"]) -> UInt8[np.ndarray, "height width 3"]:
        """Take square pixels back to the native frame (Lanczos), black beyond the square."""
        self._check(pixels, self._square_size, "square")
        return _resampled(pixels, self._frame_box(), self.native_size_px, Image.Resampling.LANCZOS)

    def carry_mask(self, mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "s s"]:
        """Take a native mask to the square by the nearest pixel, False beyond the frame."""
        self._check(mask, self.native_size_px, "native")
        return _nearest(mask, self._square_box(), self._square_size, tie=1e-6)

    def undo_mask(self, mask: Bool[np.ndarray, "s s"]) -> Bool[np.ndarray, "height width"]:
        """Take a square mask to the native frame by the nearest pixel."""
        self._check(mask, self._square_size, "square")
        return _nearest(mask, self._frame_box(), self.native_size_px, tie=-1e-6)

    def carry_map(self, values: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "s s"]:
        """Take a native float map to the square (triangle filter), 0 beyond the frame."""
        self._check(values, self.native_size_px, "native")
        whole = np.asarray(values, np.float32)
        return _resampled(whole, self._square_box(), self._square_size, Image.Resampling.BILINEAR)

    def undo_map(self, values: Float[np.ndarray, "s s"]) -> Float[np.ndarray, "height width"]:
        """Take a square float map to the native frame (bilinear), 0 beyond the square."""
        self._check(values, self._square_size, "square")
        whole = np.asarray(values, np.float32)
        return _resampled(whole, self._frame_box(), self.native_size_px, Image.Resampling.BILINEAR)

    @property
    def _square_size(self) -> tuple[int, int]:
        return self.size_px, self.size_px

    def _square_box(self) -> Box:
        """Return the square in the native frame's edge coordinates (pixel 0 spans 0 to 1)."""
        x, y = self.centre_px[0] + 0.5, self.centre_px[1] + 0.5
        half = self.half_side_px
        return x - half, y - half, x + half, y + half

    def _frame_box(self) -> Box:
        """Return the native frame in the square's edge coordinates."""
        left, top, _, _ = self._square_box()
        height, width = self.native_size_px
        scale = self.scale
        return -left * scale, -top * scale, (width - left) * scale, (height - top) * scale

    def _check(self, array: np.ndarray, size_px: tuple[int, int], frame: str) -> None:
        if array.shape[:2] != size_px:
            raise Refusal(
                f"an array of {size_px[1]}x{size_px[0]} px in the {frame} frame",
                f"{array.shape[1]}x{array.shape[0]} px",
                "carry_* takes native arrays and undo_* takes arrays of the square",
            )


@dataclass(frozen=True)
class Normalised:
    """A photograph brought to a square, with the way back.

    Attributes:
        photograph: the square, black outside the field of view.
        fov: the field of view in the square's coordinates.
        geometry: what carries masks, points and maps both ways.
        original_size_px: (height, width) before.
    """

    photograph: Photograph
    fov: Fov
    geometry: Geometry
    original_size_px: tuple[int, int]


def normalise(photo: Photograph, fov: Fov, *, size_px: int) -> Normalised:
    """Cut out the square around the FOV's circle, resize it, blacken what is not retina.

    Without a border (kind "full frame") the square is as wide as the longer side.

    Args:
        photo: the photograph as read.
        fov: its field of view, from `find_fov`.
        size_px: side of the result, in pixels, at least 8.

    Returns:
        The square photograph with its field of view and geometry.

    Raises:
        Refusal: "expected size_px of at least 8; got N; ..."
    """
    if size_px < 8:
        raise Refusal("size_px of at least 8", str(size_px), "ask for a larger square")
    longer_half = max(photo.size_px) / 2
    half_side_px = longer_half if fov.kind == "full frame" else fov.radius_px
    geometry = Geometry(photo.size_px, fov.centre_px, float(half_side_px), size_px)
    inside = geometry.carry_mask(fov.mask)
    pixels = np.where(inside[..., None], geometry.carry_image(photo.pixels), np.uint8(0))
    step = (
        f"square of {2 * half_side_px:.1f} px around ({fov.centre_px[0]:.1f}, "
        f"{fov.centre_px[1]:.1f}) resized to {size_px} px, black outside the field of view"
    )
    middle = (size_px - 1) / 2
    carried = Fov(inside, (middle, middle), fov.radius_px * geometry.scale, fov.kind)
    return Normalised(photo.after(pixels, step), carried, geometry, photo.size_px)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _resampled(
    array: np.ndarray, box: Box, size_px: tuple[int, int], filter_: Image.Resampling
) -> np.ndarray:
    """Resize `box` of `array` (which may reach beyond it, into zeros) to (height, width)."""
    left, top = math.floor(min(box[0], 0)), math.floor(min(box[1], 0))
    padded = _padded(array, box, left, top)
    inner = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    height, width = size_px
    image = Image.fromarray(padded)
    # Boxes much larger than the result are first reduced by whole factors: 5 times faster.
    return np.array(image.resize((width, height), filter_, box=inner, reducing_gap=3.0))


def _padded(array: np.ndarray, box: Box, left: int, top: int) -> np.ndarray:
    height, width = array.shape[:2]
    right, bottom = math.ceil(max(box[2], width)), math.ceil(max(box[3], height))
    if (left, top, right, bottom) == (0, 0, width, height):
        return np.ascontiguousarray(array)
    padded = np.zeros((bottom - top, right - left, *array.shape[2:]), array.dtype)
    padded[-top : height - top, -left : width - left] = array
    return padded


def _nearest(mask: np.ndarray, box: Box, size_px: tuple[int, int], *, tie: float) -> np.ndarray:
    """Sample `mask` at the centres of the result's pixels; False beyond its frame.

    A centre that falls on an edge takes the later pixel if `tie` > 0, else the earlier: opposite
    ways there and back, so that a round trip at equal scale shifts nothing.
    """
    height, width = size_px
    rows = _indices(box[1] + tie, box[3] + tie, height)
    columns = _indices(box[0] + tie, box[2] + tie, width)
    ok_rows = (rows >= 0) & (rows < mask.shape[0])
    ok_columns = (columns >= 0) & (columns < mask.shape[1])
    sampled = np.zeros(size_px, bool)
    picked = np.asarray(mask, bool)[np.ix_(rows[ok_rows], columns[ok_columns])]
    sampled[np.ix_(ok_rows, ok_columns)] = picked
    return sampled


def _indices(start: float, stop: float, count: int) -> np.ndarray:
    return np.floor(start + (np.arange(count) + 0.5) * (stop - start) / count).astype(int)
