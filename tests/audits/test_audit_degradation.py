"""Degradations: monotone, inside the field, a function of the seed."""

import numpy as np
import pytest
from scipy import ndimage

from retinaforge.audits.degradation import (
    BY_NAME,
    DEGRADATIONS,
    LEVELS,
    consistency,
    degraded,
    lost_from,
)
from retinaforge.core import Refusal

SIDE = 192
Y, X = np.mgrid[:SIDE, :SIDE]
FOV = np.hypot(X - 95.5, Y - 95.5) <= 92


def eye() -> np.ndarray:
    grain = np.random.default_rng(0).normal(size=(SIDE, SIDE, 3))
    soft = ndimage.gaussian_filter(grain, (1.5, 1.5, 0))
    pixels = np.array([150, 90, 50]) + 25 * soft / soft.std()
    return (np.clip(pixels, 1, 255) * FOV[..., None]).astype(np.uint8)


@pytest.mark.parametrize("kind", BY_NAME)
def test_worse_at_each_level_and_only_inside(kind):
    pixels = eye()
    done = [degraded(pixels, FOV, kind, k, rng=np.random.default_rng(1)) for k in LEVELS]
    far = [float(np.abs(each.astype(float) - pixels)[FOV].mean()) for each in done]
    assert all(b > a for a, b in zip([0.01, *far], far, strict=False)), far
    assert all((each[~FOV] == 0).all() for each in done)
    again = degraded(pixels, FOV, kind, 3, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(again, done[2])


def test_seven_kinds_of_five_sizes():
    names = [one.name for one in DEGRADATIONS]
    assert names == ["defocus", "illumination", "haze", "jpeg", "dust", "motion", "channel"]
    assert all(len(one.sizes) == 5 for one in DEGRADATIONS)


def test_blur_does_not_darken_the_rim_and_a_channel_can_vanish():
    flat = (FOV[..., None] * np.array([150, 90, 50])).astype(np.uint8)
    for kind in ("defocus", "motion"):
        np.testing.assert_array_equal(
            degraded(flat, FOV, kind, 5, rng=np.random.default_rng(0)), flat
        )
    gone = degraded(eye(), FOV, "channel", 5, rng=np.random.default_rng(0))
    spread = [gone[..., c][FOV].std() for c in range(3)]
    assert sorted(s < 0.6 for s in spread) == [False, False, True]


def test_levels_from_which_something_is_lost():
    below, none = (-0.2, -0.1), (-0.1, 0.1)
    assert lost_from([none, none, below, below, below]) == 3
    assert lost_from([below, none, below, None, below]) == 5
    assert lost_from([none] * 5) is None
    assert consistency(np.array([True, False]), np.array([True, True])).tolist() == [1, 0]


def test_refusals():
    with pytest.raises(Refusal, match="expected a degradation of defocus"):
        degraded(eye(), FOV, "rain", 1, rng=np.random.default_rng(0))
    with pytest.raises(Refusal, match="expected a level from 1 to 5; got 6"):
        degraded(eye(), FOV, "haze", 6, rng=np.random.default_rng(0))
