"""The catalogue of vessel scores: properties that hold for all, and reuse of a reference."""

import numpy as np
import pytest
from scipy import ndimage

from retinaforge.core import Card, Refusal
from retinaforge.vessels.compare import COMPARISONS, compare_masks, compare_vessels
from retinaforge.vessels.skeleton import vessel_mask

NAMES = tuple(card.name for card in COMPARISONS)
SYMMETRIC = ("dice", "cldice", "betti_0_error", "betti_1_error")
# Skeletonisation favours a side of vessels of even width, so these may move a little when turned.
BY_CENTRELINE = ("cldice", "recall_thin", "recall_medium", "recall_wide", "calibre_error")
PERFECT = {
    "dice": 1, "cldice": 1, "sensitivity": 1, "precision": 1,
    "recall_thin": 1, "recall_medium": 1, "recall_wide": 1,
    "broken_paths": 0, "broken_paths_per_1000_px": 0,
    "betti_0_error": 0, "betti_1_error": 0, "calibre_error": 0, "calibre_bias": 0,
}  # fmt: skip


def scores(estimate, reference, fov):
    return {q.card.name: q.value for q in compare_vessels(estimate, reference, fov)}


def tree(size=512):
    """Return vessels of widths 1, 3 and 7 with forks and a loop, in a round field of view."""
    y, x = np.mgrid[:size, :size]
    fov = np.hypot(x - size / 2, y - size / 2) < size / 2
    vessels = np.zeros((size, size), bool)
    vessels[200:207, :] = True
    vessels[200:400, 150:153] = True
    vessels[400:403, 150:350] = True
    vessels[200:403, 350:353] = True
    vessels[60:200, 300] = True
    vessels[80, 120:400] = True
    return vessels, fov


def damaged(vessels):
    worse = vessels.copy()
    worse[:, 240:252] = False
    worse[320:330] = False
    worse[450:456, 200:300] = True
    return ndimage.shift(worse, (1, 0), order=0)


def test_every_score_has_its_card_and_one_answer_in_order():
    vessels, fov = tree()
    answers = compare_vessels(vessels, vessels, fov)
    assert tuple(answer.card for answer in answers) == COMPARISONS
    assert len(set(NAMES)) == len(NAMES)
    assert all(isinstance(card, Card) and card.known_failure for card in COMPARISONS)


def test_identical_masks_are_perfect():
    vessels, fov = tree()
    assert scores(vessels, vessels, fov) == PERFECT


def test_values_lie_in_the_cards_range():
    vessels, fov = tree()
    for card, value in zip(
        COMPARISONS, scores(damaged(vessels), vessels, fov).values(), strict=True
    ):
        low, high = (float(end) for end in card.range[1:-1].split(","))
        assert low <= value <= high
        assert value != PERFECT[card.name]


def test_symmetric_scores_do_not_care_who_is_the_reference():
    vessels, fov = tree()
    there, back = (
        scores(*pair, fov) for pair in [(damaged(vessels), vessels), (vessels, damaged(vessels))]
    )
    for name in SYMMETRIC:
        assert there[name] == pytest.approx(back[name])
    assert there["sensitivity"] == back["precision"]


@pytest.mark.parametrize("turn", [np.rot90, np.fliplr, np.flipud, np.transpose])
def test_turned_and_mirrored_masks_score_the_same(turn):
    vessels, fov = tree()
    worse = damaged(vessels)
    straight = scores(worse, vessels, fov)
    moved = scores(turn(worse), turn(vessels), turn(fov))
    for name in NAMES:
        loose = (
            0.02 if name.startswith(("calibre", "broken_paths_per")) or name in BY_CENTRELINE else 0
        )
        assert moved[name] == pytest.approx(straight[name], abs=loose), name


def test_outside_the_field_of_view_nothing_counts():
    vessels, fov = tree()
    worse = damaged(vessels)
    rng = np.random.default_rng(0)
    noise = rng.random(vessels.shape) > 0.5
    clean = scores(worse, vessels, fov)
    assert scores(np.where(fov, worse, noise), np.where(fov, vessels, ~noise), fov) == clean


def test_margins_outside_the_field_of_view_change_nothing():
    vessels, fov = tree()
    padded = [np.pad(mask, ((7, 30), (11, 2))) for mask in (damaged(vessels), vessels, fov)]
    assert scores(*padded) == scores(damaged(vessels), vessels, fov)


def test_a_kept_reference_gives_the_same_numbers():
    vessels, fov = tree()
    reference = vessel_mask(vessels, fov)
    for estimate in (damaged(vessels), vessels):
        kept = compare_masks(vessel_mask(estimate, fov), reference)
        assert kept == compare_vessels(estimate, vessels, fov)


def test_without_a_reference_nothing_is_invented():
    vessels, fov = tree()
    answers = {q.card.name: q for q in compare_vessels(vessels, ~fov, fov)}
    defined = {"dice", "cldice", "precision"}
    assert {name for name in NAMES if not np.isnan(answers[name].value)} == defined
    assert all(answers[name].value == 0 for name in defined)
    assert "reference shows no vessel" in answers["recall_thin"].reason


def test_without_an_estimate_nothing_looks_perfect():
    vessels, fov = tree()
    answers = {q.card.name: q for q in compare_vessels(~fov, vessels, fov)}
    zero = {"dice", "cldice", "sensitivity", "recall_thin", "recall_medium", "recall_wide"}
    assert all(answers[name].value == 0 for name in zero)
    undefined = {name for name in NAMES if np.isnan(answers[name].value)}
    assert undefined == set(NAMES) - zero - {"betti_0_error", "betti_1_error"}
    assert "covers no centreline point" in answers["broken_paths"].reason
    assert "estimate shows no vessel" in answers["precision"].reason


def test_with_neither_agreement_is_undefined():
    _, fov = tree()
    answers = {q.card.name: q for q in compare_vessels(~fov, ~fov, fov)}
    assert all(np.isnan(answer.value) for answer in answers.values())
    assert "neither" in answers["dice"].reason
    assert "neither" in answers["cldice"].reason


def test_masks_of_different_views_are_refused():
    vessels, fov = tree()
    with pytest.raises(
        Refusal, match="two masks of one field of view; got fields of view of shape"
    ):
        compare_masks(vessel_mask(vessels, fov), vessel_mask(vessels, np.ones_like(fov)))


@pytest.mark.parametrize(
    ("damage", "name", "sign"),
    [
        (lambda m, k: ndimage.binary_erosion(m, iterations=k), "sensitivity", -1),
        (lambda m, k: ndimage.binary_erosion(m, iterations=k), "dice", -1),
        (lambda m, k: ndimage.binary_erosion(m, iterations=k), "calibre_bias", -1),
        (lambda m, k: ndimage.binary_dilation(m, iterations=k), "precision", -1),
        (lambda m, k: ndimage.binary_dilation(m, iterations=k), "calibre_bias", 1),
        (lambda m, k: ndimage.shift(m, (0, 2 * k), order=0), "cldice", -1),
    ],
)
def test_more_damage_scores_worse(damage, name, sign):
    vessels, fov = tree()
    values = [
        scores(damage(vessels, k) if k else vessels, vessels, fov)[name] for k in (0, 1, 2, 3)
    ]
    steps = sign * np.diff(values)
    assert np.all(steps >= 0)
    assert steps[0] > 0
