"""Post JSON to an address that the user named, patiently and within bounds (standard library only).

What passes by itself is tried again after a growing pause: no connection, a time-out, answers 408,
429 and 5xx. All else is refused in words. Redirects are not followed, since they would carry the
images and the key elsewhere.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from retinaforge.core import Refusal

AGAIN = (408, 429, 500, 502, 503, 504)
LONGEST_PAUSE_S = 60.0
LARGEST_ANSWER = 64 * 2**20
PIECE = 2**16
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Endpoint:
    """Where to post, and how patiently.

    Attributes:
        address: http or https.
        key: sent as a bearer token; "" sends none.
        key_variable: the environment variable that it came from, for messages.
        timeout_s: for one answer, from the first byte sent to the last received.
        tries: how often at most.
        pause: waits so many seconds; replaced in tests.
    """

    address: str
    key: str = ""
    key_variable: str = ""
    timeout_s: float = 60.0
    tries: int = 5
    pause: Callable[[float], None] = time.sleep


class _Passing(Exception):
    """What may pass by itself."""

    def __init__(self, words: str, after_s: float | None = None) -> None:
        super().__init__(words)
        self.after_s = after_s


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **named: Any) -> None:
        """Follow none."""
        return None


def require_safe(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint, or refuse an address that would give a secret away.

    Raises:
        Refusal: for no http address, one with a password in it, or a key over plain http.
    """
    parts = urlsplit(endpoint.address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refusal("an http or https address", repr(endpoint.address), "write it whole")
    if parts.username or parts.password:
        raise Refusal(
            "an address without a password in it",
            f"one at {parts.hostname} with one",
            f"put the key into the environment variable {endpoint.key_variable}",
        )
    if endpoint.key and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise Refusal(
            f"https for an endpoint that {endpoint.key_variable} is sent to",
            f"http://{parts.hostname}",
            f"use its https address, or unset {endpoint.key_variable}",
        )
    return endpoint


def post(endpoint: Endpoint, content: Any) -> Any:
    """Return the JSON that the endpoint answers to `content`.

    Raises:
        Refusal: if it does not answer with JSON after all tries, or refuses.
    """
    body = json.dumps(content).encode()
    said = ""
    for attempt in range(endpoint.tries):
        try:
            return _once(endpoint, body)
        except _Passing as passing:
            said = str(passing)
            if attempt + 1 < endpoint.tries:
                wait = 0.5 * 2**attempt if passing.after_s is None else passing.after_s
                endpoint.pause(min(wait, LONGEST_PAUSE_S))
    raise Refusal(
        f"an answer of {_where(endpoint)}",
        f"{said}, {endpoint.tries} times",
        "check that it runs, or give it more time with timeout=SECONDS and tries=N",
    )


def _where(endpoint: Endpoint) -> str:
    return urlsplit(endpoint.address).netloc


def _once(endpoint: Endpoint, body: bytes) -> Any:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    request = urllib.request.Request(endpoint.address, body, headers, method="POST")
    until = time.monotonic() + endpoint.timeout_s
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=endpoint.timeout_s) as answer:
            return json.loads(_read(answer, until))
    except urllib.error.HTTPError as error:
        raise _answered(endpoint, error) from error
    except (
        TimeoutError,
        urllib.error.URLError,
        ConnectionError,
        http.client.HTTPException,
    ) as error:
        reason = getattr(error, "reason", None) or error
        late = isinstance(reason, TimeoutError)
        words = f"no answer in {endpoint.timeout_s:g} s" if late else f"no connection ({reason})"
        raise _Passing(words) from error
    except ValueError as error:
        raise Refusal(
            "JSON", f"something else from {_where(endpoint)} ({error})", "check the address"
        ) from error  # fmt: skip


def _read(answer: Any, until: float) -> bytes:
    """Read piece by piece, so that an endless or dribbling answer ends too."""
    pieces, size = [], 0
    while piece := answer.read1(PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_ANSWER:
            raise ValueError(f"more than {LARGEST_ANSWER // 2**20} MB")
        if time.monotonic() > until:
            raise TimeoutError
    return b"".join(pieces)


def _answered(endpoint: Endpoint, error: urllib.error.HTTPError) -> Exception:
    if error.code in AGAIN:
        after = error.headers.get("Retry-After", "")
        seconds = float(after) if after.replace(".", "", 1).isdigit() else None
        return _Passing(f"HTTP {error.code}", seconds)
    if error.code in (401, 403):
        return Refusal(
            f"a key that {_where(endpoint)} accepts",
            f"HTTP {error.code}",
            f"put it into the environment variable {endpoint.key_variable}",
        )
    if 300 <= error.code < 400:
        return Refusal(
            "the endpoint's own address",
            f"HTTP {error.code}, a redirection to {error.headers.get('Location', 'elsewhere')}",
            "name that address if you trust it",
        )
    first = error.read(200).decode("utf-8", errors="replace").strip()
    return Refusal(
        f"an answer of {_where(endpoint)}", f"HTTP {error.code} ({first})", "check the address"
    )
