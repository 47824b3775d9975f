"""Rows that were computed once and are found again by name: a folder of small whole files.

A shard is an .npz with `names` and one array for each kind of row. Each is written under a
temporary name and renamed, so that a killed run loses one shard at most and two runs may share a
folder. Nothing but names stays in memory.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from retinaforge.core.artefacts import whole_file

SHARD_ROWS = 64
"""Rows held in memory until they are written."""


class Shards:
    """A folder of rows.

    Args:
        folder: where the shards lie; made if absent, read if there.
        kinds: which arrays every row must have; shards that lack one are not seen.
    """

    def __init__(self, folder: Path, kinds: Collection[str]) -> None:
        self.folder, self.kinds = folder, tuple(sorted(kinds))
        self._place: dict[str, tuple[Path, int]] = {}
        self._waiting: list[tuple[str, Mapping[str, np.ndarray]]] = []
        self._waiting_names: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.npz")):
            for row, name in enumerate(_names(path, self.kinds)):
                self._place.setdefault(name, (path, row))

    def __contains__(self, name: str) -> bool:
        return name in self._place or name in self._waiting_names

    def add(self, name: str, rows: Mapping[str, np.ndarray]) -> None:
        """Take one row of every kind; written with the next full shard, or by `flush`."""
        self._waiting.append((name, rows))
        self._waiting_names.add(name)
        if len(self._waiting) >= SHARD_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        names = [name for name, _ in self._waiting]
        path = self.folder / f"{hashlib.sha256(''.join(names).encode()).hexdigest()[:24]}.npz"
        arrays = {k: np.stack([rows[k] for _, rows in self._waiting]) for k in self.kinds}
        with whole_file(path) as stream:
            np.savez(stream, names=np.array(names), **arrays)
        self._place.update({name: (path, row) for row, name in enumerate(names)})
        self._waiting, self._waiting_names = [], set()

    def gather(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the rows of `names` in their order, one memory map for each kind.

        The maps lie in nameless temporary files beside the shards, which the system removes.
        """
        self.flush()
        wanted: dict[Path, list[tuple[int, int]]] = {}
        for place, name in enumerate(names):
            path, row = self._place[name]
            wanted.setdefault(path, []).append((place, row))
        maps: dict[str, np.ndarray] = {}
        for path, pairs in wanted.items():
            into, rows = (list(each) for each in zip(*pairs, strict=True))
            with np.load(path) as shard:
                for kind in self.kinds:
                    array = shard[kind]
                    if kind not in maps:
                        maps[kind] = self._map(len(names), array)
                    maps[kind][into] = array[rows]
        return maps

    def _map(self, count: int, like: np.ndarray) -> np.ndarray:
        with tempfile.TemporaryFile(dir=self.folder) as stream:
            return np.memmap(stream, like.dtype, "w+", shape=(count, *like.shape[1:]))


def _names(path: Path, kinds: Sequence[str]) -> list[str]:
    """Return a shard's names, none of a damaged one or one without these kinds."""
    try:
        with np.load(path) as shard:
            return shard["names"].tolist() if set(kinds) <= set(shard.files) else []
    except (OSError, ValueError, KeyError, BadZipFile):
        return []
