"""Small pictures of photographs for a page: the square that encoders see, labelled if synthetic."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from retinaforge.core import Record
from retinaforge.core.artefacts import write_with
from retinaforge.tasks.sheets import normalised_sheet

PICTURE_PX = 256
BAND = 0.1
"""Height of the band that says SYNTHETIC, in sides of the picture."""


def write_picture(record: Record, out: Path, *, synthetic: bool) -> str:
    """Write a record's square as PNG into OUT/pictures, and return its path relative to OUT.

    A synthetic image says so in its name, its metadata and its pixels.
    """
    stem = hashlib.sha256(str(record.path.resolve()).encode()).hexdigest()[:16]
    name = f"pictures/{'synthetic' if synthetic else 'real'}_{stem}.png"
    image = Image.fromarray(normalised_sheet(record, PICTURE_PX).photograph.pixels)
    info = PngInfo()
    if synthetic:
        info.add_text("Synthetic", "true")
        _say_synthetic(image)
    write_with(out / name, lambda stream: image.save(stream, "PNG", pnginfo=info, compress_level=4))
    return name


def _say_synthetic(image: Image.Image) -> None:
    side = image.height
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, side * (1 - BAND), side, side), fill=(179, 38, 30))
    font = ImageFont.load_default(size=side * BAND * 0.7)
    draw.text((side / 2, side * (1 - BAND / 2)), "SYNTHETIC", (255, 255, 255), font, anchor="mm")
