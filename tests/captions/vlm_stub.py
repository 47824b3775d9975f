"""A server that speaks enough of OpenAI's protocol to fail, stall, lie, refuse and cut off."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FIELDS = ("quality", "eye", "optic_disc", "vessels", "macula", "nerve_fibre_layer", "lesions",
          "conclusion")  # fmt: skip
PARAGRAPH = "A colour fundus photograph of the right eye of good quality."


@dataclass
class Act:
    """One answer: HTTP status, headers, body; `stall` waits first, `dribble` sends bytes slowly."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    stall: float = 0.0
    dribble: float = 0.0


def says(
    content: str | None, finish: str = "stop", tokens: tuple[int, int] | None = (100, 50),
    refusal: str | None = None,
) -> Act:  # fmt: skip
    """Return the act of a message."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    row: dict[str, Any] = {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "stub-vlm-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    if tokens is not None:
        row["usage"] = {
            "prompt_tokens": tokens[0], "completion_tokens": tokens[1],
            "total_tokens": sum(tokens),
        }  # fmt: skip
    return Act(body=row)


def whole(caption: str = PARAGRAPH, **fields: str) -> str:
    """Return a whole JSON answer."""
    said = dict.fromkeys(FIELDS, "as expected") | {"eye": "right"} | fields
    return json.dumps({**said, "caption": caption})


def error(status: int, message: str, code: str = "", **headers: str) -> Act:
    """Return the act of an error in OpenAI's form."""
    names = {key.replace("_", "-"): value for key, value in headers.items()}
    return Act(status, {"error": {"message": message, "code": code}}, names)


class Stub(ThreadingHTTPServer):
    """The server; `seen` holds what it was asked, with the headers."""

    daemon_threads = True

    def __init__(self, script: Callable[[int, dict[str, Any]], Act]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script, self.seen, self.headers = script, [], []
        self.times: list[float] = []
        self.lock, self.open, self.most_open = threading.Lock(), 0, 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Stub

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            number = len(self.server.seen)
            self.server.seen.append(body)
            self.server.headers.append({k.lower(): v for k, v in self.headers.items()})
            self.server.times.append(time.monotonic())
            self.server.open += 1
            self.server.most_open = max(self.server.most_open, self.server.open)
        try:
            self._act(self.server.script(number, body))
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with self.server.lock:
                self.server.open -= 1

    def _act(self, act: Act) -> None:
        time.sleep(act.stall)
        content = act.body if isinstance(act.body, bytes) else json.dumps(act.body).encode()
        self.send_response(act.status)
        for name, value in act.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not act.dribble:
            self.wfile.write(content)
            return
        for place in range(len(content)):
            self.wfile.write(content[place : place + 1])
            self.wfile.flush()
            time.sleep(act.dribble)


@contextmanager
def stub(*acts: Act | Callable[[int, dict[str, Any]], Act]) -> Iterator[Stub]:
    """Serve acts in their order, the last one for ever; or what a function says."""

    def script(number: int, body: dict[str, Any]) -> Act:
        act = acts[min(number, len(acts) - 1)]
        return act if isinstance(act, Act) else act(number, body)

    server = Stub(script)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
