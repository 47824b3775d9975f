"""The page in a real browser: it loads, asks nobody for anything, and its script runs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from drawn_run import draw_run

from retinaforge.reports import write_report

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
OPTIONS = (
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
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
# The browser's own list of what the page asked for, written where --dump-dom shows it.
WITNESS = """<script>addEventListener("load", function () {
  var asked = performance.getEntriesByType("resource").map(function (e) { return e.name; });
  document.documentElement.setAttribute("data-asked", asked.length + " " + asked.join(" "));
  document.documentElement.setAttribute("data-wide",
    document.documentElement.scrollWidth > innerWidth);
});</script>"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


def opened(page: str, folder: Path, width_px: int = 1200) -> tuple[str, list[str]]:
    """Return the document after its scripts ran, and the lines of its console."""
    file = folder / "watched.html"
    file.write_text(WITNESS + page, encoding="utf-8")
    size, user = f"--window-size={width_px},2000", f"--user-data-dir={folder / 'profile'}"
    done = subprocess.run(
        [str(CHROMIUM), *OPTIONS, size, user, "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("width_px", [500, 1200])
def test_the_page_opens_without_requests_or_errors(tmp_path: Path, width_px: int) -> None:
    page = write_report(draw_run(tmp_path / "run")).read_text(encoding="utf-8")
    document, console = opened(page, tmp_path, width_px)
    # The script hides the rows whose box is not ticked: it ran to that point.
    assert '<body class="no-overlay">' in document
    assert re.findall(r'data-asked="([^"]*)"', document) == ["0 "]
    assert 'data-wide="false"' in document, "the page must not scroll sideways"
    assert console == []


def test_a_page_that_fetches_or_fails_would_be_noticed(tmp_path: Path) -> None:
    bad = (
        '<img src="http://example.invalid/a.png"><p style="width:3000px">x<script>throw 1</script>'
    )
    document, console = opened(bad, tmp_path)
    assert re.findall(r'data-asked="([^"]*)"', document) == ["1 http://example.invalid/a.png"]
    assert 'data-wide="true"' in document
    assert any("Uncaught" in line for line in console)
