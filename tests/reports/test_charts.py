"""Charts: positions follow values, words are escaped, numbers are written as they are."""

from __future__ import annotations

import math
import re

import pytest
from drawn_run import drawn_scorecard
from hypothesis import given
from hypothesis import strategies as st

from retinaforge.reports import charts, curves, svg, words
from retinaforge.reports.board import board_from
from retinaforge.reports.run_files import TrainingRun


@given(low=st.floats(-1e4, 1e4), width=st.floats(1e-3, 1e5), count=st.integers(2, 8))
def test_ticks_are_few_round_and_inside(low: float, width: float, count: int) -> None:
    scale = svg.Axis(low, low + width, 0, 100)
    ticks = scale.ticks(count)
    assert 1 <= len(ticks) <= count + 1
    assert all(-0.01 <= scale(tick) <= 100.01 for tick in ticks)


def test_an_axis_of_one_value_still_has_a_width() -> None:
    for value in (0.0, 3.0):
        scale = svg.axis([value], 0, 100)
        assert scale(value) == pytest.approx(50)


def test_dots_of_a_forest_stand_in_the_order_of_their_values() -> None:
    board = board_from(drawn_scorecard(), study={})
    chart = str(charts.forest(board, "dice"))
    found = re.findall(r'<circle cx="([\d.]+)".*?<title>([\w-]+): ([\d.]+)', chart)
    across = {arm: (float(x), float(value)) for x, arm, value in found}
    assert set(across) == {"l1", "perceptual", "vit-random", "sobel", "log"}
    assert sorted(across, key=lambda a: across[a][0]) == sorted(across, key=lambda a: across[a][1])


def test_a_measure_without_values_gives_no_chart() -> None:
    board = board_from({"scores": []}, study={"arm": [{"name": "l1", "loss": "l1"}]})
    assert charts.forest(board, "dice") is None
    assert charts.recall_by_width(board) is None
    assert charts.trade_off(board, "psnr", "dice") is None


def test_names_in_charts_are_escaped() -> None:
    assert "&lt;script&gt;" in svg.text(0, 0, "<script>")
    assert '"><' not in str(svg.drawing(10, [], alt='"><script>')).split("class")[0][:-2]


def test_curves_skip_what_was_not_logged_and_nan() -> None:
    log = [{"step": k, "terms": {"l1": 1.0 / (k + 1)}, "perplexity": None} for k in range(10)]
    drawn = curves.learning_curves([TrainingRun("l1", "0", {}, log)], ["l1"])
    assert [title for title, _ in drawn] == ["Loss term l1"]


def test_both_axes_of_a_learning_curve_say_what_they_count() -> None:
    log = [
        {"step": k, "terms": {"l1": 1.0}, "perplexity": 9.0, "codebook_use": 0.5 + k / 99,
         "gradient_norm": 1.0 / (k + 1)}
        for k in range(10)
    ]  # fmt: skip
    drawn = curves.learning_curves([TrainingRun("l1", "0", {}, log)], ["l1"])
    said = ("loss term l1 (no unit)", "perplexity (codes)", "share of codes used (0 to 1)",
            "gradient norm (no unit)")  # fmt: skip
    assert len(drawn) == len(said)
    for (_, chart), unit in zip(drawn, said, strict=True):
        assert f">{unit}</text>" in chart
        assert ">optimiser step</text>" in chart


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.46, "0.460"),
        (31.904, "31.90"),
        (123.456, "123.5"),
        (4567.8, "4568"),
        (-0.3, "\u22120.300"),
        (0.0, "0.000"),
        (0.00012, "1.2e\u221204"),
        (math.nan, "—"),
        (None, "—"),
    ],
)
def test_numbers_have_as_many_digits_as_they_deserve(value: float | None, text: str) -> None:
    assert words.number(value) == text


def test_p_values_are_never_zero() -> None:
    assert words.p_value(0.0) == "p < 0.001"
    assert words.p_value(0.0163) == "p = 0.016"
    assert words.p_value(None) == ""


def test_a_tiny_end_of_an_interval_is_told_in_the_decimals_of_the_other() -> None:
    assert words.interval([-0.00026, 0.0048], signed=True) == "\u22120.0003 to +0.005"
    assert words.interval([0.00002, 0.00009]) == "2.0e\u221205 to 9.0e\u221205"
    assert words.interval([0.0, 0.4]) == "0.000 to 0.400"
    assert words.interval(None) == ""
