"""Counts on drawn nets of known graph, and where lines of known equations cross."""

import math

import numpy as np
import pytest

from retinaforge.core import Fov, Landmarks
from retinaforge.vessels.av_crossings import artery_vein_crossings, intersections, merge_near
from retinaforge.vessels.biomarkers.counts import COUNTS
from retinaforge.vessels.vasculature import read_vasculature

SIZE = 512
Y, X = np.indices((SIZE, SIZE)).astype(float)
FULL = Fov(np.ones((SIZE, SIZE), bool), (255.5, 255.5), 256.0, "full frame")
NONE = np.zeros((SIZE, SIZE), bool)


def stroke(start, end, width=6):
    """A straight vessel with round ends."""
    (ax, ay), (bx, by) = start, end
    length2 = (bx - ax) ** 2 + (by - ay) ** 2
    t = (((X - ax) * (bx - ax) + (Y - ay) * (by - ay)) / length2).clip(0, 1)
    return np.hypot(X - ax - t * (bx - ax), Y - ay - t * (by - ay)) < width / 2


def count(vasculature, name):
    return {b.card.column: b for b in COUNTS}[name].measure(vasculature)


def test_a_fork_is_one_tree_with_one_bifurcation_and_two_ends():
    fork = (stroke((60, 256), (200, 256), 9) | stroke((200, 256), (400, 150))
            | stroke((200, 256), (400, 380)))  # fmt: skip
    v = read_vasculature(fork, FULL)
    got = {name: count(v, name).value for name in ("trees", "bifurcations", "ends", "loops")}
    assert got == {"trees": 1, "bifurcations": 1, "ends": 2, "loops": 0}


def test_a_vessel_that_leaves_the_view_does_not_end():
    v = read_vasculature(stroke((60, 256), (600, 256)), FULL)
    assert count(v, "ends").value == 0
    assert count(v, "trees").value == 1


def test_a_grid_has_the_loops_of_its_graph():
    grid = NONE.copy()
    for at in (100, 250, 400):
        grid |= stroke((at, 100), (at, 400)) | stroke((100, at), (400, at))
    # 12 edges, 9 nodes, 1 piece.
    assert count(read_vasculature(grid, FULL), "loops").value == 12 - 9 + 1


def test_a_speck_is_no_tree():
    v = read_vasculature(stroke((60, 256), (400, 256)) | stroke((60, 100), (70, 100)), FULL)
    assert count(v, "trees").value == 1


@pytest.mark.parametrize("angle", [25, 50, 90])
def test_arteries_cross_veins_where_their_lines_meet(angle):
    turn = math.radians(angle)
    step = 200 * np.array([math.cos(turn), math.sin(turn)])
    artery = stroke((56, 256), (456, 256), 7)
    vein = stroke(tuple(256 - step), tuple(256 + step), 7)
    v = read_vasculature(artery | vein, FULL, artery=artery, vein=vein)
    assert count(v, "artery_vein_crossings").value == 1
    assert artery_vein_crossings(v)[0] == pytest.approx((256, 256), abs=2)
    whole = read_vasculature(artery | vein, FULL)
    assert count(whole, "crossings").value == 1
    assert "told apart" in count(whole, "artery_vein_crossings").reason


def test_pieces_meet_where_their_equations_say():
    a, b = np.array([[0.0, 0.0], [5.0, 5.0]]), np.array([[2.0, 2.0], [6.0, 5.0]])
    c, d = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])
    assert intersections(a, b, c, d) == pytest.approx(np.array([[0.5, 0.5]]))
    assert intersections(a, b, c[:0], d[:0]).shape == (0, 2)


def test_places_near_each_other_are_one():
    merged = merge_near(np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0], [50.0, 0.0]]), 3.0)
    assert sorted(merged.tolist()) == [[2, 0], [50, 0]]


def test_vessels_that_leave_the_disc_are_counted_there():
    marks = Landmarks(disc_centre_px=(256, 256), disc_axes_px=(40, 40), um_per_px=20.0)
    star = NONE.copy()
    for turn in np.arange(5) * 2 * math.pi / 5:
        star |= stroke((256, 256), (256 + 200 * math.cos(turn), 256 + 200 * math.sin(turn)))
    v = read_vasculature(star, FULL, marks)
    assert count(v, "roots_at_disc").value == 5
    assert count(v, "bifurcations").value == 0
    assert count(v, "ends").value == 5
    assert count(v, "ends_per_mm").value == pytest.approx(5 / (5 * 160 * 0.02), rel=0.03)
    assert count(v, "ends_per_dd").value == pytest.approx(5 / (5 * 160 / 80), rel=0.03)


def test_what_is_missing_has_its_reason():
    empty = read_vasculature(NONE, FULL, Landmarks(um_per_px=20.0))
    assert count(empty, "bifurcations").value == 0
    assert count(empty, "ends_per_mm").reason == "no vessel inside the field of view"
    assert "disc" in count(empty, "roots_at_disc").reason
    assert "disc" in count(empty, "ends_per_dd").reason
    assert "told apart" in count(empty, "vein_ends").reason
    bare = read_vasculature(NONE, FULL)
    assert "micrometres" in count(bare, "ends_per_mm").reason
