"""Reader statistics: closed forms, agreement with statsmodels and scikit-learn, planted effects."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as peer_fleiss

from retinaforge.core import Refusal
from retinaforge.metrics import CATALOGUE
from retinaforge.metrics.reader_agreement import cohen_kappa, fleiss_kappa
from retinaforge.metrics.reader_bootstrap import (
    ONE_READER,
    case_draws,
    mean_over_readers,
    reader_draws,
)
from retinaforge.metrics.reader_cards import READER_CARDS
from retinaforge.metrics.reader_plan import (
    half_width,
    images_of_several,
    images_to_find,
    images_to_rule_out,
    power_to_find,
)
from retinaforge.metrics.reader_scores import (
    confidence_auc,
    criterion,
    d_prime,
    d_prime_of_pairs,
    exact_share,
    share,
)

ONES = np.ones((1, 40))
HALF = np.arange(40) < 20


def test_the_exact_interval_is_that_of_beta_quantiles() -> None:
    found = exact_share(18, 29)
    assert found.low == pytest.approx(stats.beta.ppf(0.025, 18, 12))
    assert found.high == pytest.approx(stats.beta.ppf(0.975, 19, 11))
    assert found.p == pytest.approx(stats.binomtest(18, 29).pvalue)
    assert (exact_share(0, 10).low, exact_share(10, 10).high) == (0, 1)
    assert exact_share(0, 10).high == pytest.approx(1 - 0.025 ** (1 / 10))
    assert math.isnan(exact_share(0, 0).value)
    with pytest.raises(Refusal, match="expected k of n"):
        exact_share(3, 2)


def test_d_prime_of_planted_normal_readers() -> None:
    rng = np.random.default_rng(5)
    synthetic = np.arange(20_000) % 2 == 1
    called = rng.normal(1.3 * synthetic) > 0.9
    ones = np.ones((1, len(called)))
    assert d_prime(synthetic, called, ones)[0] == pytest.approx(1.3, abs=0.05)
    # The middle of the two distributions is 0.65: above it is a lean towards "real".
    assert criterion(synthetic, called, ones)[0] == pytest.approx(0.25, abs=0.03)
    right = rng.random(20_000) < stats.norm.cdf(1.3 / math.sqrt(2))
    assert d_prime_of_pairs(right, ones)[0] == pytest.approx(1.3, abs=0.04)


def test_a_perfect_reader_has_a_finite_d_prime_and_guesses_have_none() -> None:
    assert d_prime(HALF, HALF, ONES)[0] == pytest.approx(2 * stats.norm.ppf(20.5 / 21))
    assert d_prime(HALF, np.arange(40) % 2 == 0, ONES)[0] == pytest.approx(0)
    assert math.isnan(d_prime(np.ones(40, bool), HALF, ONES)[0])
    assert math.isnan(share(HALF, np.zeros((1, 40)))[0])


def test_the_area_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    leaning = rng.integers(-3, 4, 40).astype(float) + HALF
    assert confidence_auc(HALF, leaning, ONES)[0] == pytest.approx(roc_auc_score(HALF, leaning))
    assert math.isnan(confidence_auc(np.ones(40, bool), leaning, ONES)[0])


def test_kappas_agree_with_others_and_weights_count_images_twice() -> None:
    rng = np.random.default_rng(1)
    table = np.stack([np.where(rng.random(60) < 0.7, k % 3, rng.integers(0, 3, 60))
                      for k in (rng.integers(0, 3, 60),) * 4], axis=1)  # fmt: skip
    weights = rng.integers(0, 3, (2, 60)).astype(float)
    for row in weights:
        again = np.repeat(table, row.astype(int), axis=0)
        mine = fleiss_kappa(table, row[None])[0]
        assert mine == pytest.approx(peer_fleiss(aggregate_raters(again)[0]))
        mine = cohen_kappa(table[:, 0], table[:, 1], row[None])[0]
        assert mine == pytest.approx(cohen_kappa_score(again[:, 0], again[:, 1]))
    same = np.zeros((5, 2), dtype=np.int64)
    assert math.isnan(fleiss_kappa(same, np.ones((1, 5)))[0])
    with pytest.raises(Refusal, match="two readers or more"):
        fleiss_kappa(same[:, :1], np.ones((1, 5)))


def test_draws_keep_patients_and_sides_together() -> None:
    patients = ["a", "a", "b", "c", "d", "e"]
    sides = ["real"] * 3 + ["synthetic"] * 3
    weights = case_draws(patients, sides, rng=np.random.default_rng(2), resamples=50)
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[1:, 3:].sum(axis=1) == 3).all()
    with pytest.raises(Refusal, match="a side for each"):
        case_draws(["a"], [], rng=np.random.default_rng(2))


def test_the_interval_over_readers_and_cases_covers_the_planted_mean() -> None:
    hits, widths = 0, []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        skill = np.clip(rng.normal(0.65, 0.08, 6), 0.05, 0.95)
        right = rng.random((6, 60)) < skill[:, None]
        names = [str(k) for k in range(60)]
        cases = case_draws(names, ["real"] * 30 + ["synthetic"] * 30, rng=rng, resamples=300)
        readers = reader_draws(6, rng=rng, resamples=300)
        found = mean_over_readers(lambda r, w, right=right: share(right[r], w), cases, readers)
        low, high = found.interval or (0, 0)
        hits += low <= 0.65 <= high
        widths.append(high - low)
        assert found.value == pytest.approx(right.mean())
    assert hits >= 34, hits
    assert np.mean(widths) < 0.3


def test_one_reader_is_said_to_speak_for_one_only() -> None:
    rng = np.random.default_rng(0)
    cases = case_draws([str(k) for k in range(40)], ["x"] * 40, rng=rng, resamples=100)
    found = mean_over_readers(lambda _, w: share(HALF, w), cases, np.ones((101, 1)))
    assert found.reason == ONE_READER
    assert found.interval is not None
    nothing = mean_over_readers(lambda _, w: np.full(len(w), np.nan), cases, np.ones((101, 1)))
    assert (math.isnan(nothing.value), nothing.interval) == (True, None)


def test_the_plan_finds_what_it_promises_and_no_larger_number_loses_it() -> None:
    plan = images_to_find(0.65)
    assert plan.images is not None
    assert power_to_find(plan.images - 1, 0.65) < 0.8
    assert min(power_to_find(n, 0.65) for n in range(plan.images, plan.images + 80)) >= 0.8
    # Against the test itself, tail by tail.
    n, k = plan.images, np.arange(plan.images + 1)
    rejected = np.array([stats.binomtest(int(x), n).pvalue <= 0.05 for x in k])
    exact = stats.binom.pmf(k, n, 0.65)[rejected].sum()
    assert power_to_find(n, 0.65) == pytest.approx(exact)


def test_ruling_out_takes_the_upper_bound_below_the_margin() -> None:
    plan = images_to_rule_out(0.1)
    assert plan.images is not None
    k = np.arange(plan.images + 1)
    upper = stats.beta.ppf(0.95, k + 1, plan.images - k)
    upper[-1] = 1
    power = stats.binom.pmf(k, plan.images, 0.5)[upper < 0.6].sum()
    assert power == pytest.approx(plan.power)
    assert power >= 0.8
    with pytest.raises(Refusal, match="margin"):
        images_to_rule_out(0.5)


def test_more_readers_need_fewer_images_until_readers_differ_too_much() -> None:
    def need(readers: int, sd: float = 0.05, rho: float = 0.2) -> int | None:
        return images_of_several(0.62, readers, reader_sd=sd, correlation=rho).images

    few, many = need(3), need(8)
    assert few is not None
    assert many is not None
    assert many < few
    assert need(3, sd=0.2) is None
    assert "are needed" in images_of_several(0.62, 3, reader_sd=0.2, correlation=0.0).reason
    for wrong in (0.5, 1.0):
        with pytest.raises(Refusal, match="other than one half"):
            images_to_find(wrong)
    assert half_width(100) == pytest.approx(0.1017, abs=1e-3)


def test_the_plan_for_several_readers_keeps_its_promise_in_simulated_studies() -> None:
    """Readers differ and share answers as the plan supposes: the test finds what it should."""
    readers, accuracy, sd, rho = 5, 0.65, 0.05, 0.2
    images = images_of_several(accuracy, readers, reader_sd=sd, correlation=rho).images
    assert images is not None
    rng, means = np.random.default_rng(8), []
    for _ in range(2000):
        # A share √ρ of each reader's answers is that of all: their correlation is ρ.
        own = rng.normal(accuracy, sd, (readers, 1))
        draws = rng.random((readers, images))
        shared = np.broadcast_to(rng.random(images), draws.shape)
        mixed = np.where(rng.random(draws.shape) < math.sqrt(rho), shared, draws)
        means.append((mixed < own).mean())
    spread = float(np.std(means))
    one = accuracy * (1 - accuracy) * (1 + (readers - 1) * rho) / readers
    assert spread == pytest.approx(math.sqrt(one / images + sd**2 / readers), rel=0.05)
    found = float(np.mean(np.abs(np.array(means) - 0.5) > stats.norm.ppf(0.975) * spread))
    assert found == pytest.approx(0.8, abs=0.04)


def test_cards_are_named_once_and_whole() -> None:
    assert len({card.name for card in READER_CARDS}) == len(READER_CARDS)
    assert all(card.measures and card.known_failure for card in READER_CARDS)
    assert set(READER_CARDS) <= set(CATALOGUE)
