"""The pages on agreement and speed of the set scores hold the committed results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from page_tools import page_tool

REPO = Path(__file__).parents[2]
TOOLS = ("score_agreement_page", "set_score_speed_page")


@pytest.mark.parametrize("name", TOOLS)
def test_the_page_holds_the_committed_results(name: str) -> None:
    tool = page_tool(name)
    result = json.loads(tool.RESULT.read_text())
    assert tool.page(result) == tool.PAGE.read_text(), f"run: python tools/{name}.py"
    row = result["rows" if "rows" in result else "results"][0]
    row["ours"] = [v + 1 for v in row["ours"]] if "rows" in result else {
        **row["ours"], "cpu_seconds": 1e6}  # fmt: skip
    assert tool.page(result) != tool.PAGE.read_text()


def test_every_case_of_the_speed_benchmark_was_measured_at_full_size() -> None:
    tool = page_tool("set_score_speed_page")
    rows = {row["case"]: row for row in json.loads(tool.RESULT.read_text())["results"]}
    assert set(rows) == set(tool.WHAT)
    assert {rows[f"frechet-{n}"]["n"] for n in (1000, 5000)} == {1000, 5000}
    assert rows["neighbours-10000"]["n"] == 10_000
    assert not [case for case, row in rows.items() if "missing" in (*row["ours"], *row["peer"])]
