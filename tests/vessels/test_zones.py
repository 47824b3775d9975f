"""Zones: rings and quadrants of known points and areas, however the picture lies."""

import math

import numpy as np
import pytest

from retinaforge.core import Fov, Landmarks
from retinaforge.vessels.biomarkers.regions import REGIONS
from retinaforge.vessels.vasculature import read_vasculature
from retinaforge.vessels.zones import QUADRANTS, disc_grid, disc_radius_px, macula_grid, stretches

SIZE = 401
CENTRE = (200.0, 200.0)
MARKS = Landmarks(eye="OD", disc_centre_px=CENTRE, disc_axes_px=(18.0, 22.0),
                  fovea_px=(110.0, 200.0), um_per_px=40.0)  # fmt: skip
RADIUS = 20.0
WHOLE = Fov(np.ones((SIZE, SIZE), bool), CENTRE, 200.0, "full frame")


def measured(pixels, landmarks=MARKS, fov=WHOLE, **kinds):
    v = read_vasculature(pixels, fov, landmarks, **kinds)
    found = [b.measure(v) for b in REGIONS]
    return {q.card.column: q for q in found}


def offsets(centre=CENTRE, size=SIZE):
    y, x = np.mgrid[:size, :size].astype(float)
    return x - centre[0], y - centre[1]


def ring(inner, outer):
    dx, dy = offsets()
    far = np.hypot(dx, dy)
    return (far >= inner) & (far < outer)


def at(grid, dx, dy):
    return int(
        grid.cells(np.array([grid.centre_px[0] + dx]), np.array([grid.centre_px[1] + dy]))[0]
    )


@pytest.mark.parametrize(
    ("eye", "fovea", "right", "down", "left", "up"),
    [
        ("OD", (110.0, 200.0), "nasal", "inferior", "temporal", "superior"),
        ("OS", (290.0, 200.0), "temporal", "inferior", "nasal", "superior"),
        ("OD", None, "nasal", "inferior", "temporal", "superior"),
        ("OS", None, "temporal", "inferior", "nasal", "superior"),
        # A right eye turned a quarter clockwise: its temporal side is up, its upper side right.
        ("OD", (200.0, 110.0), "superior", "nasal", "inferior", "temporal"),
    ],
)
def test_quadrants_follow_the_eye(eye, fovea, right, down, left, up):
    grid = disc_grid(Landmarks(eye=eye, disc_centre_px=CENTRE, disc_axes_px=(20.0, 20.0),
                               fovea_px=fovea))  # fmt: skip
    for step, name in (((1, 0), right), ((0, 1), down), ((-1, 0), left), ((0, -1), up)):
        for bend in (-0.6, 0.0, 0.6):
            turn = math.atan2(step[1], step[0]) + bend
            cell = at(grid, 50 * math.cos(turn), 50 * math.sin(turn))
            assert QUADRANTS[cell % 4] == name


def test_rings_are_those_of_zones_a_b_and_c():
    grid = disc_grid(MARKS)
    assert disc_radius_px(MARKS) == RADIUS
    away = (19.9, 20.1, 39.9, 40.1, 59.9, 60.1, 99.9, 100.1)
    assert [at(grid, d, 0) for d in away] == [-1, 1, 1, 5, 5, 9, 9, -1]


def test_the_etdrs_grid_is_1_3_and_6_mm_across():
    grid = macula_grid(MARKS)
    assert grid.radii_px == (0.0, 12.5, 37.5, 75.0)
    unscaled = macula_grid(Landmarks(disc_centre_px=CENTRE, disc_axes_px=(18.5, 18.5),
                                     fovea_px=(110.0, 200.0)))  # fmt: skip
    assert unscaled.radii_px == (0.0, 10.0, 30.0, 60.0)


def test_what_is_in_view_is_exact_for_a_half():
    left = np.zeros((SIZE, SIZE), bool)
    left[:, :201] = True
    grid = disc_grid(MARKS)
    assert np.all(grid.visible(WHOLE.mask) == 1)
    seen = grid.visible(left)
    assert seen[:, 1].max() == 0
    assert seen[:, 3].min() == 1
    assert seen[:, [0, 2]] == pytest.approx(0.5, abs=0.03)
    assert disc_grid(Landmarks(disc_centre_px=(0.0, 0.0), disc_axes_px=(20.0, 20.0))).visible(
        WHOLE.mask
    ).sum() == pytest.approx(3, abs=0.2)


def test_a_filled_zone_has_density_1_and_its_neighbours_0():
    found = measured(ring(40, 60))
    assert found["area_density_zone_a"].value == 0
    assert found["area_density_zone_b"].value == pytest.approx(1, rel=0.01)
    assert found["area_density_zone_c"].value == pytest.approx(5 / 21, rel=0.01)
    for name in QUADRANTS:
        assert found[f"area_density_disc_{name}"].value == pytest.approx(5 / 21, rel=0.03)


def test_kinds_are_counted_apart():
    dx, _ = offsets()
    both = ring(40, 60)
    found = measured(both, artery=both & (dx < 0), vein=both & (dx > 0))
    assert found["artery_area_density_zone_b"].value == pytest.approx(0.5, rel=0.02)
    assert found["vein_area_density_zone_c"].value == pytest.approx(2.5 / 21, rel=0.02)


@pytest.mark.parametrize("angle", [0, 30, 45, 80])
def test_length_in_a_zone_is_that_of_the_vessels_in_it(angle):
    dx, dy = offsets()
    turn = math.radians(angle)
    across, along = dx * math.sin(turn) - dy * math.cos(turn), np.hypot(dx, dy)
    found = measured((abs(across) < 2.5) & (along < 150))
    # One vessel either side, half a disc diameter of each in zone B, times the disc's diameter.
    expected = 2 * RADIUS * 2 * RADIUS / (math.pi * RADIUS**2 * (3**2 - 2**2))
    assert found["length_density_zone_b"].value == pytest.approx(expected, rel=0.03)
    sides = [found[f"length_density_disc_{name}"].value for name in QUADRANTS]
    whole = found["length_density_zone_c"].value
    assert sum(sides) / 4 == pytest.approx(whole, rel=1e-9)


def test_the_macula_is_measured_ring_by_ring():
    dx, dy = offsets(centre=MARKS.fovea_px)
    far = np.hypot(dx, dy)
    found = measured((far >= 12.5) & (far < 37.5) & (dx < -abs(dy)))
    assert found["area_density_macula_centre"].value == 0
    assert found["area_density_macula_inner"].value == pytest.approx(0.25, rel=0.03)
    assert found["area_density_macula_inner_temporal"].value == pytest.approx(1, rel=0.03)
    assert found["area_density_macula_inner_nasal"].value == 0
    assert found["area_density_macula_outer"].value == 0


def test_what_is_not_known_is_nan_with_its_reason():
    pixels = ring(40, 60)
    nothing = measured(pixels, Landmarks())
    assert all(math.isnan(q.value) for q in nothing.values())
    assert "disc is not known" in nothing["area_density_zone_b"].reason
    assert "disc is not known" in nothing["length_density_zone_b"].reason
    assert "fovea is not known" in nothing["area_density_macula_inner"].reason
    unscaled = measured(pixels, Landmarks(fovea_px=CENTRE))["area_density_macula_inner"]
    assert "micrometres a pixel are not known, nor is the disc" in unscaled.reason
    no_eye = measured(pixels, Landmarks(disc_centre_px=CENTRE, disc_axes_px=(20.0, 20.0)))
    assert "right or a left eye" in no_eye["area_density_disc_nasal"].reason
    assert no_eye["area_density_zone_b"].value > 0
    assert "not told apart" in no_eye["artery_area_density_zone_b"].reason
    empty = measured(np.zeros_like(pixels))
    assert all("no vessel" in q.reason for q in empty.values())


def test_a_zone_hardly_in_view_is_not_measured():
    fov = WHOLE.mask.copy()
    fov[:, 195:] = False
    found = measured(ring(40, 60), fov=Fov(fov, CENTRE, 200.0, "cut circle"))
    assert "less than half of the region is in view" in found["area_density_zone_b"].reason
    assert found["area_density_disc_temporal"].value == pytest.approx(5 / 21, rel=0.03)


def test_centrelines_are_clipped_to_stretches():
    inside = np.array([True, True, False, True, True, True, False])
    branch = np.array([0, 0, 0, 0, 1, 1, 1])
    assert stretches(inside, branch) == [slice(0, 2), slice(3, 4), slice(4, 6)]
    assert stretches(np.zeros(0, bool), np.zeros(0, dtype=int)) == []
