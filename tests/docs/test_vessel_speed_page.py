"""The page on the speed of the table is that of the committed result file."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
from page_tools import page_tool

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return page_tool("vessel_speed_page")


def test_page_and_plot_hold_the_committed_results(tool: ModuleType) -> None:
    found = json.loads(tool.RESULT.read_text())
    assert tool.PAGE.read_text() == tool.page(found), "run: python tools/vessel_speed_page.py"
    if "sizes" in found:
        assert tool.PLOT.read_text() == tool.plot(found["sizes"])


def test_a_missed_goal_is_said(tool: ModuleType) -> None:
    goals = {"PVBM": 25.0, "VascX": 10.0, "worker_mb": 200.0, "segmenting_s": 1.0}
    one = {"version": "1", "masks": 1, "columns": 2, "cpu_s": 5.0, "peak_mb": 9.0, "ended": "",
           "growth_mb_per_mask": None, "with_faults": 0, "rows": []}  # fmt: skip
    peer = {**one, "times_ours": [24.9, 20.0, 30.0]}
    said = tool.tables({"packages": {"RetinaForge": one, "PVBM": peer}}, goals)
    assert "missed (24.9)" in said
    assert "times VascX's speed: not measured" in said
    held = {"growth_mb_per_1000": {"0": 0.4}, "peak_mb": 201.0, "workers": 2, "images": 9,
            "measured": 9, "images_per_s": 3.0}  # fmt: skip
    assert "goal 200: missed" in tool.flat(held, goals)


def test_an_overflow_is_a_lost_mask(tool: ModuleType) -> None:
    rows = [
        {"mask": "a", "package": "P", "ended": "killed by SIGSEGV"},
        {"mask": "b", "package": "P", "ended": "", "cpu_s": 1.0, "peak_mb": 2.0,
         "faults": ["geometry of vessel: RecursionError"]},
        {"mask": "c", "package": "P", "ended": "", "cpu_s": 1.0, "peak_mb": 2.0, "faults": []},
    ]  # fmt: skip
    said = tool.crashes({"rows": rows}, {})
    assert "of 3: P 2." in said
    assert "RecursionError (1.0 s, 2 MB)" in said
