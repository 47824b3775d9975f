"""How vessels look: darker where wider, the reflex in the middle, the upper one on top."""

from dataclasses import replace

import numpy as np
import pytest

from retinaforge.core import rng_for
from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.fundus import Crossing, Fundus, Vessel
from retinaforge.phantoms.layout import lay_out
from retinaforge.phantoms.look import draw_look
from retinaforge.phantoms.params import AnatomyParams, DiseaseParams, VesselParams
from retinaforge.phantoms.phantom import tree_in
from retinaforge.phantoms.vessel_paint import (
    bar_profile,
    column_profile,
    draw_blood,
    paint_vessels,
    rasterise,
)

FRAME = Frame(size_px=128, centre_um=(0.0, 0.0), fov_radius_um=500.0)
LAYOUT = lay_out(AnatomyParams(), VesselParams(), DiseaseParams(), rng=rng_for(0, "layout"))
LOOK = draw_look(AnatomyParams(), rng=rng_for(0, "look"))
ACROSS = np.array([[-1500.0, 0.0], [1500.0, 0.0]])
DOWN = ACROSS[:, ::-1]


def vessel(points, calibre_um, kind):
    return Vessel(points, np.full(len(points), calibre_um / 2), kind, None, 0)


def eye(*vessels, over=None, seed=1):
    crossings = (Crossing((0.0, 0.0), 0, 1, over, 90.0),) if over else ()
    return Fundus("OD", LAYOUT, vessels, crossings, (), seed=seed, person=seed)


def painted(fundus, frame=FRAME):
    """Return ln(light with / without vessels), (height, width, RGB)."""
    scene = np.full((frame.size_px, frame.size_px, 3), 100.0, dtype=np.float32)
    layers = rasterise(tree_in(frame, fundus), frame)
    return np.log(paint_vessels(scene, layers, frame, fundus, LOOK) / 100)


def section(fundus, column=64):
    return painted(fundus)[:, column]


def test_column_is_dark_and_nothing_happens_away_from_it():
    light = painted(eye(vessel(ACROSS, 100, "vein")))
    assert light[63:65, 20:100, 1].max() < -0.15
    assert np.abs(light[:40]).max() == 0
    assert np.abs(light[90:]).max() == 0


def test_green_is_dimmed_most_and_veins_more_than_arteries():
    artery, vein = (section(eye(vessel(ACROSS, 120, kind))) for kind in ("artery", "vein"))
    for light in (artery, vein):
        deepest = light.min(axis=0)
        assert deepest[1] < deepest[0] < 0
        assert deepest[1] < deepest[2] < 0
    assert vein.min(axis=0)[1] < artery.min(axis=0)[1]
    # What is left of an artery's light is redder relative to its green.
    assert vein.min(axis=0)[0] < artery.min(axis=0)[0]


@pytest.mark.parametrize("kind", ["artery", "vein"])
def test_contrast_falls_with_the_calibre(kind):
    depths = [-section(eye(vessel(ACROSS, um, kind)))[:, 1].min() for um in (15, 30, 60, 120)]
    assert depths == sorted(depths)
    assert depths[0] < 0.4 * depths[3]


def test_arteries_carry_a_bright_reflex_along_the_axis():
    light = section(eye(vessel(ACROSS, 150, "artery")))[:, 1]
    middle = light[63:65].mean()
    flank = light.min()
    assert middle > 0.75 * flank
    walls = light[:64].argmin(), 64 + light[64:].argmin()
    width_um = (light[walls[0] : walls[1]] > (middle + flank) / 2).sum() * FRAME.px_um
    assert 0.2 * 150 < width_um < 0.45 * 150
    vein = section(eye(vessel(ACROSS, 150, "vein")))[:, 1]
    assert vein[63:65].mean() / vein.min() > middle / flank


@pytest.mark.parametrize(("over", "under"), [("artery", "vein"), ("vein", "artery")])
def test_the_upper_vessel_keeps_its_colour_at_a_crossing(over, under):
    artery, vein = vessel(ACROSS, 110, "artery"), vessel(DOWN, 110, "vein")
    light = painted(eye(artery, vein, over=over))
    alone = {
        "artery": painted(eye(artery, vein))[64, 20], "vein": painted(eye(artery, vein))[20, 64]
    }  # fmt: skip
    here = light[63:65, 63:65].mean(axis=(0, 1))
    to = {kind: np.abs(here - values).max() for kind, values in alone.items()}
    other = painted(eye(artery, vein, over=under))[63:65, 63:65].mean(axis=(0, 1))
    assert to[over] < np.abs(other - alone[over]).max()
    assert to[over] < 0.5 * np.abs(alone["artery"] + alone["vein"] - alone[over]).max()


def test_each_crossing_has_its_own_order():
    frame = replace(FRAME, fov_radius_um=1000.0)
    artery = vessel(ACROSS, 110, "artery")
    left, right = (vessel(DOWN + np.array([x, 0.0]), 110, "vein") for x in (-300.0, 300.0))
    fundus = eye(artery, left, right)
    orders = (Crossing((-300.0, 0.0), 0, 1, "artery", 90.0),
              Crossing((300.0, 0.0), 0, 2, "vein", 90.0))  # fmt: skip
    light = painted(replace(fundus, crossings=orders), frame)
    swapped = painted(replace(fundus, crossings=tuple(
        replace(c, over="vein" if c.over == "artery" else "artery") for c in orders
    )), frame)  # fmt: skip
    x = np.rint(frame.to_px(np.array([[-300.0, 0.0], [300.0, 0.0]]))).astype(int)[:, 0]
    assert light[64, x[0], 1] > swapped[64, x[0], 1]
    assert light[64, x[1], 1] < swapped[64, x[1], 1]
    assert np.array_equal(light[:30], swapped[:30])


def test_the_same_eye_looks_the_same_at_two_sizes():
    fundus = eye(vessel(ACROSS, 120, "artery"), vessel(DOWN, 120, "vein"), over="artery")
    small = painted(fundus, replace(FRAME, size_px=128))
    large = painted(fundus, replace(FRAME, size_px=256))
    halved = large.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - small).max() < 0.06


def test_profiles_have_the_area_of_what_is_blurred():
    at = np.linspace(0, 40, 8001, dtype=np.float32)
    for blur in (0.5, 2.0):
        bar = 2 * np.trapezoid(bar_profile(at, np.float32(5.0), blur), at)
        column = 2 * np.trapezoid(column_profile(at, np.float32(5.0), blur), at)
        assert bar == pytest.approx(10.0, abs=0.01)
        # Between half an ellipse (pi / 4) and a bar (1), nearer to the first.
        assert np.pi / 4 < column / 10 < 0.88


def test_people_differ_and_one_persons_vessels_do_not():
    bloods = [draw_blood(rng=rng_for(seed, "blood")) for seed in range(40)]
    assert draw_blood(rng=rng_for(0, "blood")) == bloods[0]
    assert np.std([b.contrast for b in bloods]) > 0.1
    assert 0 <= min(b.red for b in bloods) < 0.3 < 0.6 < max(b.red for b in bloods) <= 1
    assert all(b.reflex["artery"] > b.reflex["vein"] for b in bloods)


def test_trunks_fade_in_the_cup():
    disc = LAYOUT.disc_um
    frame = replace(FRAME, centre_um=disc, fov_radius_um=2500.0)
    line = np.array([[disc[0] - 3000.0, LAYOUT.cup_um[1]], [disc[0] + 3000.0, LAYOUT.cup_um[1]]])
    light = painted(eye(vessel(line, 150, "vein")), frame)[..., 1].min(axis=0)
    cup = round(frame.to_px(np.array([LAYOUT.cup_um]))[0, 0])
    assert light[cup] > 0.75 * light[5]
    assert light[5] < -0.2


def test_trunks_come_from_the_depth():
    start, down = np.array(LAYOUT.disc_um) - np.array([500.0, 0.0]), np.array([0.0, 900.0])
    frame = replace(FRAME, centre_um=tuple(start))
    # The same vessel once as a root that begins in the middle and once as one that passes.
    begins = np.stack([start, start + down])
    passes = np.stack([start - down, start + down])
    root, passing = (painted(eye(vessel(p, 150, "vein")), frame)[..., 1] for p in (begins, passes))
    near, far = 70, 120
    assert root[near].min() > 0.5 * passing[near].min()
    assert root[far].min() == pytest.approx(passing[far].min(), rel=0.1)
