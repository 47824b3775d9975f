"""Planted copies, and the pictures of a pair."""

from __future__ import annotations

import numpy as np
import pytest

from retinaforge.audits import COPY_KINDS, disguise, likeness, pattern_of_mask, picture_of_pair
from retinaforge.audits.copy_pictures import BOTH, REAL
from retinaforge.audits.disguises import bend, displacements
from retinaforge.core import Photograph
from retinaforge.phantoms import draw

EYE = draw(3, size_px=128)
BY_NAME = {kind.name: kind for kind in COPY_KINDS}


def disguised(name: str, level: float, seed: int = 0) -> Photograph:
    """Return the phantom in one disguise."""
    return disguise(EYE.photograph, BY_NAME[name], level, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("kind", COPY_KINDS, ids=lambda kind: kind.name)
def test_every_disguise_is_deterministic_marked_and_changes_the_picture(kind) -> None:
    for level in kind.levels:
        first, again = disguised(kind.name, level), disguised(kind.name, level)
        np.testing.assert_array_equal(first.pixels, again.pixels)
        assert first.synthetic
        assert first.history[-1].startswith(f"planted copy: {kind.name} {level:g}")
        same = first.pixels.shape == EYE.photograph.pixels.shape
        assert not (same and np.array_equal(first.pixels, EYE.photograph.pixels))


def test_sizes_say_what_was_kept() -> None:
    assert disguised("crop", 0.5).size_px == (64, 64)
    assert disguised("resize", 0.25).size_px == (32, 32)
    assert disguised("stretch", 1.25).size_px == (128, 160)


def test_flips_are_exact() -> None:
    np.testing.assert_array_equal(disguised("flip", 1).pixels, EYE.photograph.pixels[:, ::-1])
    np.testing.assert_array_equal(disguised("flip", 2).pixels, EYE.photograph.pixels[::-1])


def test_a_warp_moves_points_by_what_it_says() -> None:
    field = displacements((96, 128), np.random.default_rng(0))
    assert field.shape == (2, 96, 128)
    assert np.sqrt((field**2).sum(axis=0).mean()) == pytest.approx(1, rel=0.05)
    shift = np.zeros((2, 128, 128))
    shift[1] = 3.0
    moved = bend(EYE.photograph.pixels, shift)
    np.testing.assert_array_equal(moved[:, :-3], EYE.photograph.pixels[:, 3:])


def test_three_pictures_show_what_coincides() -> None:
    pattern = pattern_of_mask(EYE.vessel, EYE.fov)
    side = (EYE.photograph, EYE.fov, pattern)
    found = likeness(pattern, pattern)
    picture = picture_of_pair(side, side, found.transform, side_px=96)
    assert picture.shape == (96, 3 * 96 + 8, 3)
    overlay = picture[:, -96:].reshape(-1, 3)
    white, blue = ((overlay == colour).all(axis=1).sum() for colour in (BOTH, REAL))
    assert white > 500
    assert blue < 0.05 * white
    alone = picture_of_pair(side, side, None, side_px=96)[:, -96:].reshape(-1, 3)
    assert not (alone == BOTH).all(axis=1).any()
    assert (alone == REAL).all(axis=1).sum() > 500
