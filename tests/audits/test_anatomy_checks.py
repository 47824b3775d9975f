"""Anatomy checks: sound eyes pass, damaged ones fail the check that is meant for the damage."""

from __future__ import annotations

import numpy as np
import pytest

from retinaforge.anatomy import AnatomyMaps
from retinaforge.audits.anatomy_checks import (
    CHECKS,
    EyeFindings,
    looks_like_fundus,
    shipped_limits,
)
from retinaforge.core import Fov, Landmarks, Photograph
from retinaforge.vessels.vasculature import read_vasculature


def test_every_reading_has_limits_and_every_limit_a_reading() -> None:
    names = [reading.name for check in CHECKS for reading in check.readings]
    assert sorted(names) == sorted(shipped_limits())
    assert len({check.card.name for check in CHECKS}) == len(CHECKS) == 8


def eye_of(pixels: np.ndarray) -> EyeFindings:
    """Return what is found in an image without a vessel."""
    photo = Photograph(pixels, "test")
    fov = Fov(np.ones(pixels.shape[:2], dtype=bool), (63.5, 63.5), 64.0, "circle")
    nothing = np.zeros(pixels.shape[:2])
    v = read_vasculature(nothing.astype(bool), fov)
    return EyeFindings(photo, fov, v, Landmarks(), nothing, AnatomyMaps(nothing, nothing, nothing))


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.zeros((128, 128, 3), np.uint8), "black"),
        (np.full((128, 128, 3), 90, np.uint8), "one colour"),
        (np.random.default_rng(0).integers(0, 255, (128, 128, 3)).astype(np.uint8), "vessel"),
    ],
)
def test_what_is_no_fundus_is_named_with_its_reason(pixels: np.ndarray, said: str) -> None:
    verdict = looks_like_fundus(eye_of(pixels))
    assert verdict.passed is False
    assert said in verdict.reason


def test_what_cannot_be_judged_says_why() -> None:
    verdicts = {c.card.name: c.judge(eye_of(np.zeros((128, 128, 3), np.uint8))) for c in CHECKS}
    assert verdicts["fovea_place"].passed is None
    assert "no disc" in verdicts["fovea_place"].reason
