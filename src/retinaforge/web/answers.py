"""The table of answers: each click a row, the image that is open, sessions.

A reader's place is the first trial that is not closed. An answer is taken for that trial only, so
nothing that was closed is changed, whoever asks.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS about (study TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
  token TEXT PRIMARY KEY, who TEXT NOT NULL, begun TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trials (
  reader TEXT NOT NULL, position INTEGER NOT NULL, shown TEXT NOT NULL, closed TEXT, ms INTEGER
  NOT NULL DEFAULT 0, PRIMARY KEY (reader, position)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
  reader TEXT NOT NULL, position INTEGER NOT NULL, question TEXT NOT NULL, value TEXT NOT NULL,
  at TEXT NOT NULL, PRIMARY KEY (reader, position, question)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS clicks (
  number INTEGER PRIMARY KEY, reader TEXT NOT NULL, position INTEGER NOT NULL, what TEXT NOT NULL,
  value TEXT NOT NULL, ms INTEGER NOT NULL, at TEXT NOT NULL);
"""
SLACK_MS = 2000


class NotHere(Exception):
    """The answer belongs to another trial than the open one."""


@dataclass(frozen=True)
class Click:
    """What a reader did.

    Attributes:
        reader: who.
        position: of the trial, from 0.
        what: name of the question, "close" or "pause".
        value: the answer.
        ms: time the trial was on screen so far, by the page.
    """

    reader: str
    position: int
    what: str
    value: str
    ms: int


def now() -> str:
    """Return the time, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def belongs_to(study: str) -> Callable[[sqlite3.Connection], bool]:
    """Return a job that says whether the table is this study's; an empty one becomes so."""

    def job(db: sqlite3.Connection) -> bool:
        found = db.execute("SELECT study FROM about").fetchone()
        if found is None:
            db.execute("INSERT INTO about VALUES (?)", (study,))
        return found is None or found[0] == study

    return job


def place(db: sqlite3.Connection, reader: str) -> int:
    """Return the first trial that is not closed."""
    query = "SELECT COUNT(*) FROM trials WHERE reader = ? AND closed IS NOT NULL"
    return int(db.execute(query, (reader,)).fetchone()[0])


def state(db: sqlite3.Connection, reader: str, count: int) -> dict[str, Any]:
    """Return where a reader is, and write down that the trial was shown.

    Returns:
        {"position", "count", "answers": {question: value}, "ms"}.
    """
    position = place(db, reader)
    if position < count:
        db.execute("INSERT OR IGNORE INTO trials (reader, position, shown) VALUES (?, ?, ?)",
                   (reader, position, now()))  # fmt: skip
    rows = db.execute("SELECT question, value FROM answers WHERE reader = ? AND position = ?",
                      (reader, position))  # fmt: skip
    found = db.execute("SELECT ms FROM trials WHERE reader = ? AND position = ?",
                       (reader, position)).fetchone()  # fmt: skip
    return {"position": position, "count": count, "answers": dict(rows.fetchall()),
            "ms": found[0] if found else 0}  # fmt: skip


def answer(db: sqlite3.Connection, click: Click, *, log_only: bool = False) -> None:
    """Write an answer to the open trial, and the click.

    Raises:
        NotHere: for a trial that is closed or not yet shown.
    """
    if click.position != place(db, click.reader) or not _shown(db, click):
        raise NotHere
    if not log_only:
        db.execute(
            "INSERT INTO answers VALUES (?, ?, ?, ?, ?) ON CONFLICT (reader, position, question) "
            "DO UPDATE SET value = excluded.value, at = excluded.at",
            (click.reader, click.position, click.what, click.value, now()),
        )
    _log(db, click)


def close(db: sqlite3.Connection, click: Click, needed: list[str]) -> list[str]:
    """Close the open trial; return the questions that still need an answer, none if closed.

    Closing the trial before the open one again is no error: its acknowledgement was lost.

    Raises:
        NotHere: for any other trial.
    """
    here = place(db, click.reader)
    if click.position == here - 1:
        return []
    if click.position != here or not _shown(db, click):
        raise NotHere
    rows = db.execute("SELECT question FROM answers WHERE reader = ? AND position = ?",
                      (click.reader, click.position))  # fmt: skip
    answered = {row[0] for row in rows}
    if missing := [name for name in needed if name not in answered]:
        return missing
    _log(db, click)
    db.execute("UPDATE trials SET closed = ? WHERE reader = ? AND position = ?",
               (now(), click.reader, click.position))  # fmt: skip
    return []


def _shown(db: sqlite3.Connection, click: Click) -> bool:
    query = "SELECT 1 FROM trials WHERE reader = ? AND position = ?"
    return db.execute(query, (click.reader, click.position)).fetchone() is not None


def _log(db: sqlite3.Connection, click: Click) -> None:
    """Write the click, and the time on screen: never shorter, never beyond the clock."""
    at = now()
    db.execute("INSERT INTO clicks (reader, position, what, value, ms, at) "
               "VALUES (?, ?, ?, ?, ?, ?)",
               (click.reader, click.position, click.what, click.value, click.ms, at))  # fmt: skip
    shown = db.execute("SELECT shown FROM trials WHERE reader = ? AND position = ?",
                       (click.reader, click.position)).fetchone()[0]  # fmt: skip
    passed = datetime.fromisoformat(at) - datetime.fromisoformat(shown)
    most = int(passed.total_seconds() * 1000) + SLACK_MS
    db.execute("UPDATE trials SET ms = MAX(ms, ?) WHERE reader = ? AND position = ?",
               (max(0, min(click.ms, most)), click.reader, click.position))  # fmt: skip


def progress(db: sqlite3.Connection, counts: dict[str, int]) -> list[dict[str, Any]]:
    """Return of every reader how far, how fast and when last; no answer is among it."""
    found = []
    for reader, count in counts.items():
        times = [row[0] for row in db.execute(
            "SELECT ms FROM trials WHERE reader = ? AND closed IS NOT NULL ORDER BY ms",
            (reader,))]  # fmt: skip
        last, clicks = db.execute("SELECT MAX(at), COUNT(*) FROM clicks WHERE reader = ?",
                                  (reader,)).fetchone()  # fmt: skip
        begun = db.execute("SELECT MIN(shown) FROM trials WHERE reader = ?", (reader,)).fetchone()
        found.append({
            "reader": reader, "done": len(times), "count": count, "clicks": clicks,
            "median_s": times[len(times) // 2] / 1000 if times else None,
            "begun": begun[0], "last": last,
        })  # fmt: skip
    return found


def rows_of(db: sqlite3.Connection) -> dict[str, list[dict[str, Any]]]:
    """Return the whole table as plain rows: {"trials", "answers", "clicks"}."""
    tables = {
        "trials": "SELECT reader, position, shown, closed, ms FROM trials",
        "answers": "SELECT reader, position, question, value, at FROM answers",
        "clicks": "SELECT number, reader, position, what, value, ms, at FROM clicks",
    }
    found = {}
    for name, query in tables.items():
        cursor = db.execute(f"{query} ORDER BY 1, 2")
        heads = [column[0] for column in cursor.description]
        found[name] = [dict(zip(heads, row, strict=True)) for row in cursor]
    return json.loads(json.dumps(found))
