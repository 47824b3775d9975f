"""Branching in closed form: trees of known angles and calibres, drawn and as graphs."""

import math

import numpy as np
import pytest

from retinaforge.core import Branch, Fov, Landmarks, VesselTree
from retinaforge.vessels.bifurcations import bifurcations, junction_exponents
from retinaforge.vessels.biomarkers.branching import BRANCHING
from retinaforge.vessels.trees import TracedTree
from retinaforge.vessels.vasculature import Vasculature, read_vasculature

SIZE = 512
FULL = Fov(np.ones((SIZE, SIZE), bool), (255.5, 255.5), 256.0, "full frame")


def ray(start, angle_deg, radius, parent=None, length=60.0, kind="artery"):
    along = np.linspace(0, length, int(length) + 1)[:, None]
    turn = math.radians(angle_deg)
    points = np.asarray(start) + along * [math.cos(turn), math.sin(turn)]
    return Branch(points, np.full(len(points), radius), kind, parent)


def fork(one=(30.0, 4.0), two=(-50.0, 3.0), trunk=5.0, count=3, kind="artery"):
    """Return a vasculature of so many equal forks; a child is (angle, radius)."""
    branches = []
    for k in range(count):
        parent = ray((50.0, 100.0 + 100 * k), 0.0, trunk, kind=kind)
        end = parent.points_px[-1]
        branches += [parent] + [ray(end, a, r, len(branches), kind=kind) for a, r in (one, two)]
    roots = np.array([branch.parent is None for branch in branches])
    traced = TracedTree(VesselTree(tuple(branches)), np.zeros((0, 2)), roots, 1.0)
    none = np.zeros((SIZE, SIZE), bool)
    return Vasculature(none, FULL, Landmarks(), {kind: none}, {kind: traced})


def column(vasculature, name):
    return {b.card.column: b for b in BRANCHING}[name].measure(vasculature)


@pytest.mark.parametrize("angles", [(30.0, -50.0), (10.0, -20.0), (-5.0, 85.0), (15.0, 70.0)])
def test_angles_of_a_fork_are_those_it_was_drawn_with(angles):
    v = fork((angles[0], 4.0), (angles[1], 3.0))
    assert column(v, "branching_angle_deg").value == pytest.approx(abs(angles[0] - angles[1]))
    sense = 1 if angles[0] > angles[1] else -1
    assert column(v, "wider_child_angle_deg").value == pytest.approx(sense * angles[0])
    assert column(v, "narrower_child_angle_deg").value == pytest.approx(-sense * angles[1])


def test_calibres_of_a_fork():
    v = fork((30.0, 4.0), (-50.0, 3.0), trunk=4.5)
    assert column(v, "branching_asymmetry").value == pytest.approx(0.75)
    assert column(v, "branching_area_ratio").value == pytest.approx((16 + 9) / 4.5**2)
    k = column(v, "junction_exponent").value
    assert 4**k + 3**k == pytest.approx(4.5**k)
    assert column(v, "murray_ratio").value == pytest.approx((64 + 27) ** (1 / 3) / 4.5)
    assert column(v, "junction_exponent_solvable").value == 1


@pytest.mark.parametrize("k", [1.0, 2.0, 2.7, 3.0, 4.5])
def test_the_exponent_is_the_one_calibres_were_made_with(k):
    one, two = np.array([1.0, 2.0, 5.0]), np.array([1.0, 1.5, 1.2])
    assert junction_exponents((one**k + two**k) ** (1 / k), one, two) == pytest.approx(k)


def test_a_child_as_wide_as_its_parent_has_no_exponent_and_is_counted():
    assert np.isnan(
        junction_exponents(np.array([4.0, 4.0]), np.array([4.0, 5.0]), np.ones(2))
    ).all()
    v = fork((30.0, 4.0), (-50.0, 3.0), trunk=4.0)
    assert column(v, "junction_exponent_solvable").value == 0
    assert "fewer than 3" in column(v, "junction_exponent").reason


def test_a_thin_child_tells_an_angle_but_no_ratio():
    v = fork((30.0, 1.0), (-50.0, 0.5), trunk=1.2)
    assert column(v, "branching_angle_deg").value == pytest.approx(80)
    assert "fewer than 3" in column(v, "branching_asymmetry").reason


def test_a_vessel_that_parts_into_three_is_not_measured():
    v = fork()
    branches = v.tree.branches
    third = ray(branches[0].points_px[-1], 0.0, 2.0, 0)
    traced = TracedTree(VesselTree((*branches, third)), np.zeros((0, 2)),
                        np.zeros(len(branches) + 1, bool), 1.0)  # fmt: skip
    more = Vasculature(v.pixels, FULL, Landmarks(), v.kind_pixels, {"artery": traced})
    assert len(bifurcations(more).parent_px) == 2


def test_kinds_are_told_apart():
    v = fork(kind="artery")
    assert column(v, "artery_branching_angle_deg").value == pytest.approx(80)
    assert "told apart" in column(v, "vein_branching_angle_deg").reason


@pytest.mark.parametrize("turn", [0, 17, 45, 73, 120])
def test_drawn_forks_read_their_angles(turn):
    y, x = np.indices((SIZE, SIZE)).astype(float)
    pixels = np.zeros((SIZE, SIZE), bool)
    for cx, cy in ((110, 110), (110, 390), (390, 110), (390, 390)):
        for angle, radius in ((180, 5.0), (30, 4.0), (-45, 4.0)):
            t = math.radians(angle + turn)
            along = (x - cx) * math.cos(t) + (y - cy) * math.sin(t)
            across = (y - cy) * math.cos(t) - (x - cx) * math.sin(t)
            pixels |= (np.abs(across) < radius) & (along > 0) & (along < 90)
        pixels |= np.hypot(x - cx, y - cy) < 5
    found = column(read_vasculature(pixels, FULL), "branching_angle_deg").value
    assert found == pytest.approx(75, abs=4)
