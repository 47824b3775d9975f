"""Several scorecards side by side: who is ahead, and what was not made alike."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from made_up_card import drawn_card, write_run

from retinaforge.core import Refusal
from retinaforge.reports.compare_page import label_of, text_table, write_compare_page
from retinaforge.reports.comparison import compare_runs, headline, read_runs

KERNEL = "fidelity:structure:kernel_distance"


def moved(by: float) -> dict[str, Any]:
    """Return the made-up scorecard with one score moved."""
    card = drawn_card()
    score = next(s for s in card["scores"] if s["identity"] == KERNEL)
    score["value"] += by
    score["interval"] = [end + by for end in score["interval"]]
    return card


def row_of(told: dict[str, Any], identity: str = KERNEL) -> dict[str, Any]:
    return next(row for row in told["rows"] if row["identity"] == identity)


@pytest.mark.parametrize(("by", "ahead"), [(1.0, 0), (-1.0, 1), (0.15, None), (0.0, None)])
def test_a_run_is_ahead_where_its_interval_touches_no_other(by: float, ahead: int | None) -> None:
    told = compare_runs({"a": drawn_card(), "b": moved(by)})
    assert row_of(told)["ahead"] == ahead
    assert told["warnings"] == []


@pytest.mark.parametrize(("direction", "ahead"), [("higher is better", 1), ("neither", None)])
def test_better_is_what_the_card_says(direction: str, ahead: int | None) -> None:
    cards = {"a": drawn_card(), "b": moved(1.0)}
    for card in cards.values():
        card["scores"][0]["card"]["direction"] = direction
    assert row_of(compare_runs(cards))["ahead"] == ahead


def test_a_score_that_one_run_lacks_has_an_empty_cell_and_no_winner() -> None:
    other = drawn_card()
    other["scores"] = [s for s in other["scores"] if s["identity"] != KERNEL]
    row = row_of(compare_runs({"a": other, "b": drawn_card()}))
    assert row["cells"][0] is None
    assert (row["cells"][1]["value"], row["ahead"]) == (1.5, None)


def test_what_was_made_differently_is_named() -> None:
    other = drawn_card()
    other["protocol"]["footing"] = {**other["protocol"]["footing"], "size_px": 256}
    other["protocol"] |= {"suite": "full", "finders": {"vessels": {"sha256": "ff"}}}
    other["environment"]["retinaforge"] = "0.1"
    other["scores"][0]["card"] = {**other["scores"][0]["card"], "version": 2}
    told = compare_runs({"a": drawn_card(), "b": other})
    assert told["warnings"] == [
        "Different size of the common square: a 512, b 256.",
        "Different suite: a quick, b full.",
        "Different networks that find anatomy.",
        "Different version: a 0.0, b 0.1.",
        "Different versions of kernel_distance: not one score, but several.",
    ]
    assert row_of(told)["ahead"] is None


def test_runs_are_named_by_what_tells_them_apart(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / "a" / "out"), write_run(tmp_path / "b" / "out")]
    assert list(read_runs(folders)) == ["a/out", "b/out"]
    assert list(read_runs([folders[0], tmp_path / "b/out/scorecard.json"])) == ["a/out", "b/out"]
    assert list(read_runs([folders[0], folders[0]])) == ["out (1)", "out (2)"]
    with pytest.raises(Refusal, match="expected two scorecards or more; got 1"):
        read_runs(folders[:1])
    with pytest.raises(Refusal, match="a folder that `retinaforge validate` wrote"):
        read_runs([folders[0], tmp_path])


def test_the_text_leaves_single_numbers_out_unless_asked() -> None:
    told = compare_runs({"a": drawn_card(), "b": moved(-1.0)})
    lines = text_table(told).splitlines()
    assert lines[0].split() == ["score", "a", "b"]
    assert len(lines) == 1 + len(headline(told["rows"]))
    (kernel,) = [line for line in lines if line.startswith("structure: kernel_distance")]
    assert kernel.endswith("0.500 (0.400 to 0.600) *")
    every = text_table(told, every=True)
    assert len(every.splitlines()) == 1 + len(told["rows"])
    assert "length_3: ks" in every
    assert "sex F: group_coverage" in [label_of(row) for row in told["rows"]]


def test_the_page_fetches_nothing_and_links_nowhere_else(tmp_path: Path) -> None:
    told = compare_runs({"<a>": drawn_card(), "b": moved(-1.0)})
    page = write_compare_page(told, tmp_path / "page.html").read_text()
    assert "<a>" not in page
    assert "http" not in page
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(ids)
    assert 'class="best"><b>0.500</b>' in page
    assert "All runs were made in the same way." in page
    assert page.count("1 of 16 shows a real eye.") == 2
