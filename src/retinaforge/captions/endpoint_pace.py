"""How fast to ask: a rate that is kept, pauses that a server asked for, pauses that grow."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

FIRST_PAUSE_S, LONGEST_OWN_PAUSE_S = 0.5, 30.0


def retry_after_s(header: str | None, now: float | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3); None if none.

    Args:
        header: seconds, or an HTTP date.
        now: seconds since 1970; the clock's where None.
    """
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(header).timestamp()
    except (TypeError, ValueError):
        return None
    return max(0.0, at - (time.time() if now is None else now))


def growing_pause_s(attempt: int, rng: random.Random) -> float:
    """Return the pause after attempt 0, 1, ...: up to 0.5 s, 1 s, 2 s, ..., at random.

    "Full jitter": many clients that failed together do not come back together
    (M. Brooker, AWS Architecture Blog, 2015).
    """
    longest = min(LONGEST_OWN_PAUSE_S, FIRST_PAUSE_S * 2**attempt)
    return rng.uniform(longest / 4, longest)


class Pace:
    """Shared by the threads of one writer.

    Args:
        per_minute: requests a minute at most; 0 for no limit.
        pause: waits so many seconds.
        clock: seconds that only grow.
    """

    def __init__(
        self, per_minute: float = 0.0, *, pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._gap = 60.0 / per_minute if per_minute > 0 else 0.0
        self._pause, self._clock = pause, clock
        self._lock, self._next, self._not_before = threading.Lock(), 0.0, 0.0

    def wait_turn(self) -> None:
        """Wait until a request may be sent."""
        with self._lock:
            now = self._clock()
            at = max(now, self._next, self._not_before)
            self._next = at + self._gap
        if at > now:
            self._pause(at - now)

    def hold(self, seconds: float) -> None:
        """Let no thread send a request for so long: the server asked for it."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def pause(self, seconds: float) -> None:
        """Let only the calling thread wait."""
        self._pause(seconds)
