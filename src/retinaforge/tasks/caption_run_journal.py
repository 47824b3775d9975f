"""The journal of a captioning run: a line an answer, on the disk before the next is asked for.

A line is an answer with the key of what it answers: record, image, writer and its version, seed,
number. The same command skips what is in here.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from retinaforge.captions.rows import record_to_row
from retinaforge.captions.writer import CaptionAnswer, Writer, answer_from_row
from retinaforge.tasks.line_journal import LineJournal
from retinaforge.tasks.records_file import Known

NAME = "answers.jsonl"


def key_of(known: Known, writer: Writer, seed: int) -> str:
    """Return what the answers of one image depend on, hashed.

    The image counts by name and size in bytes: a set that was copied elsewhere is not paid twice.
    """
    size = known.path.stat().st_size if writer.looks and known.path.is_file() else None
    content = [record_to_row(known.record), size, writer.name, writer.version, seed]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]


class AnswerJournal(LineJournal):
    """Answers of a run in the order in which they came; a context manager, safe for threads.

    Args:
        folder: of the run, which no other run may write into.
        sync_s: see `LineJournal`.
    """

    def __init__(self, folder: Path, sync_s: float = 0.0) -> None:
        super().__init__(folder / NAME, ("key", "number"), sync_s=sync_s, alone=True)

    def find(self, key: str, number: int) -> CaptionAnswer | None:
        """Return the answer of a key; None if there is none yet."""
        row = self.row(key, number)
        return None if row is None else answer_from_row(row)

    def add(self, key: str, number: int, image: str, answer: CaptionAnswer) -> None:
        """Write an answer down.

        Raises:
            DiskFull: if the disk takes no more.
        """
        self.write({"key": key, "number": number, "image": image, **answer.as_row()})
