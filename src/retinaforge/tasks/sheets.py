"""Sheets: every photograph of a data set normalised to one square size, in one memory map.

A uint8 memory map gives tens of thousands of crops a second where decoding gives hundreds, so
photographs are decoded once and training never waits for them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.core import Fov, Photograph, Record, Refusal, RetinaForgeError
from retinaforge.core.artefacts import sha256_of, whole_file, write_json
from retinaforge.images import Normalised, find_fov, normalise, read_mask, read_photograph

SHEETS_VERSION = 1


@dataclass(frozen=True)
class Sheets:
    """Normalised photographs of equal size.

    Attributes:
        pixels: RGB, 0-255, shape (n, size, size, 3), memory-mapped.
        fov: True inside the field of view, shape (n, size, size), memory-mapped.
        records: the records that could be read, in the order of `pixels`.
        refused: (name, reason) of those that could not.
        fingerprint: SHA-256 over the content of every readable file, in order.
    """

    pixels: np.ndarray
    fov: np.ndarray
    records: tuple[Record, ...]
    refused: tuple[tuple[str, str], ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.records)


def open_photograph(record: Record) -> tuple[Photograph, Fov]:
    """Read a record's photograph and its field of view, from its mask where it has one.

    Raises:
        Refusal: if the photograph cannot be read, or its mask has another size.
    """
    photo = read_photograph(record.path, eye=record.eye)
    found = find_fov(photo)
    if "fov" not in record.masks:
        return photo, found
    mask = read_mask(record.masks["fov"], size_px=photo.size_px)
    return photo, Fov(mask, found.centre_px, found.radius_px, found.kind)


def normalised_sheet(record: Record, size_px: int) -> Normalised:
    """Read one record and normalise it to a square of `size_px`."""
    photo, fov = open_photograph(record)
    return normalise(photo, fov, size_px=size_px)


def build_sheets(
    records: Sequence[Record],
    folder: Path,
    *,
    size_px: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Sheets:
    """Normalise every record into `folder`, or reopen what is there for the same files.

    Args:
        records: what to read; a photograph that cannot be read is named in `refused`.
        folder: where the memory maps lie.
        size_px: side of the square.
        on_progress: called with (done, all) after each photograph.

    Raises:
        Refusal: if not a single photograph can be read.
    """
    key = _key(records, size_px)
    index = folder / "sheets.json"
    if index.is_file() and (stored := json.loads(index.read_text()))["key"] == key:
        return _reopen(stored, records, folder)
    sheets, good, refused, hashes = [], [], [], []
    for done, record in enumerate(records, start=1):
        try:
            sheets.append(normalised_sheet(record, size_px))
            hashes.append(sha256_of(record.path))
            good.append(record)
        except (RetinaForgeError, OSError) as error:
            refused.append((record.name, str(error)))
        if on_progress:
            on_progress(done, len(records))
    if not good:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in refused[:3]) or "no record"
        raise Refusal(
            "at least one readable photograph", reasons, "run `retinaforge data check DIR`"
        )
    _save(folder / "pixels.npy", np.stack([sheet.photograph.pixels for sheet in sheets]))
    _save(folder / "fov.npy", np.stack([sheet.fov.mask for sheet in sheets]))
    stored = {
        "key": key,
        "names": [_unique(record) for record in good],
        "refused": refused,
        "fingerprint": hashlib.sha256("".join(hashes).encode()).hexdigest(),
    }
    write_json(index, stored)
    return _reopen(stored, records, folder)


def _unique(record: Record) -> str:
    return f"{record.dataset}/{record.name}"


def _key(records: Sequence[Record], size_px: int) -> str:
    """Name the work: same files (path, size, time), same side, same code version."""
    facts: list[Any] = [SHEETS_VERSION, size_px]
    for record in records:
        stat = record.path.stat() if record.path.is_file() else None
        facts.append([str(record.path), stat and stat.st_size, stat and stat.st_mtime_ns])
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _save(path: Path, array: np.ndarray) -> None:
    with whole_file(path) as stream:
        np.save(stream, array)


def _reopen(stored: dict[str, Any], records: Sequence[Record], folder: Path) -> Sheets:
    by_name = {_unique(record): record for record in records}
    return Sheets(
        pixels=np.load(folder / "pixels.npy", mmap_mode="r"),
        fov=np.load(folder / "fov.npy", mmap_mode="r"),
        records=tuple(by_name[name] for name in stored["names"]),
        refused=tuple((name, reason) for name, reason in stored["refused"]),
        fingerprint=stored["fingerprint"],
    )
