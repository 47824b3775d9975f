"""What lies well inside a mask is what the distance transform says."""

import numpy as np
import pytest
from scipy import ndimage

from retinaforge.metrics.within import farther_inside


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.5, 5.0, 12.0, 15.36])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_a_threshold_on_the_distance_transform(distance, seed):
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.normal(size=(90, 70)), 6) > -0.02
    mask |= np.hypot(*(np.mgrid[:90, :70] - 40)) < 30
    away = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    np.testing.assert_array_equal(farther_inside(mask, distance), away > distance)


def test_the_border_of_a_full_image_is_outside():
    assert farther_inside(np.ones((9, 9), bool), 4.0).sum() == 1
    assert not farther_inside(np.ones((9, 9), bool), 300.0).any()
