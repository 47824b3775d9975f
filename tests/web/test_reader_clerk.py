"""The clerk refuses a database that it cannot write, before a reader can answer."""

from __future__ import annotations

import sqlite3

import pytest

from retinaforge.core import Refusal
from retinaforge.web import clerk

SCHEMA = "CREATE TABLE IF NOT EXISTS t (a INTEGER);"


def test_a_file_that_is_no_database_is_refused(tmp_path) -> None:
    path = tmp_path / "answers.sqlite"
    path.write_text("junk" * 100)
    with pytest.raises(Refusal, match=r"expected a database of answers.*file is not a database"):
        clerk.Clerk(path, SCHEMA)


def test_a_database_that_someone_holds_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(clerk, "WAIT_FOR_LOCK_S", 0.1)
    path = tmp_path / "answers.sqlite"
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Refusal, match=r"expected a database of answers.*database is locked"):
            clerk.Clerk(path, SCHEMA)
    finally:
        other.close()
