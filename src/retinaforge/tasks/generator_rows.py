"""Rows of numbers that are computed once: a flat file that only grows, and an index of names.

A row is named by what it was computed from (the content of a photograph, a text), never by its
place in a list. So a subset, a longer list and the arms of an ablation share one cache, and a
killed run loses the last batch at most: what the index does not name is cut off again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.core import Refusal, artefacts

INDEX, FACTS, LOCK = "index.jsonl", "facts.json", ".lock"
ROWS = {"float16": "rows.f16", "uint8": "rows.u8"}
Row = tuple[str, np.ndarray, Mapping[str, Any]]
"""Key, values and what else the index says of a row."""


class RowStore:
    """Rows of numbers by name in one folder.

    Args:
        root: where caches lie.
        kind: head of the folder's name.
        facts: all that the numbers depend on; their hash names the folder. "dtype" is that of the
            rows: "float16", which it is without one, or "uint8".
    """

    def __init__(self, root: Path, kind: str, facts: Mapping[str, Any]) -> None:
        self.facts = dict(facts)
        self.folder = root / f"{kind}-{digest(self.facts)[:16]}"
        self.dtype = np.dtype(self.facts.get("dtype", "float16"))
        self.rows = self.folder / ROWS[self.dtype.name]
        self.index: dict[str, dict[str, Any]] = {}
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / FACTS).exists():
            artefacts.write_json(self.folder / FACTS, self.facts)
        self.read_index()

    def __contains__(self, key: str) -> bool:
        return key in self.index

    def read_index(self) -> None:
        """Read what other processes added."""
        self.index = {line["key"]: line for line in _whole_lines(self.folder / INDEX)}

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Let one process at a time add rows; the others wait and then find them there."""
        with (self.folder / LOCK).open("w") as stream, _locked(stream.fileno()):
            self.read_index()
            self._cut_back()
            yield

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows, values first, so that a name never stands without its numbers.

        Raises:
            DiskFull: if the file system took no more; the rows before stand.
        """
        start, lines = self._end(), []
        for key, values, more in rows:
            line = {"key": key, "start": start, "shape": list(values.shape), **more}
            lines.append(line)
            start += values.size
        content = b"".join(v.astype(self.dtype, copy=False).tobytes() for _, v, _ in rows)
        text = "".join(json.dumps(line) + "\n" for line in lines)
        _append(self.rows, content)
        _append(self.folder / INDEX, text.encode())
        self.index |= {line["key"]: line for line in lines}

    def values(self) -> np.ndarray:
        """Return all numbers, flat, memory-mapped."""
        if not self._end():
            return np.zeros(0, self.dtype)
        return np.memmap(self.rows, self.dtype, "r", shape=(self._end(),))

    def _end(self) -> int:
        if not self.index:
            return 0
        last = max(self.index.values(), key=lambda line: line["start"])
        return last["start"] + int(np.prod(last["shape"]))

    def _cut_back(self) -> None:
        """Drop what a kill left behind: numbers without a name, half a line."""
        path, index = self.rows, self.folder / INDEX
        wanted = self.dtype.itemsize * self._end()
        held = path.stat().st_size if path.exists() else 0
        if held < wanted:
            raise Refusal(
                f"{wanted} bytes of rows", f"{path} with {held}", "delete this cache folder"
            )
        if held > wanted:
            os.truncate(path, wanted)
        if index.exists() and not index.read_bytes().endswith(b"\n"):
            kept = "".join(json.dumps(line) + "\n" for line in self.index.values())
            artefacts.write_text(index, kept)


def digest(facts: Any) -> str:
    """Return the SHA-256 of plain data."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def weights_hash(state: Mapping[str, Any]) -> str:
    """Return the SHA-256 over names, types and values of a network's tensors."""
    import torch

    found = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    texts = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(text) for text in texts if text]


def _append(path: Path, content: bytes) -> None:
    try:
        with path.open("ab") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise artefacts.DiskFull(
            f"could not write {path}: {error.strerror or error}; "
            "free some space and run the same command again, it resumes"
        ) from error


@contextlib.contextmanager
def _locked(handle: int) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # Windows: one process at a time is the caller's matter
        yield
        return
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)
