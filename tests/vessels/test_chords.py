"""Widths across vessels that run along the picture's border."""

import numpy as np
import pytest

from retinaforge.vessels.chords import radii_across


@pytest.mark.parametrize("side", [0, 1, 2, 3])
def test_a_wide_vessel_at_the_border_keeps_the_width_it_was_given(side):
    """The search begins beyond the picture there; it must neither fail nor wrap round."""
    pixels = np.zeros((60, 60), bool)
    pixels[:, 50:] = True
    points = np.stack([np.full(21, 57.0), np.arange(20.0, 41.0)], axis=1)
    for _ in range(side):
        pixels, points = np.rot90(pixels), np.stack([points[:, 1], 59 - points[:, 0]], axis=1)
    about = np.full(21, 15.0)
    fov = np.ones_like(pixels)
    radii = radii_across(points, np.array([21]), about, pixels=np.ascontiguousarray(pixels),
                         fov=fov)  # fmt: skip
    assert np.array_equal(radii, about)
