"""Photographs: read, checked, brought to a square, listed and split."""

from retinaforge.images.check import DataReport, DatasetReport, check_folder
from retinaforge.images.duplicates import DuplicatePair, find_duplicates
from retinaforge.images.fov import find_fov
from retinaforge.images.geometry import Geometry, Normalised, normalise
from retinaforge.images.reading import (
    MaskSizeError,
    UnreadableImage,
    image_size,
    read_grey,
    read_index_mask,
    read_mask,
    read_photograph,
)
from retinaforge.images.records import read_records
from retinaforge.images.splits import split_by_patient

__all__ = [
    "DataReport",
    "DatasetReport",
    "DuplicatePair",
    "Geometry",
    "MaskSizeError",
    "Normalised",
    "UnreadableImage",
    "check_folder",
    "find_duplicates",
    "find_fov",
    "image_size",
    "normalise",
    "read_grey",
    "read_index_mask",
    "read_mask",
    "read_photograph",
    "read_records",
    "split_by_patient",
]
