"""Crossings in closed form, and against every pair of pieces tried one by one."""

import numpy as np
import pytest

from retinaforge.core import rng_for
from retinaforge.phantoms import PhantomParams, Vessel
from retinaforge.phantoms.crossings import ARTERY_OVER, find_crossings
from retinaforge.phantoms.layout import lay_out
from retinaforge.phantoms.trees import grow_trees


def vessel(points, kind):
    points = np.asarray(points, dtype=float)
    return Vessel(points, np.full(len(points), 10.0), kind, None, 0)


def crossings(*vessels, seed=0):
    return find_crossings(vessels, rng=np.random.default_rng(seed))


def test_two_straight_lines():
    line = vessel([(0, 0), (100, 0), (300, 0)], "artery")
    other = vessel([(150, -50), (250, 50)], "vein")
    (found,) = crossings(line, other)
    assert found.point_um == pytest.approx((200.0, 0.0))
    assert (found.artery, found.vein) == (0, 1)
    assert found.angle_deg == pytest.approx(45.0)
    (again,) = crossings(other, line)
    assert (again.artery, again.vein) == (1, 0)


@pytest.mark.parametrize("angle", [5.0, 30.0, 90.0, 150.0])
def test_the_angle_is_the_acute_one(angle):
    u = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    (found,) = crossings(vessel([(-40, 0.0), (60, 0)], "artery"), vessel([-70 * u, 30 * u], "vein"))
    assert found.angle_deg == pytest.approx(min(angle, 180 - angle))
    assert found.point_um == pytest.approx((0.0, 0.0), abs=1e-9)


def test_a_corner_on_the_other_vessel_counts_once():
    bent = vessel([(0, -100), (0, 0), (50, 100)], "vein")
    assert len(crossings(vessel([(-100, 0), (100, 0)], "artery"), bent)) == 1


@pytest.mark.parametrize(
    "others",
    [
        [vessel([(0, 10), (100, 10)], "vein")],  # parallel
        [vessel([(0, 0), (100, 0)], "vein")],  # one on the other: no point is their crossing
        [vessel([(120, -50), (120, 50)], "vein")],  # beyond its end
        [vessel([(50, -50), (50, 50)], "artery")],  # of the same kind
        [],
    ],
)
def test_no_crossing(others):
    assert crossings(vessel([(0, 0), (100, 0)], "artery"), *others) == ()


def test_a_circle_meets_a_line_twice():
    turn = np.linspace(0.1, 2 * np.pi + 0.1, 2001)
    circle = vessel(500 * np.stack([np.cos(turn), np.sin(turn)], axis=1), "vein")
    found = crossings(circle, vessel([(-900, 300), (900, 300)], "artery"))
    assert sorted(c.point_um[0] for c in found) == pytest.approx([-400, 400], abs=0.01)
    # The tangent at height 300 of a circle of radius 500 rises by asin(400 / 500).
    assert [c.angle_deg for c in found] == pytest.approx([53.13, 53.13], abs=0.1)


def test_finds_what_trying_every_pair_finds():
    params = PhantomParams()
    layout = lay_out(params.anatomy, params.vessels, params.disease, rng=rng_for(3, "layout"))
    vessels = grow_trees(layout, params.vessels, rng=rng_for(3, "vessels"))
    found = find_crossings(vessels, rng=np.random.default_rng(0))
    veins = [v.points_um for v in vessels if v.kind == "vein"]
    b = np.concatenate([p[:-1] for p in veins])
    v = np.concatenate([np.diff(p, axis=0) for p in veins])
    count = 0
    for artery in (v.points_um for v in vessels if v.kind == "artery"):
        for a, u in zip(artery[:-1], np.diff(artery, axis=0), strict=True):
            # Solve a + t u = b + s v for all veins by Cramer's rule.
            area = u[0] * -v[:, 1] + v[:, 0] * u[1]
            t = ((b - a)[:, 0] * -v[:, 1] + v[:, 0] * (b - a)[:, 1]) / area
            s = (u[0] * (b - a)[:, 1] - u[1] * (b - a)[:, 0]) / area
            count += int(((t >= 0) & (t < 1) & (s >= 0) & (s < 1)).sum())
    assert len(found) == count > 40
    for crossing in found:
        for index, kind in ((crossing.artery, "artery"), (crossing.vein, "vein")):
            assert vessels[index].kind == kind
            points = vessels[index].points_um
            start, step = points[:-1], np.diff(points, axis=0)
            along = ((crossing.point_um - start) * step).sum(1) / (step**2).sum(1)
            foot = start + np.clip(along, 0, 1)[:, None] * step
            assert np.hypot(*(foot - crossing.point_um).T).min() < 1e-6


def test_the_artery_lies_before_the_vein_at_most_crossings():
    line = vessel([(0, 0), (40000, 0)], "artery")
    combs = [vessel([(x + 0.5, -5), (x + 0.5, 5)], "vein") for x in range(0, 39000, 13)]
    over = [c.over == "artery" for c in crossings(line, *combs)]
    assert len(over) == 3000
    assert np.mean(over) == pytest.approx(ARTERY_OVER, abs=0.03)
    places = [c.point_um[0] for c in crossings(line, *combs)]
    assert places == pytest.approx([comb.points_um[0, 0] for comb in combs])
    assert over == [c.over == "artery" for c in crossings(line, *combs)]
    assert over != [c.over == "artery" for c in crossings(line, *combs, seed=1)]
