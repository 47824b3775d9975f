"""docs/reference/encoders.md says what the catalogue and the ledger say."""

from __future__ import annotations

from page_tools import page_tool

TOOL = page_tool("encoders_page")


def test_the_page_is_current() -> None:
    kept = TOOL.PAGE.read_text(encoding="utf-8")
    assert kept == TOOL.page(), "run: python tools/encoders_page.py"
