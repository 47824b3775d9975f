"""Extent: area and length of drawn bars; nothing where nothing is known."""

import math

import numpy as np
import pytest

from retinaforge.core import Fov, Landmarks
from retinaforge.vessels.biomarkers.extent import EXTENT
from retinaforge.vessels.vasculature import read_vasculature

SIZE = 300
FOV = Fov(np.ones((SIZE, SIZE), bool), (149.5, 149.5), 150.0, "full frame")
SCALE = Landmarks(um_per_px=20.0)


def measured(pixels, landmarks=SCALE, fov=FOV, **kinds):
    v = read_vasculature(pixels, fov, landmarks, **kinds)
    return {b.card.column: b.measure(v) for b in EXTENT}


def bars():
    pixels = np.zeros((SIZE, SIZE), bool)
    pixels[50:56, 40:260] = True
    artery = pixels.copy()
    pixels[100:110, 40:150] = True
    return pixels, artery, pixels & ~artery


def test_area_and_length_of_two_bars():
    pixels, artery, vein = bars()
    found = measured(pixels, artery=artery, vein=vein)
    value = {name: q.value for name, q in found.items()}
    assert value["area_density"] == (6 * 220 + 10 * 110) / SIZE**2
    assert value["artery_area_density"] == 6 * 220 / SIZE**2
    assert value["vein_area_density"] == 10 * 110 / SIZE**2
    # A centreline ends about a radius before the bar does.
    assert value["artery_length_mm"] == pytest.approx(0.02 * 216, rel=0.02)
    assert value["vein_length_mm"] == pytest.approx(0.02 * 103, rel=0.03)
    length = value["vessel_length_mm"]
    assert length == pytest.approx(value["artery_length_mm"] + value["vein_length_mm"])
    assert value["vessel_length_fov"] == pytest.approx(length / 0.02 / 300)
    assert value["length_density"] == pytest.approx(length / 0.02 * 300 / SIZE**2)
    parts = value["artery_length_density"] + value["vein_length_density"]
    assert value["length_density"] == pytest.approx(parts)


@pytest.mark.parametrize("angle", [0, 20, 45, 70, 90])
def test_length_is_arc_length_at_any_angle(angle):
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    turn = math.radians(angle)
    across, along = x * np.sin(turn) - y * np.cos(turn), x * np.cos(turn) + y * np.sin(turn)
    found = measured((abs(across) < 3) & (abs(along) < 100))
    # The thinned ends reach into a corner or stop a radius short; between them nothing is added.
    assert found["vessel_length_mm"].value == pytest.approx(0.02 * 200, rel=0.03)


def test_length_of_a_circle_is_its_circumference():
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    found = measured(abs(np.hypot(x, y) - 90) < 3)
    assert found["vessel_length_mm"].value == pytest.approx(0.02 * 2 * math.pi * 90, rel=0.01)


def test_what_lies_on_the_disc_has_no_length_and_the_disc_is_a_unit():
    pixels, _, _ = bars()
    disc = Landmarks(disc_centre_px=(150.0, 53.0), disc_axes_px=(40.0, 60.0))
    found = measured(pixels, disc)
    length = found["vessel_length_fov"].value * 300
    # The first bar loses the disc's width, the second what the ellipse covers of it.
    covered = 80 + 40 * math.sqrt(1 - (51.5 / 60) ** 2)
    assert length == pytest.approx(216 + 103 - covered, rel=0.02)
    assert found["vessel_length_dd"].value == pytest.approx(length / 100)


def test_what_is_not_known_is_nan_with_its_reason():
    pixels, _, _ = bars()
    found = measured(pixels, Landmarks())
    assert "micrometres" in found["vessel_length_mm"].reason
    assert "disc is not known" in found["vessel_length_dd"].reason
    assert "not told apart" in found["artery_area_density"].reason
    assert "not told apart" in found["vein_length_density"].reason
    nothing = np.zeros_like(pixels)
    assert all("no vessel" in q.reason or "not told" in q.reason
               for q in measured(nothing).values())  # fmt: skip
    one = measured(pixels, artery=pixels, vein=nothing)
    assert one["vein_area_density"].reason == "no vein inside the field of view"
    assert one["artery_length_mm"].value > 0


def test_only_the_field_of_view_counts():
    pixels, _, _ = bars()
    fov = FOV.mask.copy()
    fov[:, 150:] = False
    found = measured(pixels, fov=Fov(fov, (149.5, 149.5), 150.0, "cut circle"))
    assert found["area_density"].value == (6 * 110 + 10 * 110) / (SIZE * 150)
