"""Fractal dimensions against shapes of known dimension; lacunarity against chance."""

import math

import numpy as np
import pytest

from retinaforge.core import Fov
from retinaforge.vessels.biomarkers.fractal import FRACTAL
from retinaforge.vessels.boxes import (
    dimensions,
    lacunarity,
    raster_of_mask,
    raster_of_middles,
    raster_of_points,
)
from retinaforge.vessels.vasculature import read_vasculature

MIDDLE = (255.5, 255.5)
FULL = np.ones((512, 512), bool)


def of_mask(mask):
    return dimensions(raster_of_mask(mask, centre=MIDDLE, unit=1.0), least=0.125)


def of_curve(points):
    length = np.hypot(*np.diff(points, axis=0).T)
    middles = (points[1:] + points[:-1]) / 2
    return dimensions(raster_of_points(middles, length, centre=MIDDLE, unit=1.0), least=1e-4)


@pytest.mark.parametrize(("first", "last"), [(0, 512), (128, 384), (100, 400), (37, 300)])
def test_a_filled_square_has_dimension_two(first, last):
    mask = np.zeros((512, 512), bool)
    mask[first:last, first:last] = True
    assert of_mask(mask) == pytest.approx((2, 2, 2), abs=0.02)


@pytest.mark.parametrize("angle", [0, 20, 31, 45, 70, 90])
def test_a_line_has_dimension_one(angle):
    t, turn = np.linspace(-200, 200, 4001), math.radians(angle)
    points = np.stack([t * math.cos(turn), t * math.sin(turn)], axis=1) + MIDDLE
    assert of_curve(points) == pytest.approx((1, 1, 1), abs=0.03)


def test_the_carpet_of_sierpinski():
    carpet = np.ones((1, 1), bool)
    for _ in range(5):
        hole = np.zeros_like(carpet)
        carpet = np.block([[carpet] * 3, [carpet, hole, carpet], [carpet] * 3])
    mask = np.zeros((512, 512), bool)
    mask[13:499, 13:499] = np.kron(carpet, np.ones((2, 2), bool))
    assert of_mask(mask) == pytest.approx([math.log(8) / math.log(3)] * 3, abs=0.03)


def test_the_curve_of_koch():
    points = np.array([0, 480], complex)
    for _ in range(7):
        start, step = points[:-1], np.diff(points) / 3
        peak = start + step * (1 + np.exp(-1j * np.pi / 3))
        parts = np.stack([start, start + step, peak, start + 2 * step], axis=1)
        points = np.concatenate([parts.ravel(), points[-1:]])
    found = of_curve(np.stack([points.real + 16, points.imag + 300], axis=1))
    assert found == pytest.approx([math.log(4) / math.log(3)] * 3, abs=0.05)


def test_nothing_has_no_dimension():
    assert np.isnan(of_mask(np.zeros((512, 512), bool))).all()


@pytest.mark.parametrize("size", [384, 512, 777])
def test_a_raster_holds_the_area_of_its_mask_whatever_the_pixels(size):
    mask = np.random.default_rng(0).random((size, size)) < 0.3
    unit = size / 512
    found = raster_of_mask(mask, centre=((size - 1) / 2,) * 2, unit=unit)
    assert found.sum() * 4 * unit**2 == pytest.approx(mask.sum(), rel=1e-9)
    assert found.max() <= 1 + 1e-12


@pytest.mark.parametrize("side", [4, 8, 16])
def test_lacunarity_of_chance_is_its_closed_form(side):
    p = 0.2
    mask = np.random.default_rng(1).random((512, 512)) < p
    found = lacunarity(raster_of_mask(mask, centre=MIDDLE, unit=1.0),
                       raster_of_middles(FULL, centre=MIDDLE, unit=1.0), side=side)  # fmt: skip
    # Boxes of (2 side)² pixels: variance over squared mean of a binomial.
    assert found - 1 == pytest.approx((1 - p) / p / (2 * side) ** 2, rel=0.15)


def test_even_filling_has_lacunarity_one_and_none_has_none():
    field = raster_of_middles(FULL, centre=MIDDLE, unit=1.0)
    assert lacunarity(field, field, side=8) == pytest.approx(1)
    assert math.isnan(lacunarity(0 * field, field, side=8))


def test_every_column_of_a_filled_view_and_of_none():
    fov = Fov(FULL, MIDDLE, 256.0, "full frame")
    mask = np.zeros_like(FULL)
    mask[100:400, 100:400] = True
    filled, empty = read_vasculature(mask, fov), read_vasculature(~FULL, fov)
    for biomarker in FRACTAL:
        name = biomarker.card.column
        assert biomarker.measure(empty).reason
        if name.startswith("mask_"):
            assert biomarker.measure(filled).value == pytest.approx(2, abs=0.02)
        if name.startswith(("artery", "vein")):
            assert "told apart" in biomarker.measure(filled).reason


def test_a_single_cell_has_no_dimension_and_does_no_harm() -> None:
    raster = np.zeros((20, 20))
    raster[5, 5] = 9.0
    assert np.isnan(dimensions(raster, least=1.0)).all()
    raster[5, 6] = 9.0
    assert np.isfinite(dimensions(raster, least=1.0)).all()
