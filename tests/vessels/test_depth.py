"""The depth inside a thin mask is the distance transform."""

import numpy as np
import pytest
from scipy import ndimage

from retinaforge.vessels.depth import depth_inside, depth_up_to


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("level", [-0.05, 0.0, 0.05])
def test_it_is_scipys_distance_transform(seed, level):
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.normal(size=(61, 83)), 2 + seed) > level
    np.testing.assert_allclose(depth_inside(mask), ndimage.distance_transform_edt(mask))


def test_a_whole_column_reaches_the_frame():
    mask = np.zeros((20, 30), bool)
    mask[:, 5:12] = True
    np.testing.assert_allclose(depth_inside(mask), ndimage.distance_transform_edt(mask))


def test_without_an_outside_every_depth_is_infinite():
    assert np.isinf(depth_inside(np.ones((4, 5), bool))).all()
    assert not depth_inside(np.zeros((4, 5), bool)).any()


@pytest.mark.parametrize("most", [1, 2, 7, 40])
def test_near_the_rim_it_is_scipys_with_the_frame_outside(most):
    y, x = np.mgrid[:61, :83]
    mask = np.hypot(y - 30, x - 35) < 39.5
    mask[20:23, 30:50] = False
    whole = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    np.testing.assert_array_equal(depth_up_to(mask, most), np.minimum(whole, most))
