"""A folder of photographs as rows of numbers: what a frozen encoder sees of each.

Each photograph is read whole, cut to its field of view, brought to a square at the encoder's side
(antialiased, black outside), and handed over in batches. One pass over the files serves any number
of looks (encoders, their untrained twins, colours). What was computed lies on the disk by the
content of the file, the encoder's weights and the side, so the same call resumes and memory does
not grow with the folder.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from retinaforge.core import Record, Refusal, RetinaForgeError
from retinaforge.core.artefacts import sha256_of
from retinaforge.encoders import Encoder
from retinaforge.images import normalise
from retinaforge.tasks.embedding_looks import TOKENS, VECTORS, Look, encoder_look
from retinaforge.tasks.embedding_shards import Shards
from retinaforge.tasks.sheets import open_photograph

EMBEDDING_VERSION = 1
"""Raised whenever the same photograph and encoder would give other numbers."""

Progress = Callable[[int, int], None]
Squares = dict[int, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Embedded:
    """What one look saw of a folder.

    Attributes:
        look: the name of the look.
        vectors: float32, shape (n, channels), memory-mapped.
        tokens: float16, shape (n, positions, channels), memory-mapped; None where not asked for.
        records: the photographs that could be read, in the order of `vectors`.
        left_out: (name, reason) of those that could not.
    """

    look: str
    vectors: np.ndarray
    tokens: np.ndarray | None
    records: tuple[Record, ...]
    left_out: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.records)


@dataclass(frozen=True)
class _Opened:
    """One photograph, decoded where some look lacks it: squares by side, or why there are none."""

    record: Record
    name: str = ""
    squares: Squares | None = None
    reason: str = ""


def embed_folder(
    encoder: Encoder,
    records: Sequence[Record],
    cache: Path | None = None,
    *,
    size_px: int | None = None,
    batch: int = 16,
    workers: int = 1,
    tokens: bool = False,
    on_progress: Progress | None = None,
) -> Embedded:
    """Return one vector a photograph, and on request the last block's patch tokens.

    Args:
        encoder: frozen; on whatever device it lies.
        records: from `read_records`; names are kept, nothing is drawn.
        cache: folder that keeps what was computed; None forgets it.
        size_px: side of the square; None for the encoder's own, or `FREE_PX` where it has none.
        batch: photographs a step.
        workers: threads that decode ahead of the encoder.
        tokens: also return patch tokens, float16.
        on_progress: called with (done, all).

    Returns:
        Vectors and the records they belong to; photographs that cannot be read are named.

    Raises:
        Refusal: "expected at least one readable photograph; got ...".
    """
    look = encoder_look(encoder, size_px=size_px, tokens=tokens)
    return embed_looks(
        [look], records, cache, batch=batch, workers=workers, on_progress=on_progress
    )[0]


def embed_looks(
    looks: Sequence[Look],
    records: Sequence[Record],
    cache: Path | None = None,
    *,
    batch: int = 16,
    workers: int = 1,
    on_progress: Progress | None = None,
) -> list[Embedded]:
    """Return what several looks see, each photograph decoded once for all; else `embed_folder`.

    Every result has the same records.
    """
    keep = nullcontext(cache) if cache else tempfile.TemporaryDirectory(prefix="retinaforge-")
    with keep as folder:
        stores = [Shards(Path(folder) / folder_of(look), look.kinds) for look in looks]
        names, left_out = _fill(looks, stores, records, (batch, workers), on_progress)
        kept = tuple(records[place] for place in sorted(names))
        if not kept:
            reasons = "; ".join(f"{name}: {why}" for name, why in left_out[:3]) or "no record"
            raise Refusal(
                "at least one readable photograph", reasons, "run `retinaforge data check DIR`"
            )
        order = [names[place] for place in sorted(names)]
        rows = [store.gather(order) for store in stores]
    return [
        Embedded(look.name, found[VECTORS], found.get(TOKENS), kept, tuple(left_out))
        for look, found in zip(looks, rows, strict=True)
    ]


def folder_of(look: Look) -> str:
    """Return the name of a look's folder in the cache: all that its numbers depend on."""
    facts = f"{EMBEDDING_VERSION} {look.fingerprint} {look.size_px}"
    return hashlib.sha256(facts.encode()).hexdigest()[:32]


def embed_arrays(encoder: Encoder, pixels: np.ndarray, *, batch: int = 16) -> np.ndarray:
    """Return one vector an image, for images that are squares in memory already.

    Args:
        encoder: frozen.
        pixels: RGB, 0-255, shape (n, side, side, 3); resized inside the encoder if need be.
        batch: images a step.

    Returns:
        float32, shape (n, channels).

    Raises:
        Refusal: "expected uint8 images of shape (n, side, side, 3); got ...".
    """
    shape = np.shape(pixels)
    if len(shape) != 4 or shape[3] != 3 or not shape[0] or pixels.dtype != np.uint8:
        raise Refusal(
            "uint8 images of shape (n, side, side, 3), at least one",
            f"{pixels.dtype} of shape {shape}",
            "stack RGB squares, 0 to 255",
        )
    look = encoder_look(encoder, size_px=shape[1])
    inside = np.ones(shape[:3], bool)
    steps = (slice(k, k + batch) for k in range(0, len(pixels), batch))
    return np.concatenate([look.compute(pixels[s], inside[s])[VECTORS] for s in steps])


def _fill(
    looks: Sequence[Look],
    stores: Sequence[Shards],
    records: Sequence[Record],
    sizes: tuple[int, int],
    on_progress: Progress | None,
) -> tuple[dict[int, str], list[tuple[str, str]]]:
    """Bring every store up to date; return row names by a record's place, and who has none."""
    names: dict[int, str] = {}
    bad: dict[str, str] = {}
    left_out: list[tuple[str, str]] = []
    waiting: list[list[tuple[str, np.ndarray, np.ndarray]]] = [[] for _ in looks]
    batch, workers = sizes
    for place, opened in enumerate(_ahead(records, looks, stores, workers)):
        if opened.reason:
            left_out.append((opened.record.name, opened.reason))
        else:
            names[place] = opened.name
        for look, store, queue in zip(looks, stores, waiting, strict=True):
            queued = any(name == opened.name for name, *_ in queue)
            if opened.squares and opened.name not in store and not queued:
                queue.append((opened.name, *opened.squares[look.size_px]))
            if len(queue) >= batch:
                bad |= _compute(look, store, queue)
        if on_progress:
            on_progress(place + 1, len(records))
    for look, store, queue in zip(looks, stores, waiting, strict=True):
        bad |= _compute(look, store, queue)
        store.flush()
    for place in [place for place, name in names.items() if name in bad]:
        left_out.append((records[place].name, bad[names.pop(place)]))
    return names, left_out


def _compute(
    look: Look, store: Shards, queue: list[tuple[str, np.ndarray, np.ndarray]]
) -> dict[str, str]:
    """Let a look see what waits for it; return the names whose numbers are none, with why."""
    if not queue:
        return {}
    found = look.compute(np.stack([q[1] for q in queue]), np.stack([q[2] for q in queue]))
    bad: dict[str, str] = {}
    for row, (name, *_) in enumerate(queue):
        rows = {kind: array[row] for kind, array in found.items()}
        if all(np.isfinite(each).all() for each in rows.values()):
            store.add(name, rows)
        else:
            bad[name] = f"{look.name} returns numbers that are not finite"
    queue.clear()
    return bad


def _ahead(
    records: Sequence[Record], looks: Sequence[Look], stores: Sequence[Shards], workers: int
) -> Iterator[_Opened]:
    """Yield the photographs in order, a few decoded ahead: as many as two for each thread."""
    left = iter(records)
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        jobs: deque[Future[_Opened]] = deque()
        jobs.extend(pool.submit(_open, r, looks, stores) for r in islice(left, 2 * workers + 1))
        while jobs:
            yield jobs.popleft().result()
            jobs.extend(pool.submit(_open, r, looks, stores) for r in islice(left, 1))


def _open(record: Record, looks: Sequence[Look], stores: Sequence[Shards]) -> _Opened:
    try:
        name = content_of(record)
        pairs = zip(looks, stores, strict=True)
        sides = {look.size_px for look, store in pairs if name not in store}
        return _Opened(record, name, _squares(record, sides) if sides else None)
    except (RetinaForgeError, OSError, ValueError, ArithmeticError, MemoryError) as error:
        return _Opened(record, reason=str(error) or type(error).__name__)


def content_of(record: Record) -> str:
    """Return what names a photograph's rows: its bytes, and its mask's if it has one."""
    files = [record.path, *([record.masks["fov"]] if "fov" in record.masks else [])]
    return hashlib.sha256(" ".join(sha256_of(file) for file in files).encode()).hexdigest()


def _squares(record: Record, sides: set[int]) -> Squares:
    photo, fov = open_photograph(record)
    if not fov.mask.any():
        raise Refusal("a field of view with retina in it", "an empty mask", "mend or remove it")
    done = {side: normalise(photo, fov, size_px=side) for side in sides}
    return {side: (one.photograph.pixels, one.fov.mask) for side, one in done.items()}


__all__ = [
    "EMBEDDING_VERSION", "Embedded", "Look", "content_of", "embed_arrays", "embed_folder",
    "embed_looks", "encoder_look", "folder_of",
]  # fmt: skip
