"""From the retina's micrometres to the pixels of one picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from retinaforge.phantoms.fundus import Point
from retinaforge.phantoms.params import UM_PER_DEG

MARGIN = 0.965
"""Radius of the field over half the side of the picture."""

Plane = Float[np.ndarray, "height width"]


@dataclass(frozen=True)
class Frame:
    """A square picture's place on the retina; pixel centres are whole numbers.

    Attributes:
        size_px: side of the picture.
        centre_um: where the middle of the picture lies on the retina (x, y).
        fov_radius_um: radius of the camera's field.
    """

    size_px: int
    centre_um: Point
    fov_radius_um: float

    @property
    def px_um(self) -> float:
        """Return micrometres a pixel."""
        return self.fov_radius_um / self.fov_radius_px

    @property
    def fov_radius_px(self) -> float:
        """Return the radius of the camera's field in pixels."""
        return MARGIN * self.size_px / 2

    @property
    def middle_px(self) -> float:
        """Return the coordinate of the picture's middle, in pixels."""
        return (self.size_px - 1) / 2

    @cached_property
    def x_um(self) -> Plane:
        """Return each pixel's place on the retina, micrometres to the right of the fovea."""
        column = np.arange(self.size_px, dtype=np.float32) - np.float32(self.middle_px)
        x = column * np.float32(self.px_um) + np.float32(self.centre_um[0])
        return np.broadcast_to(x[None, :], (self.size_px, self.size_px))

    @cached_property
    def y_um(self) -> Plane:
        """Return each pixel's place on the retina, micrometres below the fovea."""
        row = np.arange(self.size_px, dtype=np.float32) - np.float32(self.middle_px)
        y = row * np.float32(self.px_um) + np.float32(self.centre_um[1])
        return np.broadcast_to(y[:, None], (self.size_px, self.size_px))

    @cached_property
    def rim(self) -> Plane:
        """Return each pixel's distance from the picture's middle, 1 at the field's border."""
        dx, dy = self.x_um - self.centre_um[0], self.y_um - self.centre_um[1]
        return np.hypot(dx, dy) / np.float32(self.fov_radius_um)

    def to_px(self, points_um: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Carry points from the retina to the picture."""
        return (np.asarray(points_um) - np.array(self.centre_um)) / self.px_um + self.middle_px


def frame_of(*, size_px: int, centre_um: Point, fov_deg: float) -> Frame:
    """Return the frame of a camera of `fov_deg` that looks at `centre_um`."""
    return Frame(size_px, centre_um, fov_deg / 2 * UM_PER_DEG)
