"""The vessel mask: calibre in closed form, field of view, Betti numbers against an oracle."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import euler_number

from retinaforge.core import Refusal
from retinaforge.vessels.skeleton import vessel_mask

FULL = np.ones((120, 120), bool)


def strip(width_px, angle_deg=0.0, size=120):
    """Return a straight vessel through the middle that leaves the image on both sides."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    angle = np.deg2rad(angle_deg)
    return np.abs(x * np.sin(angle) - y * np.cos(angle)) < width_px / 2


@pytest.mark.parametrize("width", range(1, 13))
def test_calibre_is_exact_for_upright_vessels_of_odd_and_even_width(width):
    pixels = np.zeros((120, 120), bool)
    pixels[50 : 50 + width] = True
    for turned in (pixels, pixels.T):
        assert np.all(vessel_mask(turned, FULL).calibres_px == width)


@pytest.mark.parametrize("half", [1, 3, 5])
def test_calibre_is_exact_along_the_diagonal(half):
    y, x = np.mgrid[:120, :120]
    calibres = vessel_mask(np.abs(x - y) <= half, FULL).calibres_px
    # 2 half + 1 pixels a row, across a line that runs at 45°.
    assert np.median(calibres) == pytest.approx((2 * half + 1) / np.sqrt(2), abs=1e-9)


@pytest.mark.parametrize("angle", [10, 30, 50, 75])
@pytest.mark.parametrize("width", [4, 7, 10])
def test_calibre_of_oblique_vessels_is_within_a_tenth(angle, width):
    measured = np.mean(vessel_mask(strip(width, angle), FULL).calibres_px)
    assert measured == pytest.approx(width, rel=0.1)


def test_the_edge_of_the_view_is_no_vessel_wall():
    fov = np.zeros((120, 120), bool)
    fov[:, :61] = True
    pixels = np.zeros((120, 120), bool)
    pixels[50:57, :] = True
    assert np.all(vessel_mask(pixels, fov).calibres_px == 7)


def test_calibre_is_nan_where_no_wall_is_in_view():
    assert np.isnan(vessel_mask(FULL, FULL).calibres_px).all()


def test_only_the_field_of_view_is_kept():
    fov = np.zeros((120, 120), bool)
    fov[20:80, 30:110] = True
    mask = vessel_mask(FULL, fov)
    assert mask.pixels.shape == (60, 80)
    assert mask.unit_px == 80 / 512


def test_centreline_is_one_pixel_wide_and_in_the_middle():
    mask = vessel_mask(strip(5), FULL)
    assert set(mask.points[:, 0]) <= {59, 60}
    assert len(mask.points) == len(set(mask.points[:, 1]))


@pytest.mark.parametrize("seed", range(4))
def test_betti_numbers_agree_with_flood_fill_and_with_the_euler_number(seed):
    rng = np.random.default_rng(seed)
    # Below 114 px the smallest counted area is under one pixel: nothing is left out.
    pixels = ndimage.gaussian_filter(rng.normal(size=(110, 90)), 1.5) > 0.05
    beta_0, beta_1 = vessel_mask(pixels, np.ones_like(pixels)).betti_numbers
    background = np.pad(~pixels, 1, constant_values=True)
    assert beta_0 == ndimage.label(pixels, np.ones((3, 3)))[1]
    assert beta_1 == ndimage.label(background)[1] - 1
    assert beta_0 - beta_1 == euler_number(pixels, connectivity=2)


def test_betti_numbers_leave_specks_and_pinholes_out():
    pixels = np.zeros((512, 512), bool)
    pixels[100:200, 100:200] = True
    pixels[120:180, 120:180] = False
    pixels[300:303, 300:303] = True  # 9 px: a speck
    pixels[110:113, 150:153] = False  # 9 px: a pinhole
    pixels[400:405, 400:402] = True  # 10 px: counts
    assert vessel_mask(pixels, np.ones_like(pixels)).betti_numbers == (2, 1)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((120, 119), bool), r"shape \(120, 120\); got shape \(120, 119\) and type bool"),
        (np.zeros((120, 120), np.uint8), r"boolean masks .* type uint8; read masks with"),
    ],
)
def test_other_masks_are_refused(pixels, message):
    with pytest.raises(Refusal, match=message):
        vessel_mask(pixels, FULL)


def test_an_empty_field_of_view_is_refused():
    with pytest.raises(Refusal, match="at least one pixel inside; got a mask that is False"):
        vessel_mask(FULL, ~FULL)
