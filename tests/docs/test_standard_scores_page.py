"""docs/reference/standard-scores.md and README.md say what the runs on photographs say."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
from page_tools import page_tool

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return page_tool("standard_scores_page")


def test_the_page_and_the_readme_are_current(tool: ModuleType) -> None:
    said = "run: python tools/standard_scores_page.py"
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), said
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tool.headline() in readme, said
    assert tool.with_table(readme) == readme, said


def test_a_cell_says_from_which_level_or_never(tool: ModuleType) -> None:
    assert tool.cell({"floor_median": 0.5, "notices_from": 3}) == "3"
    assert tool.cell({"floor_median": 0.5, "notices_from": None}) == "**never**"
    assert tool.cell({"floor_median": None, "notices_from": None}) == "—"
    assert tool.cell(None) == "—"


def test_every_score_of_the_table_was_asked_about_vessels(tool: ModuleType) -> None:
    asked = {score for score, kind in tool.panel_rows() if kind == "broken-vessels"}
    named = {score for _, score in (*tool.STANDARD, *tool.OURS)}
    assert named - asked == {"copies: copied"}


def test_no_run_names_a_photograph_or_a_path(tool: ModuleType) -> None:
    for name, _ in tool.runs():
        text = (tool.RUNS / f"{name}.json").read_text(encoding="utf-8")
        assert ".jpg" not in text, name
        assert not re.search(r'["\s:]/\w', text), f"an absolute path in {name}"
