"""Photographs: read, checked, brought to a square, listed and split."""

from retinaforge.images.fov import find_fov
from retinaforge.images.geometry import Geometry, Normalised, normalise
from retinaforge.images.reading import (
    MaskSizeError,
    UnreadableImage,
    read_index_mask,
    read_mask,
    read_photograph,
)
from retinaforge.images.records import read_records

__all__ = [
    "Geometry",
    "MaskSizeError",
    "Normalised",
    "UnreadableImage",
    "find_fov",
    "normalise",
    "read_index_mask",
    "read_mask",
    "read_photograph",
    "read_records",
]
