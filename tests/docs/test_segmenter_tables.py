"""The page of the segmenters' results holds the committed result files, and nothing invented."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
from page_tools import page_tool

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return page_tool("segmenter_tables")


def test_the_page_is_current(tool: ModuleType) -> None:
    assert tool.PAGE.read_text() == tool.page(), "run: python tools/segmenter_tables.py"


def test_what_was_not_measured_is_said_to_be_so(tool: ModuleType, tmp_path: Path) -> None:
    assert tool.page(tmp_path).count("Not measured yet.") == len(tool.PARTS)


def test_people_stand_beside_judges_and_have_no_auc(tool: ModuleType, tmp_path: Path) -> None:
    score = {"set": "drive", "n": 20, "dice": 0.5, "cldice": 0.25}
    found = {
        "results": [{**score, "judge": "ours", "auc": 0.75}, {**score, "judge": tool.PEOPLE}],
        "judges": {
            "ours": {"version": 3, "training_data": ["a set"], "environment": {"git": "abcdefghi"}}
        },
    }
    (tmp_path / "vessel_judges.json").write_text(json.dumps(found))
    shown = tool.page(tmp_path)
    assert "| DRIVE, test images | 20 | ours | 0.500 | 0.250 | 0.750 |" in shown
    assert "| DRIVE, test images | 20 | **second observer** | 0.500 | 0.250 | – |" in shown
    assert "- `ours` version 3: learnt from a set; run at abcdefg" in shown
