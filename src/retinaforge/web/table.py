"""Read the table of answers from outside the server, which may be running."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal
from retinaforge.web.answers import rows_of
from retinaforge.web.clerk import open_database

Table = dict[str, list[dict[str, Any]]]


def read_table(path: Path, study: str) -> Table:
    """Return all rows: {"trials", "answers", "clicks"}; none where nobody answered yet.

    Args:
        path: answers.sqlite.
        study: whose answers they must be.

    Raises:
        Refusal: for a file that is no table of answers, or one of another study.
    """
    if not path.exists():
        return {"trials": [], "answers": [], "clicks": []}
    try:
        connection = open_database(path)
        try:
            connection.execute("BEGIN")  # one moment of a table that a server may be writing
            found = connection.execute("SELECT study FROM about").fetchone()
            rows = rows_of(connection)
            connection.execute("COMMIT")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise Refusal("a table of answers", f"{path}: {error}",
                      "copy it whole, with its -wal file") from error  # fmt: skip
    if found is not None and found[0] != study:
        raise Refusal(f"answers to study {study}", f"those of {found[0]}: {path}",
                      "put the study's own table there")  # fmt: skip
    return rows
