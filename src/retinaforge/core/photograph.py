"""A fundus photograph and its field of view: the two nouns every room passes around."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, UInt8

from retinaforge.core.errors import Refusal

Eye = Literal["OD", "OS"]
FovKind = Literal["circle", "cut circle", "full frame"]


@dataclass(frozen=True)
class Photograph:
    """One colour fundus photograph.

    Attributes:
        pixels: RGB, 0-255, shape (height, width, 3).
        source: where it came from (a path, or the name of what drew it).
        eye: OD (right), OS (left), or None where nobody said.
        history: what was done to it since it was read, in order, in words.
        synthetic: True for anything no camera took (phantoms, reconstructions, samples).
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    source: str
    eye: Eye | None = None
    history: tuple[str, ...] = ()
    synthetic: bool = False

    def __post_init__(self) -> None:
        shape, dtype = np.shape(self.pixels), np.asarray(self.pixels).dtype
        if len(shape) != 3 or shape[2] != 3 or dtype != np.uint8:
            raise Refusal(
                "pixels of shape (height, width, 3) and type uint8",
                f"shape {shape} and type {dtype}",
                "read files with retinaforge.images.read_photograph, which converts them",
            )

    @property
    def size_px(self) -> tuple[int, int]:
        """Return (height, width) in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def after(self, pixels: np.ndarray, step: str, *, synthetic: bool | None = None) -> Photograph:
        """Return the photograph that `step` made of this one, with the step written down."""
        made_up = self.synthetic if synthetic is None else synthetic
        return replace(self, pixels=pixels, history=(*self.history, step), synthetic=made_up)


@dataclass(frozen=True)
class Fov:
    """The part of the frame that shows retina.

    Attributes:
        mask: True inside, shape (height, width).
        centre_px: (x, y) of the circle the camera's aperture drew, in pixels.
        radius_px: radius of that circle; where the frame shows no border, half its diagonal.
        kind: whole circle, circle cut off by the frame, or no border at all.
    """

    mask: Bool[np.ndarray, "height width"]
    centre_px: tuple[float, float]
    radius_px: float
    kind: FovKind


def require_same_size(photo: Photograph, fov: Fov) -> None:
    """Refuse a field of view that belongs to another photograph.

    Raises:
        Refusal: expected a field of view of the photograph's size.
    """
    if fov.mask.shape != photo.size_px:
        raise Refusal(
            f"a field of view of the photograph's {photo.size_px} pixels",
            f"one of {fov.mask.shape} with {photo.source}",
            "detect it on the same photograph with retinaforge.images.find_fov",
        )
