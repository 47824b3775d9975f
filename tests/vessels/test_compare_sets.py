"""Two sets, biomarker by biomarker: closed forms, statsmodels' Holm, counted pairs."""

import math

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from retinaforge.core import Refusal
from retinaforge.vessels.compare_sets import SET_COMPARISONS, cliffs_delta, compare_sets, holm


def rows(**columns):
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def test_a_shift_is_the_wasserstein_distance():
    x = np.arange(20.0)
    (got,) = compare_sets(rows(length_mm=x), rows(length_mm=x + 5))
    assert tuple(q.card for q in got.quantities) == SET_COMPARISONS
    assert got["wasserstein"].value == pytest.approx(5)
    assert got["ks"].value == pytest.approx(5 / 20)
    # Of 400 pairs, y > x in all but those 15·16/2 where x - y ≥ 0.
    above, below = 400 - 15 * 16 / 2, 14 * 15 / 2
    assert got["cliffs_delta"].value == pytest.approx((above - below) / 400)
    assert (got.n_real, got.n_synthetic) == (20, 20)


def test_sets_apart_are_as_different_as_can_be():
    (got,) = compare_sets(rows(a=range(10)), rows(a=range(100, 110)))
    assert got["ks"].value == 1
    assert got["cliffs_delta"].value == 1
    assert got["ks_p"].value == pytest.approx(2 / math.comb(20, 10))


def test_swapping_the_sets_turns_the_sign_only():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=30), rng.normal(0.5, 2, size=17)
    (there,), (back,) = compare_sets(rows(a=x), rows(a=y)), compare_sets(rows(a=y), rows(a=x))
    for name in ("wasserstein", "ks", "ks_p"):
        assert there[name].value == pytest.approx(back[name].value)
    assert there["cliffs_delta"].value == pytest.approx(-back["cliffs_delta"].value)


def test_delta_is_a_count_of_pairs():
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 6, 40).astype(float), rng.integers(2, 9, 25).astype(float)
    counted = np.sign(y[None, :] - x[:, None]).mean()
    assert cliffs_delta(x, y) == pytest.approx(counted)


@pytest.mark.parametrize("seed", range(3))
def test_holm_agrees_with_statsmodels(seed):
    p = np.random.default_rng(seed).random(12) ** 3
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
    with_gap = [float("nan"), *p]
    np.testing.assert_allclose(holm(with_gap)[1:], holm(p))
    assert math.isnan(holm(with_gap)[0])


def test_correction_counts_all_biomarkers_that_were_compared():
    x = np.arange(10.0)
    got = {d.column: d for d in compare_sets(rows(a=x, b=x), rows(a=x + 100, b=x + 100))}
    assert got["a"]["ks_p_holm"].value == pytest.approx(2 * got["a"]["ks_p"].value)


def test_words_flags_and_missing_values_are_left_out():
    real = rows(file_name="abcdefgh", ok=[True] * 8, v=[1, 2, 3, 4, 5, 6, float("nan"), None])
    (got,) = compare_sets(real, real)
    assert (got.column, got.n_real) == ("v", 6)
    assert got["wasserstein"].value == 0


def test_too_few_values_are_undefined_with_a_reason():
    (got,) = compare_sets(rows(a=range(4)), rows(a=range(9)))
    assert all(math.isnan(q.value) for q in got.quantities)
    assert "4 real and 9 synthetic values, 5 are needed" in got["ks"].reason


def test_empty_sets_and_unknown_columns_are_refused():
    with pytest.raises(Refusal, match="at least one row on either side; got 0 real and 1 synth"):
        compare_sets([], [{"a": 1}])
    with pytest.raises(Refusal, match=r"columns that the rows have; got crea; choose among a"):
        compare_sets([{"a": 1}], [{"a": 1}], columns=["crea"])


def test_small_sets_of_which_scipy_doubts_its_own_p_are_compared_without_a_word() -> None:
    real = [0.6377543, 1.19600438, 1.26508423, 1.46596382, 1.92463412]
    synthetic = [1.05037067, 1.14546548, 1.44183355, 1.69991263, 1.69991263]
    rows = [[{"a": value} for value in side] for side in (real, synthetic)]
    (found,) = compare_sets(rows[0], rows[1], columns=["a"])
    assert found["ks"].value == pytest.approx(0.2)
    assert found["ks_p"].value > 0.99
