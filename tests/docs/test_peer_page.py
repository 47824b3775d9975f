"""The page on other packages' biomarkers is that of the committed result file."""

from __future__ import annotations

import json
from pathlib import Path

from page_tools import page_tool

REPO = Path(__file__).parents[2]


def test_the_page_holds_the_committed_results() -> None:
    tool = page_tool("peer_page")
    result = json.loads(tool.RESULT.read_text())
    assert tool.page(result) == tool.PAGE.read_text(), "run: python tools/peer_page.py"
    result["peers"][0]["results"][0]["n"] += 1
    assert tool.page(result) != tool.PAGE.read_text()


def test_every_named_column_is_compared() -> None:
    from retinaforge.vessels.biomarkers import BIOMARKERS

    result = json.loads((REPO / "benchmarks/results/biomarker_peers.json").read_text())
    compared = {f"{p['package']}:{row['column']}" for p in result["peers"] for row in p["results"]}
    named = {b.card.name for b in BIOMARKERS if ":" in b.card.name}
    assert compared == named
    assert all(row["within"] for peer in result["peers"] for row in peer["results"] if row["n"])
