"""The share of a pixel that a vessel covers, against the area counted in many small squares."""

import numpy as np
import pytest

from retinaforge.phantoms.coverage import half_plane_share, strip_share, union_share

FINE = (np.arange(400) + 0.5) / 400 - 0.5
ANGLES_DEG = (0.0, 7.0, 30.0, 45.0, 61.0, 90.0, 135.0, 200.0)


def normal(angle_deg):
    return np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))


@pytest.mark.parametrize("angle_deg", ANGLES_DEG)
def test_half_plane_agrees_with_counted_area(angle_deg):
    nx, ny = normal(angle_deg)
    for depth in np.linspace(-0.8, 0.8, 17):
        counted = (FINE[None, :] * nx + FINE[:, None] * ny <= depth).mean()
        assert half_plane_share(depth, nx, ny) == pytest.approx(counted, abs=0.003)


@pytest.mark.parametrize("angle_deg", ANGLES_DEG)
@pytest.mark.parametrize("radius", [0.05, 0.3, 0.6, 1.5])
def test_strip_agrees_with_counted_area(angle_deg, radius):
    nx, ny = normal(angle_deg)
    for distance in np.linspace(0, 2.4, 9):
        across = FINE[None, :] * nx + FINE[:, None] * ny + distance
        counted = (np.abs(across) <= radius).mean()
        assert strip_share(distance, radius, nx, ny) == pytest.approx(counted, abs=0.006)


def test_the_normals_sign_changes_nothing_and_the_two_sides_add_up():
    rng = np.random.default_rng(3)
    angle, depth = rng.uniform(0, 2 * np.pi, 500), rng.uniform(-1, 1, 500)
    nx, ny = np.cos(angle), np.sin(angle)
    here = half_plane_share(depth, nx, ny)
    assert np.allclose(here, half_plane_share(depth, -nx, -ny))
    assert np.allclose(here + half_plane_share(-depth, nx, ny), 1)
    assert here.min() >= 0
    assert here.max() <= 1


def test_union_of_shares():
    assert union_share(np.array([0.0, 1.0, 0.5]), np.array([0.3, 0.7, 0.5])) == pytest.approx(
        [0.3, 1.0, 0.75]
    )
