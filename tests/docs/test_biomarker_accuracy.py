"""docs/reference/biomarker-accuracy.md says what the results say, and of every column."""

from __future__ import annotations

from pathlib import Path

from page_tools import page_tool

from retinaforge.vessels.biomarkers import BIOMARKERS

ROOT = Path(__file__).parents[2]
PLOT = ROOT / "docs/assets/biomarkers/bland-altman.png"


TOOL = page_tool("biomarker_accuracy")


def test_the_page_is_current() -> None:
    assert TOOL.PAGE.read_text(encoding="utf-8") == TOOL.page(), (
        "run: python tools/biomarker_accuracy.py"
    )
    assert PLOT.is_file()


def test_every_column_of_the_table_was_measured() -> None:
    told = TOOL.results()
    columns = {biomarker.card.column for biomarker in BIOMARKERS}
    assert columns - set(told["truth"]["columns"]) == set()
    assert columns - set(told["retest"]["columns"]) == set()
    assert columns - set(told["damage"]["columns"]["phantoms"]) == set()


def test_cells_of_what_is_not_known_are_dashes() -> None:
    assert TOOL.agreement_cells({"n": 1}) == ("–", "–", "–")
    assert TOOL.missing({"n": 1, "missing": {"no disc": 2, "no fovea": 1}}) == "3/4: no disc"
    assert TOOL.icc({"icc": None, "reason": "the same in every eye"}) == "the same in every eye"


def test_a_column_is_safe_only_if_it_hardly_moves_and_is_never_lost() -> None:
    def told(**changes):
        return {"blur 1": {"n": 3, "lost": 0, "median_abs_percent": 2.0} | changes}

    assert TOOL.safe(told(), "blur 1", 5.0) is True
    assert TOOL.safe(told(lost=1), "blur 1", 5.0) is False
    assert TOOL.safe(told(median_abs_percent=6.0), "blur 1", 5.0) is False
    assert TOOL.safe({"blur 1": {"n": 0, "lost": 0}}, "blur 1", 5.0) is None
