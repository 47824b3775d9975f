"""Attributes that a generator keeps, erases, amplifies: planted and told apart."""

import math

import numpy as np
import pytest

from retinaforge.audits.attributes import Told, association, fate_of, read


def told(skill: float, *, seed: int, n: int = 300, number: bool = False) -> Told:
    rng = np.random.default_rng(seed)
    truth = rng.normal(60, 10, n) if number else (np.arange(n) % 2).astype(float)
    unit = (truth - truth.mean()) / truth.std()
    scores = skill * unit + rng.normal(size=n)
    return Told(truth, scores, tuple(f"p{k}" for k in range(n)), number)


@pytest.mark.parametrize("number", [False, True])
@pytest.mark.parametrize(
    ("real", "synthetic", "fate"),
    [(1.0, 1.0, "kept"), (1.5, 0.5, "weakened"), (1.0, 0.0, "erased"), (0.5, 2.0, "amplified"),
     (0.0, 1.0, "untold")],
)  # fmt: skip
def test_fates(real, synthetic, fate, number):
    sides = [
        read(told(s, seed=k, number=number), rng=np.random.default_rng(k), resamples=300)
        for k, s in ((1, real), (2, synthetic))
    ]
    assert fate_of(*sides).fate == fate


def test_concordance_of_few_by_hand():
    # Of the pairs (1,2), (1,3), (2,3) the scores order two alike and one the other way.
    names = tuple("abcdefghij")
    truth, scores = np.r_[np.arange(3.0), np.full(7, np.nan)], np.r_[[1.0, 0, 2], np.zeros(7)]
    truth[3:] = truth[2]
    scores[3:] = scores[2]
    found = read(Told(truth, scores, names, number=True), rng=np.random.default_rng(0))
    # Pairs with the eight alike: 0-1 wrong, 8 pairs of 0 right, 8 pairs of 1 right.
    assert found.value == pytest.approx(16 / 17)


def test_too_few_patients_and_one_class_are_not_judged():
    few = read(Told(np.array([0.0, 1]), np.array([0.0, 1]), ("a", "b")),
               rng=np.random.default_rng(0))  # fmt: skip
    assert math.isnan(few.value)
    assert few.reason == "2 patients; 10 are needed"
    same = read(Told(np.zeros(20), np.arange(20.0), tuple(map(str, range(20)))),
                rng=np.random.default_rng(0))  # fmt: skip
    assert same.reason == "all images have the same truth"
    assert fate_of(few, same).fate == "unknown"


def test_association_finds_what_goes_with_a_label():
    one = told(1.5, seed=3)
    with_it = association(one.scores, one.truth, one.patients, rng=np.random.default_rng(0))
    without = association(one.scores, np.random.default_rng(5).permutation(one.truth),
                          one.patients, rng=np.random.default_rng(0))  # fmt: skip
    assert with_it.value > 0.25 > 0.1 > without.value
