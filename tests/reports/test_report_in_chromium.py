"""The page in a real browser: it loads, asks nobody for anything, and its script runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from drawn_run import draw_run

from retinaforge.reports import write_report

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
# No name resolves: whatever a page tries to fetch becomes an error on its console.
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=3000",
]
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


def opened(page: Path, profile: Path, width_px: int = 1200) -> tuple[str, list[str]]:
    """Return the page's document after its script ran, and the lines of its console."""
    size, user = f"--window-size={width_px},2000", f"--user-data-dir={profile}"
    done = subprocess.run(
        [str(CHROMIUM), *QUIET, OFFLINE, size, user, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("width_px", [500, 1200])
def test_the_page_opens_without_requests_or_errors(tmp_path: Path, width_px: int) -> None:
    page = write_report(draw_run(tmp_path / "run"))
    document, console = opened(page, tmp_path / "profile", width_px)
    # The script hides the rows whose box is not ticked: it ran to that point.
    assert '<body class="no-overlay">' in document
    assert console == []


def test_a_page_that_fetches_or_fails_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<img src="http://example.invalid/a.png"><script>throw 1</script>')
    _, console = opened(page, tmp_path / "profile")
    assert any("Failed to load resource" in line for line in console)
    assert any("Uncaught" in line for line in console)
