"""From a graph to trees: drawn trees, and the exact trees of phantoms."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from retinaforge.core import Landmarks
from retinaforge.phantoms import draw
from retinaforge.phantoms.phantom import mirror
from retinaforge.vessels.graph import trace_graph
from retinaforge.vessels.trees import grow_tree

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from tracing_accuracy import Truth, measure

SIZE = 512
FULL = np.ones((SIZE, SIZE), bool)
DISC = Landmarks(disc_centre_px=(80.0, 256.0), disc_axes_px=(40.0, 40.0))


def strip(start, end, width):
    """Return the pixels within half a width of the piece from start to end, (x, y)."""
    y, x = np.mgrid[:SIZE, :SIZE]
    (ax, ay), (bx, by) = start, end
    ux, uy = bx - ax, by - ay
    t = np.clip(((x - ax) * ux + (y - ay) * uy) / (ux * ux + uy * uy), 0, 1)
    return np.hypot(x - ax - t * ux, y - ay - t * uy) <= width / 2


def forked():
    """Return a trunk from the disc that parts, and parts again."""
    mask = strip((80, 256), (220, 256), 10)
    for sign in (-1, 1):
        mask |= strip((220, 256), (330, 256 + 90 * sign), 7)
        for other in (-1, 1):
            mask |= strip((330, 256 + 90 * sign), (440, 256 + 90 * sign + 50 * other), 4)
    return mask


def grown(mask, landmarks=DISC):
    return grow_tree(trace_graph(mask, FULL), landmarks)


def test_branches_lead_away_from_the_disc_parents_first():
    traced = grown(forked())
    branches = traced.tree.branches
    assert len(branches) == 7
    assert traced.at_disc.tolist() == [b.parent is None for b in branches]
    assert traced.at_disc.sum() == 1
    for k, branch in enumerate(branches):
        away = np.hypot(*(branch.points_px - DISC.disc_centre_px).T)
        assert away[-1] > away[0]
        if branch.parent is not None:
            assert branch.parent < k
            np.testing.assert_allclose(branch.points_px[0], branches[branch.parent].points_px[-1])
    depth = sorted(sum(1 for _ in ancestors(branches, k)) for k in range(7))
    assert depth == [0, 1, 1, 2, 2, 2, 2]


def ancestors(branches, k):
    while branches[k].parent is not None:
        k = branches[k].parent
        yield k


def test_vessels_begin_at_the_discs_margin():
    root = grown(forked()).tree.branches[0]
    assert math.dist(root.points_px[0], DISC.disc_centre_px) == pytest.approx(40, abs=1.5)


def test_without_a_disc_a_tree_begins_at_its_widest_free_end():
    traced = grown(forked(), Landmarks())
    roots = [b for b in traced.tree.branches if b.parent is None]
    assert len(roots) == 1
    assert not traced.at_disc.any()
    assert math.dist(roots[0].points_px[0], (80, 256)) < 8
    assert len(traced.tree.branches) == 7


def test_pieces_that_do_not_reach_the_disc_are_trees_of_their_own():
    traced = grown(forked() | strip((150, 450), (400, 460), 5) | strip((150, 60), (400, 40), 3))
    roots = [k for k, b in enumerate(traced.tree.branches) if b.parent is None]
    assert len(roots) == 3
    assert traced.at_disc.sum() == 1


def test_radii_are_handed_down_with_their_points():
    for branch in grown(forked()).tree.branches:
        assert len(branch.radii_px) == len(branch.points_px)
        assert np.isfinite(branch.radii_px).all()
        assert (np.hypot(*np.diff(branch.points_px, axis=0).T) > 0).all()
    widths = [2 * np.median(b.radii_px) for b in grown(forked()).tree.branches]
    assert sorted(round(w) for w in widths) == pytest.approx([4, 4, 4, 4, 7, 7, 10], abs=1)


def test_loops_and_empty_masks_end():
    y, x = np.mgrid[:SIZE, :SIZE]
    ring = np.abs(np.hypot(x - 256, y - 256) - 100) < 4
    assert len(grown(ring, Landmarks()).tree.branches) == 1
    assert len(grown(ring | forked()).tree.branches) >= 7
    empty = grown(np.zeros_like(FULL))
    assert empty.tree.branches == ()
    assert empty.crossings_px.shape == (0, 2)


def test_thousands_of_pieces_take_no_longer_each():
    mask = np.zeros((1024, 1024), bool)
    mask[::12, :] = True
    mask[:, ::32] = False
    graph = trace_graph(mask, np.ones_like(mask))
    assert len(grow_tree(graph, Landmarks()).tree.branches) == len(graph.segments) > 2000


def test_the_kind_is_carried():
    tree = grow_tree(trace_graph(forked(), FULL), DISC, kind="vein").tree
    assert {b.kind for b in tree.branches} == {"vein"}


def shape(traced):
    """Return number of branches, roots, crossings and total length."""
    branches = traced.tree.branches
    return (
        len(branches),
        sum(b.parent is None for b in branches),
        len(traced.crossings_px),
        sum(b.length_px for b in branches),
    )


def test_a_mirrored_eye_has_the_same_tree():
    phantom = draw(5, size_px=512)
    other = mirror(phantom)
    for name in ("artery", "vein", "vessel"):
        one, two = (
            shape(grow_tree(trace_graph(getattr(p, name), p.fov.mask), Truth(p).landmarks))
            for p in (phantom, other)
        )
        for a, b in zip(one, two, strict=True):
            assert b == pytest.approx(a, rel=0.05 if name == "vessel" else 0.02, abs=1)


@pytest.mark.parametrize("seed", [3, pytest.param(8, marks=pytest.mark.slow)])
def test_phantoms_trees_are_found_again(seed):
    # Medians over 12 phantoms of 1024 px: benchmarks/results/tracing_accuracy.json.
    phantom = draw(seed, size_px=768)
    told, guessed = measure(phantom, kinds=True), measure(phantom, kinds=False)
    for got in (told, guessed):
        assert got["centreline_px"] < 0.5
        assert abs(got["radius_px"]) < 0.3
        assert got["radius_abs_px"] < 0.3
        assert got["length_found"] > 0.93
    assert told["connectivity"] > 0.9
    assert told["branchings"] == pytest.approx(1, abs=0.1)
    assert told["crossings"] == pytest.approx(1, abs=0.15)
    assert guessed["connectivity"] > 0.7
    assert guessed["branchings"] == pytest.approx(1, abs=0.45)
