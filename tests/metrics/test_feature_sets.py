"""Scores of two sets of features: closed forms, agreement with other implementations, guards.

Stored values: torch-fidelity 0.4.0 (Fréchet and kernel distance in float64 and float32, Inception
Score), prdc 0.2 and vendi-score 0.0.3, run once on `features` below with NumPy 2.4, PyTorch 2.13.
"""

from __future__ import annotations

import ast
import math
import re
from inspect import unwrap  # past the shape checks of the tests, to ours
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from scipy import linalg
from sklearn.covariance import ledoit_wolf

import retinaforge
from retinaforge.core import Refusal
from retinaforge.metrics import (
    CATALOGUE,
    FEATURE_METRICS,
    coverage,
    density,
    frechet_distance,
    frechet_distance_extrapolated,
    frechet_distance_shrunk,
    gaussian_frechet,
    inception_score,
    kernel_distance,
    mmd_gaussian,
    precision,
    recall,
    score_feature_sets,
    vendi,
)
from retinaforge.metrics.sets import clouds, frechet


def features(seed: int, n: int, dim: int = 12, *, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim)) + shift


def pair() -> tuple[np.ndarray, np.ndarray]:
    return features(1, 90), features(2, 70, shift=0.3) * 1.2


def spectrum(seed: int, n: int, dim: int) -> np.ndarray:
    """Features as networks make them: variances that fall over four decades, far from 0."""
    scales = np.geomspace(1, 1e-4, dim)
    return features(seed, n, dim) * scales + 3


def matrix_root_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Return the Fréchet distance by SciPy's matrix square root, with one result as in 1.18."""
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.trace(np.real(np.asarray(linalg.sqrtm(s1 @ s2))))
    gap = x.mean(axis=0) - y.mean(axis=0)
    return float(gap @ gap + np.trace(s1) + np.trace(s2) - 2 * root)


# ---------------------------------------------------------------- agreement


def test_frechet_agrees_with_torch_fidelity() -> None:
    value = frechet_distance(*pair()).value
    assert value == pytest.approx(3.885943409632759, rel=1e-10)  # float64
    assert value == pytest.approx(3.8859433524723563, rel=1e-6)  # float32


@pytest.mark.parametrize(("n", "m", "dim"), [(60, 50, 6), (40, 90, 64), (300, 280, 40)])
def test_frechet_agrees_with_scipys_matrix_square_root(n: int, m: int, dim: int) -> None:
    x, y = spectrum(1, n, dim), 1.1 * spectrum(2, m, dim)
    assert frechet_distance(x, y).value == pytest.approx(matrix_root_distance(x, y), rel=1e-5)


@pytest.mark.parametrize(("n", "m", "dim"), [(30, 20, 80), (60, 50, 80), (90, 200, 25), (9, 9, 1)])
def test_shrunk_frechet_agrees_with_scikit_learns_covariances(n: int, m: int, dim: int) -> None:
    x, y = spectrum(1, n, dim), 1.3 * spectrum(2, m, dim)
    expected = gaussian_frechet(x.mean(0), ledoit_wolf(x)[0], y.mean(0), ledoit_wolf(y)[0])
    assert frechet_distance_shrunk(x, y).value == pytest.approx(expected, rel=1e-8)


def test_kernel_distance_agrees_with_torch_fidelity_on_one_subset_of_all() -> None:
    x, y = pair()
    value = kernel_distance(x[:70], y).value
    assert value == pytest.approx(0.6662473798281789, rel=1e-10)  # float64
    assert value == pytest.approx(0.6662473678588867, rel=1e-6)  # float32


@pytest.mark.slow  # torchmetrics takes seconds to import
def test_kernel_distance_agrees_with_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    oracle = pytest.importorskip("torchmetrics.image.kid")
    x, y = pair()
    tensors = torch.from_numpy(x[:70]), torch.from_numpy(y)
    expected = float(oracle.poly_mmd(*tensors))
    assert kernel_distance(x[:70], y).value == pytest.approx(expected, rel=1e-10)


def test_mmd_gaussian_agrees_with_the_formula_of_cmmd() -> None:
    # google-research/cmmd/distance.py: gamma = 1 / (2 · 10²), means with the diagonals, times 1000.
    x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in pair())

    def mean_kernel(a: np.ndarray, b: np.ndarray) -> float:
        squares = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
        return float(np.exp(-squares / 200).mean())

    expected = 1000 * (mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y))
    assert mmd_gaussian(*pair()).value == pytest.approx(expected, rel=1e-8)


def test_neighbour_scores_agree_with_prdc() -> None:
    values = [score(*pair()).value for score in (precision, recall, density, coverage)]
    expected = [0.5571428571428572, 0.9666666666666667, 0.3514285714285714, 0.6555555555555556]
    assert values == pytest.approx(expected, abs=1e-12)


def test_vendi_agrees_with_vendi_score() -> None:
    x, y = pair()
    assert vendi(x, y).value == pytest.approx(10.906875875908309, rel=1e-10)


def test_inception_score_agrees_with_torch_fidelity() -> None:
    logits = features(3, 200, 7) * 2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert inception_score(p).value == pytest.approx(2.2621941284319824, rel=1e-10)
    assert inception_score(p, splits=10).value == pytest.approx(2.1789218834151853, rel=1e-10)


# ---------------------------------------------------------------- closed forms


def test_extrapolation_takes_the_bias_away() -> None:
    # One distribution twice: the true distance is 0; the plain one stands near d (1/n + 1/m) / 2 …
    plain, extrapolated = [], []
    for seed in range(12):
        x, y = features(seed, 150, 8), features(500 + seed, 150, 8)
        plain.append(frechet_distance(x, y).value)
        extrapolated.append(frechet_distance_extrapolated(x, y).value)
    assert np.mean(plain) > 0.15
    assert abs(np.mean(extrapolated)) < 0.15 * np.mean(plain)


def test_extrapolation_keeps_a_real_distance() -> None:
    x, y = features(1, 400, 4), features(2, 400, 4, shift=1.0)
    assert frechet_distance_extrapolated(x, y).value == pytest.approx(4, abs=0.5)


def test_extrapolation_says_where_its_line_does_not_hold() -> None:
    assert frechet_distance_extrapolated(features(0, 100), features(1, 100)).reason == ""
    reason = frechet_distance_extrapolated(features(0, 24), features(1, 30)).reason
    assert "subsets of 12 images do not exceed the feature dimension 12" in reason


def test_mmd_gaussian_of_opposite_vectors_is_the_closed_form() -> None:
    # |x − y|² = 4 across and 0 within: 1000 (1 + 1 − 2 exp(−4 / 200)).
    x = np.tile([3.0, 0.0], (4, 1))
    assert mmd_gaussian(x, -x).value == pytest.approx(2000 * (1 - math.exp(-0.02)))


def test_neighbour_scores_on_a_line_by_hand() -> None:
    # Real 0 … 9, so every radius is at least 3; synthetic: five inside, five far away.
    x = np.arange(10.0)[:, None]
    y = np.r_[np.arange(5) + 0.5, np.arange(5) + 100][:, None]
    assert precision(x, y).value == 0.5
    # Balls of synthetic points reach to the 5th neighbour, far beyond all real ones.
    assert recall(x, y).value == 1.0
    # Radii 5, 4, 3, 3, 3, 3, 3, 3, 4, 5: counted by hand for 0.5, 1.5, 2.5, 3.5, 4.5.
    radii = np.array([5, 4, 3, 3, 3, 3, 3, 3, 4, 5])
    inside = np.abs(x - y[:5].T) < radii[:, None]
    assert density(x, y).value == pytest.approx(inside.sum() / 50)
    assert coverage(x, y).value == pytest.approx(inside.any(axis=1).mean())


def test_what_lies_on_a_ball_is_not_inside_it_whatever_rounding_does() -> None:
    # Two sets of copies of one point have radius 0: nothing is inside.
    x = np.full((10, 3), 0.1) + 1e3
    for score in (precision, recall, density, coverage):
        assert score(x, x).value == 0


@pytest.mark.parametrize("dim", [30, 4])
def test_vendi_of_groups_is_their_number(dim: int) -> None:
    # Four groups of five copies each along orthogonal axes: four different images.
    y = np.repeat(np.eye(4, dim) * [[1.0], [2.0], [3.0], [9.0]], 5, axis=0)
    assert vendi(features(0, 20, dim), y).value == pytest.approx(4)
    assert vendi(features(0, 20, dim), np.ones((20, dim))).value == pytest.approx(1)


def test_inception_score_of_sure_and_of_ignorant_classes() -> None:
    assert inception_score(np.eye(8)).value == pytest.approx(8)
    ignorant = inception_score(np.full((8, 8), 1 / 8))
    assert ignorant.value == pytest.approx(1)
    assert "fewer than 8 classes" in inception_score(np.eye(8)[:6]).reason


def test_a_set_against_itself() -> None:
    x = features(0, 60)
    values = {q.card.name: q.value for q in score_feature_sets(x, x)}
    assert values["frechet_distance"] == pytest.approx(0, abs=1e-12)
    assert values["mmd_gaussian"] == pytest.approx(0, abs=1e-9)
    assert values["precision"] == values["recall"] == values["coverage"] == 1
    assert values["kernel_distance"] < 0


# ---------------------------------------------------------------- properties


@pytest.mark.parametrize("metric", FEATURE_METRICS, ids=lambda m: m.card.name)
def test_all_at_once_gives_what_each_gives_alone(metric) -> None:
    x, y = pair()
    together = {q.card.name: q for q in score_feature_sets(x, y)}[metric.card.name]
    alone = metric.compare(x, y)
    assert (alone.value, alone.reason) == (pytest.approx(together.value, rel=1e-9), together.reason)


@pytest.mark.parametrize("dim", [3, 40])
def test_tiles_and_the_held_gram_matrix_give_the_same(dim: int, monkeypatch) -> None:
    x, y = features(1, 50, dim) + 5, features(2, 43, dim, shift=0.2) + 5
    whole = [q.value for q in score_feature_sets(x, y)]
    monkeypatch.setattr(clouds, "TILE", 16)
    tiled = [q.value for q in score_feature_sets(x, y)]
    monkeypatch.setattr(clouds, "HELD_IMAGES", 10)
    multiplied = [q.value for q in score_feature_sets(x, y)]
    assert tiled == pytest.approx(whole, rel=1e-9)
    assert multiplied == pytest.approx(whole, rel=1e-9)


def test_a_subset_of_the_held_gram_matrix_is_the_subset() -> None:
    x, y = features(1, 50, 40), features(2, 43, 40, shift=0.2)
    a, b = clouds.make_clouds(x, y)
    rows, others = np.arange(0, 50, 2), np.arange(3, 40)
    held = frechet.frechet(a.take(rows), b.take(others))
    assert held == pytest.approx(frechet_distance(x[rows], y[others]).value, rel=1e-10)


def test_a_large_common_offset_costs_no_digits() -> None:
    x, y = pair()
    for score in (frechet_distance, frechet_distance_shrunk, density):
        assert score(x + 1e5, y + 1e5).value == pytest.approx(score(x, y).value, rel=1e-6)


def test_single_precision_features_are_reckoned_in_double() -> None:
    x, y = (z.astype(np.float32) for z in pair())
    for metric in FEATURE_METRICS:
        double = metric.compare(x.astype(np.float64), y.astype(np.float64)).value
        assert metric.compare(x, y).value == pytest.approx(double, rel=1e-12)


@pytest.mark.parametrize("metric", FEATURE_METRICS, ids=lambda m: m.card.name)
def test_a_collapsed_set_scores_worse_than_real_images(metric) -> None:
    x, other = features(1, 200, 6), features(2, 200, 6)
    collapsed = np.repeat(features(3, 4, 6), 50, axis=0) + 1e-3 * features(4, 200, 6)
    good, bad = metric.compare(x, other).value, metric.compare(x, collapsed).value
    if metric.card.name == "density":
        return  # Its card says so: crowding in the middle raises it.
    assert (bad > good) == (metric.card.direction == "lower is better")


# ---------------------------------------------------------------- refusals and guards


@pytest.mark.parametrize("metric", FEATURE_METRICS, ids=lambda m: m.card.name)
def test_too_few_images_are_undefined_with_a_reason(metric) -> None:
    few = metric.card.smallest_n - 1
    quantity = metric.compare(features(0, few), features(1, 40))
    assert math.isnan(quantity.value)
    assert quantity.reason == f"needs at least {few + 1} images a set; got {few} and 40"
    assert math.isfinite(metric.compare(features(0, few + 1), features(1, 40)).value)


def test_an_empty_set_is_undefined_not_a_crash() -> None:
    for quantity in score_feature_sets(np.zeros((0, 3)), features(0, 30, 3)):
        assert math.isnan(quantity.value)
        assert "got 0 and 30" in quantity.reason


def test_a_vector_of_length_zero_cannot_be_normalised() -> None:
    y = features(0, 30)
    y[3] = 0
    for score in (mmd_gaussian, vendi):
        assert (
            score(features(1, 30), y).reason == "a feature vector of length 0 cannot be normalised"
        )
    values = {q.card.name: q.value for q in score_feature_sets(features(1, 30), y)}
    assert math.isnan(values["vendi"])
    assert math.isfinite(values["precision"])


def test_coarse_balls_are_warned_of() -> None:
    assert "n = 20; balls" in precision(features(0, 20), features(1, 80)).reason
    assert precision(features(0, 50), features(1, 80)).reason == ""


@pytest.mark.parametrize("metric", FEATURE_METRICS, ids=lambda m: m.card.name)
def test_what_is_no_feature_matrix_is_refused(metric) -> None:
    expected = r"expected two matrices of finite features.*\(30, 2\) and \(30, 4\)"
    with pytest.raises(Refusal, match=expected):
        unwrap(metric.compare)(np.zeros((30, 2)), np.zeros((30, 4)))
    with pytest.raises(Refusal, match="with NaN or infinity"):
        unwrap(metric.compare)(np.zeros((30, 2)), np.full((30, 2), np.inf))


@pytest.mark.parametrize(
    ("probabilities", "came"),
    [
        (np.ones((4, 3)), "rows from 1 up, with sums 3 to 3"),
        (np.array([[1.5, -0.5]] * 3), "rows from -0.5 up"),
        (np.zeros(3), r"shape \(3,\)"),
    ],
)
def test_what_is_no_distribution_is_refused(probabilities: np.ndarray, came: str) -> None:
    with pytest.raises(Refusal, match=f"expected one distribution over classes.*{came}"):
        unwrap(inception_score)(probabilities)


def test_one_image_has_no_inception_score() -> None:
    assert "got 1 in 1" in inception_score(np.eye(3)[:1]).reason
    assert "got 12 in 10" in inception_score(np.eye(12), splits=10).reason


# ---------------------------------------------------------------- nothing that SciPy 1.18 removed


def test_no_matrix_square_root_is_called(monkeypatch) -> None:
    def removed(*_: object, **__: object) -> None:
        raise AssertionError("scipy.linalg.sqrtm was called")

    monkeypatch.setattr(scipy.linalg, "sqrtm", removed)
    for x, y in (pair(), (features(1, 20, 40), features(2, 20, 40))):
        for quantity in score_feature_sets(x, y):
            assert math.isfinite(quantity.value)


def test_no_source_names_what_scipy_1_18_removed() -> None:
    # sqrtm's argument `disp` (and logm's, signm's) is gone; we call none of the three.
    gone = {"sqrtm", "logm", "signm"}
    for path in Path(retinaforge.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if not re.search(r"\b(sqrtm|logm|signm|disp)\b", text):
            continue  # parsing every file takes seconds
        for node in ast.walk(ast.parse(text)):
            names = {getattr(node, "attr", ""), getattr(node, "id", "")}
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scipy"):
                names |= {alias.name for alias in node.names}
            if isinstance(node, ast.Call):
                assert not any(k.arg == "disp" for k in node.keywords), f"{path}:{node.lineno}"
            assert not names & gone, f"{path}: {names & gone}"


def test_every_score_is_in_the_catalogue_with_its_card() -> None:
    names = {card.name for card in CATALOGUE}
    assert {metric.card.name for metric in FEATURE_METRICS} | {"inception_score"} <= names
