"""Search many patterns in one gallery: over several processes, and never the same one twice.

    CACHE/copies/GALLERY.jsonl     one line a search: the query's key, its nearest, the likeness
    CACHE/copies/GALLERY.npz       the gallery's patterns, from which each process builds its own

GALLERY is the hash of all references' patterns, their order, and the method; a query's key is
that of its pattern and of the references that do not count for it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.audits.copies import VESSEL_LIKENESS
from retinaforge.audits.gallery import Gallery
from retinaforge.audits.patterns import Pattern, load_patterns, save_patterns
from retinaforge.core.artefacts import DiskFull, whole_file
from retinaforge.tasks.crew import work_through

Progress = Callable[[int, int], None]
FOLDER, PREFIX = "copies", "pattern_"
METHOD = f"{VESSEL_LIKENESS.name} {VESSEL_LIKENESS.version}, search 2"
"""Raised whenever the same patterns would find other neighbours."""


@dataclass(frozen=True)
class Search:
    """One pattern to be searched.

    Attributes:
        pattern: that may be a copy.
        without: numbers of references that do not count.
    """

    pattern: Pattern
    without: tuple[int, ...] = ()


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        reference: number of the nearest reference; None where nothing is shared.
        likeness: with it.
        lost: its process was killed, so that nothing is known.
    """

    reference: int | None
    likeness: float
    lost: bool = False


def pattern_of_arrays(arrays: dict[str, np.ndarray]) -> Pattern:
    """Return the vessel pattern that was kept with an image."""
    return Pattern(**{k.removeprefix(PREFIX): v for k, v in arrays.items() if k.startswith(PREFIX)})


def arrays_of_pattern(pattern: Pattern) -> dict[str, np.ndarray]:
    """Return a pattern's arrays under the names they are kept by."""
    return {f"{PREFIX}{field.name}": getattr(pattern, field.name) for field in fields(Pattern)}


def search_all(
    searches: Sequence[Search], references: Sequence[Pattern], *, cache: Path | None = None,
    workers: int = 1, on_progress: Progress | None = None,
) -> list[Found]:  # fmt: skip
    """Return the nearest reference of every pattern.

    Args:
        searches: patterns that may be copies.
        references: patterns of real eyes, at least one.
        cache: keeps what was found; a search that was done before is read there.
        workers: processes; they do not change the result.
        on_progress: called with (done, all).

    Raises:
        DiskFull: if the disk takes no more.
    """
    gallery = _key([_content(p) for p in references], METHOD, *_versions())
    keys = [_key([_content(s.pattern)], str(sorted(s.without))) for s in searches]
    with _folder(cache) as folder:
        journal = folder / f"{gallery}.jsonl"
        found = _read(journal)
        left = {k: s for k, s in zip(keys, searches, strict=True) if k not in found}
        done = sum(key in found for key in keys)
        for key, result in _searched(left, references, folder / f"{gallery}.npz", workers):
            found[key] = result
            if not result.lost:
                _append(journal, key, result)
            done += keys.count(key)
            if on_progress is not None:
                on_progress(done, len(keys))
    return [found[key] for key in keys]


@contextmanager
def _folder(cache: Path | None) -> Generator[Path, None, None]:
    """Give the cache's folder, or one that goes when the search is done."""
    if cache is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    (cache / FOLDER).mkdir(parents=True, exist_ok=True)
    yield cache / FOLDER


def _searched(
    left: dict[str, Search], references: Sequence[Pattern], file: Path, workers: int
) -> Iterator[tuple[str, Found]]:
    if not left:
        return
    with whole_file(file) as stream:
        save_patterns(stream, references)
    try:
        work = partial(_search, gallery=file)
        for (key, _), result in work_through(left.items(), work, workers=workers):
            yield key, result or Found(None, 0.0, lost=True)
    finally:
        file.unlink(missing_ok=True)
        _gallery.cache_clear()


@lru_cache(maxsize=1)
def _gallery(file: Path) -> Gallery:
    return Gallery(load_patterns(file))


def _search(item: tuple[str, Search], *, gallery: Path) -> Found:
    search = item[1]
    nearest = _gallery(gallery).nearest(search.pattern, without=search.without)
    if nearest is None:
        return Found(None, 0.0)
    return Found(nearest.reference, float(nearest.likeness.score))


def _content(pattern: Pattern) -> str:
    said = hashlib.sha256()
    for field in fields(Pattern):
        said.update(np.ascontiguousarray(getattr(pattern, field.name)).tobytes())
    return said.hexdigest()


def _key(contents: Sequence[str], *also: str) -> str:
    return hashlib.sha256(" ".join([*contents, *also]).encode()).hexdigest()[:32]


def _versions() -> list[str]:
    return [f"{name} {metadata.version(name)}" for name in ("retinaforge", "numpy", "scipy")]


def _read(journal: Path) -> dict[str, Found]:
    """Return what was found before; a line that a killed run left half written does not count."""
    found: dict[str, Found] = {}
    if not journal.is_file():
        return found
    for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row: dict[str, Any] = json.loads(line)
            found[row["query"]] = Found(row["reference"], float(row["likeness"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _append(journal: Path, key: str, found: Found) -> None:
    row = {"query": key, "reference": found.reference, "likeness": found.likeness}
    try:
        # A line's end comes first: what a killed run left half written must not spoil this one.
        with journal.open("a", encoding="utf-8") as stream:
            stream.write(f"\n{json.dumps(row)}")
    except OSError as error:
        raise DiskFull(f"{journal}: {error}") from error
