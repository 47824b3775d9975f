"""One chat completion through the `openai` library, patiently and within bounds.

What may pass by itself is tried again after a growing pause, or after the one that the server asks
for: no connection, a time-out, 408, 409, 425, 429, 5xx, an answer that is no JSON. What would fail
at every request is a `Refusal`: a wrong key, no such model, an empty account. The rest concerns one
request and is a `Failed`. Redirects are not followed: they would carry photographs and key
elsewhere. The library's own retries are off: its pauses are neither shared by threads nor told.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retinaforge.captions.endpoint_config import EndpointConfig
from retinaforge.captions.endpoint_pace import Pace, growing_pause_s, retry_after_s
from retinaforge.core import Refusal

PASSING = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529))
LARGEST_ANSWER = 16 * 2**20
PLACEHOLDER = "no-key"


class Failed(Exception):
    """One request got no answer; `status` is the HTTP status of the last attempt, 0 for none."""

    def __init__(self, words: str, status: int = 0, attempts: int = 1, body: str = "") -> None:
        super().__init__(words)
        self.status, self.attempts, self.body = status, attempts, body


class _Passing(Exception):
    def __init__(self, words: str, status: int = 0, after_s: float | None = None) -> None:
        super().__init__(words)
        self.status, self.after_s = status, after_s


@dataclass(frozen=True)
class Said:
    """One answer of the server, as it came.

    Attributes:
        content: of the first choice's message; "" where it is null.
        finish: finish_reason; "" where there is none.
        declined: the message's `refusal`.
        model: the server's own name of what answered.
        tokens_in, tokens_out: its count; None where it gives none.
        attempts: requests it took.
    """

    content: str
    finish: str
    declined: str
    model: str
    tokens_in: int | None
    tokens_out: int | None
    attempts: int


class Client:
    """Asks one endpoint; safe for threads.

    Args:
        config: of the endpoint. The key is read from the environment here and kept in memory only.
        pace: shared by all requests.
    """

    def __init__(self, config: EndpointConfig, pace: Pace) -> None:
        openai = _openai()
        self.config, self.pace = config, pace
        self._secret = config.key
        # The library takes these from the environment; they are no other host's business.
        unsent = (
            [] if config.host == "api.openai.com" else ["OpenAI-Organization", "OpenAI-Project"]
        )
        unsent += [] if self._secret else ["Authorization"]
        self._unsent = dict.fromkeys(unsent, openai.Omit())
        self._client = openai.OpenAI(
            api_key=self._secret or PLACEHOLDER,
            base_url=config.base_url,
            timeout=config.timeout_s,
            max_retries=0,
            # A proxy of the environment is for hosts outside; a loopback address is ours.
            http_client=openai.DefaultHttpxClient(
                follow_redirects=False, trust_env=not config.local
            ),
        )

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._client.close()

    def ask(self, body: Mapping[str, Any], rng: random.Random) -> Said:
        """Return the answer to one chat.

        Args:
            body: of the request, without the model.
            rng: of the pauses.

        Raises:
            Failed: if this request gets none.
            Refusal: if no request would.
        """
        for attempt in range(self.config.tries):
            self.pace.wait_turn()
            try:
                return self._once(body, attempt + 1)
            except _Passing as passing:
                self._wait(passing, attempt, rng)
            except Failed as failed:
                failed.attempts = attempt + 1
                raise
        raise AssertionError("the last attempt raises")

    def _wait(self, passing: _Passing, attempt: int, rng: random.Random) -> None:
        last = attempt + 1 >= self.config.tries
        asked = passing.after_s
        if last or (asked is not None and asked > self.config.longest_pause_s):
            more = "" if last else f", which asks to wait {asked:g} s"
            raise Failed(
                f"{passing}{more}; tried {attempt + 1} times", passing.status, attempt + 1
            ) from passing
        if asked is not None:
            self.pace.hold(asked)
        else:
            self.pace.pause(growing_pause_s(attempt, rng))

    def _once(self, body: Mapping[str, Any], attempts: int) -> Said:
        openai = _openai()
        until = time.monotonic() + self.config.timeout_s
        named = {"model": self.config.model, "messages": body["messages"]}
        rest = {key: value for key, value in body.items() if key != "messages"}
        try:
            with self._client.chat.completions.with_streaming_response.create(
                **named, extra_headers=self._unsent, extra_body={**rest, **self.config.extra}
            ) as answer:
                return _said(_read(answer.iter_bytes(), until), attempts)
        except (openai.APITimeoutError, TimeoutError) as error:
            raise _Passing(f"no answer in {self.config.timeout_s:g} s") from error
        except openai.APIConnectionError as error:
            raise _Passing(f"no connection to {self.config.host}") from error
        except openai.APIStatusError as error:
            raise self._answered(error) from error
        except openai.OpenAIError as error:
            raise Failed(self._clean(str(error))) from error
        except (OSError, ValueError) as error:
            raise _Passing(f"no answer of a chat ({self._clean(str(error))})") from error
        except Exception as error:
            if not _of_transport(error):
                raise
            late = "Timeout" in type(error).__name__
            words = f"no answer in {self.config.timeout_s:g} s" if late else "connection broke off"
            raise _Passing(words) from error

    def _answered(self, error: Any) -> Exception:
        words = str(error.message).removeprefix(f"Error code: {error.status_code} - ")
        status, said = error.status_code, self._clean(words)
        code = str(getattr(error, "code", "") or "")
        if status in (401, 403):
            named = self.config.key_variable
            return Refusal(
                f"a key that {self.config.host} accepts", f"HTTP {status}",
                f"put it into the environment variable {named}" if named
                else "name the environment variable that holds it as key_variable",
            )  # fmt: skip
        if 300 <= status < 400:
            to = error.response.headers.get("Location", "elsewhere")
            return Refusal(
                "the endpoint's own address", f"HTTP {status}, a redirection to {to[:200]}",
                "name that address if you trust it",
            )  # fmt: skip
        if status == 402 or code == "insufficient_quota":
            return Refusal(
                f"an account at {self.config.host} with credit", f"HTTP {status} ({said})",
                "fill it and run the same command again, it resumes",
            )  # fmt: skip
        if status == 404:
            return Refusal(
                f"the model {self.config.model!r} at {self.config.base_url}",
                f"HTTP 404 ({said})", "correct base_url (up to /v1) or the model's name",
            )  # fmt: skip
        if status in PASSING:
            after = retry_after_s(error.response.headers.get("Retry-After"))
            return _Passing(f"HTTP {status}", status, after)
        return Failed(f"HTTP {status} ({said})", status, body=f"{code} {said}")

    def _clean(self, words: str) -> str:
        """Return a server's words, shortened, without the key that some servers repeat."""
        if self._secret:
            words = words.replace(self._secret, "***")
        return " ".join(words.split())[:200]


def _openai() -> Any:
    try:
        import openai
    except ImportError as error:
        raise Refusal(
            "the library openai", "none", "run pip install 'retinaforge[captions]'"
        ) from error
    return openai


def _of_transport(error: Exception) -> bool:
    """Say whether the library's HTTP client raised this while an answer was read."""
    return type(error).__module__.split(".")[0].startswith(("httpx", "httpcore", "h11"))


def _read(pieces: Any, until: float) -> bytes:
    """Read piece by piece, so that an endless or dribbling answer ends too."""
    parts, size = [], 0
    for piece in pieces:
        parts.append(piece)
        size += len(piece)
        if size > LARGEST_ANSWER:
            raise ValueError(f"more than {LARGEST_ANSWER // 2**20} MB")
        if time.monotonic() > until:
            raise TimeoutError
    return b"".join(parts)


def _said(content: bytes, attempts: int) -> Said:
    """Return the parts of a chat completion; ValueError if it is none."""
    row = json.loads(content)
    choices = row.get("choices") if isinstance(row, dict) else None
    if not choices or not isinstance(choices[0], dict):
        raise ValueError(f"no choices in {str(row)[:120]}")
    message, usage = choices[0].get("message") or {}, row.get("usage") or {}
    return Said(
        _text(message.get("content")), str(choices[0].get("finish_reason") or ""),
        str(message.get("refusal") or ""), str(row.get("model") or ""),
        _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")), attempts,
    )  # fmt: skip


def _text(content: Any) -> str:
    """Return a message's text; some servers answer in parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
