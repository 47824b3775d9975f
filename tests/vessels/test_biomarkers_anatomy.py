"""Anatomy in closed form: ellipses, distances, a ring of vessel round the fovea, arcades."""

import math
from dataclasses import replace

import numpy as np
import pytest

from retinaforge.core import Fov, Landmarks
from retinaforge.vessels.biomarkers.anatomy import ANATOMY
from retinaforge.vessels.vasculature import read_vasculature

SIZE = 512
Y, X = np.indices((SIZE, SIZE)).astype(float)
FULL = Fov(np.ones((SIZE, SIZE), bool), (255.5, 255.5), 256.0, "full frame")
NONE = np.zeros((SIZE, SIZE), bool)
MARKS = Landmarks(
    eye="OD", disc_centre_px=(380.0, 250.0), disc_axes_px=(36.0, 40.0),
    cup_centre_px=(380.0, 250.0), cup_axes_px=(18.0, 24.0), fovea_px=(180.0, 270.0), um_per_px=20.0,
)  # fmt: skip


def value(name, marks=MARKS, pixels=NONE, **kinds):
    found = {b.card.column: b for b in ANATOMY}[name]
    return found.measure(read_vasculature(pixels, FULL, marks, **kinds))


def ray(angle_deg, width):
    """A vessel that leaves the disc at an angle above the line to the fovea."""
    toward = math.atan2(20.0, -200.0) + math.radians(angle_deg)
    along = (X - 380) * math.cos(toward) + (Y - 250) * math.sin(toward)
    across = (Y - 250) * math.cos(toward) - (X - 380) * math.sin(toward)
    return (np.abs(across) < width / 2) & (along > 0) & (along < 190)


@pytest.mark.parametrize(("name", "expected"), [
    ("disc_height_px", 80), ("disc_height_um", 1600), ("disc_width_um", 1440),
    ("cup_height_um", 960), ("cup_width_px", 36),
    ("vertical_cup_to_disc", 0.6), ("horizontal_cup_to_disc", 0.5), ("area_cup_to_disc", 0.3),
    ("disc_area_mm2", math.pi * 36 * 40 * 4e-4),
    ("rim_area_mm2", math.pi * (36 * 40 - 18 * 24) * 4e-4),
    ("disc_fovea_px", math.hypot(200, 20)), ("disc_fovea_dd", math.hypot(200, 20) / 80),
    ("disc_fovea_um", math.hypot(200, 20) * 20),
    ("disc_fovea_angle_deg", math.degrees(math.atan2(20, 200))),
])  # fmt: skip
def test_landmarks_measure_what_geometry_says(name, expected):
    assert value(name).value == pytest.approx(expected)


def test_the_angle_is_positive_for_a_fovea_below_in_either_eye():
    left = replace(MARKS, eye="OS", disc_centre_px=(131.0, 250.0), fovea_px=(331.0, 270.0))
    same = value("disc_fovea_angle_deg").value
    assert value("disc_fovea_angle_deg", left).value == pytest.approx(same)
    above = replace(MARKS, fovea_px=(180.0, 230.0))
    assert value("disc_fovea_angle_deg", above).value == pytest.approx(-same)


def test_the_avascular_zone_is_the_circle_that_a_ring_leaves():
    ring = np.abs(np.hypot(X - 180, Y - 270) - 42) < 2
    assert value("avascular_zone_radius_px", pixels=ring).value == pytest.approx(40, abs=0.7)
    assert value("avascular_zone_radius_um", pixels=ring).value == pytest.approx(800, abs=14)
    assert value("avascular_zone_radius_dd", pixels=ring).value == pytest.approx(0.5, abs=0.01)


def test_the_avascular_zone_may_lie_beside_the_fovea_but_holds_it():
    ring = np.abs(np.hypot(X - 200, Y - 270) - 42) < 2
    assert value("avascular_zone_radius_px", pixels=ring).value == pytest.approx(40, abs=0.7)
    beyond = np.abs(np.hypot(X - 240, Y - 270) - 42) < 2
    found = value("avascular_zone_radius_px", pixels=beyond | (X < 140)).value
    assert 26 < found < 33


def test_without_vessels_the_avascular_zone_ends_at_one_disc_diameter():
    assert value("avascular_zone_radius_dd").value == pytest.approx(1.0, abs=0.01)


def test_a_fovea_on_a_vessel_has_no_avascular_zone():
    assert "on a vessel" in value("avascular_zone_radius_px", pixels=Y > 200).reason


@pytest.mark.parametrize(("above", "below"), [(60, 70), (45, 80)])
def test_the_arcades_open_at_the_angle_they_were_drawn_at(above, below):
    wide = ray(above, 9) | ray(-below, 9)
    narrow = ray(above - 25, 4) | ray(25 - below, 4) | ray(170, 12)
    found = value("temporal_arcade_angle_deg", pixels=wide | narrow).value
    assert found == pytest.approx(above + below, abs=1.5)


def test_arcades_by_kind_and_without_one_side():
    artery, vein = ray(60, 8) | ray(-60, 8), ray(75, 8)
    both = {"pixels": artery | vein, "artery": artery, "vein": vein}
    assert value("artery_temporal_arcade_angle_deg", **both).value == pytest.approx(120, abs=1.5)
    assert "one side" in value("vein_temporal_arcade_angle_deg", **both).reason
    assert "told apart" in value("vein_temporal_arcade_angle_deg", pixels=artery).reason


@pytest.mark.parametrize(("name", "left_out", "reason"), [
    ("disc_height_px", "disc_axes_px", "optic disc"),
    ("cup_height_px", "cup_axes_px", "cup"),
    ("vertical_cup_to_disc", "cup_axes_px", "cup"),
    ("rim_area_mm2", "disc_axes_px", "optic disc"),
    ("rim_area_mm2", "um_per_px", "micrometres"),
    ("disc_fovea_px", "fovea_px", "fovea"),
    ("disc_fovea_dd", "disc_axes_px", "optic disc"),
    ("disc_fovea_angle_deg", "disc_centre_px", "optic disc"),
    ("avascular_zone_radius_px", "fovea_px", "fovea"),
    ("avascular_zone_radius_um", "um_per_px", "micrometres"),
    ("temporal_arcade_angle_deg", "fovea_px", "fovea"),
])  # fmt: skip
def test_what_is_not_known_is_named(name, left_out, reason):
    found = value(name, replace(MARKS, **{left_out: None}))
    assert math.isnan(found.value)
    assert reason in found.reason


def test_a_cup_larger_than_the_disc_is_refused():
    wrong = replace(MARKS, cup_axes_px=(50.0, 60.0))
    for name in ("vertical_cup_to_disc", "area_cup_to_disc", "rim_area_mm2"):
        assert "larger than the disc" in value(name, wrong).reason
