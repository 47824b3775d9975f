"""Who may come in: codes are tried slowly, sessions are kept as hashes."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import time
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from retinaforge.web.answers import now

TRIES, TRIES_OF_ALL, WINDOW_S = 10, 300, 300.0
ORGANISER = "organiser"
MOST_HOSTS = 10_000
SESSION_S = 14 * 24 * 3600


class Gate:
    """Counts wrong codes by address, and in all; right codes cost nothing.

    Many readers of one clinic share an address, so only wrong codes count.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: dict[str, deque[float]] = defaultdict(deque)
        self._all: deque[float] = deque()

    def wait_s(self, host: str) -> float:
        """Return the seconds until an address may try again; 0 for now."""
        if host not in self._wrong and len(self._all) < TRIES_OF_ALL:
            return 0.0
        here = self._left(self._wrong[host], TRIES)
        return max(here, self._left(self._all, TRIES_OF_ALL))

    def wrong(self, host: str) -> None:
        """Write down a wrong code."""
        if len(self._wrong) > MOST_HOSTS:
            self._wrong.clear()
        self._wrong[host].append(self._clock())
        self._all.append(self._clock())

    def _left(self, times: deque[float], most: int) -> float:
        while times and times[0] <= self._clock() - WINDOW_S:
            times.popleft()
        return 0.0 if len(times) < most else times[-most] + WINDOW_S - self._clock()


def begin(db: sqlite3.Connection, who: str) -> str:
    """Begin a session and return its token, which is kept as a hash."""
    token = secrets.token_urlsafe(32)
    db.execute("DELETE FROM sessions WHERE begun < ?", (_oldest(),))
    db.execute("INSERT INTO sessions VALUES (?, ?, ?)", (_hash(token), who, now()))
    return token


def who(db: sqlite3.Connection, token: str | None) -> str | None:
    """Return whose session a token is, None for nobody's and for one of two weeks and more."""
    if not token:
        return None
    query = "SELECT who FROM sessions WHERE token = ? AND begun >= ?"
    found = db.execute(query, (_hash(token), _oldest())).fetchone()
    return found[0] if found else None


def end(db: sqlite3.Connection, token: str | None) -> None:
    """End a session."""
    if token:
        db.execute("DELETE FROM sessions WHERE token = ?", (_hash(token),))


def _oldest() -> str:
    begun = datetime.now(UTC) - timedelta(seconds=SESSION_S)
    return begun.isoformat(timespec="milliseconds")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
