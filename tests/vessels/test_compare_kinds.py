"""Arteries taken for veins along vessels, in closed form."""

import math

import numpy as np
import pytest

from retinaforge.core import Refusal
from retinaforge.vessels.compare_kinds import KIND_COMPARISONS, compare_kinds

SIZE = 512
FULL = np.ones((SIZE, SIZE), bool)


def rows(first, width):
    mask = np.zeros((SIZE, SIZE), bool)
    mask[first : first + width] = True
    return mask


ARTERY, VEIN = rows(100, 3) | rows(200, 1), rows(300, 3) | rows(400, 8)
NONE = np.zeros_like(ARTERY)


def scores(estimate, reference=(ARTERY, VEIN)):
    return {q.card.name: q for q in compare_kinds(estimate, reference, FULL)}


def test_the_truth_is_right_everywhere():
    got = scores((ARTERY, VEIN))
    assert tuple(q.card for q in got.values()) == KIND_COMPARISONS
    assert [q.value for q in got.values()] == [1, 1, 1, 1, 0, 0, 0]


def test_swapped_kinds_are_wrong_everywhere():
    got = scores((VEIN, ARTERY))
    assert [q.value for q in got.values()] == [0, 0, 0, 0, 1, 1, 0]


def test_half_an_artery_taken_for_a_vein():
    artery, vein = ARTERY.copy(), VEIN.copy()
    artery[:, 256:], vein[:, 256:] = vein[:, 256:] & False, vein[:, 256:] | ARTERY[:, 256:]
    got = scores((artery, vein))
    assert got["arteries_as_veins"].value == pytest.approx(0.5, abs=0.003)
    assert got["veins_as_arteries"].value == 0
    assert got["kinds_right"].value == pytest.approx(0.75, abs=0.003)
    assert got["kinds_right_thin"].value == pytest.approx(0.5, abs=0.003)
    assert got["kinds_right_wide"].value == 1
    assert got["kinds_unnamed"].value == 0


def test_what_is_missed_or_left_open_has_no_name():
    # Of two arteries and two veins one artery is missed, and one vein is shown as both.
    got = scores((rows(100, 3) | rows(300, 3), VEIN))
    assert got["kinds_right"].value == 1
    assert got["kinds_unnamed"].value == pytest.approx(0.5, abs=0.003)
    nothing = scores((NONE, NONE))
    assert nothing["kinds_unnamed"].value == 1
    assert "names no point" in nothing["kinds_right_thin"].reason


def test_where_kinds_cross_in_the_reference_nothing_is_asked():
    column = np.ascontiguousarray(rows(250, 5).T)
    got = scores((NONE, VEIN | column), (column, VEIN | column))
    assert math.isnan(got["arteries_as_veins"].value)
    assert "reference shows no such vessel" in got["arteries_as_veins"].reason


def test_swapping_the_kinds_on_both_sides_swaps_the_confusions():
    estimate = (ARTERY | rows(300, 3), VEIN & ~rows(300, 3))
    one, two = scores(estimate), scores(estimate[::-1], (VEIN, ARTERY))
    assert one["veins_as_arteries"].value == two["arteries_as_veins"].value > 0
    assert one["kinds_right"] == two["kinds_right"]


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(Refusal, match="boolean masks of the field of view's shape"):
        compare_kinds((ARTERY, VEIN[:100]), (ARTERY, VEIN), FULL)
