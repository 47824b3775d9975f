"""Journals of runs: what was written is found again, whatever ended the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from retinaforge.core import Refusal
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
