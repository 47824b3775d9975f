"""Fréchet and kernel distances: closed forms, invariances, refusals.

Oracle: scipy 1.17 `linalg.sqrtm` for the trace of the matrix square root.
"""

from __future__ import annotations

import math
from inspect import unwrap  # past the shape checks of the tests, to ours

import numpy as np
import pytest
from scipy import linalg

from retinaforge.core import Refusal
from retinaforge.metrics import (
    SET_METRICS,
    frechet_distance,
    frechet_distance_shrunk,
    gaussian_frechet,
    jackknife_interval,
    kernel_distance,
    split_half,
)


def features(seed: int, n: int, dim: int = 4, *, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim)) + shift


def test_frechet_in_one_dimension_is_the_closed_form() -> None:
    # (μ₁ − μ₂)² + (σ₁ − σ₂)²
    x, y = np.array([[0.0], [2.0]]), np.array([[5.0], [13.0]])
    expected = (1 - 9) ** 2 + (math.sqrt(2) - math.sqrt(32)) ** 2
    assert frechet_distance(x, y).value == pytest.approx(expected)


def test_frechet_of_diagonal_gaussians_is_the_closed_form() -> None:
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 9.0])
    mean = np.array([1.0, 2.0, 3.0])
    value = gaussian_frechet(mean, np.diag(a), np.zeros(3), np.diag(b))
    assert value == pytest.approx(14 + np.sum((np.sqrt(a) - np.sqrt(b)) ** 2))


def test_frechet_agrees_with_scipys_matrix_square_root() -> None:
    mix = np.random.default_rng(9).normal(size=(6, 6))
    x, y = features(1, 60, 6), features(2, 50, 6, shift=0.4) @ mix
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.real(np.asarray(linalg.sqrtm(s1 @ s2)))
    gap = x.mean(0) - y.mean(0)
    expected = gap @ gap + np.trace(s1) + np.trace(s2) - 2 * np.trace(root)
    assert frechet_distance(x, y).value == pytest.approx(expected, rel=1e-9)


def test_frechet_of_a_set_with_itself_is_zero_even_where_singular() -> None:
    x = features(0, 8, 30)
    assert frechet_distance(x, x).value == pytest.approx(0, abs=1e-5)


def test_frechet_warns_where_the_covariance_is_singular() -> None:
    assert "n = 8" in frechet_distance(features(0, 8, 8), features(1, 20, 8)).reason
    assert frechet_distance(features(0, 9, 8), features(1, 20, 8)).reason == ""


def test_shrinkage_lowers_the_bias_of_few_samples() -> None:
    x, y = features(1, 24, 40), features(2, 24, 40)
    assert frechet_distance_shrunk(x, y).value < 0.2 * frechet_distance(x, y).value


def test_kernel_distance_of_four_vectors_by_hand() -> None:
    # k = (xy + 1)³: within real k(0, 1) = 1, within synthetic k(1, 2) = 27,
    # across k(0, ·) = 1, 1 and k(1, 1) = 8, k(1, 2) = 27.
    x, y = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    assert kernel_distance(x, y).value == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)


def test_kernel_distance_is_unbiased() -> None:
    rng = np.random.default_rng(5)
    values = [
        kernel_distance(rng.normal(size=(12, 3)), rng.normal(size=(9, 3))).value for _ in range(600)
    ]
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(len(values))
    assert min(values) < 0


@pytest.mark.parametrize("metric", SET_METRICS, ids=lambda m: m.card.name)
def test_a_larger_shift_is_farther_and_order_of_rows_does_not_matter(metric) -> None:
    x = features(1, 80)
    values = [metric.compare(x, features(2, 80, shift=s)).value for s in (0, 0.5, 1.5)]
    assert values == sorted(values)
    assert values[2] > 5 * abs(values[0])
    y = features(2, 80, shift=0.5)
    assert metric.compare(x[::-1], y).value == pytest.approx(values[1], rel=1e-9)
    assert metric.compare(y, x).value == pytest.approx(values[1], rel=1e-9)


@pytest.mark.parametrize("metric", SET_METRICS, ids=lambda m: m.card.name)
def test_one_image_is_undefined_with_a_reason(metric) -> None:
    quantity = metric.compare(features(0, 1), features(1, 5))
    assert math.isnan(quantity.value)
    assert quantity.reason == "needs at least 2 images a set; got 1 and 5"


@pytest.mark.parametrize(
    ("real", "synthetic", "came"),
    [
        (np.zeros((3, 2)), np.zeros((3, 4)), r"shapes \(3, 2\) and \(3, 4\)"),
        (np.zeros(3), np.zeros((3, 4)), r"shapes \(3,\)"),
        (np.full((3, 2), np.nan), np.zeros((3, 2)), "NaN or infinity"),
    ],
)
def test_what_is_no_feature_matrix_is_refused(real, synthetic, came: str) -> None:
    with pytest.raises(Refusal, match=f"expected two matrices of finite features.*{came}"):
        unwrap(frechet_distance)(real, synthetic)


def test_halves_never_share_a_patient() -> None:
    # Each patient's images are one far-off point, so a shared patient would show as a small
    # distance: with every patient at a different corner the halves can never coincide.
    patients = np.repeat([f"p{i}" for i in range(4)], 3)
    corners = np.eye(4) * 100
    x = corners[np.repeat(np.arange(4), 3)]
    values = split_half(x, patients.tolist(), rng=np.random.default_rng(0))
    frechet = next(q for q in values if q.card.name == "frechet_distance")
    # Halves of two corners each: squared distance of means is 4 · 50², whatever the split.
    assert frechet.value > 4 * 50**2 - 1e-6


def test_split_half_is_small_beside_a_real_difference_and_repeatable() -> None:
    x = features(3, 60)
    patients = [f"p{i // 2}" for i in range(60)]
    line = split_half(x, patients, rng=np.random.default_rng(1))
    again = split_half(x, patients, rng=np.random.default_rng(1))
    assert [q.value for q in line] == [q.value for q in again]
    for metric, quantity in zip(SET_METRICS, line, strict=True):
        assert quantity.value < 0.3 * metric.compare(x, features(4, 60, shift=1.5)).value


def test_split_half_of_three_patients_is_undefined_with_a_reason() -> None:
    for quantity in split_half(features(0, 6), list("aabbcc"), rng=np.random.default_rng(0)):
        assert math.isnan(quantity.value)
        assert quantity.reason == "needs at least 4 patients to make two halves; got 3"


def test_the_jackknife_covers_the_kernel_distance() -> None:
    # True value from a large sample; 60 small ones should cover it about 95 times in 100.
    kernel = SET_METRICS[2]
    truth = kernel.compare(features(1, 3000, 2), features(2, 3000, 2, shift=1)).value
    hits = 0
    for seed in range(60):
        x, y = features(seed, 60, 2), features(1000 + seed, 60, 2, shift=1)
        low, high = jackknife_interval(kernel.compare, x, y, [str(i) for i in range(60)]) or (0, 0)
        hits += low <= truth <= high
    assert 50 <= hits <= 60


def test_two_patients_give_no_jackknife() -> None:
    x = features(0, 6)
    assert jackknife_interval(kernel_distance, x, x, list("aaabbb")) is None
