"""The measured tables of the page on phantoms are those of the committed result files."""

from __future__ import annotations

from pathlib import Path

from page_tools import page_tool

REPO = Path(__file__).parents[2]


def test_the_page_holds_the_committed_results() -> None:
    tool = page_tool("phantom_tables")
    page = (REPO / "docs/explanation/phantoms.md").read_text()
    assert tool.with_tables(page) == page, "run: python tools/phantom_tables.py"
    assert tool.with_tables(page.replace("| HRF |", "| HFR |")) == page
