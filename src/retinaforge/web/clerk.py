"""One thread owns the database; whoever asks waits until the disk has it.

Jobs that wait together share one commit (a disk syncs once for all of them), each in a savepoint of
its own, so that one that fails takes nothing of the others with it. A job's answer is given only
after the commit: what a reader is told is saved, is saved.

References:
    SQLite documentation, "Write-Ahead Logging" and "PRAGMA synchronous": with WAL, FULL syncs the
    log at every commit, so that a commit outlives a loss of power.
    The same, "Checkpointing": moving the log into the table takes two more syncs of the disk; a
    thread of its own does it (PASSIVE, which stops nobody), so that no reader waits for it.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from retinaforge.core import Refusal

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
MOST_TOGETHER = 64
WAIT_FOR_LOCK_S = 10
SWEEP_S = 5.0
_END = object()


class Clerk:
    """Runs jobs on a database, one after another, each committed before it is answered."""

    def __init__(self, path: Path, schema: str) -> None:
        self._path, self._waiting = path, queue.SimpleQueue()
        _prepare(path, schema)
        self._thread = threading.Thread(target=self._work, name="clerk", daemon=True)
        self._thread.start()
        self._over = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, name="sweeper", daemon=True)
        self._sweeper.start()

    async def do(self, job: Job[T]) -> T:
        """Run a job and return its answer once it is on the disk."""
        return await asyncio.wrap_future(self.hand_in(job))

    def hand_in(self, job: Job[T]) -> Future[T]:
        """Queue a job; the future is set after the commit."""
        future: Future[T] = Future()
        self._waiting.put((job, future))
        return future

    def close(self) -> None:
        """Finish what waits, then stop."""
        self._over.set()
        self._sweeper.join(timeout=30)
        self._waiting.put(_END)
        self._thread.join(timeout=30)

    def _sweep(self) -> None:
        """Move what was committed from the log into the table, now and then."""
        connection = open_database(self._path)
        try:
            while not self._over.wait(SWEEP_S):
                with suppress(sqlite3.Error):  # a full disk: the log keeps it until there is room
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        finally:
            connection.close()

    def _work(self) -> None:
        connection = open_database(self._path)
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        try:
            while True:
                batch, end = self._batch()
                if batch:
                    _run_together(connection, batch)
                if end:
                    return
        finally:
            connection.close()

    def _batch(self) -> tuple[list[tuple[Job[Any], Future[Any]]], bool]:
        """Wait for a job, and take what else is there."""
        batch, first = [], self._waiting.get()
        while first is not _END:
            batch.append(first)
            if len(batch) == MOST_TOGETHER:
                return batch, False
            try:
                first = self._waiting.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True


def open_database(path: Path) -> sqlite3.Connection:
    """Open a database whose commits reach the disk before they return."""
    # Transactions are begun and ended here, never behind our back.
    connection = sqlite3.connect(path, timeout=WAIT_FOR_LOCK_S, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _prepare(path: Path, schema: str) -> None:
    """Make the tables; refuse a file that is no database, or that someone else holds."""
    try:
        connection = open_database(path)
        try:
            connection.executescript(schema)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise Refusal("a database of answers that can be written", f"{path}: {error}",
                      "end what else has it open, or put back a whole copy "
                      "with its -wal file")  from error  # fmt: skip


def _run_together(
    connection: sqlite3.Connection, batch: list[tuple[Job[Any], Future[Any]]]
) -> None:
    """Run jobs in one transaction; answer them after the commit, or tell all that it failed."""
    outcomes: list[tuple[Any, Exception | None]] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        outcomes = [_in_savepoint(connection, job) for job, _ in batch]
        connection.execute("COMMIT")
    except Exception as error:  # a full disk, a locked file: nobody may be told "saved"
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        outcomes = [(None, error)] * len(batch)
    for (_, future), (answer, error) in zip(batch, outcomes, strict=True):
        if not future.set_running_or_notify_cancel():
            continue
        if error is None:
            future.set_result(answer)
        else:
            future.set_exception(error)


def _in_savepoint(connection: sqlite3.Connection, job: Job[Any]) -> tuple[Any, Exception | None]:
    connection.execute("SAVEPOINT job")
    try:
        answer = job(connection)
    except Exception as error:
        connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")
        return None, error
    connection.execute("RELEASE job")
    return answer, None
