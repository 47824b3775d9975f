"""What is drawn is what the tree says: areas, calibres and lengths of closed forms."""

import numpy as np
import pytest
from scipy.ndimage import label

from retinaforge.core import Branch
from retinaforge.phantoms import draw
from retinaforge.phantoms.phantom import mirror
from retinaforge.phantoms.raster import render_vessels

MIDDLE = np.array([60.31, 59.77])
ANGLES_DEG = (0.0, 11.3, 22.5, 30.0, 45.0, 57.7, 78.1, 90.0)


def straight(angle_deg, radius, *, length=70.0, shift=(0.0, 0.0), points=2, end_radius=None):
    way = np.array([np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))])
    along = np.linspace(-length / 2, length / 2, points)[:, None]
    radii = np.linspace(radius, radius if end_radius is None else end_radius, points)
    return Branch(MIDDLE + np.array(shift) + along * way, radii)


def area(*branches, size_px=120):
    return float(render_vessels(branches, size_px=size_px).coverage.sum(dtype=np.float64))


def ring(radius, turn_deg=360.0, *, bend=35.0, points=200):
    angle = np.radians(np.linspace(0, turn_deg, points))
    return Branch(
        MIDDLE + bend * np.stack([np.cos(angle), np.sin(angle)], axis=1), np.full(points, radius)
    )


@pytest.mark.parametrize("angle_deg", ANGLES_DEG)
@pytest.mark.parametrize("calibre", [2.0, 3.3, 5.0, 9.0, 20.0])
def test_calibre_of_a_straight_vessel_at_every_angle_and_place(angle_deg, calibre):
    """Area over length between two cuts is the calibre: the round ends cancel."""
    for shift in ((0.0, 0.0), (0.5, 0.0), (0.23, -0.41)):
        long = area(straight(angle_deg, calibre / 2, length=70, shift=shift))
        short = area(straight(angle_deg, calibre / 2, length=30, shift=shift))
        assert (long - short) / 40 == pytest.approx(calibre, abs=0.02)


@pytest.mark.parametrize("angle_deg", ANGLES_DEG)
@pytest.mark.parametrize("calibre", [2.0, 4.7, 11.0])
def test_calibre_of_every_section(angle_deg, calibre):
    """Not only the mean: coverage summed across is the calibre at each column of the picture."""
    if abs(np.cos(np.radians(angle_deg))) < 0.7:
        angle_deg = 90 - angle_deg
    picture = render_vessels([straight(angle_deg, calibre / 2)], size_px=120).coverage
    sections = picture[:, 50:71].sum(axis=0, dtype=np.float64)
    assert sections * np.cos(np.radians(angle_deg)) == pytest.approx(calibre, abs=0.1)


@pytest.mark.parametrize("angle_deg", ANGLES_DEG)
@pytest.mark.parametrize("calibre", [2.0, 6.0])
def test_length_between_the_ends(angle_deg, calibre):
    drawn = area(straight(angle_deg, calibre / 2))
    length = (drawn - np.pi * calibre**2 / 4) / calibre
    assert length == pytest.approx(70.0, abs=0.1)


@pytest.mark.parametrize("calibre", [0.3, 0.7, 1.0, 1.5])
def test_vessels_thinner_than_a_pixel_cover_their_calibre(calibre):
    for angle_deg in ANGLES_DEG:
        long = area(straight(angle_deg, calibre / 2))
        short = area(straight(angle_deg, calibre / 2, length=30))
        assert (long - short) / 40 == pytest.approx(calibre, abs=0.05)


@pytest.mark.parametrize("points", [2, 9, 71, 400])
def test_joints_of_a_straight_centreline_show_nothing(points):
    whole = render_vessels([straight(33.0, 2.6)], size_px=120).coverage
    again = render_vessels([straight(33.0, 2.6, points=points)], size_px=120).coverage
    assert np.abs(again - whole).max() < 1e-3


@pytest.mark.parametrize("calibre", [2.0, 5.0, 12.0])
def test_area_of_an_arc_is_calibre_times_length(calibre):
    drawn = area(ring(calibre / 2, 120.0))
    length = 35.0 * np.radians(120)
    assert (drawn - np.pi * calibre**2 / 4) / length == pytest.approx(calibre, abs=0.03)


@pytest.mark.parametrize("calibre", [2.0, 5.0, 12.0])
def test_area_of_a_loop_is_a_rings(calibre):
    """π (outer² - inner²) = 2 π bend · calibre; nothing is covered in the middle."""
    layer = render_vessels([ring(calibre / 2)], size_px=120)
    drawn = layer.coverage.sum(dtype=np.float64)
    assert drawn / (2 * np.pi * 35.0) == pytest.approx(calibre, abs=0.02)
    _, holes = label(~layer.mask)
    assert holes == 2


@pytest.mark.parametrize("margin_px", [1.0, 1.3, 2.0, 6.0])
def test_the_margin_does_not_change_what_is_covered(margin_px):
    """At a joint two pieces are equally near; whichever is taken, the coverage is the same."""
    bent = Branch(MIDDLE + np.array([[-20, -9], [-2, 3], [0, 0.5], [9, 7], [22, -6]]),
                  np.array([1.3, 1.6, 1.1, 2.4, 1.2]))  # fmt: skip
    covered = render_vessels([bent], size_px=120).coverage
    again = render_vessels([bent], size_px=120, margin_px=margin_px).coverage
    assert np.abs(again - covered).max() < 1e-4


def test_tapered_vessel_is_a_trapezoid():
    drawn = area(straight(25.0, 5.0, end_radius=1.0))
    # Round ends of 5 and 1 px, which overlap the trapezoid a little where walls converge.
    assert drawn == pytest.approx(70 * (5 + 1) + np.pi / 2 * (25 + 1), rel=0.003)
    wide = render_vessels([straight(0.0, 5.0, end_radius=1.0, points=23)], size_px=120).coverage
    sections = wide.sum(axis=0, dtype=np.float64)
    left = MIDDLE[0] - 35
    for column in (35, 50, 60, 80, 90):
        assert sections[column] == pytest.approx(10 - 8 * (column - left) / 70, abs=0.1)


@pytest.mark.parametrize("angle_deg", [40.0, 60.0, 90.0, 120.0])
@pytest.mark.parametrize("radius", [1.0, 2.5])
def test_area_of_a_bifurcation(angle_deg, radius):
    """Three equal vessels that meet in one point, each pair's overlap in closed form.

    Two half strips of half width r from one point with angle t between them share, on their inner
    side, a kite of area r² / tan(t / 2); the round joint adds a sector on each outer side.
    """
    half = np.radians(angle_deg) / 2
    ways = [np.pi, half, -half]
    ends = [MIDDLE + 40 * np.array([np.cos(way), np.sin(way)]) for way in ways]
    tree = [Branch(np.array([MIDDLE, end]), np.full(2, radius)) for end in ends]
    gaps = np.array([2 * half, np.pi - half, np.pi - half])
    shared = (radius**2 / np.tan(gaps / 2)).sum()
    expected = 3 * (40 * 2 * radius + np.pi * radius**2 / 2) - shared
    # Each of the three is right within a tenth of a pixel of its length.
    assert area(*tree) == pytest.approx(expected, abs=3 * 0.1 * 2 * radius)


def test_a_crossing_of_right_angles_is_covered_once():
    drawn = area(straight(0.0, 2.0), straight(90.0, 3.0))
    assert drawn == pytest.approx(70 * 4 + 70 * 6 + np.pi * (4 + 9) - 4 * 6, abs=0.5)


def test_mask_is_coverage_of_one_half():
    layer = render_vessels([straight(19.0, 3.2), ring(2.1)], size_px=120)
    clear = np.abs(layer.coverage - 0.5) > 0.06
    assert np.array_equal(layer.mask[clear], (layer.coverage > 0.5)[clear])
    assert clear.mean() > 0.97


@pytest.mark.parametrize("angle_deg", ANGLES_DEG)
def test_the_thinnest_vessel_is_one_connected_pixel_wide(angle_deg):
    layer = render_vessels([straight(angle_deg, 0.02)], size_px=120)
    _, parts = label(layer.mask, np.ones((3, 3)))
    assert parts == 1
    across = 70 * max(abs(np.cos(np.radians(angle_deg))), abs(np.sin(np.radians(angle_deg))))
    assert across - 2 < layer.mask.sum() < 1.5 * 70


def test_what_lies_outside_of_the_picture_changes_nothing():
    """A picture cut from a larger one is the same picture."""
    way = np.array([[-30.0, 20.0], [40.0, 61.5], [190.0, 130.0]])
    radii = np.array([3.0, 2.0, 1.2])
    far = Branch(np.array([[-50.0, -20.0], [-9.0, 300.0]]), np.full(2, 1.5))
    small = render_vessels([Branch(way, radii), far], size_px=120)
    large = render_vessels([Branch(way + 60, radii)], size_px=240)
    assert np.allclose(small.coverage, large.coverage[60:180, 60:180], atol=1e-4)
    assert np.array_equal(small.mask, large.mask[60:180, 60:180])


def test_no_vessel_is_an_empty_picture():
    layer = render_vessels([], size_px=64)
    assert layer.coverage.shape == (64, 64)
    assert not layer.mask.any()
    assert layer.coverage.sum() == 0


def test_the_margin_reaches_as_far_as_asked():
    layer = render_vessels([straight(0.0, 2.0)], size_px=120, margin_px=5.0)
    near = layer.plane(np.ones(len(layer.index), dtype=bool))
    assert near[:, 60].sum() in (13, 14, 15)
    y, x = np.nonzero(near)
    assert np.allclose(
        layer.plane(layer.distance_px)[:, 60][near[:, 60]],
        np.abs(y[x == 60] - MIDDLE[1]),
        atol=1e-4,
    )


def test_each_pixel_knows_its_branch_and_radius():
    layer = render_vessels([straight(0.0, 2.0), straight(90.0, 3.0)], size_px=120)
    number, radius = layer.plane(layer.branch), layer.plane(layer.radius_px)
    assert (number[60, 30], number[30, 60]) == (0, 1)
    assert (radius[60, 30], radius[30, 60]) == (2.0, 3.0)


def test_a_phantom_carries_the_coverage_of_its_vessels():
    drawn = draw(5, size_px=256, eye="OD")
    again = [
        render_vessels(drawn.tree.of_kind(kind), size_px=256).coverage
        for kind in ("artery", "vein")
    ]
    inside = drawn.fov.mask
    assert drawn.coverage[~inside].max() == 0
    union = 1 - (1 - again[0]) * (1 - again[1])
    assert np.abs(drawn.coverage - union)[inside].max() < 1e-4
    assert drawn.vessel[drawn.coverage > 0.75].all()
    assert not drawn.vessel[drawn.coverage == 0].any()
    assert np.array_equal(mirror(drawn).coverage, drawn.coverage[:, ::-1])


def test_the_same_eye_has_the_same_vessel_area_at_every_size():
    areas = []
    for size_px in (128, 512):
        drawn = draw(5, size_px=size_px, eye="OD")
        areas.append(drawn.coverage.sum(dtype=np.float64) * drawn.px_um**2)
    assert areas[0] == pytest.approx(areas[1], rel=0.03)
