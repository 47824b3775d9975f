"""Fréchet radiomic distance: agreement with frd-score, and what each version sees."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from test_radiomics import PAINTER, REFERENCE

from retinaforge.core import Refusal
from retinaforge.metrics.frd import FRD_METRICS, V0_RANGE, frd, scaled, which_features_differ
from retinaforge.metrics.radiomics import colour_features, luminance, radiomic_features

Eyes = list[tuple[np.ndarray, np.ndarray]]
VERSIONS: tuple[Any, ...] = ("v0", "v1", "colour")


@cache
def _names(version: Any) -> tuple[str, ...]:
    return radiomic_features(luminance(_eyes()[0][0]), _eyes()[0][1], version=version).names


@cache
def _eyes(soft: bool = False) -> Eyes:
    return PAINTER.paint_set(soft=soft)


def _measure(eyes: Eyes, version: Any) -> np.ndarray:
    if version == "colour":
        return np.array([colour_features(*eye).values for eye in eyes])
    return np.array(
        [radiomic_features(luminance(p), mask, version=version).values for p, mask in eyes]
    )


@cache
def _of_set(soft: bool, version: Any) -> np.ndarray:
    return _measure(_eyes(soft), version)


def _blurred(eyes: Eyes) -> Eyes:
    return [(gaussian_filter(p, (1.5, 1.5, 0)) * mask[..., None], mask) for p, mask in eyes]


def _colourless(eyes: Eyes) -> Eyes:
    grey = [np.round(luminance(p)).astype(np.uint8) for p, _ in eyes]
    return [(np.repeat(g[..., None], 3, axis=2), eye[1]) for g, eye in zip(grey, eyes, strict=True)]


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_agrees_with_frd_score_on_two_sets(version: Any) -> None:
    distance = frd(_of_set(False, version), _of_set(True, version), version=version)
    assert distance.value == pytest.approx(REFERENCE[version]["frd"], rel=1e-6)


@pytest.mark.parametrize("version", VERSIONS)
def test_blur_is_seen_by_every_version(version: Any) -> None:
    real = _of_set(False, version)
    near = frd(real[::2], real[1::2], version=version).value
    far = frd(real[::2], _measure(_blurred(_eyes()[1::2]), version), version=version).value
    assert far > near + max(1.0, 0.5 * abs(near))


def test_colour_removed_is_seen_by_the_colour_variant_only() -> None:
    odd = _colourless(_eyes()[1::2])
    for version in ("v0", "v1"):
        real = _of_set(False, version)
        near = frd(real[::2], real[1::2], version=version).value
        assert frd(real[::2], _measure(odd, version), version=version).value == pytest.approx(
            near, rel=0.05
        )
    real = _of_set(False, "colour")
    near = frd(real[::2], real[1::2], version="colour").value
    assert frd(real[::2], _measure(odd, "colour"), version="colour").value > 10 * near


@pytest.mark.parametrize("version", ["v0", "colour"])
def test_identical_sets_are_at_distance_nought(version: Any) -> None:
    real = _of_set(False, version)
    assert frd(real, real[::-1], version=version).value == 0


def test_identical_sets_have_no_logarithm() -> None:
    real = _of_set(False, "v1")
    distance = frd(real, real[::-1], version="v1")
    assert np.isnan(distance.value)
    assert distance.reason == "the sets are identical: distance 0, log -infinity"


def test_v1_of_shifted_gaussians_is_the_log_of_the_squared_shift() -> None:
    real = np.random.default_rng(0).normal(size=(50, 3)) * [1.0, 5.0, 0.1]
    moved = real + 2 * real.std(axis=0)
    assert frd(real, moved, version="v1").value == pytest.approx(np.log(12), rel=1e-5)


def test_v0_lies_between_nought_and_its_range() -> None:
    x, y = scaled(np.array([[0.0, 3.0], [1.0, 3.0]]), np.array([[4.0, 3.0]] * 2), version="v0")
    assert x.tolist() == [[0, V0_RANGE / 2], [V0_RANGE / 4, V0_RANGE / 2]]
    assert y[:, 0].tolist() == [V0_RANGE] * 2


def test_v0_does_not_stretch_rounding() -> None:
    x, _ = scaled(np.array([[1.0], [1.0 + 4e-16]]), np.array([[1.0], [1.0]]), version="v0")
    assert x[:, 0].tolist() == [V0_RANGE / 2] * 2


def test_v0_puts_undefined_features_in_the_middle() -> None:
    x, _ = scaled(np.array([[0.0], [np.nan]]), np.array([[4.0], [2.0]]), version="v0")
    assert x[1, 0] == V0_RANGE / 2


def test_v1_leaves_out_undefined_images_and_constant_features() -> None:
    real = np.array([[0.0, 1.0], [1.0, 1.0], [np.nan, 1.0]])
    x, y = scaled(real, np.array([[4.0, 1.0], [2.0, 2.0]]), version="v1")
    assert (x.shape, y.shape) == ((2, 1), (2, 1))


def test_the_features_that_moved_are_named() -> None:
    real = np.random.default_rng(1).normal(size=(200, 3))
    moved = real + np.array([0.0, -3.0, 1.0])
    (first, shift), (second, _) = which_features_differ(real, moved, ("a", "b", "c"), most=2)
    assert (first, second) == ("b", "c")
    assert shift == pytest.approx(-3, rel=0.2)


def test_names_of_painted_sets_are_features() -> None:
    names = _names("v1")
    moved = which_features_differ(_of_set(False, "v1"), _of_set(True, "v1"), names)
    assert len(moved) == 20
    assert all(name in names for name, _ in moved)


def test_too_few_images_are_said() -> None:
    distance = frd(np.ones((1, 4)), np.ones((5, 4)), version="v0")
    assert distance.reason == "needs at least 2 images a set; got 1 and 5"


def test_refuses_infinite_features() -> None:
    with pytest.raises(Refusal, match="expected two matrices of radiomic features"):
        frd(np.ones((3, 4)), np.full((3, 4), np.inf), version="v1")


def test_every_version_has_a_card() -> None:
    assert [metric.card.name for metric in FRD_METRICS] == ["frd_v1", "frd_v0", "frd_colour"]
    real = _of_set(False, "colour")
    assert FRD_METRICS[2].compare(real, real).value == 0
