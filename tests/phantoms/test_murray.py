"""Murray's law in closed form, and exactly kept by every branching that is drawn."""

import math

import numpy as np
import pytest

from retinaforge.phantoms import PhantomParams, VesselParams, draw_fundus
from retinaforge.phantoms.murray import branching_angles, child_radii


def test_equal_branches_of_murrays_law():
    wider, narrower = child_radii(1.0, 1.0)
    assert wider == pytest.approx(2 ** (-1 / 3))
    assert narrower == wider
    # Murray 1926: a symmetric branching opens by cos t = 2^(-1/3), 37.5 degrees a side.
    angles = branching_angles(1.0, wider, narrower)
    assert np.degrees(angles) == pytest.approx([37.467, 37.467], abs=1e-3)


def test_a_tiny_side_branch_leaves_at_a_right_angle_and_the_main_goes_straight_on():
    main, side = branching_angles(1.0, *child_radii(1.0, 0.01))
    assert math.degrees(main) < 0.1
    assert math.degrees(side) == pytest.approx(90, abs=1)


@pytest.mark.parametrize("exponent", [2.5, 3.0])
def test_every_branching_keeps_the_exponent(exponent):
    params = PhantomParams(vessels=VesselParams(murray_exponent=exponent))
    branches = draw_fundus(3, params=params).vessels
    children: dict[int, list[float]] = {}
    for branch in branches:
        if branch.parent is not None:
            children.setdefault(branch.parent, []).append(branch.radii_um[0])
    assert len(children) > 60
    for parent, radii in children.items():
        assert len(radii) == 2
        r0 = branches[parent].radii_um[-1]
        assert sum(r**exponent for r in radii) == pytest.approx(r0**exponent, rel=1e-9)


def opened_beyond_murray(seed, **vessels):
    """Return, for each branching of an eye, its angle less Murray's, degrees."""

    def direction(branch):
        step = branch.points_um[1] - branch.points_um[0]
        return math.atan2(step[1], step[0])

    branches = draw_fundus(seed, params=PhantomParams(vessels=VesselParams(**vessels))).vessels
    found = []
    for parent, branch in enumerate(branches):
        kids = sorted((b for b in branches if b.parent == parent), key=lambda b: -b.radii_um[0])
        if kids:
            expected = branching_angles(branch.radii_um[-1], *(b.radii_um[0] for b in kids))
            opened = abs(math.remainder(direction(kids[0]) - direction(kids[1]), 2 * math.pi))
            found.append(math.degrees(opened - sum(expected)))
    assert len(found) > 60
    return np.array(found)


def test_branches_leave_by_murrays_angles():
    # Catmull-Rom's first half step turns a little off the chord between the knots.
    beyond = opened_beyond_murray(5, angle_sd_deg=0.0)
    assert abs(beyond).max() < 12
    assert abs(beyond.mean()) < 2


def test_angles_vary_about_murrays_and_between_eyes():
    eyes = [opened_beyond_murray(seed, angle_sd_deg=12.0) for seed in range(12)]
    assert np.mean([eye.std() for eye in eyes]) == pytest.approx(12, abs=2.5)
    means = [eye.mean() for eye in eyes]
    assert abs(np.mean(means)) < 3
    assert 1.5 < np.std(means) < 6
    wide = opened_beyond_murray(3, angle_sd_deg=0.0, angle_shift_deg=10.0)
    assert wide.mean() == pytest.approx(10, abs=2)
