"""The results in the README are those of the committed scorecard, and that one is valid."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
from page_tools import page_tool

from retinaforge.reports import scorecard_schema

REPO = Path(__file__).parents[2]
SCORECARD = REPO / "studies/loss-study/scorecard.json"


def test_the_readme_holds_the_committed_table() -> None:
    tool = page_tool("readme_table")
    readme = (REPO / "README.md").read_text()
    assert tool.with_table(readme, SCORECARD) == readme
    assert tool.with_table(readme.replace("| l1 ", "| l2 "), SCORECARD) == readme


def test_the_committed_scorecard_fits_its_schema() -> None:
    jsonschema.validate(json.loads(SCORECARD.read_text()), scorecard_schema())
