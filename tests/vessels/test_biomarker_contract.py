"""Every column of the table: its card, its range, its reasons, and the eye whatever way it lies."""

import json
import math
import re
import sys
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from retinaforge.vessels.biomarkers import BIOMARKERS, measure_all
from retinaforge.vessels.biomarkers.lesions import LESION_KINDS
from retinaforge.vessels.retest import retest_file
from retinaforge.vessels.vasculature import read_vasculature

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from biomarker_eyes import DATA, drawn_eye, table  # noqa: E402
from biomarker_invariance import EYES, SIZE_PX, measure  # noqa: E402

COLUMNS = [biomarker.card.column for biomarker in BIOMARKERS]
CARDS = {biomarker.card.column: biomarker.card for biomarker in BIOMARKERS}
RESULTS = ROOT / "benchmarks/results"
FAST_EYES = ("8", "1")


ROOM = 1.1
"""How much more than its listed worst change a column on the list may move on another machine."""


@pytest.fixture(scope="module")
def eye():
    return drawn_eye(8, SIZE_PX)


@pytest.fixture(scope="module")
def plain(eye):
    return table(eye)


@pytest.fixture(scope="module")
def bare(eye):
    """Tables where something is not known, or there is nothing to measure."""
    artery, vein, fov, marks = eye.artery, eye.vein, eye.fov, eye.marks
    empty, block = np.zeros_like(artery), np.zeros_like(artery)
    block[300:700, 300:700] = fov.mask[300:700, 300:700]
    return [
        {q.card.column: q for q in measure_all(found)}
        for found in (
            read_vasculature(artery | vein, fov),
            read_vasculature(
                empty,
                fov,
                marks,
                artery=empty,
                vein=empty,
                lesions=dict.fromkeys(LESION_KINDS, empty),
            ),
            read_vasculature(block, fov, marks),
        )
    ]


def test_there_are_enough_columns_and_no_name_twice():
    assert len(COLUMNS) >= 40
    assert len(set(COLUMNS)) == len(COLUMNS)


@pytest.mark.parametrize("column", COLUMNS)
def test_the_card_is_complete(column):
    card = CARDS[column]
    for field in fields(card):
        if field.name != "side":
            assert getattr(card, field.name) not in ("", None), field.name
    assert card.smallest_n >= 1
    assert re.fullmatch(r"[\[(]-?[\d.inf]+, [\d.inf]+[\])]", card.range), card.range
    assert re.fullmatch(r"[a-z][a-z0-9_]*", column)


@pytest.mark.parametrize("column", COLUMNS)
def test_values_lie_in_the_range_and_missing_ones_have_a_reason(column, plain, bare):
    low, high = (float(end) for end in CARDS[column].range[1:-1].split(","))
    for quantity in (plain[column], *(found[column] for found in bare)):
        if math.isnan(quantity.value):
            assert len(quantity.reason) > 5
        else:
            assert low <= quantity.value <= high
            assert not quantity.reason


@pytest.mark.parametrize("column", COLUMNS)
def test_a_whole_eye_leaves_nothing_undefined(column, plain):
    assert not math.isnan(plain[column].value), plain[column].reason


@cache
def moved(key):
    """Return by way each column's worst change in one eye, and whether it holds."""
    return measure(key)["worst"]


@cache
def listed():
    """Return by way the columns known to move, with their change in each eye that moves them."""
    return json.loads((RESULTS / "biomarker_invariance.json").read_text())["breaking"]


def excused(way, column, percent):
    """Whether a column stands on the list with a change at least as great."""
    known = listed().get(way, {}).get(column, {})
    worst = max((math.inf if p is None else abs(p) for p in known.values()), default=0.0)
    return abs(percent) <= ROOM * worst


def unexplained(key, way):
    """Return the columns that move in an eye and are not on the list, or move more than listed."""
    return {
        column: round(percent, 1) for column, (percent, holds) in moved(key)[way].items()
        if not holds and not excused(way, column, percent)
    }  # fmt: skip


EVERY_EYE = [
    *FAST_EYES,
    *(pytest.param(key, marks=pytest.mark.slow) for key in EYES
      if ":" not in key and key not in FAST_EYES),
    *(pytest.param(key, marks=[pytest.mark.slow, pytest.mark.data]) for key in EYES if ":" in key),
]  # fmt: skip


def require(key):
    if ":" in key and not DATA.is_dir():
        pytest.skip("needs the photographs in ../shared/data")


@pytest.mark.parametrize("key", EVERY_EYE)
def test_a_mirrored_or_turned_eye_has_the_same_numbers(key):
    require(key)
    broken = {column: v for column, (v, holds) in moved(key)["laid"].items() if not holds}
    assert broken == {}


@pytest.mark.parametrize("way", ["double", "half"])
@pytest.mark.parametrize("key", EVERY_EYE)
def test_an_eye_of_twice_or_half_the_pixels_has_the_same_numbers(key, way):
    require(key)
    assert unexplained(key, way) == {}


def test_few_columns_stand_on_the_list_of_those_that_move():
    """What is on it moves in some eye; twice the pixels move few, and laying the eye none."""
    assert listed().get("laid", {}) == {}
    assert len(listed()["double"]) <= len(COLUMNS) // 4


def test_the_list_excuses_no_more_than_it_says():
    column, changes = next(iter(listed()["double"].items()))
    worst = max(abs(change) for change in changes.values() if change is not None)
    assert excused("double", column, worst)
    assert not excused("double", column, 2 * worst + 1e-6)
    assert not excused("double", "area_density", 2.5)


def test_the_cards_tell_what_the_retest_measured():
    """The file in the package is the benchmark's result, and the card shows it."""
    result = json.loads((RESULTS / "biomarker_retest.json").read_text())["columns"]
    told = retest_file()["columns"]
    assert {c: {k: v for k, v in e.items() if k != "version"} for c, e in told.items()} == {
        column: ways["photographs"] for column, ways in result.items()
    }
    measured = [c for c, e in told.items() if e["icc"] is not None and c in CARDS
                and CARDS[c].version == e["version"]]  # fmt: skip
    assert len(measured) >= 40
    for column in measured:
        assert CARDS[column].retest_icc == told[column]["icc"]
        assert CARDS[column].as_dict()["retest_icc"] == told[column]["icc"]


def test_a_card_of_another_version_has_no_retest():
    card = replace(CARDS["area_density"], version=99)
    assert card.retest_icc is None
    assert card.as_dict()["retest"] == "not measured"
