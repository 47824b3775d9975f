"""Regions, half axes and peaks have closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from retinaforge.anatomy.regions import half_axes, heaviest_region, peak_of


def ellipse(a: float, b: float, tilt_deg: float) -> np.ndarray:
    rows, columns = np.indices((240, 240))
    x, y = columns - 121.3, rows - 118.6
    cosine, sine = np.cos(np.radians(tilt_deg)), np.sin(np.radians(tilt_deg))
    return ((x * cosine + y * sine) / a) ** 2 + ((y * cosine - x * sine) / b) ** 2 <= 1


@pytest.mark.parametrize("tilt_deg", [0, 30, 90])
def test_half_width_and_height_of_a_tilted_ellipse(tilt_deg: float) -> None:
    a, b, turn = 60.0, 40.0, np.radians(tilt_deg)
    centre, axes = half_axes(ellipse(a, b, tilt_deg))
    assert centre == pytest.approx((121.3, 118.6), abs=0.05)
    assert axes[0] == pytest.approx(np.hypot(a * np.cos(turn), b * np.sin(turn)), rel=0.003)
    assert axes[1] == pytest.approx(np.hypot(a * np.sin(turn), b * np.cos(turn)), rel=0.003)


def test_one_pixel_is_a_pixel_wide() -> None:
    mask = np.zeros((5, 5), dtype=bool)
    mask[2, 3] = True
    centre, axes = half_axes(mask)
    assert centre == (3.0, 2.0)
    assert axes == pytest.approx((1 / np.sqrt(3), 1 / np.sqrt(3)))


def test_the_region_with_the_largest_sum_wins_and_has_no_holes() -> None:
    p = np.zeros((40, 40), dtype=np.float32)
    p[2:12, 2:12] = 0.6
    p[20:28, 20:28] = 1.0
    p[23, 23] = 0.0
    found = heaviest_region(p, level=0.5)
    expected = np.zeros((40, 40), dtype=bool)
    expected[20:28, 20:28] = True
    np.testing.assert_array_equal(found, expected)
    assert not heaviest_region(p * 0.4, level=0.5).any()


def test_the_peak_is_found_between_pixels_and_mirrors() -> None:
    rows, columns = np.indices((64, 80))
    heat = np.exp(-((rows - 30.4) ** 2 + (columns - 21.7) ** 2) / 32)
    point, height = peak_of(heat, reach_px=14)
    assert point == pytest.approx((21.7, 30.4), abs=0.02)
    assert 0.97 < height <= 1
    mirrored, same = peak_of(heat[:, ::-1], reach_px=14)
    assert mirrored == pytest.approx((79 - point[0], point[1]), abs=1e-9)
    assert same == height


def test_an_empty_map_has_its_peak_in_the_middle_and_no_height() -> None:
    assert peak_of(np.zeros((11, 21)), reach_px=3) == ((10.0, 5.0), 0.0)
