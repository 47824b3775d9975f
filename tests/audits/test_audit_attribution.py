"""Attribution: exact for linear scores, finds a planted corner, is held to account."""

import math

import numpy as np
import pytest

from retinaforge.audits.attribution import (
    baseline_of,
    infidelity,
    integrated_gradients,
    occlusion,
    sensitivity,
    share_by_region,
)

SIDE = 48
Y, X = np.mgrid[:SIDE, :SIDE]
FOV = np.hypot(X - 23.5, Y - 23.5) <= 23
CORNER = (np.hypot(X - 34, Y - 12) <= 5) & FOV
IMAGE = np.random.default_rng(0).uniform(60, 120, (SIDE, SIDE, 3)) * FOV[..., None]
IMAGE[CORNER] += 80
WEIGHTS = np.where(CORNER[..., None], 1 / CORNER.sum() / 3, 0.0) * np.ones(3)
RNG = np.random.default_rng


def corner(images: np.ndarray) -> np.ndarray:
    """Score the planted artefact: the corner's mean brightness, squared."""
    return (np.einsum("nhwc,hwc->n", images, WEIGHTS) / 100) ** 2


def gradient(images: np.ndarray) -> np.ndarray:
    mean = np.einsum("nhwc,hwc->n", images, WEIGHTS) / 100
    return 2 * mean[:, None, None, None] * WEIGHTS / 100


def test_integrated_gradients_are_complete():
    heat = integrated_gradients(gradient, IMAGE, FOV)
    lost = corner(IMAGE[None])[0] - corner(baseline_of(IMAGE, FOV)[None])[0]
    assert heat.sum() == pytest.approx(lost, rel=1e-6)
    assert heat[~CORNER].sum() == pytest.approx(0)


@pytest.mark.parametrize("which", ["occlusion", "gradients"])
def test_planted_corner_gets_the_attribution(which):
    explain = {
        "occlusion": lambda image: occlusion(corner, image, FOV),
        "gradients": lambda image: integrated_gradients(gradient, image, FOV),
    }[which]
    heat = explain(IMAGE)
    share = share_by_region(heat, {"field": FOV, "corner": CORNER, "rest": FOV & ~CORNER})
    assert share["field"] == pytest.approx(1)
    assert share["corner"] > 8 > 0.6 > share["rest"]
    true = infidelity(corner, heat, IMAGE, FOV, rng=RNG(0))
    wrong = infidelity(corner, heat[::-1, ::-1], IMAGE, FOV, rng=RNG(0))
    assert true < 0.25 < 0.8 < wrong
    assert sensitivity(explain, heat, IMAGE, FOV, rng=RNG(1)) < 0.3


def test_a_linear_score_is_foreseen_wholly():
    def linear(images: np.ndarray) -> np.ndarray:
        return np.einsum("nhwc,hwc->n", images, WEIGHTS)

    heat = integrated_gradients(lambda x: np.broadcast_to(WEIGHTS, x.shape), IMAGE, FOV)
    # Black beside the field is no part of the baseline's colour: both sides leave it alone.
    assert infidelity(linear, heat, IMAGE, FOV, rng=RNG(0)) == pytest.approx(0, abs=1e-9)


def test_nothing_to_explain_is_nan():
    def flat(images: np.ndarray) -> np.ndarray:
        return np.zeros(len(images))

    heat = occlusion(flat, IMAGE, FOV)
    assert not heat.any()
    assert math.isnan(infidelity(flat, heat, IMAGE, FOV, rng=RNG(0)))
    assert math.isnan(sensitivity(lambda image: heat, heat, IMAGE, FOV, rng=RNG(0)))
    assert math.isnan(share_by_region(heat, {"field": FOV})["field"])
