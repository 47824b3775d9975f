"""Bring two folders to the same footing: same crop, same size, same codec.

    file → decoded → (JPEG at the other side's quality) → square about the field of view → S × S

A score that compares a folder of PNG at 1024 px with one of JPEG at 512 px measures the codec and
the resize. What was done stands in the scorecard's protocol, and the page says it.

References:
    G. Parmar, R. Zhang and J.-Y. Zhu, "On aliased resizing and surprising subtleties in GAN
    evaluation", CVPR 2022, for what resize kernel and codec do to a Fréchet distance.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from retinaforge.core import Photograph

LARGEST_PX, SMALLEST_PX = 512, 64
MATCHED_WITHIN = 5
"""JPEG qualities that differ by no more are left alone."""

# Luminance table of the JPEG standard (ITU-T T.81, table K.1), which quality 50 stands for.
_STANDARD = np.array([
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
])  # fmt: skip


@dataclass(frozen=True)
class FileLook:
    """What a file's header says.

    Attributes:
        size_px: (height, width).
        codec: "JPEG", "PNG", ... as Pillow names it.
        jpeg_quality: estimated from the tables, 1-100; None for other codecs.
        says_synthetic: whether its name or its metadata call it synthetic.
    """

    size_px: tuple[int, int]
    codec: str
    jpeg_quality: int | None
    says_synthetic: bool = False


@dataclass(frozen=True)
class SideLook:
    """What the headers of a side's files say together; sizes are medians."""

    files: int
    unreadable: int
    shorter_side_px: int
    sizes: dict[str, int]
    codecs: dict[str, int]
    jpeg_quality: int | None
    say_synthetic: int = 0


@dataclass(frozen=True)
class Footing:
    """How both sides are brought together.

    Attributes:
        size_px: side of the square that every image becomes.
        recompress: JPEG quality that a side is sent through first, by side; absent: left alone.
        words: what a reader must know, one sentence each.
        sides: what was found.
    """

    size_px: int
    recompress: dict[str, int]
    words: tuple[str, ...]
    sides: dict[str, SideLook]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for the protocol."""
        return asdict(self)


def jpeg_quality_of(tables: dict[int, Sequence[int]]) -> int:
    """Return the quality of libjpeg's scale whose luminance table is nearest, 1-100.

    A table is ⌊(K s + 50) / 100⌋ with s = ⌊5000 / q⌋ below 50 and 200 - 2 q from there on
    (libjpeg, jcparam.c); encoders with tables of their own get the nearest.
    """
    table = np.asarray(tables[0], dtype=float)
    qualities = np.arange(1, 101)
    scale = np.where(qualities < 50, 5000 // qualities, 200 - 2 * qualities)
    # Pillow may hand tables over in zigzag order: sums do not care.
    expected = np.clip((_STANDARD[None] * scale[:, None] + 50) // 100, 1, 255).sum(axis=1)
    return int(qualities[np.abs(expected - table.sum()).argmin()])


def look_at(path: Path) -> FileLook | None:
    """Read a file's header; None where it has none (the file is refused when it is read)."""
    try:
        with Image.open(path) as image:
            quality = None
            if image.format in ("JPEG", "MPO"):
                quality = jpeg_quality_of(image.quantization)  # pyright: ignore[reportAttributeAccessIssue]
            size, codec = (image.height, image.width), image.format or "unknown"
            return FileLook(size, codec, quality, _says_synthetic(path, image.info))
    except (OSError, ValueError, SyntaxError, KeyError, Image.DecompressionBombError):
        return None


def _says_synthetic(path: Path, info: Mapping[Any, Any]) -> bool:
    said = [str(value).lower() for key, value in info.items() if str(key).lower() == "synthetic"]
    return path.name.lower().startswith("synthetic_") or said == ["true"]


def look_at_side(paths: Sequence[Path]) -> SideLook:
    """Read all headers of a side."""
    looks = [look for path in paths if (look := look_at(path)) is not None]
    sizes = Counter(f"{look.size_px[1]}x{look.size_px[0]}" for look in looks)
    qualities = [look.jpeg_quality for look in looks if look.jpeg_quality is not None]
    mostly_jpeg = len(qualities) * 2 > len(looks) > 0
    return SideLook(
        files=len(paths),
        unreadable=len(paths) - len(looks),
        shorter_side_px=int(np.median([min(look.size_px) for look in looks])) if looks else 0,
        sizes=dict(sizes.most_common(8)),
        codecs=dict(Counter(look.codec for look in looks).most_common()),
        jpeg_quality=int(np.median(qualities)) if mostly_jpeg else None,
        say_synthetic=sum(look.says_synthetic for look in looks),
    )


def footing_of(sides: dict[str, Sequence[Path]], *, size_px: int | None = None) -> Footing:
    """Choose the common footing of the sides.

    The square is as wide as the smaller side's median photograph, at most `LARGEST_PX`. Where one
    side is JPEG and the other lossless, or of a quality higher by more than `MATCHED_WITHIN`, the
    finer side is sent through JPEG at the coarser one's median quality before it is resized.

    Args:
        sides: image files by side's name.
        size_px: overrules the choice.
    """
    looks = {name: look_at_side(paths) for name, paths in sides.items()}
    seen = [look.shorter_side_px for look in looks.values() if look.shorter_side_px]
    chosen = size_px or max(SMALLEST_PX, min([LARGEST_PX, *seen]))
    qualities = {name: look.jpeg_quality for name, look in looks.items() if look.shorter_side_px}
    recompress = _recompressed(qualities)
    return Footing(chosen, recompress, tuple(_words(looks, chosen, recompress)), looks)


def _recompressed(qualities: dict[str, int | None]) -> dict[str, int]:
    known = [quality for quality in qualities.values() if quality is not None]
    if not known:
        return {}
    coarsest = min(known)
    return {
        name: coarsest
        for name, quality in qualities.items()
        if quality is None or quality > coarsest + MATCHED_WITHIN
    }


def _words(looks: dict[str, SideLook], size_px: int, recompress: dict[str, int]) -> list[str]:
    said = [
        f"Every image is cut to the square about its field of view and resized to {size_px} x "
        f"{size_px} px (Lanczos, antialiased); beyond the field of view it is black."
    ]
    for name, quality in recompress.items():
        codecs = ", ".join(looks[name].codecs)
        said.append(
            f"JPEG-matched: the {name} images ({codecs}) were sent through JPEG at quality "
            f"{quality}, the other side's, before they were resized."
        )
    widths = {name: look.shorter_side_px for name, look in looks.items() if look.shorter_side_px}
    if widths and max(widths.values()) > 1.5 * min(widths.values()):
        sizes = ", ".join(f"{name} {px} px" for name, px in widths.items())
        said.append(
            f"The sides were made at different resolutions (median shorter side: {sizes}): "
            "the finer one was reduced more, which no resize undoes."
        )
    return said


def through_jpeg(photo: Photograph, quality: int) -> Photograph:
    """Send a photograph through JPEG, without subsampling the colours."""
    buffer = io.BytesIO()
    Image.fromarray(photo.pixels).save(buffer, "JPEG", quality=quality, subsampling=0)
    with Image.open(buffer) as image:
        return replace(
            photo, pixels=np.array(image), history=(*photo.history, f"JPEG at {quality}")
        )
