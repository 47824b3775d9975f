"""Each vessel score in closed form, and Dice and AUC against scikit-learn 1.9."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from retinaforge.core import Refusal
from retinaforge.vessels.compare import compare_vessels
from retinaforge.vessels.compare_overlap import auc
from retinaforge.vessels.compare_overlay import (
    ADDED,
    MISSED,
    break_positions_px,
    overlay_missed_added,
)

SIZE = 512
FULL = np.ones((SIZE, SIZE), bool)


def scores(estimate, reference, fov=FULL):
    return {q.card.name: q.value for q in compare_vessels(estimate, reference, fov)}


def blank():
    return np.zeros((SIZE, SIZE), bool)


def straight(width_px, row=250):
    vessels = blank()
    vessels[row : row + width_px] = True
    return vessels


@pytest.mark.parametrize("seed", range(3))
def test_overlap_agrees_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    estimate, reference, fov = (rng.random((60, 70)) < p for p in (0.3, 0.4, 0.8))
    got, theirs = scores(estimate, reference, fov), (reference[fov], estimate[fov])
    assert got["dice"] == pytest.approx(f1_score(*theirs), abs=1e-12)
    assert got["precision"] == pytest.approx(precision_score(*theirs), abs=1e-12)
    assert got["sensitivity"] == pytest.approx(recall_score(*theirs), abs=1e-12)


@pytest.mark.parametrize("levels", [5, 10_000])
def test_auc_agrees_with_scikit_learn_with_and_without_ties(levels):
    rng = np.random.default_rng(0)
    reference, fov = (rng.random((60, 70)) < p for p in (0.2, 0.8))
    noise = rng.normal(reference, 1.0)
    probability = (np.round(noise * levels) / levels).astype(np.float32)
    expected = roc_auc_score(reference[fov], probability[fov])
    assert auc(probability, reference, fov).value == pytest.approx(expected, abs=1e-12)


def test_auc_in_closed_form_and_where_undefined():
    reference = straight(10)
    assert auc(reference.astype(np.float32), reference, FULL).value == 1.0
    assert auc(np.zeros((SIZE, SIZE), np.float32), reference, FULL).value == 0.5
    undefined = auc(np.zeros((SIZE, SIZE), np.float32), blank(), FULL)
    assert np.isnan(undefined.value)
    assert "only vessel or only background" in undefined.reason


def test_auc_refuses_nan_inside_the_view_only():
    probability = np.zeros((SIZE, SIZE), np.float32)
    probability[0, 0] = np.nan
    fov = FULL.copy()
    fov[0, 0] = False
    assert auc(probability, straight(10), fov).value == 0.5
    with pytest.raises(Refusal, match=r"without NaN .* with 1 NaN; take Judge.probability"):
        auc(probability, straight(10), FULL)


def test_cldice_of_a_vessel_found_by_half():
    # All of the estimate's centreline is vessel; half of the reference's is found: 2·1·½ / 1½.
    reference, estimate = straight(1), straight(1)
    estimate[:, SIZE // 2 :] = False
    assert scores(estimate, reference)["cldice"] == pytest.approx(2 / 3)


def test_cldice_ignores_thickness_that_dice_punishes():
    got = scores(straight(9, row=247), straight(3))
    assert got["cldice"] == 1.0
    assert got["dice"] == pytest.approx(2 * 3 / (3 + 9))


def test_recall_is_split_by_the_references_width():
    reference = straight(1, 50) | straight(3, 150) | straight(8, 300)
    estimate = reference.copy()
    estimate[50, 128:] = False  # a quarter of the thin one is left
    estimate[150:153, 256:] = False  # half of the medium one
    got = scores(estimate, reference)
    # The centreline of a wide vessel stops half its width before the frame.
    assert got["recall_thin"] == pytest.approx(0.25, abs=0.003)
    assert got["recall_medium"] == pytest.approx(0.5, abs=0.003)
    assert got["recall_wide"] == 1.0


def test_width_classes_scale_with_the_field_of_view():
    # 3 px are medium where the view is 512 px wide, thin (1.5 units) where it is 1024.
    reference = np.zeros((1024, 1024), bool)
    reference[500:503] = True
    got = scores(reference, reference, np.ones_like(reference))
    assert got["recall_thin"] == 1.0
    assert np.isnan(got["recall_medium"])


@pytest.mark.parametrize("width", [1, 2, 5, 12])
@pytest.mark.parametrize("gap_px", [1, 4, 30])
@pytest.mark.parametrize("cuts", [1, 3, 7])
def test_a_vessel_cut_k_times_counts_k(width, gap_px, cuts):
    estimate = straight(width)
    for cut in range(cuts):
        estimate[:, 40 + 60 * cut : 40 + 60 * cut + gap_px] = False
    got = scores(estimate, straight(width))
    assert got["broken_paths"] == cuts
    assert got["broken_paths_per_1000_px"] == pytest.approx(cuts / SIZE * 1000, rel=0.03)


def test_an_oblique_vessel_cut_twice_counts_twice():
    y, x = np.mgrid[:SIZE, :SIZE]
    reference = np.abs(0.6 * (x - 256) - 0.8 * (y - 256)) < 3
    assert (
        scores(reference & (np.abs(x - 150) > 2) & (np.abs(x - 350) > 2), reference)["broken_paths"]
        == 2
    )


def test_breaks_in_a_loop_count_though_all_stays_connected():
    y, x = np.mgrid[:SIZE, :SIZE]
    ring = np.abs(np.hypot(x - 255.5, y - 255.5) - 150) < 3
    estimate = ring & ~((x > 256) & (np.abs(y - 256) < 5))
    got = scores(estimate, ring)
    assert (got["broken_paths"], got["betti_0_error"], got["betti_1_error"]) == (1, 0, 1)


def test_a_lost_fork_counts_two_and_a_lost_end_none():
    reference = straight(3)
    reference[:250, 255:258] = True
    fork, end = reference.copy(), reference.copy()
    fork[230:270, 235:278] = False
    end[:100] = False
    assert scores(fork, reference)["broken_paths"] == 2
    assert scores(end, reference)["broken_paths"] == 0


def test_a_vessel_lost_as_a_whole_is_not_broken():
    assert scores(straight(3), straight(3) | straight(1, 50))["broken_paths"] == 0


def test_a_vessel_beside_its_place_is_not_broken():
    # Its right half runs 2 px lower, joined by a step: no point of the reference is found there.
    estimate = straight(1)
    estimate[:, 256:] = False
    estimate[250:253, 256] = True
    estimate[252, 256:400] = True
    estimate[250:253, 400] = True
    estimate[250, 400:] = True
    assert scores(estimate, straight(1))["broken_paths"] == 0


def test_a_hole_within_a_wide_vessel_is_no_break():
    estimate = straight(12)
    estimate[254:258, 200:240] = False
    assert scores(estimate, straight(12))["broken_paths"] == 0


def test_breaks_are_placed_in_the_photographs_coordinates():
    reference, fov = straight(3), FULL.copy()
    fov[:100], fov[:, :50] = False, False
    estimate = reference.copy()
    estimate[:, 299:302] = False
    np.testing.assert_allclose(break_positions_px(reference, estimate, fov), [[300, 251]], atol=1)


def test_betti_errors_count_pieces_and_loops():
    reference = blank()
    reference[100:200, 100:200] = True
    reference[120:180, 120:180] = False
    estimate = straight(3, 300) | straight(3, 350) | straight(3, 400)
    got = scores(estimate, reference)
    assert (got["betti_0_error"], got["betti_1_error"]) == (2, 1)


@pytest.mark.parametrize("estimate_px", [2, 5, 6, 11])
def test_calibre_error_of_another_width_is_the_difference(estimate_px):
    got = scores(straight(estimate_px, 250 - (estimate_px - 5) // 2), straight(5))
    assert got["calibre_error"] == abs(estimate_px - 5)
    assert got["calibre_bias"] == estimate_px - 5


def test_thickening_and_thinning_cancel_in_the_bias_only():
    reference = straight(5, 100) | straight(5, 400)
    got = scores(straight(3, 101) | straight(7, 399), reference)
    assert got["calibre_error"] == 2
    assert got["calibre_bias"] == 0


def test_overlay_paints_missed_blue_and_added_orange_inside_the_view_only():
    pixels = np.full((SIZE, SIZE, 3), 100, np.uint8)
    fov = FULL.copy()
    fov[:, 400:] = False
    picture = overlay_missed_added(
        pixels, straight(3, 100) | straight(3, 300), straight(3, 200) | straight(3, 300), fov
    )
    assert picture.dtype == np.uint8
    assert picture.shape == pixels.shape
    blue, orange = (np.rint(0.15 * 100 + 0.85 * np.array(colour)) for colour in (MISSED, ADDED))
    np.testing.assert_array_equal(picture[101, 50], blue)
    np.testing.assert_array_equal(picture[201, 50], orange)
    assert 100 < picture[301, 50, 0] == picture[301, 50, 2] < 160
    np.testing.assert_array_equal(picture[:, 400:], pixels[:, 400:])
    np.testing.assert_array_equal(picture[0], pixels[0])


def test_overlay_refuses_another_size():
    with pytest.raises(
        Refusal, match=r"photograph of shape \(512, 512, 3\); got shape \(8, 8, 3\)"
    ):
        overlay_missed_added(np.zeros((8, 8, 3), np.uint8), FULL, FULL, FULL)
