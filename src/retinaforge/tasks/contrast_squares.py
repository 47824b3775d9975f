"""Captioned images as squares of one size, read once.

A photograph is cut to its field of view, as every encoder here sees it. Drawn and sampled images
are taken whole: their field fills the frame, and looking for it costs thirty times the reading.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from retinaforge.core import Record, Refusal, RetinaForgeError
from retinaforge.core.artefacts import sha256_of, whole_file, write_json
from retinaforge.images import read_photograph
from retinaforge.tasks.pairs import Pair
from retinaforge.tasks.sheets import normalised_sheet

VERSION = 1
OnCount = Callable[[int, int], None]


@dataclass(frozen=True)
class Squares:
    """Images of equal size.

    Attributes:
        pixels: RGB, 0-255, shape (n, side, side, 3), memory-mapped.
        places: which of the pairs handed over could be read, in order.
        refused: (name, reason) of the others.
        fingerprint: SHA-256 over the content of every readable file, in order.
    """

    pixels: np.ndarray
    places: tuple[int, ...]
    refused: tuple[tuple[str, str], ...]
    fingerprint: str


def square_of(pair: Pair, side_px: int) -> UInt8[np.ndarray, "side side 3"]:
    """Return one image as a square.

    Raises:
        RetinaForgeError: if it cannot be read.
        OSError: likewise.
    """
    if not pair.synthetic:
        record = Record(path=pair.path, name=pair.name, dataset="pairs", patient=pair.name)
        return normalised_sheet(record, side_px).photograph.pixels
    pixels = read_photograph(pair.path).pixels
    longest = max(pixels.shape[:2])
    spare = [(longest - side) // 2 for side in pixels.shape[:2]]
    wide = [(s, longest - side - s) for s, side in zip(spare, pixels.shape[:2], strict=True)]
    image = Image.fromarray(np.pad(pixels, (*wide, (0, 0))))
    # Pillow's filters widen when they shrink: antialiased.
    return np.asarray(image.resize((side_px, side_px), Image.Resampling.BILINEAR))


def build_squares(
    pairs: Sequence[Pair], folder: Path, side_px: int, on_progress: OnCount | None = None
) -> Squares:
    """Read every image into `folder`, or reopen what is there for the same files.

    Args:
        pairs: what to read; one that cannot be read is named in `refused`.
        folder: where the memory map lies.
        side_px: side of the square.
        on_progress: called with (images done, images).

    Raises:
        Refusal: if not a single one can be read.
    """
    index, key = folder / "squares.json", _key(pairs, side_px)
    if index.is_file():
        stored = json.loads(index.read_text(encoding="utf-8"))
        if stored["key"] == key:
            return _reopen(stored, folder)
    pixels, places, refused, hashes = [], [], [], []
    for place, pair in enumerate(pairs):
        try:
            pixels.append(square_of(pair, side_px))
            hashes.append(sha256_of(pair.path))
            places.append(place)
        except (RetinaForgeError, OSError) as error:
            refused.append((pair.name, str(error)))
        if on_progress:
            on_progress(place + 1, len(pairs))
    if not pixels:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in refused[:3]) or "no pair"
        raise Refusal("at least one readable image", reasons, "check the paths of the pairs")
    index.unlink(missing_ok=True)  # a run killed here leaves nothing that speaks for the pixels
    with whole_file(folder / "pixels.npy") as stream:
        np.save(stream, np.stack(pixels))
    fingerprint = hashlib.sha256("".join(hashes).encode()).hexdigest()
    stored = {"key": key, "places": places, "refused": refused, "fingerprint": fingerprint}
    write_json(index, stored)
    return _reopen(stored, folder)


def _reopen(stored: dict, folder: Path) -> Squares:
    return Squares(
        np.load(folder / "pixels.npy", mmap_mode="r"),
        tuple(stored["places"]),
        tuple((name, reason) for name, reason in stored["refused"]),
        stored["fingerprint"],
    )


def _key(pairs: Sequence[Pair], side_px: int) -> str:
    facts: list[object] = [VERSION, side_px]
    for pair in pairs:
        stat = pair.path.stat() if pair.path.is_file() else None
        size = stat and (stat.st_size, stat.st_mtime_ns)
        facts.append([str(pair.path), size, pair.synthetic])
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
