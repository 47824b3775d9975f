"""Images of a reader study: brought to one look, so that only what they show can tell them apart.

    file → decoded → square about the field of view → S × S → circle → one encoder → one length

Names, metadata, sizes in pixels and in bytes, codecs and times of files are equal or random. What
cannot be made equal (a field of view cut off on one side only, enlargement) is measured and told.

References:
    G. Parmar, R. Zhang and J.-Y. Zhu, CVPR 2022, for what a codec and a resize give away.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from retinaforge.core import Record
from retinaforge.core.artefacts import write_bytes
from retinaforge.images import find_fov, normalise, read_photograph

LARGEST_PX, SMALLEST_PX = 1024, 64
ENCODERS: dict[str, dict[str, int | bool | str]] = {
    "png": {"format": "PNG", "compress_level": 6, "optimize": False},
    "jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0, "optimize": False},
}
CIRCLE = 0.985
"""Share of the half side that the common circle keeps: edges of fields of view lie beyond."""
SAME_TIME = 946_684_800
"""2000-01-01: when a file was written does not tell what it is."""


@dataclass(frozen=True)
class Look:
    """What is known of a file before it is made like the others.

    Attributes:
        fov: kind of its field of view.
        side_px: side of its square in native pixels.
    """

    fov: str
    side_px: int


def look_at(record: Record) -> Look:
    """Return what tells a photograph apart before it is brought to one look.

    Raises:
        UnreadableImage: see `read_photograph`.
    """
    photo = read_photograph(record.path)
    fov = find_fov(photo)
    side = max(photo.size_px) if fov.kind == "full frame" else 2 * fov.radius_px
    return Look(fov.kind, int(side))


def common_size(looks: Sequence[Look]) -> int:
    """Return the side at which no image is enlarged, at most 1024 px, in steps of 8."""
    smallest = min(look.side_px for look in looks)
    return max(SMALLEST_PX, min(LARGEST_PX, smallest // 8 * 8))


def alike(record: Record, size_px: int, *, circle: bool) -> np.ndarray:
    """Return a photograph as all of the study's: square, one size, black outside one circle.

    Args:
        record: the photograph.
        size_px: side in pixels.
        circle: also blacken what lies outside the common circle.

    Returns:
        RGB, 0-255, (size, size, 3).
    """
    photo = read_photograph(record.path)
    pixels = normalise(photo, find_fov(photo), size_px=size_px).photograph.pixels
    if not circle:
        return pixels
    middle = (size_px - 1) / 2
    y, x = np.ogrid[:size_px, :size_px]
    inside = np.hypot(y - middle, x - middle) <= CIRCLE * size_px / 2
    return np.where(inside[..., None], pixels, np.uint8(0))


def encoded(pixels: np.ndarray, codec: str) -> bytes:
    """Return the file of an image: nothing but its pixels goes in."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, **ENCODERS[codec])  # type: ignore[arg-type]
    return buffer.getvalue()


def write_alike(files: dict[str, bytes], folder: Path, codec: str) -> None:
    """Write files of one length and one time, in the order of their random names.

    Zeros after the end of a PNG or JPEG are read by nobody; they hide how well it compresses.
    """
    length = max(len(content) for content in files.values())
    for name in sorted(files):
        path = write_bytes(folder / f"{name}.{codec}", files[name].ljust(length, b"\0"))
        os.utime(path, (SAME_TIME, SAME_TIME))
