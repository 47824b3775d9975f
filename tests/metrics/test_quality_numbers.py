"""Sharpness, light and colour of one image: closed forms, and what blur and casts do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from retinaforge.metrics.quality_numbers import IMAGE_NUMBERS, measure_numbers
from retinaforge.phantoms import draw

SIDE = 128
INSIDE = np.hypot(*np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]) < 0.95


def grey(plane: np.ndarray) -> np.ndarray:
    return np.repeat(np.rint(plane).astype(np.uint8)[..., None], 3, axis=2)


def numbers(pixels: np.ndarray, inside: np.ndarray = INSIDE) -> dict[str, float]:
    return {q.card.name: q.value for q in measure_numbers(pixels, inside)}


@pytest.fixture(scope="module")
def phantom():
    return draw(3, size_px=256)


def test_a_ramp_has_its_slope_and_no_curvature() -> None:
    found = numbers(grey(np.tile(np.arange(SIDE), (SIDE, 1))))
    assert found["tenengrad"] == pytest.approx(1.0)
    assert found["brenner"] == pytest.approx(4.0)
    assert found["laplacian_variance"] == pytest.approx(0.0)
    assert found["noise"] == pytest.approx(0.0)


def test_the_finest_checkerboard_stands_wholly_in_the_finest_details() -> None:
    board = 100 + 20 * (np.indices((SIDE, SIDE)).sum(axis=0) % 2)
    found = numbers(grey(board))
    assert found["haar_1"] == pytest.approx(1.0, rel=1e-3)
    assert found["haar_2"] == pytest.approx(0.0, abs=1e-9)
    assert found["contrast"] == pytest.approx(10.0, rel=1e-3)
    assert found["entropy"] == pytest.approx(1.0, rel=1e-3)


def test_white_noise_is_measured_by_its_standard_deviation() -> None:
    rng = np.random.default_rng(0)
    found = numbers(grey(128 + rng.normal(0, 8, (SIDE, SIDE))))
    assert found["noise"] == pytest.approx(8.0, rel=0.05)
    assert found["contrast"] == pytest.approx(8.0, rel=0.05)


def test_one_colour_is_as_colourful_as_its_distance_from_grey() -> None:
    red = np.zeros((SIDE, SIDE, 3), np.uint8)
    red[..., 0] = 100
    found = numbers(red)
    assert found["colourfulness"] == pytest.approx(0.3 * math.hypot(100, 50))
    assert found["red_over_green"] == pytest.approx(math.log(101))
    assert found["dark_share"] == 0
    assert numbers(red * 0)["dark_share"] == 1


def test_light_from_one_side_is_uneven() -> None:
    even, ramp = np.full((SIDE, SIDE), 100), np.tile(np.linspace(50, 150, SIDE), (SIDE, 1))
    assert numbers(grey(even))["unevenness"] == pytest.approx(0, abs=1e-6)
    assert numbers(grey(ramp))["unevenness"] > 0.15


@pytest.mark.parametrize("name", ["tenengrad", "brenner", "laplacian_variance", "haar_1", "noise"])
def test_blur_lowers_every_family_of_sharpness(phantom, name: str) -> None:
    inside = phantom.fov.mask
    before = numbers(phantom.photograph.pixels, inside)[name]
    after = [
        numbers(ndimage.gaussian_filter(phantom.photograph.pixels, (s, s, 0)), inside)[name]
        for s in (1, 2, 4)
    ]
    assert before > after[0] > after[1] > after[2]


def test_what_lies_outside_the_field_changes_nothing(phantom) -> None:
    inside = phantom.fov.mask
    bright = np.where(inside[..., None], phantom.photograph.pixels, 255).astype(np.uint8)
    assert numbers(bright, inside) == pytest.approx(numbers(phantom.photograph.pixels, inside))


def test_nothing_and_next_to_nothing_have_no_numbers() -> None:
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    for inside, why in ((INSIDE & False, "empty"), (np.eye(SIDE) > 0, "fewer than 256 pixels")):
        for quantity in measure_numbers(black, inside):
            assert math.isnan(quantity.value)
            assert why in quantity.reason
    flat = {q.card.name: q.reason for q in measure_numbers(black, INSIDE)}
    assert "flat or black" in flat["haar_1"]


def test_names_are_unique_and_cards_whole() -> None:
    names = [number.card.name for number in IMAGE_NUMBERS]
    assert len(set(names)) == len(names)
    assert all(number.card.known_failure and number.card.reference for number in IMAGE_NUMBERS)
