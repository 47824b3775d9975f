"""Thinning: the published algorithm, nothing lost at 45°, one line left of every vessel."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.morphology import skeletonize
from skimage.morphology import thin as skimage_thin

from retinaforge.vessels.thinning import thin

AROUND = np.ones((3, 3), bool)


def bar(width_px, angle_deg, *, off=0.0, size=100, length_px=70.0):
    """Return a straight bar through the middle of a picture."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    turn = np.deg2rad(angle_deg)
    across = x * np.sin(turn) - y * np.cos(turn) + off
    along = x * np.cos(turn) + y * np.sin(turn)
    return (np.abs(across) < width_px / 2) & (np.abs(along) < length_px / 2)


def drawn(points, shape):
    picture = np.zeros(shape, bool)
    picture[tuple(points.T)] = True
    return picture


@pytest.mark.parametrize("seed", range(3))
def test_thins_as_scikit_image_does(seed):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(120, 150)), 3)
    for pixels in (noise > 0.02, noise > -0.05):
        assert np.array_equal(drawn(thin(pixels), pixels.shape), skimage_thin(pixels))


@pytest.mark.parametrize("width", [1.5, 2, 2.5, 3, 4, 5, 8])
@pytest.mark.parametrize("angle", [0, 30, 44, 45, 46, 90, 135])
def test_no_vessel_is_lost_at_any_angle(width, angle):
    for off in (-0.4, -0.2, 0.001, 0.2, 0.4):
        pixels = bar(width, angle, off=off)
        left = thin(pixels)
        extent = np.hypot(*np.ptp(left, axis=0))
        assert extent > 70 - width - 4
        assert ndimage.label(drawn(left, pixels.shape), AROUND)[1] == 1


def test_zhangs_skeleton_loses_what_this_keeps():
    pixels = bar(4, 45, off=-0.5)
    assert skeletonize(pixels).sum() < 5 < len(thin(pixels))


def test_pieces_and_holes_stay_as_many():
    noise = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=(200, 200)), 4) > 0
    left = drawn(thin(noise), noise.shape)
    assert ndimage.label(left, AROUND)[1] == ndimage.label(noise, AROUND)[1]
    holes = [ndimage.label(np.pad(~m, 1, constant_values=True))[1] for m in (noise, left)]
    assert holes[0] == holes[1]


def test_an_empty_mask_leaves_nothing_and_the_frame_is_no_wall():
    assert thin(np.zeros((5, 6), bool)).shape == (0, 2)
    assert len(thin(np.ones((7, 40), bool))) >= 30
