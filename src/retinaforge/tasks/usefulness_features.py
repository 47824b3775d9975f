"""What a backbone sees of a study's images, looked at once and kept: vectors, or pixels.

A network that is trained on pixels has a look of its own, which returns the square as it is, so
that decoding is cached in the same way. Strongly augmented copies are looked at beside.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from retinaforge.core import Record, RetinaForgeError, rng_for
from retinaforge.tasks.embedding import Embedded, content_of, embed_looks, folder_of
from retinaforge.tasks.embedding_looks import VECTORS, Look
from retinaforge.tasks.embedding_shards import Shards
from retinaforge.tasks.sheets import normalised_sheet
from retinaforge.tasks.usefulness_augment import AUGMENT_VERSION, augmented

Progress = Callable[[int, int], None]
PIXELS_VERSION = 1


def pixel_look(side_px: int) -> Look:
    """Return the look that keeps squares as they are."""

    def compute(pixels: np.ndarray, inside: np.ndarray) -> dict[str, np.ndarray]:
        return {VECTORS: pixels}

    return Look("pixels", f"pixels {PIXELS_VERSION}", side_px, (VECTORS,), compute)


def waiting(look: Look, records: Sequence[Record], cache: Path) -> list[Record]:
    """Return the readable photographs that a look has not seen yet."""
    store = Shards(cache / folder_of(look), look.kinds)
    return [record for record in records if (name := _name(record)) and name not in store]


def waiting_copies(look: Look, records: Sequence[Record], cache: Path, count: int) -> list[Record]:
    """Return the readable photographs whose augmented copies a look has not seen yet."""
    store = _copies(look, cache, count)
    return [record for record in records if (name := _name(record)) and name not in store]


def see(
    look: Look, records: Sequence[Record], cache: Path, *, workers: int, on_progress: Progress
) -> Embedded:
    """Return what a look sees of photographs; `embed_looks` with one look.

    Raises:
        Refusal: "expected at least one readable photograph; got ...".
    """
    return embed_looks([look], records, cache, workers=workers, on_progress=on_progress)[0]


def rows_of(rows: np.ndarray, keep: np.ndarray, folder: Path) -> np.ndarray:
    """Return some rows of a mapped array, themselves mapped: squares may not fit into memory.

    The map lies in a nameless file in `folder`, which the system removes.
    """
    if keep.all():
        return np.asarray(rows)
    with tempfile.TemporaryFile(dir=folder) as stream:
        some = np.memmap(stream, rows.dtype, "w+", shape=(int(keep.sum()), *rows.shape[1:]))
    for place, row in enumerate(np.flatnonzero(keep)):
        some[place] = rows[row]
    return np.asarray(some)


def see_copies(
    look: Look, records: Sequence[Record], cache: Path, *, count: int, on_progress: Progress
) -> dict[int, np.ndarray]:
    """Return what a look sees of `count` augmented copies of each photograph.

    A copy depends on the photograph's bytes and its number alone.

    Returns:
        Vectors (count, channels) by place in `records`; none of one that cannot be read.
    """
    store, found = _copies(look, cache, count), {}
    for place, record in enumerate(records):
        name = _name(record)
        if name and name not in store:
            _add_copies(look, store, record, name, count)
        if name and name in store:
            found[place] = name
        on_progress(place + 1, len(records))
    store.flush()
    rows = store.gather(list(found.values()))[VECTORS] if found else []
    return {place: np.array(row) for place, row in zip(found, rows, strict=True)}


def _add_copies(look: Look, store: Shards, record: Record, name: str, count: int) -> None:
    try:
        sheet = normalised_sheet(record, look.size_px)
    except (RetinaForgeError, OSError, ValueError):
        return
    pixels = np.repeat(sheet.photograph.pixels[None], count, axis=0)
    inside = np.repeat(sheet.fov.mask[None], count, axis=0)
    turned = augmented(pixels, rng=rng_for(0, "usefulness", "copies", name))
    rows = np.asarray(look.compute(turned, inside)[VECTORS])
    if np.isfinite(rows).all():
        store.add(name, {VECTORS: rows})


def _copies(look: Look, cache: Path, count: int) -> Shards:
    return Shards(cache / f"{folder_of(look)}-{count}-copies-{AUGMENT_VERSION}", look.kinds)


def _name(record: Record) -> str:
    try:
        return content_of(record)
    except OSError:
        return ""
