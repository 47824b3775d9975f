"""Vessels that pass over one another, drawn; gaps that one kind leaves under the other, closed."""

import math
from itertools import pairwise

import numpy as np
import pytest

from retinaforge.core import Landmarks, Refusal
from retinaforge.phantoms import draw
from retinaforge.vessels.arms import arms_at_nodes
from retinaforge.vessels.bridge_kinds import bridge_kinds
from retinaforge.vessels.crossroads import find_crossings, joints
from retinaforge.vessels.graph import trace_graph
from retinaforge.vessels.trees import grow_tree

SIZE = 512
FULL = np.ones((SIZE, SIZE), bool)
MIDDLE = (255.37, 255.81)


def strip(start, end, width):
    """Return the pixels within half a width of the piece from start to end, (x, y)."""
    y, x = np.mgrid[:SIZE, :SIZE]
    (ax, ay), (bx, by) = start, end
    ux, uy = bx - ax, by - ay
    t = np.clip(((x - ax) * ux + (y - ay) * uy) / (ux * ux + uy * uy), 0, 1)
    return np.hypot(x - ax - t * ux, y - ay - t * uy) <= width / 2


def through(angle_deg, width, *, place=MIDDLE, reach=150):
    a = math.radians(angle_deg)
    dx, dy = reach * math.cos(a), reach * math.sin(a)
    x, y = place
    return strip((x - dx, y - dy), (x + dx, y + dy), width)


def crossings(mask):
    graph = trace_graph(mask, FULL)
    return find_crossings(graph, arms_at_nodes(graph))


@pytest.mark.parametrize("turn", [0, 17, 45, 80])
@pytest.mark.parametrize("angle", [90, 60, 40, 25])
@pytest.mark.parametrize("widths", [(5, 5), (9, 4), (3, 12)])
def test_two_lines_cross_once_at_every_angle(turn, angle, widths):
    mask = through(turn, widths[0]) | through(turn + angle, widths[1])
    (crossing,) = crossings(mask)
    overlap = sum(widths) / 2 / math.sin(math.radians(angle / 2))
    assert math.dist(crossing.place_px, MIDDLE) < max(4, overlap / 2)
    tree = grow_tree(trace_graph(mask, FULL), Landmarks()).tree
    # Each vessel goes on as itself, whole.
    assert sorted(b.parent is None for b in tree.branches) == [True, True]
    for branch in tree.branches:
        assert branch.length_px == pytest.approx(300, abs=max(widths) + 6)
        turns = np.diff(np.unwrap(np.arctan2(*np.diff(branch.points_px[::12], axis=0).T)))
        assert np.abs(turns).max() < math.radians(35)


def test_one_vessel_over_three_others_is_one_line():
    mask = through(0, 8)
    for k, angle in ((-60, 80), (0, 100), (60, 75)):
        mask |= through(angle, 4, place=(256 + k, 256), reach=100)
    found = crossings(mask)
    assert len(found) == 3
    tree = grow_tree(trace_graph(mask, FULL), Landmarks()).tree
    assert len(tree.branches) == 4
    assert max(b.length_px for b in tree.branches) == pytest.approx(300, abs=12)


@pytest.mark.parametrize("turn", [0, 30, 72])
def test_branches_on_opposite_sides_are_no_crossing(turn):
    # Two branches leave at 50° and 130°: neither goes straight on in the other.
    mask = through(turn, 8)
    for angle, shift in ((50, 0), (-50, 12)):
        a = math.radians(turn)
        start = (MIDDLE[0] + shift * math.cos(a), MIDDLE[1] + shift * math.sin(a))
        b = math.radians(turn + angle)
        mask |= strip(start, (start[0] + 120 * math.cos(b), start[1] + 120 * math.sin(b)), 5)
    assert crossings(mask) == ()


def test_a_branch_at_a_crossing_leaves_the_nearer_line():
    mask = through(0, 8) | through(90, 8) | strip((255, 275), (350, 370), 4)
    graph = trace_graph(mask, FULL)
    tree = grow_tree(graph, Landmarks()).tree
    roots = [b for b in tree.branches if b.parent is None]
    child = [b for b in tree.branches if b.points_px[-1, 0] > 330 and b.points_px[-1, 1] > 350]
    assert len(roots) == 2
    assert len(child) == 1
    parent = tree.branches[child[0].parent]
    assert abs(np.diff(parent.points_px[[0, -1]], axis=0)[0, 1]) > 50  # the upright one


def test_bridges_lead_nowhere_and_pairs_lead_into_each_other():
    graph = trace_graph(through(10, 5) | through(45, 5), FULL)
    arms = arms_at_nodes(graph)
    found = find_crossings(graph, arms)
    on, bridges = joints(arms, found)
    assert all(on[(k, side)] == [] for k in bridges for side in (False, True))
    for line in found[0].lines:
        one, other = line.ends
        assert [arm.end for arm in on[one]] == [other]


@pytest.mark.parametrize("turn", [np.rot90, np.fliplr, np.flipud, np.transpose])
def test_crossings_do_not_turn_with_the_picture(turn):
    mask = through(20, 6) | through(75, 4) | through(110, 3, place=(340, 250), reach=120)
    assert len(crossings(turn(mask))) == len(crossings(mask)) == 2


# --- kinds under each other ----------------------------------------------------------------------


def broken(angle, widths, *, place=MIDDLE):
    """Return an artery cut by a vein, the vein, and the whole artery."""
    artery, vein = through(0, widths[0]), through(angle, widths[1], place=place)
    return artery & ~vein, vein, artery


@pytest.mark.parametrize("angle", [90, 60, 35])
@pytest.mark.parametrize("widths", [(5, 5), (4, 12), (10, 4)])
def test_an_artery_cut_by_a_vein_is_whole_again(angle, widths):
    cut, vein, artery = broken(angle, widths)
    fixed, same = bridge_kinds(cut, vein, FULL)
    assert np.array_equal(same, vein)
    assert (fixed & ~artery).sum() <= 0.04 * artery.sum()
    lost = artery & ~cut
    assert (fixed & lost).sum() >= 0.6 * lost.sum()
    assert len(trace_graph(fixed, FULL).segments) == 1


def test_both_kinds_are_mended_in_one_go():
    one, vein, artery = broken(90, (6, 6), place=(150, MIDDLE[1]))
    other = through(90, 6, place=(350, MIDDLE[1]))
    fixed = bridge_kinds(one, vein | (other & ~artery), FULL)
    assert len(trace_graph(fixed[0], FULL).segments) == 1
    assert len(trace_graph(fixed[1], FULL).segments) == 2


def test_a_branch_that_begins_under_the_other_kind_is_joined():
    trunk, vein = through(0, 8), strip((60, 238), (450, 238), 8)
    child = strip((256, 256), (256, 120), 4) & ~vein
    fixed, _ = bridge_kinds((trunk & ~vein) | child, vein, FULL)
    assert (trace_graph(fixed, FULL).degrees == 3).sum() == 1


def test_gaps_without_a_vessel_above_stay_open():
    gap = through(0, 6)
    gap[:, 250:262] = False
    far = through(90, 6, place=(400, 100), reach=60)
    fixed, _ = bridge_kinds(gap, far, FULL)
    assert np.array_equal(fixed, gap)


def test_gaps_much_longer_than_the_vessel_above_is_wide_stay_open():
    gap = through(0, 6)
    gap[:, 200:310] = False
    along = strip((190, 256), (320, 256), 5)
    fixed, _ = bridge_kinds(gap, along & ~gap, FULL)
    assert np.array_equal(fixed, gap)


@pytest.mark.parametrize("turn", [np.rot90, np.fliplr, np.flipud])
def test_mending_does_not_turn_with_the_picture(turn):
    cut, vein, _ = broken(50, (5, 8))
    straight = bridge_kinds(cut, vein, FULL)[0]
    moved = bridge_kinds(turn(cut), turn(vein), FULL)[0]
    assert (moved ^ turn(straight)).sum() <= 0.01 * straight.sum()


@pytest.mark.parametrize("seed", range(3))
def test_phantoms_kinds_overlap_and_are_left_alone(seed):
    phantom = draw(seed, size_px=512)
    kinds = bridge_kinds(phantom.artery, phantom.vein, phantom.fov.mask)
    for fixed, true in zip(kinds, (phantom.artery, phantom.vein), strict=True):
        assert (fixed & ~true).sum() <= 0.002 * true.sum()


def test_empty_kinds_and_wrong_shapes():
    empty = np.zeros_like(FULL)
    for pair in pairwise((empty, through(0, 5), empty)):
        for before, after in zip(pair, bridge_kinds(*pair, FULL), strict=True):
            assert np.array_equal(before, after)
    with pytest.raises(Refusal, match="boolean masks of the field of view's shape"):
        bridge_kinds(empty, empty[:100], FULL)
