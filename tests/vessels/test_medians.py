"""The median that does not jump, by its definition."""

import numpy as np
import pytest
from scipy.stats.mstats import hdquantiles

from retinaforge.vessels.medians import smooth_median


@pytest.mark.parametrize("n", [1, 2, 3, 10, 41])
def test_it_is_harrells_and_davis(n):
    values = np.random.default_rng(n).normal(size=n)
    expected = values[0] if n == 1 else hdquantiles(values, [0.5])[0]
    assert smooth_median(values) == pytest.approx(float(expected))


def test_of_symmetrical_values_it_is_the_middle():
    assert smooth_median(np.array([5.0, 1.0, 3.0])) == pytest.approx(3)
