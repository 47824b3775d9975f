"""The journal of a run: a line an eye, written as soon as it is measured; resuming reads it.

A line is one eye's row with the key of what it was measured from: files by size and time of
change, landmarks, settings. A row whose key is not that of the job any more is measured again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from retinaforge.core.artefacts import DiskFull
from retinaforge.tasks.vessel_jobs import Job
from retinaforge.tasks.vessel_work import Row, Settings

NAME = "rows.jsonl"


def key_of(job: Job, settings: Settings) -> str:
    """Return what a row depends on, hashed; files by name, size and time of change."""
    files = {
        kind: _stamp(path)
        for kind, path in sorted(
            {**job.masks, **({"photo": job.photo} if job.photo else {})}.items()
        )
    }
    content = [job.name, job.stem, job.cropped, job.lesion_kinds, files, asdict(job.landmarks),
               asdict(settings)]  # fmt: skip
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]


def _stamp(path: Path) -> list[Any]:
    try:
        found = path.stat()
    except OSError:
        return [path.name, None]
    return [path.name, found.st_size, found.st_mtime_ns]


class Journal:
    """Rows of a run, in the order in which they were measured; a context manager.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._places: dict[str, int] = {}

    def __enter__(self) -> Journal:
        """Open the file, without a line that a killed run left half-written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self.path.open("a+b")
        self._stream.seek(0)
        whole = 0
        for line in self._stream:
            if not line.endswith(b"\n"):
                self._stream.truncate(whole)
                break
            row = _parsed(line)
            if row is not None:
                self._places[row["key"]] = whole
            whole += len(line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Close the file."""
        self._stream.close()

    def find(self, key: str) -> Row | None:
        """Return the row of a key; None if it was not measured yet."""
        if key not in self._places:
            return None
        self._stream.seek(self._places[key])
        return _parsed(self._stream.readline())

    def add(self, key: str, row: Row) -> None:
        """Write a row down, on the disk when this returns.

        Raises:
            DiskFull: if the disk takes no more.
        """
        line = json.dumps({"key": key, **row}, allow_nan=False, separators=(",", ":")) + "\n"
        try:
            self._places[key] = self._stream.seek(0, os.SEEK_END)
            self._stream.write(line.encode())
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise DiskFull(
                f"could not write {self.path}: {error.strerror or error}; "
                "free some space and run the same command again, it resumes"
            ) from error

    def rows(self, keys: list[str]) -> Iterator[Row]:
        """Yield the rows of these keys, in their order."""
        for key in keys:
            row = self.find(key)
            if row is not None:
                yield row


def _parsed(line: bytes) -> Row | None:
    try:
        return json.loads(line)
    except ValueError:
        return None
