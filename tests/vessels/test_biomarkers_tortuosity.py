"""Tortuosity in closed form: lines, arcs and sines, as curves and as drawn masks."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.spatial import KDTree

from retinaforge.core import Fov, Landmarks
from retinaforge.vessels.biomarkers.tortuosity import TORTUOSITY
from retinaforge.vessels.curves import smooth_curves
from retinaforge.vessels.vasculature import read_vasculature

SIZE = 512
FULL = Fov(np.ones((SIZE, SIZE), bool), (255.5, 255.5), 256.0, "full frame")
MARKS = Landmarks(um_per_px=20.0)


def column(vasculature, name):
    found = {b.card.column: b for b in TORTUOSITY}
    return found[name].measure(vasculature)


def band(distance, width=5):
    return np.abs(distance) < width / 2


def pen(x, y, width=5):
    """Return what a round pen draws along a curve round the middle."""
    places = np.indices((SIZE, SIZE))[::-1].reshape(2, -1).T - 255.5
    near, _ = KDTree(np.stack([x, y], axis=1)).query(places, distance_upper_bound=width / 2)
    return np.isfinite(near).reshape(SIZE, SIZE)


def curve(x, y):
    return np.stack([x, y], axis=1)


@pytest.mark.parametrize("angle", range(0, 180, 11))
@pytest.mark.parametrize("width", [3, 6])
def test_a_straight_vessel_is_straight_at_any_angle(angle, width):
    y, x = np.indices((SIZE, SIZE)) - 255.5
    turn = math.radians(angle)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    v = read_vasculature(band(across, width) & (np.abs(along) < 180), FULL, MARKS)
    assert column(v, "tortuosity").value <= 0.002
    assert column(v, "inflections_per_mm").value == 0


@pytest.mark.parametrize("half_angle", [0.6, 1.2])
def test_an_arc_of_a_circle_has_its_closed_form(half_angle):
    radius = 150.0
    angle = np.linspace(-half_angle, half_angle, 2000)
    v = read_vasculature(pen(radius * np.cos(angle), radius * np.sin(angle)), FULL, MARKS)
    expected = half_angle / math.sin(half_angle) - 1
    assert column(v, "tortuosity").value == pytest.approx(expected, rel=0.06)
    assert column(v, "squared_curvature_per_mm2").value == pytest.approx(
        (1000 / (radius * 20)) ** 2, rel=0.15
    )
    assert column(v, "inflections_per_mm").value == 0


@pytest.mark.parametrize(("height", "wave"), [(10.0, 100.0), (25.0, 160.0)])
def test_a_sine_has_its_integral(height, wave):
    k = 2 * math.pi / wave
    x = np.linspace(0, 4 * wave, 4001)
    found = smooth_curves([curve(x, height * np.sin(k * x))], unit_px=1.0)
    arc = quad(lambda t: math.hypot(1, height * k * math.cos(k * t)), 0, 4 * wave, limit=200)[0]
    bending = quad(
        lambda t: (height * k**2 * math.sin(k * t)) ** 2
        / (1 + (height * k * math.cos(k * t)) ** 2) ** 2.5,
        0, 4 * wave, limit=200,
    )[0]  # fmt: skip
    assert found.lengths_px[0] / found.chords_px[0] == pytest.approx(arc / (4 * wave), rel=2e-3)
    assert found.bends.squared_curvature[0] == pytest.approx(bending, rel=0.05)
    # It turns over at every crossing of its axis but the two ends: 7 times in four waves.
    assert found.bends.inflections(least_rad=0.1)[0] == 7


def test_a_drawn_sine_has_its_integral():
    height, k = 15.0, 2 * math.pi / 120
    x = np.linspace(-180, 180, 4000)
    v = read_vasculature(pen(x, height * np.sin(k * x)), FULL, MARKS)
    arc = quad(lambda t: math.hypot(1, height * k * math.cos(k * t)), -180, 180, limit=200)[0]
    chord = math.hypot(360, 2 * height * math.sin(k * 180))
    assert column(v, "tortuosity").value == pytest.approx(arc / chord - 1, rel=0.05)


def test_short_waves_are_the_masks_and_not_the_vessels():
    x = np.linspace(0, 300, 3001)
    found = smooth_curves([curve(x, 0.5 * np.sin(2 * np.pi * x / 6))], unit_px=1.0)
    assert found.lengths_px[0] / found.chords_px[0] == pytest.approx(1, abs=1e-4)


def test_curves_in_one_array_do_not_touch_each_other():
    one = curve(np.arange(60.0), np.zeros(60))
    two = curve(np.full(80, 7.0), np.linspace(500, 900, 80))
    both, alone = smooth_curves([one, two], unit_px=1.0), smooth_curves([two], unit_px=1.0)
    assert np.allclose(both.points_px[both.owner == 1], alone.points_px)
    assert both.chords_px == pytest.approx([59, 400])


def test_a_turn_smaller_than_the_least_counts_as_none():
    x = np.linspace(0, 400, 4001)
    bends = smooth_curves([curve(x, 0.5 * np.sin(2 * np.pi * x / 100))], unit_px=1.0).bends
    assert bends.inflections(least_rad=math.radians(10))[0] == 0
    assert bends.inflections(least_rad=math.radians(1))[0] == 7


def test_without_curves_there_is_nothing_to_count():
    none = smooth_curves([], unit_px=1.0)
    assert none.count == 0
    assert none.bends.inflections(least_rad=0.1).shape == (0,)


def test_what_is_missing_has_its_reason():
    empty = read_vasculature(np.zeros((SIZE, SIZE), bool), FULL)
    assert "no vessel is" in column(empty, "tortuosity").reason
    y, _ = np.indices((SIZE, SIZE))
    line = read_vasculature(band(y - 255), FULL)
    assert column(line, "squared_curvature_per_mm2").reason.startswith("micrometres")
    assert "disc" in column(line, "inflections_per_dd").reason
    assert "told apart" in column(line, "artery_tortuosity").reason


def arc_chain(radius, half_angle, many):
    """Return arcs of a circle, each the other way than the one before, without a kink."""
    turn = np.concatenate([np.full(400, (-1) ** k * 2 * half_angle / 400) for k in range(many)])
    heading = half_angle + np.cumsum(np.concatenate([[0.0], -turn[:-1]])) - turn / 2
    step = radius * 2 * half_angle / 400
    return np.cumsum(step * np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)


def twist(half_angle):
    return half_angle / math.sin(half_angle) - 1


@pytest.mark.parametrize(("radius", "half_angle", "many"), [(90.0, 0.6, 4), (60.0, 1.2, 5)])
def test_a_chain_of_arcs_has_grisans_closed_form(radius, half_angle, many):
    curves = smooth_curves([arc_chain(radius, half_angle, many)], unit_px=1.0)
    found = curves.twists(curves.bends, least_rad=0.1)
    assert found[0] == pytest.approx((many - 1) * many * twist(half_angle), rel=0.04)
    # Cut off at both ends, the first and the last arc are shorter.
    cut = curves.bends.away_from_ends(8)
    last = (2 * half_angle - 9 / radius) / 2
    expected = (many - 1) * ((many - 2) * twist(half_angle) + 2 * twist(last))
    assert curves.twists(cut, least_rad=0.1)[0] == pytest.approx(expected, rel=0.04)


def test_what_turns_one_way_has_no_grisan_tortuosity():
    angle = np.linspace(-1, 1, 500)
    lines = [curve(100 * np.cos(angle), 100 * np.sin(angle)), curve(angle * 99, np.zeros(500))]
    curves = smooth_curves(lines, unit_px=1.0)
    assert curves.twists(curves.bends, least_rad=0.1).tolist() == [0.0, 0.0]


def test_a_drawn_chain_of_arcs_counts_by_millimetre_and_by_disc():
    radius, half_angle, many = 70.0, 0.8, 3
    x, y = (arc_chain(radius, half_angle, many) - (150, 0)).T
    marks = Landmarks(um_per_px=20.0, disc_centre_px=(480.0, 480.0), disc_axes_px=(20.0, 20.0))
    v = read_vasculature(pen(x, y), FULL, marks)
    last = (2 * half_angle - 9 / radius) / 2
    twists = (many - 1) * ((many - 2) * twist(half_angle) + 2 * twist(last))
    length_px = 2 * half_angle * radius * many - 17
    found = column(v, "tortuosity_grisan_per_mm").value
    assert found == pytest.approx(twists / (length_px * 0.02), rel=0.12)
    assert column(v, "tortuosity_grisan_per_dd").value == pytest.approx(found * 0.02 * 40)
    assert "told apart" in column(v, "artery_tortuosity_grisan_per_mm").reason
