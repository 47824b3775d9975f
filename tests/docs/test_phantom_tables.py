"""The measured tables of the page on phantoms are those of the committed result files."""

from __future__ import annotations

import importlib.util
from pathlib import Path

REPO = Path(__file__).parents[2]


def test_the_page_holds_the_committed_results() -> None:
    spec = importlib.util.spec_from_file_location(
        "phantom_tables", REPO / "tools/phantom_tables.py"
    )
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    page = (REPO / "docs/explanation/phantoms.md").read_text()
    assert tool.with_tables(page) == page, "run: python tools/phantom_tables.py"
    assert tool.with_tables(page.replace("| HRF |", "| HFR |")) == page
