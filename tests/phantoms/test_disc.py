"""Disc and cup: areas in closed form, the notch towards the margin, colours, the same eye twice."""

from dataclasses import replace

import numpy as np
import pytest

from retinaforge.core import rng_for
from retinaforge.phantoms.disc import paint_disc
from retinaforge.phantoms.disc_shape import (
    ANGLES,
    NOTCH_REACH,
    cup_mask,
    cup_radius_share,
    cup_radius_um,
    disc_mask,
    disc_radius_share,
    window,
)
from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.fundus import Fundus, Layout
from retinaforge.phantoms.look import Look, draw_look
from retinaforge.phantoms.params import AnatomyParams

PLAIN = Layout(
    disc_um=(4500.0, -500.0),
    disc_axes_um=(840.0, 900.0),
    cup_um=(4450.0, -500.0),
    cup_axes_um=(420.0, 450.0),
    notch=0.0,
    notch_rad=np.pi / 2,
    atrophy=0.0,
    faz_radius_um=300.0,
    arcade_um=(3300.0, 3300.0),
)
BOTTOM = int(np.argmin(np.abs(ANGLES - np.pi / 2)))
TOP = int(np.argmin(np.abs(ANGLES + np.pi / 2)))


def frame(size_px=192, half_um=2600.0):
    return Frame(size_px, PLAIN.disc_um, half_um)


def fundus(layout=PLAIN, seed=3):
    return Fundus("OD", layout, (), (), (), seed, seed)


def look(seed=3) -> Look:
    return draw_look(AnatomyParams(), rng=rng_for(seed, "look"))


def painted(layout=PLAIN, *, size_px=192, seed=3, ground=(160.0, 72.0, 34.0)):
    place = frame(size_px)
    plain = np.broadcast_to(np.array(ground, np.float32), (size_px, size_px, 3))
    return paint_disc(plain, place, fundus(layout, seed), look(seed))


def test_areas_of_disc_and_cup_are_those_of_ellipses():
    place = frame(1000)
    assert disc_mask(place, PLAIN).sum() * place.px_um**2 == pytest.approx(
        np.pi * 840 * 900, rel=2e-3
    )
    assert cup_mask(place, PLAIN).sum() * place.px_um**2 == pytest.approx(
        np.pi * 420 * 450, rel=3e-3
    )


def test_the_cup_without_notch_is_the_ellipse():
    x, y = frame().x_um, frame().y_um
    share = np.hypot((x - 4450) / 420, (y + 500) / 450)
    np.testing.assert_allclose(cup_radius_share(x, y, PLAIN), share, rtol=2e-4, atol=1e-4)


def test_a_full_notch_reaches_towards_the_margin_and_leaves_the_other_side():
    notched = cup_radius_um(replace(PLAIN, notch=1.0))
    to_border = 900 * np.sqrt(1 - (50 / 840) ** 2)
    assert notched[BOTTOM] == pytest.approx(NOTCH_REACH * to_border, rel=1e-3)
    assert notched[TOP] == pytest.approx(450, rel=1e-6)


def test_the_rim_at_the_notch_thins_with_its_depth_and_the_cup_stays_in_the_disc():
    place = frame(400)
    cups = [cup_mask(place, replace(PLAIN, notch=depth)) for depth in (0.0, 0.4, 0.8, 1.0)]
    areas = [cup.sum() for cup in cups]
    assert areas == sorted(areas)
    assert areas[-1] > 1.1 * areas[0]
    assert not (cups[-1] & ~disc_mask(place, PLAIN)).any()


def test_a_cup_beyond_the_disc_is_cut_at_its_border():
    wide = replace(PLAIN, cup_axes_um=(1200.0, 1200.0))
    np.testing.assert_array_equal(cup_mask(frame(), wide), disc_mask(frame(), wide))


def test_a_picture_that_misses_the_disc_is_left_alone():
    away = Frame(96, (-6000.0, 6000.0), 3000.0)
    plain = np.full((96, 96, 3), 80, dtype=np.float32)
    np.testing.assert_array_equal(paint_disc(plain, away, fundus(), look()), plain)
    assert not cup_mask(away, PLAIN).any()
    rows, columns = window(away, PLAIN, reach=1.0)
    assert rows.stop <= rows.start or columns.stop <= columns.start


@pytest.mark.parametrize("seed", range(6))
def test_disc_is_brighter_than_ground_and_cup_paler_than_rim(seed):
    image = painted(seed=seed)
    share = disc_radius_share(frame().x_um, frame().y_um, PLAIN)
    cup = cup_mask(frame(), PLAIN)
    rim, far = (share < 0.9) & (share > 0.75) & ~cup, share > 2.7
    outer, inner, ground = (np.median(image[mask], axis=0) for mask in (rim, cup, far))
    assert np.all(outer[:2] > 1.1 * ground[:2])
    assert inner[1] > 1.03 * outer[1]
    assert inner[1] / inner[0] > outer[1] / outer[0]


def test_a_dark_fundus_has_the_greater_contrast_of_disc_to_ground():
    pictures = []
    for pigment, ground in ((0.1, (190.0, 96.0, 50.0)), (0.9, (135.0, 62.0, 33.0))):
        own = draw_look(AnatomyParams(pigment=pigment), rng=rng_for(1, "look"))
        plain = np.broadcast_to(np.array(ground, np.float32), (128, 128, 3))
        image = paint_disc(plain, frame(128), fundus(), own)
        pictures.append(np.median(image[disc_mask(frame(128), PLAIN)], axis=0)[1] / ground[1])
    assert pictures[1] > 1.1 * pictures[0]


def test_atrophy_is_pale_beside_the_temporal_border():
    x, y = frame().x_um, frame().y_um
    share = disc_radius_share(x, y, PLAIN)
    ring = (share > 1.1) & (share < 1.3)
    level = abs(y + 500) < 400
    temporal, nasal = ring & level & (x < 4500), ring & level & (x > 4500)
    atrophic, plain = painted(replace(PLAIN, atrophy=0.8)), painted()
    gain = atrophic[..., 1] / plain[..., 1]
    assert np.median(gain[temporal]) > 1.2
    assert np.median(gain[temporal]) > np.median(gain[nasal]) + 0.1


def test_the_same_disc_is_drawn_at_every_size():
    for layout in (PLAIN, replace(PLAIN, atrophy=0.6, notch=0.7)):
        small, large = painted(layout, size_px=128), painted(layout, size_px=512)
        mean = large.reshape(128, 4, 128, 4, 3).mean((1, 3))
        assert np.abs(small - mean).mean() < 0.6
        assert np.percentile(np.abs(small - mean), 99.5) < 12


def test_two_eyes_have_two_discs():
    assert np.abs(painted(seed=1) - painted(seed=2)).mean() > 1
