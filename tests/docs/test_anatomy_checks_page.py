"""docs/reference/anatomy-checks.md says what the result file says."""

from __future__ import annotations

from pathlib import Path

from page_tools import page_tool

ROOT = Path(__file__).parents[2]


def _tool():
    return page_tool("anatomy_checks_page")


def test_the_page_is_current() -> None:
    tool = _tool()
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), (
        "run: python tools/anatomy_checks_page.py"
    )


def test_a_share_states_its_interval_or_that_nothing_was_judged() -> None:
    tool = _tool()
    assert tool.share({"k": 1, "n": 4, "interval": [0.05, 0.7]}) == "1 of 4 (5–70 %)"
    assert tool.share({"k": 0, "n": 0, "interval": None}) == "not judged"
