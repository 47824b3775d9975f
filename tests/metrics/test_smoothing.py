"""Smoothing by matrices gives SciPy's numbers."""

import numpy as np
import pytest
from scipy import ndimage

from retinaforge.metrics.smoothing import mean_inside, smoothed


@pytest.mark.parametrize("shape", [(64, 64), (70, 131), (9, 20), (200, 65)])
@pytest.mark.parametrize("sigma", [0.7, 3.2, 15.4])
@pytest.mark.parametrize(("kind", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_smoothing_is_scipys(shape, sigma, kind, tolerance):
    plane = np.random.default_rng(0).uniform(0, 10, shape).astype(kind)
    expected = ndimage.gaussian_filter(plane.astype(float), sigma)
    found = smoothed(plane, sigma)
    assert found.dtype == kind
    np.testing.assert_allclose(found, expected, atol=tolerance)


def test_the_mean_inside_knows_nothing_of_what_lies_outside():
    y, x = np.mgrid[:60, :60]
    inside = np.hypot(y - 30, x - 30) < 25
    plane = np.where(inside, 7.0, 1000.0)
    np.testing.assert_allclose(mean_inside(plane, inside, 4.0)[inside], 7.0, rtol=1e-12)
