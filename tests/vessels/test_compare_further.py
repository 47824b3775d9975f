"""Betti matching, paths, centreline distance, gaps per centimetre, calibre by width."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.graph import route_through_array

from retinaforge.vessels.compare import CATALOGUE, FURTHER, FURTHER_COMPARISONS, compare_masks
from retinaforge.vessels.compare_paths import _draw, _ways, compare_paths
from retinaforge.vessels.skeleton import vessel_mask

SIZE = 512
FULL = np.ones((SIZE, SIZE), bool)


def blank():
    return np.zeros((SIZE, SIZE), bool)


def straight(width_px, row=250):
    vessels = blank()
    vessels[row : row + width_px] = True
    return vessels


def ring(radius, width=6, centre=256.0):
    y, x = np.mgrid[:SIZE, :SIZE]
    return np.abs(np.hypot(x - centre, y - 255.5) - radius) < width / 2


def ask(estimate, reference, *, um_per_px=None, fov=FULL):
    pair = vessel_mask(estimate, fov), vessel_mask(reference, fov)
    return {q.card.name: q for q in compare_masks(*pair, catalogue=FURTHER, um_per_px=um_per_px)}


def scores(*args, **kwargs):
    return {name: q.value for name, q in ask(*args, **kwargs).items()}


def test_cards_are_told_apart_and_complete():
    names = [comparison.card.name for comparison in (*CATALOGUE, *FURTHER)]
    assert len(set(names)) == len(names)
    assert all(card.known_failure and card.reference for card in FURTHER_COMPARISONS)


def test_identical_masks_are_perfect():
    mask = straight(1, 50) | straight(3, 150) | straight(6) | ring(100)
    got = scores(mask, mask, um_per_px=10.0)
    assert got.pop("paths_correct") == 1
    assert set(got.values()) == {0.0}


# --- Betti matching ------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [1, 2, 5])
def test_a_vessel_cut_k_times_leaves_k_pieces_unmatched(cuts):
    estimate = straight(5)
    for k in range(cuts):
        estimate[:, 60 + 60 * k : 70 + 60 * k] = False
    got = scores(estimate, straight(5))
    assert (got["betti_matching_0_error"], got["betti_matching_1_error"]) == (cuts, 0)


def test_numbers_that_cancel_are_errors_where_the_places_differ():
    # One piece each, one ring each: Betti numbers agree, but nothing lies where it should.
    left, right = ring(60, centre=100.0), ring(60, centre=400.0)
    got = scores(left, right)
    assert (got["betti_matching_0_error"], got["betti_matching_1_error"]) == (2, 2)
    assert got["betti_matching_error"] == 4


def test_rings_match_where_their_holes_overlap_most():
    assert scores(ring(60), ring(64))["betti_matching_error"] == 0
    parted = ring(60) | ((np.abs(np.arange(SIZE)[:, None] - 280) < 3) & (ring(0, 120)))
    # The reference's hole holds two: the larger is its counterpart, the other has none.
    got = scores(parted, ring(60))
    assert (got["betti_matching_0_error"], got["betti_matching_1_error"]) == (0, 1)


def test_a_filled_ring_has_lost_its_loop():
    assert scores(ring(0, 120), ring(58, 6))["betti_matching_1_error"] == 1


@pytest.mark.parametrize("turn", [np.rot90, np.fliplr, np.flipud, np.transpose])
def test_betti_matching_is_symmetric_and_does_not_turn(turn):
    rng = np.random.default_rng(3)
    one, other = (gaussian_filter(rng.normal(size=(SIZE, SIZE)), 9) > 0 for _ in range(2))
    there, back, moved = scores(one, other), scores(other, one), scores(turn(one), turn(other))
    for name in ("betti_matching_0_error", "betti_matching_1_error"):
        assert there[name] == back[name] == moved[name]
        assert there[name] > 0


def test_specks_and_pinholes_do_not_count():
    noisy = straight(9)
    noisy[100:103, 100:103] = True
    noisy[254, 200:203] = False
    assert scores(noisy, straight(9))["betti_matching_error"] == 0


# --- paths ---------------------------------------------------------------------------------------


def test_a_cut_in_the_middle_makes_half_of_the_paths_infeasible():
    estimate = straight(1)
    estimate[:, 255:257] = False
    got = scores(estimate, straight(1))
    # Both points on one side: 1/2, but for those in the cut.
    assert got["paths_infeasible"] == pytest.approx(0.5, abs=0.06)
    assert got["paths_correct"] == pytest.approx(1 - got["paths_infeasible"])
    assert got["paths_too_long"] == got["paths_too_short"] == 0


def test_ways_round_are_too_long_and_short_cuts_too_short():
    # A rectangle of 300 × 40 without one long side: the way round is 380 instead of 300 px.
    whole = blank()
    whole[200, 100:400] = whole[240, 100:400] = True
    whole[200:241, 100] = whole[200:241, 399] = True
    opened = whole.copy()
    opened[200, 200:203] = False
    rng = np.random.default_rng(0)
    longer = compare_paths(vessel_mask(opened, FULL), vessel_mask(whole, FULL), rng=rng)
    shorter = compare_paths(vessel_mask(whole, FULL), vessel_mask(opened, FULL), rng=rng)
    assert longer.too_long > 0
    assert longer.too_short == 0
    assert shorter.too_short > 0
    assert shorter.too_long == 0
    assert shorter.infeasible == 0


def test_ways_agree_with_the_definitions_route_through_array():
    # scikit-image's route_through_array, as topo_metric.py of j-morano/rrwnet calls it.
    mask = vessel_mask(ring(60) | ring(90) | straight(3) | ring(40, centre=300.0), FULL)
    begin, end = _draw(mask, rng=np.random.default_rng(1), starts=4, goals=3)
    lengths = _ways(mask.points, begin, end)
    cost = np.full(mask.pixels.shape, 10000.0)
    cost[tuple(mask.points.T)] = 1
    for b, e, length in zip(begin, end, lengths, strict=True):
        path, _ = route_through_array(cost, mask.points[b], mask.points[e])
        theirs = np.sqrt((np.diff(path, axis=0) ** 2).sum(1)).sum()
        assert length == pytest.approx(theirs)


def test_draws_join_points_of_one_piece_and_never_a_point_with_itself():
    mask = vessel_mask(straight(1, 100) | straight(1, 300), FULL)
    begin, end = _draw(mask, rng=np.random.default_rng(0), starts=50, goals=20)
    assert (begin != end).all()
    assert (mask.points[begin, 0] == mask.points[end, 0]).all()
    assert len(np.unique(begin)) > 30


def test_paths_without_two_points_are_undefined():
    dots = blank()
    dots[10, 10] = dots[50, 50] = True
    assert "no two points" in ask(dots, dots)["paths_correct"].reason


# --- lines ---------------------------------------------------------------------------------------


def test_a_shift_is_the_centreline_distance():
    got = scores(straight(5, 253), straight(5, 250))
    assert got["centreline_distance"] == pytest.approx(3, abs=0.01)
    assert got["centreline_distance_p95"] == pytest.approx(3, abs=0.01)


def test_a_lost_vessel_counts_with_its_distance_to_the_next():
    got = scores(straight(1, 100), straight(1, 100) | straight(1, 140))
    assert got["centreline_distance"] == pytest.approx((20 + 0) / 2, abs=0.01)
    assert got["centreline_distance_p95"] == pytest.approx(40, abs=0.01)


def test_gaps_per_centimetre_need_a_scale():
    estimate = straight(5)
    estimate[:, 100:110] = estimate[:, 300:310] = False
    # 512 px less half a calibre at either end, 20 µm each: about 1.02 cm.
    length_cm = (SIZE - 5) * 20 / 10_000
    assert scores(estimate, straight(5), um_per_px=20.0)["gaps_per_cm"] == pytest.approx(
        2 / length_cm, rel=0.02
    )
    unknown = ask(estimate, straight(5))["gaps_per_cm"]
    assert math.isnan(unknown.value)
    assert "micrometres a pixel" in unknown.reason


def test_calibre_errors_are_split_by_the_references_width():
    reference = straight(1, 50) | straight(3, 150) | straight(8, 300)
    estimate = straight(3, 49) | straight(3, 150) | straight(6, 301)
    got = scores(estimate, reference)
    # Where a vessel leaves the frame its calibre is not exact.
    assert (got["calibre_thin_error"], got["calibre_thin_bias"]) == pytest.approx((2, 2), abs=0.01)
    assert (got["calibre_medium_error"], got["calibre_medium_bias"]) == (0, 0)
    assert (got["calibre_wide_error"], got["calibre_wide_bias"]) == pytest.approx((2, -2), abs=0.01)
    lost = ask(straight(8, 300), reference)["calibre_thin_bias"]
    assert "no vessel of this width was found" in lost.reason


def test_without_masks_nothing_is_invented():
    empty, vessel = blank(), straight(5)
    for name, quantity in ask(vessel, empty, um_per_px=1.0).items():
        assert math.isnan(quantity.value), name
        assert "reference shows no vessel" in quantity.reason
    missing = ask(empty, vessel, um_per_px=1.0)
    assert missing["paths_infeasible"].value == 1
    assert missing["betti_matching_error"].value == 1
    for name in ("centreline_distance", "gaps_per_cm", "calibre_wide_error"):
        assert math.isnan(missing[name].value)
