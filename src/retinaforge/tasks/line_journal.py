"""A journal of a run: a JSON line an item, written as soon as it is done; resuming reads it.

A run that was killed loses nothing but the line that it was writing. Of several lines of one key
the last counts. Rows stay on the disk: memory holds where each begins.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Hashable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from retinaforge.core import Refusal
from retinaforge.core.artefacts import not_written

Row = dict[str, Any]


class LineJournal:
    """Rows of a run in the order in which they came; a context manager, safe for threads.

    Args:
        path: of the file; its folder is made if absent.
        columns: that make a row's key; a row without them is passed over.
        sync_s: seconds between two times that the disk is made to keep what was written; 0 after
            each row. What a killed process wrote is kept in either case; this is for a power cut.
        alone: refuse a file that another run writes into.
    """

    def __init__(
        self, path: Path, columns: tuple[str, ...], *, sync_s: float = 0.0, alone: bool = False
    ) -> None:
        self.path, self._columns, self._sync_s, self._alone = path, columns, sync_s, alone
        self._places: dict[Hashable, int] = {}
        self._lock, self._synced = threading.Lock(), 0.0

    def __enter__(self) -> Self:
        """Open the file, without a line that a killed run left half-written.

        Raises:
            Refusal: if another run writes into the folder.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self.path.open("a+b")
        if self._alone:
            self._require_alone()
        self._stream.seek(0)
        whole = 0
        for line in self._stream:
            if not line.endswith(b"\n"):
                self._stream.truncate(whole)
                break
            row = self._parsed(line)
            if row is not None:
                self._places[self._key(row)] = whole
            whole += len(line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Close the file, with all of it on the disk.

        Raises:
            DiskFull: if the disk takes no more; where the run ended with an error, that one stays.
        """
        with self._lock:
            try:
                self._sync()
                self._stream.close()
            except OSError as failed:
                with suppress(OSError):  # what could not be written waits in the buffer still
                    self._stream.close()
                if kind is None:
                    raise not_written(self.path, failed) from failed

    def row(self, *key: Hashable) -> Row | None:
        """Return the row of a key; None if there is none yet."""
        with self._lock:
            place = self._places.get(key)
            if place is None:
                return None
            self._stream.seek(place)
            return self._parsed(self._stream.readline())

    def write(self, row: Mapping[str, Any]) -> None:
        """Write a row down.

        Raises:
            DiskFull: if the disk takes no more.
        """
        line = json.dumps(row, allow_nan=False, ensure_ascii=False, separators=(",", ":")) + "\n"
        with self._lock:
            try:
                self._places[self._key(row)] = self._stream.seek(0, os.SEEK_END)
                self._stream.write(line.encode())
                self._stream.flush()
                if time.monotonic() - self._synced >= self._sync_s:
                    self._sync()
            except OSError as error:
                raise not_written(self.path, error) from error

    def _key(self, row: Mapping[str, Any]) -> Hashable:
        return tuple(row[column] for column in self._columns)

    def _parsed(self, line: bytes) -> Row | None:
        try:
            row = json.loads(line)
        except ValueError:
            return None
        return row if isinstance(row, dict) and set(self._columns) <= set(row) else None

    def _sync(self) -> None:
        os.fsync(self._stream.fileno())
        self._synced = time.monotonic()

    def _require_alone(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows: one run a folder at a time is the caller's matter
            return
        try:
            fcntl.flock(self._stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._stream.close()
            raise Refusal(
                "a folder that no other run writes into", f"{self.path.parent}, which one does",
                "wait for it, or name another folder",
            ) from error  # fmt: skip
