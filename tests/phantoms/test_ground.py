"""Ground: colours of pigment, macula, fibre courses, choroid; the same eye for every camera."""

from dataclasses import replace

import numpy as np
import pytest

from retinaforge.core import rng_for
from retinaforge.phantoms.fibres import (
    PHI_DEG,
    RADII_DEG,
    course,
    fibre_map,
    start_angles,
)
from retinaforge.phantoms.frame import Frame, frame_of
from retinaforge.phantoms.fundus import Fundus
from retinaforge.phantoms.ground import paint_ground
from retinaforge.phantoms.layout import lay_out
from retinaforge.phantoms.look import DARK_RGB, LIGHT_RGB, MEDIUM_RGB, base_rgb, draw_look
from retinaforge.phantoms.params import AnatomyParams, DiseaseParams, VesselParams
from retinaforge.phantoms.texture import map_for

LAYOUT = lay_out(AnatomyParams(), VesselParams(), DiseaseParams(), rng=rng_for(0, "layout"))
EYE = Fundus("OD", LAYOUT, (), (), (), 11, 11)


def look(seed=1, **anatomy):
    return draw_look(AnatomyParams(**anatomy), rng=rng_for(seed, "look"))


def frame(size_px=128, centre_um=(2200.0, 0.0), fov_deg=45.0):
    return frame_of(size_px=size_px, centre_um=centre_um, fov_deg=fov_deg)


def test_base_colour_passes_light_medium_and_dark():
    for pigment, rgb in ((0.0, LIGHT_RGB), (0.5, MEDIUM_RGB), (1.0, DARK_RGB)):
        np.testing.assert_allclose(base_rgb(pigment), rgb)


def test_more_pigment_is_darker_in_every_channel():
    rows = np.array([base_rgb(p) for p in np.linspace(0, 1, 11)])
    assert np.all(np.diff(rows, axis=0) < 0)


def test_what_is_given_is_kept_and_the_rest_does_not_move():
    plain, given = look(), look(pigment=0.9, tigroid=0.1, fibres=0.0, foveal_reflex=1.0)
    assert (given.pigment, given.tigroid, given.fibres, given.foveal_reflex) == (0.9, 0.1, 0, 1)
    assert (given.mottle, given.macula, given.vessel) == (plain.mottle, plain.macula, plain.vessel)


def test_the_population_spans_its_ranges():
    looks = [look(seed) for seed in range(300)]
    for name in ("pigment", "tigroid", "fibres", "foveal_reflex"):
        values = np.array([getattr(each, name) for each in looks])
        assert values.min() >= 0
        assert values.max() <= 1
        assert values.std() > 0.12


def test_the_median_is_near_the_neutral_camera_that_cameras_expect():
    own = replace(look(pigment=0.5, tigroid=0.0), base=MEDIUM_RGB)
    rgb = np.median(paint_ground(frame(), EYE, own).reshape(-1, 3), axis=0)
    np.testing.assert_allclose(rgb, MEDIUM_RGB, rtol=0.15)


def test_ground_at_256_px_is_the_mean_of_ground_at_1024_px():
    own = look(tigroid=0.8, fibres=0.8, foveal_reflex=0.8)
    coarse, fine = paint_ground(frame(256), EYE, own), paint_ground(frame(1024), EYE, own)
    mean = fine.reshape(256, 4, 256, 4, 3).mean((1, 3))
    assert np.abs(coarse - mean).max() < 3
    assert np.abs(coarse - mean).mean() < 0.3


def test_another_aim_shows_the_same_ground():
    own = look(tigroid=0.8, fibres=0.8, foveal_reflex=0.8)
    here = frame()
    step = 16 * here.px_um
    there = frame(centre_um=(2200.0 + step, step))
    one, two = paint_ground(here, EYE, own), paint_ground(there, EYE, own)
    # The maps' nodes keep their places, so that only rounding differs.
    np.testing.assert_allclose(one[16:, 16:], two[:-16, :-16], atol=0.2)


def test_the_fovea_is_darkest_and_has_lost_most_blue():
    place = Frame(160, (0.0, 0.0), 3000.0)
    own = replace(look(foveal_reflex=0.0, tigroid=0.0), macula=1.0)
    image = paint_ground(place, EYE, own)
    away = np.hypot(place.x_um, place.y_um)
    fovea, ground = (image[mask].mean(0) for mask in (away < 250, (away > 2000) & (away < 2800)))
    ratio = fovea / ground
    assert ratio[0] > ratio[1] > ratio[2]
    assert 0.5 < ratio[1] < 0.85


def test_foveal_reflex_adds_light_only_near_the_fovea():
    place = Frame(200, (0.0, 0.0), 5000.0)
    dull, young = (paint_ground(place, EYE, look(foveal_reflex=f)) for f in (0.0, 1.0))
    away = np.hypot(place.x_um, place.y_um)
    assert (young - dull)[away < 250].max() > 8
    np.testing.assert_array_equal(young[away > 3500], dull[away > 3500])


def test_tigroid_changes_the_ground_and_a_blond_choroid_is_red_on_pale():
    x = frame()
    brown, blond = (
        paint_ground(x, EYE, look(pigment=p, tigroid=1.0)).mean(-1)
        / paint_ground(x, EYE, look(pigment=p, tigroid=0.0)).mean(-1)
        for p in (0.8, 0.05)
    )
    assert brown.std() > 0.05
    assert np.corrcoef(brown.ravel(), blond.ravel())[0, 1] < -0.8


def test_fibres_start_where_they_start_and_bend_towards_the_raphe():
    start = np.array([-140.0, -90.0, 0.0, 90.0, 140.0])
    np.testing.assert_allclose(course(start, 4.0), start)
    later = course(start, 12.0)
    assert later[0] < start[0]
    assert later[2] == 0
    assert later[4] > start[4]


def test_start_angles_undo_the_course():
    table = start_angles()
    row = 24
    phi = np.interp(course(np.array([100.0]), RADII_DEG[row])[0], PHI_DEG, table[row])
    assert phi == pytest.approx(100, abs=1)
    assert np.all(np.diff(table, axis=1) >= -1e-3)


def test_sheen_is_brightest_above_and_below_the_disc_and_ends_at_a_notch():
    whole = fibre_map(map_for(frame(64, fov_deg=60.0)), LAYOUT, seed=2)
    cut = replace(LAYOUT, notch=1.0, notch_rad=np.pi / 2)
    defect = fibre_map(map_for(frame(64, fov_deg=60.0)), cut, seed=2)
    where = map_for(frame(64, fov_deg=60.0))
    dx, dy = where.x_um - LAYOUT.disc_um[0], where.y_um - LAYOUT.disc_um[1]
    near = np.hypot(dx, dy) < 1800
    poles, sides = near & (abs(dx) < 400), near & (abs(dy) < 400)
    assert whole[poles & ~sides].mean() > 1.5 * whole[sides & ~poles].mean()
    below, above = near & (abs(dx) < 100) & (dy > 900), near & (abs(dx) < 100) & (dy < -900)
    assert defect[below].mean() < 0.5 * whole[below].mean()
    np.testing.assert_allclose(defect[above], whole[above], atol=1e-3)
