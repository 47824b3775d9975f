"""Wall sharpness: a blurred step has a known slope; ratios, noise, refusals."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.stats import norm

from retinaforge.core import Refusal
from retinaforge.vessels.edges import edge_sharpness, wall_profiles, wall_slopes

SIZE = 160
FULL = np.ones((SIZE, SIZE), bool)


def wall(angle_deg, sigma_px, contrast=100.0):
    """Return a dark half-plane blurred across its wall by a Gaussian, and its mask."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    angle = np.deg2rad(angle_deg)
    distance = x * np.cos(angle) + y * np.sin(angle) - 0.3
    green = 60 + contrast * norm.cdf(distance / sigma_px)
    # Dithered: plain rounding would give every row of an upright wall the same error.
    levels = np.floor(green + np.random.default_rng(0).random(green.shape)).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=2), distance < 0


@pytest.mark.parametrize("angle", [0, 30, 45, 110, 200])
@pytest.mark.parametrize("sigma", [2.0, 3.0, 5.0])
def test_slope_of_a_blurred_step_is_known_at_every_angle(angle, sigma):
    image, mask = wall(angle, sigma)
    raw, same = wall_slopes(image, image, wall_profiles(mask, FULL), FULL)
    assert raw == same
    assert raw == pytest.approx(100 * (2 * norm.cdf(1 / sigma) - 1) / 2, rel=0.05)


@pytest.mark.parametrize("angle", [0, 25, 45, 160])
def test_ratio_of_two_blurs_is_the_inverse_ratio_of_their_widths(angle):
    sharp, mask = wall(angle, 2.0)
    blurred, _ = wall(angle, 5.0)
    expected = (2 * norm.cdf(1 / 5) - 1) / (2 * norm.cdf(1 / 2) - 1)
    ratio = edge_sharpness(blurred, sharp, mask, FULL).value
    assert ratio == pytest.approx(expected, rel=0.04)
    assert edge_sharpness(sharp, blurred, mask, FULL).value == pytest.approx(1 / ratio)


def test_half_the_contrast_is_half_the_sharpness():
    (pale, mask), (full, _) = wall(20, 3.0, contrast=60.0), wall(20, 3.0, contrast=120.0)
    assert edge_sharpness(pale, full, mask, FULL).value == pytest.approx(0.5, rel=0.02)


def test_walls_a_pixel_beside_the_mask_are_found():
    image, mask = wall(0, 2.0)
    blurred, _ = wall(0, 4.0)
    straight = edge_sharpness(blurred, image, mask, FULL).value
    shifted = edge_sharpness(blurred, image, np.roll(mask, 1, axis=1), FULL)
    assert shifted.value == pytest.approx(straight, rel=0.02)


def test_every_wall_of_a_vessel_is_read_outwards():
    mask = np.zeros((SIZE, SIZE), bool)
    mask[70:78, 20:140] = True
    image = np.repeat(np.where(mask, 60, 160).astype(np.uint8)[..., None], 3, axis=2)
    walls = wall_profiles(mask, FULL)
    middle = np.abs(walls.points_px[:, 1] - 80) < 40
    above = walls.points_px[:, 0] < 74
    np.testing.assert_allclose(
        walls.normals[middle & above], [[-1, 0]] * (middle & above).sum(), atol=1e-9
    )
    np.testing.assert_allclose(walls.points_px[middle & above][:, 0], 69.5)
    np.testing.assert_allclose(walls.points_px[middle & ~above][:, 0], 77.5)
    assert edge_sharpness(image, image, mask, FULL).value == 1.0


def test_more_blur_is_less_sharp_and_a_little_noise_hardly_counts():
    mask = np.zeros((SIZE, SIZE), bool)
    mask[40:45], mask[80:82], mask[120:130] = True, True, True
    sharp = gaussian_filter1d(np.where(mask, 60.0, 110.0), 1.0, axis=0)

    def ratio(green):
        pixels = [np.repeat(np.rint(a).astype(np.uint8)[..., None], 3, 2) for a in (green, sharp)]
        return edge_sharpness(pixels[0], pixels[1], mask, FULL).value

    ratios = [ratio(gaussian_filter1d(sharp, sigma, axis=0)) for sigma in (0.5, 1.0, 2.0, 4.0)]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] < 1.0
    assert ratios[-1] < 0.5
    noisy = sharp + np.random.default_rng(0).normal(0, 3, sharp.shape)
    assert ratio(noisy) == pytest.approx(1.0, abs=0.05)


def test_turned_and_mirrored_images_have_the_same_sharpness():
    (a, mask), (b, _) = wall(33, 2.0), wall(33, 3.0)
    straight = edge_sharpness(b, a, mask, FULL).value
    for turn in (np.rot90, np.fliplr, np.flipud):
        moved = edge_sharpness(turn(b), turn(a), turn(mask), FULL).value
        assert moved == pytest.approx(straight, rel=1e-3)


def test_outside_the_field_of_view_nothing_counts():
    (a, mask), (b, _) = wall(0, 2.0), wall(0, 3.0)
    fov = FULL.copy()
    fov[:50] = False
    inside = edge_sharpness(b, a, mask, fov).value
    b[:50], a[:50], mask[:50] = 7, 200, True
    assert edge_sharpness(b, a, mask, fov).value == pytest.approx(inside, rel=0.01)


def test_undefined_is_nan_with_its_reason():
    image, mask = wall(0, 2.0)
    nothing = edge_sharpness(image, image, np.zeros_like(mask), FULL)
    assert np.isnan(nothing.value)
    assert "fewer than 50 wall points" in nothing.reason
    inverted = edge_sharpness(255 - image, 255 - image, mask, FULL)
    assert np.isnan(inverted.value)
    assert "does not brighten" in inverted.reason


def test_another_size_is_refused():
    image, mask = wall(0, 2.0)
    with pytest.raises(Refusal, match=r"got shape \(80, 160, 3\); carry the reconstruction back"):
        edge_sharpness(image[::2], image, mask, FULL)
