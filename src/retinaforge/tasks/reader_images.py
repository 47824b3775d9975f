"""Images of a reader study: brought to one look, so that only what they show can tell them apart.

    file → decoded → square about the field of view → S × S → black outside what all images show
         → one encoder → one length

Names, metadata, sizes in pixels and in bytes, codecs and times of files are equal or random. The
shape of the field of view is made equal by what all of the study's images share. PNG is stored
without compression: every file has the same chunks at the same places, so that not even how well an
image compresses is read from its file. What cannot be made equal (sharpness, colour, enlargement)
is measured and told.

References:
    G. Parmar, R. Zhang and J.-Y. Zhu, CVPR 2022, for what a codec and a resize give away.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from retinaforge.core import Record
from retinaforge.core.artefacts import write_bytes
from retinaforge.images import find_fov, normalise, read_photograph

LARGEST_PX, SMALLEST_PX = 1024, 64
ENCODERS: dict[str, dict[str, int | bool | str]] = {
    "png": {"format": "PNG", "compress_level": 0},
    "jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0, "optimize": False},
}
FIELDS = ("shared", "circle", "own")
CIRCLE = 0.985
"""Share of the half side that the common circle keeps: edges of fields of view lie beyond."""
FIELD_PX, RIM_PX = 256, 3
"""Grid of the shared field, and by how much its rim is taken in: edges are soft."""
SAME_TIME = 946_684_800
"""2000-01-01: when a file was written does not tell what it is."""


@dataclass(frozen=True)
class Look:
    """What is known of a file before it is made like the others.

    Attributes:
        fov: kind of its field of view.
        side_px: side of its square in native pixels.
        seen: where its square shows retina, on a grid of 256 x 256.
    """

    fov: str
    side_px: int
    seen: np.ndarray


def look_at(record: Record) -> Look:
    """Return what tells a photograph apart before it is brought to one look.

    Raises:
        UnreadableImage: see `read_photograph`.
    """
    photo = read_photograph(record.path)
    fov = find_fov(photo)
    side = max(photo.size_px) if fov.kind == "full frame" else 2 * fov.radius_px
    return Look(fov.kind, int(side), normalise(photo, fov, size_px=FIELD_PX).fov.mask)


def common_size(looks: Sequence[Look]) -> int:
    """Return the side at which no image is enlarged, at most 1024 px, in steps of 8."""
    smallest = min(look.side_px for look in looks)
    return max(SMALLEST_PX, min(LARGEST_PX, smallest // 8 * 8))


def common_field(looks: Sequence[Look], kind: str) -> np.ndarray:
    """Return where all images are shown, on a grid of 256 x 256.

    Args:
        looks: of all images of the study.
        kind: "shared": within the circle, what every image shows; "circle": one circle; "own":
            everything, so that each keeps its own shape.
    """
    if kind == "own":
        return np.ones((FIELD_PX, FIELD_PX), bool)
    middle = (FIELD_PX - 1) / 2
    y, x = np.ogrid[:FIELD_PX, :FIELD_PX]
    circle = np.hypot(y - middle, x - middle) <= CIRCLE * FIELD_PX / 2
    if kind == "circle":
        return circle
    shared = np.logical_and.reduce([look.seen for look in looks])
    return circle & ndimage.binary_erosion(shared, iterations=RIM_PX)


def share_kept(field: np.ndarray) -> float:
    """Return the share of the common circle that a field keeps."""
    circle = common_field((), "circle")
    return float((field & circle).sum() / circle.sum())


def alike(record: Record, size_px: int, field: np.ndarray) -> np.ndarray:
    """Return a photograph as all of the study's: square, one size, black outside one field.

    Args:
        record: the photograph.
        size_px: side in pixels.
        field: of `common_field`.

    Returns:
        RGB, 0-255, (size, size, 3).
    """
    photo = read_photograph(record.path)
    pixels = normalise(photo, find_fov(photo), size_px=size_px).photograph.pixels
    # The outline is soft, and the same in all images.
    return np.round(pixels * outline(field, size_px)[..., None]).astype(np.uint8)


def outline(field: np.ndarray, size_px: int) -> np.ndarray:
    """Return a field on a grid of another size, from 0 to 1, its outline smooth."""
    grey = Image.fromarray(field.astype(np.uint8) * 255)
    return np.asarray(grey.resize((size_px, size_px), Image.Resampling.BILINEAR)) / 255


def encoded(pixels: np.ndarray, codec: str) -> bytes:
    """Return the file of an image: nothing but its pixels goes in."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, **ENCODERS[codec])  # type: ignore[arg-type]
    return buffer.getvalue()


def write_alike(files: Mapping[str, bytes], folder: Path, codec: str) -> None:
    """Write files of one length and one time, in the order of their random names.

    PNG files are as long as each other already; zeros after the end of a JPEG are read by nobody.
    """
    length = max(len(content) for content in files.values())
    for name in sorted(files):
        path = write_bytes(folder / f"{name}.{codec}", files[name].ljust(length, b"\0"))
        os.utime(path, (SAME_TIME, SAME_TIME))
