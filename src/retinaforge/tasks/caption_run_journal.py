"""The journal of a captioning run: a line an answer, on the disk before the next is asked for.

A line is an answer with the key of what it answers: record, image, writer and its version, seed,
number. A run that was killed loses nothing; the same command skips what is in here. Of several
lines of one key the last counts.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from retinaforge.captions.rows import record_to_row
from retinaforge.captions.writer import CaptionAnswer, Writer, answer_from_row
from retinaforge.core import Refusal
from retinaforge.core.artefacts import DiskFull
from retinaforge.tasks.records_file import Known

NAME = "answers.jsonl"


def key_of(known: Known, writer: Writer, seed: int) -> str:
    """Return what the answers of one image depend on, hashed.

    The image counts by name and size in bytes: a set that was copied elsewhere is not paid twice.
    """
    size = known.path.stat().st_size if writer.looks and known.path.is_file() else None
    content = [record_to_row(known.record), size, writer.name, writer.version, seed]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]


class AnswerJournal:
    """Answers of a run in the order in which they came; a context manager, safe for threads.

    Args:
        folder: of the run.
        sync_s: seconds between two times that the disk is made to keep what was written; 0 after
            each answer. What a killed process wrote is kept in either case; this is for a power
            cut.
    """

    def __init__(self, folder: Path, sync_s: float = 0.0) -> None:
        self.path, self._sync_s = folder / NAME, sync_s
        self._places: dict[tuple[str, int], int] = {}
        self._lock, self._synced = threading.Lock(), 0.0

    def __enter__(self) -> AnswerJournal:
        """Open the file, without a line that a killed run left half-written.

        Raises:
            Refusal: if another run writes into the folder.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self.path.open("a+b")
        try:
            _lock(self._stream.fileno())
        except OSError as error:
            self._stream.close()
            raise Refusal(
                "a folder that no other run writes into", f"{self.path.parent}, which one does",
                "wait for it, or name another folder",
            ) from error  # fmt: skip
        self._stream.seek(0)
        whole = 0
        for line in self._stream:
            if not line.endswith(b"\n"):
                self._stream.truncate(whole)
                break
            row = _parsed(line)
            if row is not None:
                self._places[row["key"], row["number"]] = whole
            whole += len(line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Close the file, with all of it on the disk."""
        with self._lock:
            self._sync()
            self._stream.close()

    def find(self, key: str, number: int) -> CaptionAnswer | None:
        """Return the answer of a key; None if there is none yet."""
        with self._lock:
            place = self._places.get((key, number))
            if place is None:
                return None
            self._stream.seek(place)
            row = _parsed(self._stream.readline())
        return None if row is None else answer_from_row(row)

    def add(self, key: str, number: int, image: str, answer: CaptionAnswer) -> None:
        """Write an answer down.

        Raises:
            DiskFull: if the disk takes no more.
        """
        row = {"key": key, "number": number, "image": image, **answer.as_row()}
        line = json.dumps(row, allow_nan=False, ensure_ascii=False, separators=(",", ":")) + "\n"
        with self._lock:
            try:
                self._places[key, number] = self._stream.seek(0, os.SEEK_END)
                self._stream.write(line.encode())
                self._stream.flush()
                if time.monotonic() - self._synced >= self._sync_s:
                    self._sync()
            except OSError as error:
                raise DiskFull(
                    f"could not write {self.path}: {error.strerror or error}; "
                    "free some space and run the same command again, it resumes"
                ) from error

    def _sync(self) -> None:
        os.fsync(self._stream.fileno())
        self._synced = time.monotonic()


def _lock(handle: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: one run a folder at a time is the caller's matter
        return
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _parsed(line: bytes) -> Mapping[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and {"key", "number"} <= set(row) else None
