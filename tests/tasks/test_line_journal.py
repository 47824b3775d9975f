"""Journals of runs: what was written is found again, whatever ended the run."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from retinaforge.core import Refusal
from retinaforge.core.artefacts import DiskFull
from retinaforge.tasks.line_journal import LineJournal


def test_rows_are_found_again_and_the_last_of_a_key_counts(tmp_path: Path) -> None:
    path = tmp_path / "run" / "rows.jsonl"
    with LineJournal(path, ("key", "number")) as journal:
        journal.write({"key": "a", "number": 0, "said": "Ödem"})
        journal.write({"key": "a", "number": 1, "said": "two"})
        journal.write({"key": "a", "number": 0, "said": "mended"})
        assert journal.row("a", 0) == {"key": "a", "number": 0, "said": "mended"}
    with path.open("ab") as stream:
        stream.write(b'no json\n[1]\n{"key": "b"}\n{"key": "c", "number": 0, "sa')
    with LineJournal(path, ("key", "number")) as journal:
        assert [journal.row("a", n) for n in (0, 1)] == [
            {"key": "a", "number": 0, "said": "mended"}, {"key": "a", "number": 1, "said": "two"},
        ]  # fmt: skip
        assert journal.row("b", 0) is None
        assert journal.row("c", 0) is None
        journal.write({"key": "c", "number": 0})
    with LineJournal(path, ("key", "number")) as journal:
        assert journal.row("c", 0) == {"key": "c", "number": 0}
    assert b'"sa\n' not in path.read_bytes()


def test_one_run_alone_where_asked(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with LineJournal(path, ("key",), alone=True):
        with pytest.raises(Refusal, match="a folder that no other run writes into"):
            LineJournal(path, ("key",), alone=True).__enter__()
        with LineJournal(path, ("key",)) as other:
            other.write({"key": "x"})
    with LineJournal(path, ("key",), alone=True) as journal:
        assert journal.row("x") == {"key": "x"}


class Full:
    """A stream that a disk takes nothing of any more; what waits in its buffer fails again."""

    def __init__(self, stream):
        self._stream, self.closed = stream, False

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def flush(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self):
        if not self.closed:
            self.closed = True
            self._stream.close()
            self.flush()


def test_a_full_disk_is_told_in_words_also_when_the_file_closes(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"

    def filled(*rows: int) -> None:
        with LineJournal(path, ("key",)) as journal:
            journal._stream = Full(journal._stream)
            for key in rows:
                journal.write({"key": key})

    with pytest.raises(DiskFull, match=r"could not write .*rows\.jsonl: No space left on device"):
        filled(1)
    with pytest.raises(DiskFull, match="free some space and run the same command again"):
        filled()
