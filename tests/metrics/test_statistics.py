"""Bootstrap, sign-flip test and Holm: closed forms and coverage of small seeded simulations."""

from __future__ import annotations

import math
from inspect import unwrap  # past the shape checks of the tests, to ours

import numpy as np
import pytest
from scipy import stats

from retinaforge.core import Card, Refusal
from retinaforge.metrics import (
    CATALOGUE,
    difference_score,
    holm,
    mean_score,
    paired_bootstrap,
    paired_difference,
    sign_flip_p,
)

CARD = CATALOGUE[0]


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_the_value_is_the_mean_over_images() -> None:
    estimate = paired_bootstrap(np.array([1.0, 2.0, 6.0]), ["a", "a", "b"], rng=rng())
    assert estimate.value == 3.0
    assert (estimate.n, estimate.patients, estimate.reason) == (3, 2, "")


def test_two_patients_give_the_three_possible_means() -> None:
    # Draws: aa (1.0), ab (mean of all, 2.0), bb (3.0), with chances 1/4, 1/2, 1/4.
    estimate = paired_bootstrap(np.array([1.0, 3.0]), ["a", "b"], rng=rng())
    assert estimate.interval == (1.0, 3.0)


def test_constant_values_give_an_interval_of_no_width() -> None:
    estimate = paired_bootstrap(np.full(6, 0.25), list("aabbcc"), rng=rng())
    assert estimate.interval == pytest.approx((0.25, 0.25))


def test_the_interval_comes_near_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(10, 2, size=400)
    low, high = paired_bootstrap(values, [str(i) for i in range(400)], rng=rng()).interval or (0, 0)
    error = values.std() / 20
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.25 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.25 * error)


def _clustered(seed: int, clusters: int = 30) -> tuple[np.ndarray, list[str]]:
    draw = np.random.default_rng(seed)
    per_patient = draw.normal(size=clusters)
    values = np.repeat(per_patient, 4) + 0.3 * draw.normal(size=4 * clusters)
    return values, [str(i // 4) for i in range(4 * clusters)]


def test_the_interval_over_patients_covers_and_one_over_images_would_not() -> None:
    by_patient = by_image = 0
    for seed in range(200):
        values, patients = _clustered(seed)
        images = [str(i) for i in range(len(values))]
        for names in (patients, images):
            low, high = paired_bootstrap(values, names, rng=rng(), resamples=400).interval or (9, 9)
            covered = low <= 0 <= high
            by_patient += covered and names is patients
            by_image += covered and names is images
    assert 178 <= by_patient <= 198
    assert by_image < 150


def test_undefined_images_are_left_out_and_counted() -> None:
    values = np.array([1.0, math.nan, 3.0])
    estimate = paired_bootstrap(values, ["a", "b", "c"], rng=rng())
    assert (estimate.value, estimate.n, estimate.patients) == (2.0, 2, 2)
    assert estimate.reason == "1 of 3 images undefined and left out"


def test_one_patient_has_no_interval_and_no_p() -> None:
    difference = paired_difference(np.array([2.0, 3.0]), np.zeros(2), ["a", "a"], rng=rng())
    assert difference.estimate.value == 2.5
    assert difference.estimate.interval is None
    assert difference.estimate.reason == "one patient: no interval over patients can be given"
    assert math.isnan(difference.p)


def test_nothing_defined_is_nan_with_a_reason() -> None:
    estimate = paired_bootstrap(np.full(2, math.nan), ["a", "b"], rng=rng())
    assert math.isnan(estimate.value)
    assert estimate.reason == "no image has a value; 2 of 2 images undefined and left out"
    assert math.isnan(sign_flip_p(np.full(2, math.nan), ["a", "b"], rng=rng()))


def test_the_same_seed_gives_the_same_draws_to_every_arm() -> None:
    values, patients = _clustered(0)
    a = paired_bootstrap(values, patients, rng=np.random.default_rng(3)).interval
    b = paired_bootstrap(values + 1, patients, rng=np.random.default_rng(3)).interval
    assert b == pytest.approx(np.array(a) + 1)


def test_a_difference_leaves_out_what_either_lacks() -> None:
    arm, base = np.array([1.0, math.nan, 5.0, 9.0]), np.array([0.0, 1.0, math.nan, 6.0])
    estimate = paired_difference(arm, base, list("abcd"), rng=rng()).estimate
    assert (estimate.value, estimate.n) == (2.0, 2)


def test_pairing_narrows_the_interval_of_a_difference() -> None:
    values, patients = _clustered(4)
    single = paired_bootstrap(values, patients, rng=rng()).interval or (0, 0)
    paired = paired_difference(values + 0.1, values, patients, rng=rng()).estimate.interval
    assert np.ptp(paired or (0, 9)) < 1e-9 < np.ptp(single)


@pytest.mark.parametrize("patients", [3, 5, 8])
def test_equal_signs_give_the_smallest_possible_p(patients: int) -> None:
    names = [str(i) for i in range(patients)]
    p = sign_flip_p(np.arange(1.0, patients + 1), names, rng=rng())
    assert p == pytest.approx(2 / 2**patients)


def test_the_exact_p_agrees_with_scipys_permutation_test() -> None:
    # scipy 1.17, permutation_type "samples" with one sample against zeros flips signs.
    d = np.random.default_rng(2).normal(0.4, 1, size=9)
    oracle = stats.permutation_test(
        (d, np.zeros(9)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert sign_flip_p(d, list("abcdefghi"), rng=rng()) == pytest.approx(oracle.pvalue)


def test_p_is_level_under_the_null_when_images_share_patients() -> None:
    p = [
        sign_flip_p(*_clustered(seed, 12), rng=np.random.default_rng(seed), flips=4096)
        for seed in range(200)
    ]
    assert 2 <= sum(value < 0.05 for value in p) <= 18
    assert np.mean(p) == pytest.approx(0.5, abs=0.07)


def test_many_patients_use_random_flips_that_never_reach_zero() -> None:
    p = sign_flip_p(np.ones(40), [str(i) for i in range(40)], rng=rng(), flips=500)
    assert p == pytest.approx(1 / 501)


def test_no_difference_at_all_has_p_one() -> None:
    assert sign_flip_p(np.zeros(6), list("abcdef"), rng=rng()) == 1.0


def test_holm_by_hand_keeps_order_and_nan() -> None:
    # Sorted 0.01, 0.03, 0.04 times 3, 2, 1 = 0.03, 0.06, 0.04 -> running maximum 0.03, 0.06, 0.06.
    corrected = holm([0.04, math.nan, 0.01, 0.03])
    assert corrected == pytest.approx([0.06, math.nan, 0.03, 0.06], nan_ok=True)
    assert holm([]) == []


def test_values_and_patients_of_different_length_are_refused() -> None:
    with pytest.raises(Refusal, match=r"expected one patient for each value.*2 patients"):
        paired_bootstrap(np.zeros(3), ["a", "b"], rng=rng())


def test_arms_measured_on_different_images_are_refused() -> None:
    with pytest.raises(Refusal, match=r"same images; got shapes \(3,\) and \(2,\)"):
        unwrap(paired_difference)(np.zeros(3), np.zeros(2), ["a", "b", "c"], rng=rng())


def test_scores_carry_role_interval_and_p() -> None:
    patients = [str(i) for i in range(8)]
    values = np.arange(8.0)
    score = mean_score(CARD, values, patients, rng=rng(), where={"arm": "l1"}).as_dict()
    assert (score["arm"], score["role"], score["n"], score["value"]) == ("l1", "score", 8, 3.5)
    gap = difference_score(
        CARD, values + 1, values, patients, rng=rng(), where={"arm": "b", "difference_to": "l1"}
    ).as_dict()
    assert (gap["value"], gap["p"], gap["role"]) == (1.0, pytest.approx(2 / 2**8), "difference")
    lone = difference_score(CARD, values, values, ["a"] * 8, rng=rng(), where={})
    assert lone.as_dict()["p"] is None


@pytest.mark.parametrize("card", CATALOGUE, ids=lambda card: card.name)
def test_every_card_says_what_it_must(card: Card) -> None:
    assert card.version >= 1
    assert card.smallest_n >= 1
    for text in (card.measures, card.range, card.unit, card.reference, card.known_failure):
        assert text.strip()


def test_names_are_unique_and_never_fid() -> None:
    names = [card.name for card in CATALOGUE]
    assert len(set(names)) == len(names)
    assert not any("fid" in name or "kid" in name for name in names)
