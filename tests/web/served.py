"""A study served in a process of its own, and pages of it in Chromium."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
SLOW_MS = 120_000
SHOTS = os.environ.get("RETINAFORGE_SCREENSHOTS")


class Server:
    """`retinaforge reader serve` in a process of its own, which can be killed and begun again."""

    def __init__(self, study: Path) -> None:
        self.study, self.process = study, None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.begin()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin(self) -> None:
        code = (
            "from pathlib import Path; from retinaforge.web.serve import serve; "
            f"serve(Path({str(self.study)!r}), '127.0.0.1', {self.port})"
        )
        self.process = subprocess.Popen([sys.executable, "-c", code])
        for _ in range(1800):
            try:
                urllib.request.urlopen(self.address, timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError("the server did not begin")

    def kill(self) -> None:
        """As a loss of power would: no handler runs."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def page_of(browser: Any, server: Server, **context: Any) -> tuple[Any, list[str]]:
    """Return a page of a browser of its own, and what goes wrong on it."""
    page = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | context).new_page()
    page.set_default_timeout(SLOW_MS)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    # Playwright's own screenshots style the page, which the policy rightly refuses.
    page.on("console", lambda m: wrong.append(m.text) if "Content Security" in m.text
            and not (SHOTS and "style" in m.text) else None)  # fmt: skip
    page.on("request", lambda r: None if r.url.startswith((server.address, "blob:", "data:"))
            else wrong.append(r.url))  # fmt: skip
    page.goto(server.address)
    return page, wrong


def go_in(page: Any, code: str) -> None:
    """Enter with a code and begin."""
    page.fill("#code", code)
    page.press("#code", "Enter")
    page.click("#go")
    shown(page)


def until(page: Any, true: str) -> None:
    """Wait until it is true; Playwright's own waiting needs an eval that CSP forbids."""
    end = time.monotonic() + SLOW_MS / 1000
    while not page.evaluate(true):
        assert time.monotonic() < end, true
        time.sleep(0.05)


def shown(page: Any) -> None:
    """Wait until an image is drawn and nothing is on its way."""
    until(page, "document.body.dataset.page === 'case' && running && !waiting")
