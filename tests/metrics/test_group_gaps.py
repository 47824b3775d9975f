"""Gaps of groups: the null by closed form, planted gaps found, equal groups left in peace."""

import math

import numpy as np
import pytest

from retinaforge.core import Refusal
from retinaforge.metrics.group_names import bands, in_order
from retinaforge.metrics.groups import group_gap
from retinaforge.metrics.judged import Judged

MEAN_RANGE = {2: 2 / math.sqrt(math.pi), 3: 3 / math.sqrt(math.pi), 4: 2.0588}
"""Mean range of K standard normal numbers, Tippett 1925."""


def judged(n, *, seed=0, sensitivity=0.8, images=1, skill=1.5):
    """Return answers for n patients, half of them ill; sensitivity may be one number a patient."""
    rng = np.random.default_rng(seed)
    ill = np.arange(n) % 2 == 0
    called = np.where(ill, rng.random(n) < sensitivity, rng.random(n) < 0.1)
    scores = rng.normal(size=n) + skill * ill
    names = [f"p{k}" for k in range(n)]
    return Judged(
        np.repeat(ill, images), np.repeat(scores, images), np.repeat(called, images),
        tuple(np.repeat(names, images).tolist()),
    )  # fmt: skip


@pytest.mark.parametrize("count", [2, 4])
def test_null_is_the_mean_range_of_equal_groups(count):
    n = 800 * count
    own = judged(n, sensitivity=0.8)
    # Each group has 400 ill patients, whose share has this standard error.
    groups = [f"g{k // 2 % count}" for k in range(n)]
    found = group_gap(own, groups, "sensitivity", rng=np.random.default_rng(1), resamples=20)
    share = own.called[own.truth].mean()
    expected = MEAN_RANGE[count] * math.sqrt(share * (1 - share) / 400)
    assert found.null_mean == pytest.approx(expected, rel=0.08)


@pytest.mark.parametrize("measure", ["auroc", "sensitivity", "specificity"])
def test_equal_groups_are_seldom_accused(measure):
    p = []
    for seed in range(60):
        groups = np.random.default_rng(seed).choice(["a", "b", "c"], 240).tolist()
        found = group_gap(
            judged(240, seed=seed), groups, measure,
            rng=np.random.default_rng(seed), resamples=2, shuffles=99,
        )  # fmt: skip
        assert found.value > 0  # biased upwards though all are equal
        p.append(found.p)
    assert np.mean(np.array(p) <= 0.05) < 0.15
    assert 0.3 < np.mean(p) < 0.7


def test_planted_gap_is_found_where_it_is_and_not_elsewhere():
    n = 600
    dark = np.arange(n) % 4 < 2
    own = judged(n, sensitivity=np.where(dark, 0.55, 0.9))
    groups = np.where(dark, "dark", "light").tolist()
    rng = np.random.default_rng(0)
    found = group_gap(own, groups, "sensitivity", rng=rng)
    assert found.p < 0.005
    assert found.excess > 0.2
    assert found.interval[0] < 0.35 < found.interval[1]
    by = {v.group: v for v in found.groups}
    assert by["dark"].value < by["light"].value
    assert by["dark"].positives == 150
    assert group_gap(own, groups, "specificity", rng=rng).p > 0.05


def test_patients_are_the_unit():
    groups = np.random.default_rng(2).choice(["a", "b"], 100)
    one = group_gap(
        judged(100), groups.tolist(), "sensitivity", rng=np.random.default_rng(0), smallest=5
    )
    four = group_gap(
        judged(100, images=4), np.repeat(groups, 4).tolist(), "sensitivity",
        rng=np.random.default_rng(0), smallest=5,
    )  # fmt: skip
    assert four.null_mean == pytest.approx(one.null_mean)
    assert four.p == one.p
    assert four.interval == pytest.approx(one.interval)


def test_small_and_unknown_groups_are_named_not_judged():
    own = judged(100)
    groups = ["a"] * 48 + ["b"] * 48 + ["c"] * 3 + [""]
    found = group_gap(own, groups, "auroc", rng=np.random.default_rng(0), shuffles=50, resamples=50)
    tiny = found.groups[2]
    assert math.isnan(tiny.value)
    assert tiny.interval is None
    assert tiny.reason == "2 patients with the finding; 10 are needed"
    assert sum(v.n for v in found.groups) == 99
    assert math.isfinite(found.value)
    alone = group_gap(own, ["a"] * 97 + ["c"] * 3, "auroc", rng=np.random.default_rng(0))
    assert math.isnan(alone.value)
    assert alone.reason.startswith("1 of 2 groups are large enough")


def test_bands_of_age():
    said = bands(np.array([20, 50, 64.9, 65, np.nan]), [50.0, 65.0])
    assert said == ["below 50", "50 to 65", "50 to 65", "65 and over", ""]
    assert in_order(["65 and over", "b", "50 to 65", "below 50", "a"]) == [
        "below 50", "50 to 65", "65 and over", "a", "b",
    ]  # fmt: skip
    with pytest.raises(Refusal, match="expected rising edges"):
        bands(np.array([1.0]), [65.0, 50.0])


def test_refusals():
    rng = np.random.default_rng(0)
    with pytest.raises(Refusal, match="expected a measure of auroc"):
        group_gap(judged(10), ["a"] * 10, "f1", rng=rng)
    with pytest.raises(Refusal, match="expected a group for each image; got 9 groups of 10"):
        group_gap(judged(10), ["a"] * 9, "auroc", rng=rng)
    with pytest.raises(Refusal, match="expected truth, score, call and patient of the same"):
        Judged(np.zeros(2, bool), np.zeros(2), np.zeros(2, bool), ("a",))
