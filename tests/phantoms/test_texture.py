"""Texture: fixed to the retina, of unit variance, the same for every frame."""

import numpy as np
import pytest

from retinaforge.phantoms.frame import Frame, frame_of
from retinaforge.phantoms.texture import PERIOD_UM, map_for, noise, ring_noise


def frame(size_px=128, centre_um=(2000.0, -300.0), fov_deg=45.0):
    return frame_of(size_px=size_px, centre_um=centre_um, fov_deg=fov_deg)


def shrunk(plane, factor):
    side = len(plane) // factor
    return plane.reshape(side, factor, side, factor).mean((1, 3))


@pytest.mark.parametrize("cell_um", [60.0, 240.0, 1000.0])
def test_noise_has_mean_zero_and_variance_one(cell_um):
    fine = Frame(size_px=600, centre_um=(2000.0, 0.0), fov_radius_um=11500.0)
    values = np.concatenate([noise(fine, cell_um, seed=s).ravel() for s in range(6)])
    expected = 1.0 if cell_um > 100 else 0.9
    assert abs(values.mean()) < 0.1
    assert values.std() == pytest.approx(expected, abs=0.13)


@pytest.mark.parametrize("cell_um", [40.0, 180.0, 1000.0])
def test_a_coarse_picture_is_the_mean_of_a_fine_one(cell_um):
    coarse, fine = noise(frame(96), cell_um, seed=3), noise(frame(768), cell_um, seed=3)
    assert np.abs(coarse - shrunk(fine, 8)).max() < 0.04


def test_another_aim_shows_the_same_ground():
    here = frame()
    step = 12 * here.px_um
    there = frame(centre_um=(2000.0 + step, -300.0 - step))
    one, two = noise(here, 300, seed=5), noise(there, 300, seed=5)
    np.testing.assert_allclose(one[:-12, 12:], two[12:, :-12], atol=1e-3)


def test_a_part_is_a_part_of_the_whole():
    part = (slice(20, 50), slice(7, 99))
    whole = noise(frame(), 150, seed=1)
    np.testing.assert_array_equal(noise(frame(), 150, seed=1, part=part), whole[part])


def test_noise_much_finer_than_a_pixel_averages_to_nothing():
    wide = frame(64)
    assert wide.px_um > 4 * 40
    assert not noise(wide, 40, seed=0).any()
    assert noise(frame(512), 40, seed=0).any()


def test_noise_follows_its_seed():
    assert np.array_equal(noise(frame(), 200, seed=1), noise(frame(), 200, seed=1))
    assert not np.allclose(noise(frame(), 200, seed=1), noise(frame(), 200, seed=2))


def test_a_maps_node_has_the_same_noise_in_every_picture():
    one, two = map_for(frame()), map_for(frame(centre_um=(3000.0, 500.0), fov_deg=30.0))
    (x1, y1), (x2, y2) = one.first, two.first
    x, y = max(x1, x2) + 20, max(y1, y2) + 20
    a, b = (m.noise(500, seed=4) for m in (one, two))
    part = (slice(y - y1, y - y1 + 50), slice(x - x1, x - x1 + 50))
    other = (slice(y - y2, y - y2 + 50), slice(x - x2, x - x2 + 50))
    np.testing.assert_allclose(a[part], b[other], atol=1e-6)


def test_a_map_covers_its_picture_and_reproduces_straight_lines():
    for size_px in (64, 200):
        picture = frame(size_px, fov_deg=60.0)
        where = map_for(picture)
        plane = where.x_um + 2 * where.y_um
        expected = picture.x_um + 2 * picture.y_um
        np.testing.assert_allclose(where.sample(plane, picture), expected, atol=0.2)


def test_the_lattice_repeats_after_its_period():
    far = frame(centre_um=(2000.0 + PERIOD_UM, -300.0))
    np.testing.assert_allclose(noise(frame(), 400, seed=2), noise(far, 400, seed=2), atol=2e-2)


def test_noise_round_a_circle_closes_and_varies():
    turns = np.linspace(0, 1, 2001)
    values = ring_noise(200, turns, seed=1)
    assert values[0] == pytest.approx(values[-1], abs=1e-5)
    assert np.abs(np.diff(values)).max() < 1.0
    assert values.std() == pytest.approx(1, abs=0.2)
