"""Vessels as they grow: never touching their own kind, never long on the other, one eye a seed."""

import math
from functools import cache

import numpy as np
import pytest
from scipy.spatial import cKDTree

from retinaforge.core import rng_for
from retinaforge.phantoms import AnatomyParams, DiseaseParams, VesselParams
from retinaforge.phantoms.curves import smooth, vary
from retinaforge.phantoms.fundus import FIELD_RADIUS_UM
from retinaforge.phantoms.growth import SMALLEST_VEIN, apart_um
from retinaforge.phantoms.guides import arcade, outwards, towards
from retinaforge.phantoms.layout import lay_out
from retinaforge.phantoms.occupancy import GAP_UM, Occupied
from retinaforge.phantoms.trees import grow_trees, one_eyes

SEEDS = range(24)
LEAST_GAP_UM = 20.0
"""Of GAP_UM some is lost where smooth curve and wavering calibre leave what was checked."""


@cache
def grown(seed, params=VesselParams()):  # noqa: B008
    layout = lay_out(AnatomyParams(), params, DiseaseParams(), rng=rng_for(seed, "layout"))
    return layout, grow_trees(layout, params, rng=rng_for(seed, "vessels"))


def dense(vessels, kind, layout):
    """Sample one kind about every 15 um outside the disc: points, radii, vessel numbers."""
    points, radii, owner = [], [], []
    for index, v in enumerate(vessels):
        if v.kind == kind:
            at = np.linspace(0, len(v.radii_um) - 1, 3 * len(v.radii_um))
            own = np.arange(len(v.radii_um))
            points.append(np.stack([np.interp(at, own, v.points_um[:, k]) for k in (0, 1)], axis=1))
            radii.append(np.interp(at, own, v.radii_um))
            owner.append(np.full(len(at), index))
    points, radii, owner = map(np.concatenate, (points, radii, owner))
    free = np.hypot(*((points - layout.disc_um) / layout.disc_axes_um).T) > 1
    return points[free], radii[free], owner[free]


def common_node(vessels, a, b):
    """Return where two vessels meet by growth, and within which distance they may touch."""
    if vessels[b].parent == a or vessels[a].parent == vessels[b].parent:
        a, b = b, a
    if vessels[a].parent not in (b, vessels[b].parent) or vessels[a].parent is None:
        return None
    return vessels[a].points_um[0], apart_um(vessels[vessels[a].parent].radii_um[-1])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["artery", "vein"])
def test_vessels_never_touch_their_own_kind(seed, kind):
    layout, vessels = grown(seed)
    points, radii, owner = dense(vessels, kind, layout)
    pairs = cKDTree(points).query_pairs(LEAST_GAP_UM + 2 * radii.max(), output_type="ndarray")
    i, j = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]].T
    gap = np.hypot(*(points[i] - points[j]).T) - radii[i] - radii[j]
    close = np.flatnonzero(gap < LEAST_GAP_UM)
    # They do come close where they part, so that the test has something to look at.
    assert len(close) > 100
    for one, other in zip(i[close], j[close], strict=True):
        kin = common_node(vessels, owner[one], owner[other])
        assert kin is not None, (owner[one], owner[other])
        away = [math.dist(points[k], kin[0]) for k in (one, other)]
        assert min(away) < kin[1]


def test_arteries_and_veins_do_not_run_on_top_of_each_other_for_long():
    overlapping, total, longest = 0.0, 0.0, 0.0
    for seed in SEEDS:
        layout, vessels = grown(seed)
        arteries, radii, _ = dense(vessels, "artery", layout)
        tree, seen = cKDTree(arteries), 1.2 * layout.disc_axes_um[1]
        for v in (v for v in vessels if v.kind == "vein"):
            away, which = tree.query(v.points_um)
            free = np.hypot(*(v.points_um - layout.disc_um).T) > seen
            on = (away < radii[which]) & free
            step = np.r_[np.hypot(*np.diff(v.points_um, axis=0).T), 0.0]
            overlapping, total = overlapping + (step * on).sum(), total + (step * free).sum()
            runs = np.split(step * on, np.flatnonzero(~on))
            longest = max(longest, *(run.sum() for run in runs))
    assert overlapping / total < 0.05
    assert longest < 1000


def main_courses(vessels):
    """Yield, for each vessel that leaves another, its knots with those of all that carry it on."""
    children = {}
    for index, v in enumerate(vessels):
        children.setdefault(v.parent, []).append(index)
    carried_on = {
        parent: max(kids, key=lambda k: vessels[k].radii_um[0]) for parent, kids in children.items()
    }
    for index, v in enumerate(vessels):
        if v.generation < 3 or carried_on[v.parent] == index:
            continue
        points = [v.points_um[:-1:2]]
        while index in carried_on:
            index = carried_on[index]
            points.append(vessels[index].points_um[:-1:2])
        yield np.concatenate(points)


@pytest.mark.parametrize("seed", [*SEEDS, 307])
def test_no_vessel_winds_into_a_loop(seed):
    """Whatever stretch is taken, its heading (over 360 um) turns by less than 150 degrees."""
    _, vessels = grown(seed)
    turned, wound, arcs = [], [], []
    for points in main_courses(vessels):
        if len(points) < 10:
            continue
        heading = np.unwrap(np.arctan2(*(points[4:] - points[:-4]).T[::-1]))
        turned.append(math.degrees(heading.max() - heading.min()))
        arcs.append(np.hypot(*np.diff(points, axis=0).T).sum())
        wound.append(arcs[-1] / math.dist(points[0], points[-1]))
    assert len(turned) > 60
    assert max(turned) < 150
    assert max(wound) < 1.4
    assert 1.02 < np.average(wound, weights=arcs) < 1.2


def test_one_seed_one_tree_and_every_eye_another():
    layout, vessels = grown(3)
    again = grow_trees(layout, VesselParams(), rng=rng_for(3, "vessels"))
    assert len(again) == len(vessels)
    assert all(
        np.array_equal(a.points_um, b.points_um) for a, b in zip(again, vessels, strict=True)
    )
    assert len(grown(4)[1]) != len(vessels)


def test_vessels_stay_in_the_eye_and_out_of_the_foveal_zone():
    for seed in SEEDS:
        layout, vessels = grown(seed)
        points = np.concatenate([v.points_um for v in vessels])
        # The smooth curve may leave its knots, which lie inside, by a few micrometres.
        assert np.hypot(*points.T).min() > layout.faz_radius_um - 10
        middle = np.array(layout.disc_um) / 2
        assert np.hypot(*(points - middle).T).max() < FIELD_RADIUS_UM + 10


def test_vessels_supply_every_part_of_the_macula_and_reach_the_border():
    seen = np.zeros((24, 8), bool)
    for row, seed in enumerate(SEEDS):
        layout, vessels = grown(seed)
        points = np.concatenate([v.points_um for v in vessels])
        near = points[np.hypot(*points.T) < 2500]
        sector = np.floor(np.arctan2(near[:, 1], near[:, 0]) / (np.pi / 4)).astype(int) % 8
        seen[row, sector] = True
        reach = np.hypot(*(points - np.array(layout.disc_um) / 2).T).max()
        assert reach > 0.9 * FIELD_RADIUS_UM
    assert seen.mean() > 0.97


def test_trees_are_well_formed():
    for seed in SEEDS:
        _, vessels = grown(seed)
        roots = [v for v in vessels if v.parent is None]
        assert sorted(v.kind for v in roots) == ["artery", "vein"]
        children = {}
        for index, v in enumerate(vessels):
            assert len(v.points_um) == len(v.radii_um) >= 3
            if v.parent is None:
                assert v.generation == 0
                continue
            up = vessels[v.parent]
            assert v.parent < index
            assert (v.kind, v.generation) == (up.kind, up.generation + 1)
            assert np.allclose(v.points_um[0], up.points_um[-1])
            children[v.parent] = children.get(v.parent, 0) + 1
        assert set(children.values()) == {2}


@pytest.mark.parametrize("smallest", [26.0, 40.0])
def test_vessels_end_at_the_smallest_calibre_and_none_is_narrower(smallest):
    _, vessels = grown(2, VesselParams(smallest_um=smallest))
    parents = {v.parent for v in vessels}
    for kind, least in (("artery", smallest / 2), ("vein", SMALLEST_VEIN * smallest / 2)):
        own = [(i, v.radii_um) for i, v in enumerate(vessels) if v.kind == kind]
        assert np.allclose([radii[-1] for i, radii in own if i not in parents], least)
        assert min(radii[[0, -1]].min() for _, radii in own) == pytest.approx(least)


def test_parameters_do_what_they_say():
    def wound(vessels):
        return sum(np.hypot(*np.diff(v.points_um, axis=0).T).sum() for v in vessels) / sum(
            math.dist(v.points_um[0], v.points_um[-1]) for v in vessels
        )

    straight, winding = (
        np.mean([wound(grown(s, VesselParams(tortuosity=t))[1]) for s in range(3)]) for t in (0, 2)
    )
    assert 1.0 < straight < 1.05
    assert winding > straight + 0.03
    few, many = (
        np.mean([len(grown(s, VesselParams(spacing=t))[1]) for s in range(3)]) for t in (1.6, 0.8)
    )
    assert many > 1.2 * few
    thin, thick = (grown(5, VesselParams(artery_um=um))[1][0].radii_um[0] for um in (80.0, 120.0))
    assert thick / thin == pytest.approx(1.5)


def test_the_population_varies_round_its_means():
    eyes = [one_eyes(VesselParams(), rng=np.random.default_rng(seed)) for seed in range(300)]
    for name, spread in (("artery_um", 0.07), ("tortuosity", 0.25), ("spacing", 0.1)):
        values = np.log([getattr(eye, name) for eye in eyes])
        assert np.mean(values) == pytest.approx(math.log(getattr(VesselParams(), name)), abs=0.05)
        assert np.std(values) == pytest.approx(spread, rel=0.15)
    smooth_eye = one_eyes(VesselParams(tortuosity=0.0), rng=np.random.default_rng(0))
    assert smooth_eye.tortuosity == 0


def test_the_calibre_wavers_but_not_where_vessels_part():
    radii = np.full(60, 20.0)
    wavering = np.array([vary(radii, rng=np.random.default_rng(s)) for s in range(200)])
    assert np.array_equal(wavering[:, [0, -1]], np.full((200, 2), 20.0))
    assert wavering.std() / 20 == pytest.approx(0.03, abs=0.01)
    assert wavering.mean() == pytest.approx(20, rel=0.005)


def test_the_smooth_curve_passes_its_knots_and_keeps_a_line_straight():
    knots = np.array([[0.0, 0.0], [90.0, 10.0], [180.0, -5.0], [270.0, 0.0]])
    points, radii = smooth(knots, np.array([8.0, 6.0, 4.0, 2.0]))
    assert np.allclose(points[::2], knots)
    assert np.allclose(radii, [8, 7, 6, 5, 4, 3, 2])
    line = np.stack([np.arange(5) * 90.0, np.arange(5) * 45.0], axis=1)
    points, _ = smooth(line, np.ones(5))
    assert np.allclose(points[:, 1], points[:, 0] / 2)


def test_guides_point_where_they_should():
    x, y, pull = towards((0.0, 0.0), 0.3)((3000.0, 4000.0))
    assert (x, y, pull) == pytest.approx((-0.6, -0.8, 0.3))
    assert towards((0.0, 0.0), 0.3)((10.0, 10.0))[2] == 0
    x, y, _ = outwards((0.0, 0.0), 0.1, turned=math.pi / 2)((100.0, 0.0))
    assert (x, y) == pytest.approx((0.0, 1.0), abs=1e-12)
    # From the disc an upper arcade starts upwards, and past the fovea it runs temporally.
    guide = arcade((4500.0, -500.0), 3300.0, -1)
    assert guide((4500.0, -500.0))[1] < -0.9
    assert guide((-2000.0, -3500.0))[0] < -0.9


def test_occupied_finds_the_nearest_wall_and_the_first_touch():
    occupied = Occupied((0.0, 0.0))
    line = np.stack([np.arange(0, 1000, 45.0), np.zeros(23)], axis=1)
    occupied.add(line, 20.0, 7)
    clear, x, y, who = occupied.near(450.0, 100.0)
    assert (clear, x, y, who) == pytest.approx((80.0, 450.0, 0.0, 7))
    assert occupied.near(0.0, 3000.0)[0] == math.inf
    coming = np.stack([np.full(10, 450.0), np.arange(450, 0, -45.0)], axis=1)
    nowhere = np.zeros(10, bool)
    first = int(np.flatnonzero(coming[:, 1] < 20 + 10 + GAP_UM)[0])
    assert occupied.first_blocked(coming, 10.0, nowhere, (9,), nowhere) == first
    assert occupied.first_blocked(coming, 10.0, nowhere, (7,), nowhere) == 10
    assert occupied.first_blocked(coming, 10.0, nowhere, (9, 7), ~nowhere) == 10
    assert occupied.first_blocked(coming, 10.0, ~nowhere, (9,), nowhere) == 10
