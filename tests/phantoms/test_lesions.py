"""Lesions: exact masks at every size, stable places over visits, beads in the veins' radii."""

import numpy as np
import pytest

from retinaforge.core import Refusal, rng_for
from retinaforge.phantoms import AnatomyParams, DiseaseParams, VesselParams
from retinaforge.phantoms.disease import opens_years, slot
from retinaforge.phantoms.frame import frame_of
from retinaforge.phantoms.fundus import Lesion, Vessel
from retinaforge.phantoms.layout import lay_out
from retinaforge.phantoms.lesion_macular import ATROPHY_UM_A_YEAR
from retinaforge.phantoms.lesion_shapes import (
    blob,
    boat,
    equivalent_diameter,
    flame,
    polygon_area,
    ribbon,
    turned,
)
from retinaforge.phantoms.lesion_sites import fibre_angle, quadrant, sites_of
from retinaforge.phantoms.lesion_vessels import BEAD_DEPTH, beading, irma, new_vessels
from retinaforge.phantoms.lesions import bead, lesion_masks, place_lesions

SQUARE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def eye(seed=0, **disease):
    return lay_out(
        AnatomyParams(), VesselParams(), DiseaseParams(**disease), rng=rng_for(seed, "layout")
    )


def vein(radius=45.0):
    points = np.stack([np.linspace(0, 1800, 40), np.full(40, 500.0)], axis=1)
    return Vessel(points, np.full(40, radius), "vein", None, 0)


def frame(size, um_a_px=20.0):
    return frame_of(size_px=size, centre_um=(0.0, 0.0), fov_deg=um_a_px * 0.965 * size / 288.0)


def identity(lesion):
    return lesion.kind, lesion.centre_um, lesion.seed, lesion.onset_years


def test_areas_of_known_polygons():
    assert polygon_area(SQUARE * 3) == pytest.approx(36)
    assert equivalent_diameter(SQUARE * np.sqrt(np.pi)) == pytest.approx(4)
    assert np.allclose(turned(np.array([[1.0, 0.0]]), np.pi / 2), [[0.0, 1.0]])
    line = np.stack([np.linspace(0, 100, 11), np.zeros(11)], axis=1)
    assert polygon_area(ribbon(line, np.full(11, 5.0))) == pytest.approx(1000)


@pytest.mark.parametrize("diameter", [22.0, 63.0, 125.0, 900.0])
def test_blob_has_the_diameter_asked_for(diameter):
    rng = np.random.default_rng(3)
    for aspect in (1.0, 1.8):
        shape = blob(diameter, rng=rng, rough=0.15, aspect=aspect, angle_rad=0.7)
        assert equivalent_diameter(shape) == pytest.approx(diameter)
        spread = np.linalg.eigvalsh(np.cov(shape.T))
        assert np.sqrt(spread[1] / spread[0]) == pytest.approx(aspect, rel=0.4)


def test_flame_has_its_length_along_its_angle_and_boat_its_level():
    rng = np.random.default_rng(1)
    shape = turned(flame(600.0, 150.0, rng=rng, angle_rad=0.9), -0.9)
    assert np.ptp(shape[:, 0]) == pytest.approx(600.0)
    assert np.ptp(shape[:, 1]) < 300
    blood = boat(1000.0, rng=rng)
    assert np.ptp(blood[:, 0]) == pytest.approx(1000.0)
    ends = blood[[0, -1], 1]
    assert ends[0] == pytest.approx(ends[1])
    assert ends[0] == pytest.approx(blood[:, 1].min())


def test_fibres_leave_the_disc_and_arch_over_the_macula():
    layout = eye()
    x, y = layout.disc_um
    assert fibre_angle((x + 1000, y), layout) == pytest.approx(0.0)
    assert fibre_angle((x, y - 1000), layout) == pytest.approx(-np.pi / 2)
    assert abs(fibre_angle((x - 1000, y), layout)) == pytest.approx(np.pi)
    assert fibre_angle((x - 1000, y - 1000), layout) == pytest.approx(np.arctan2(-1, -2))


def test_sites_lie_in_their_quadrant_off_disc_and_fovea():
    layout = eye()
    sites = sites_of(layout, (vein(),), largest_um=60.0)
    for q in range(4):
        for i in range(40):
            place = sites.draw(q, rng=rng_for(i, "site"), core=i % 2 == 0)
            assert quadrant(place, layout) == q
            assert np.hypot(*place) > layout.faz_radius_um
            assert np.hypot(*(np.array(place) - layout.disc_um)) > layout.disc_axes_um[1]


def inside(outline, x, y):
    """Return the even-odd rule, pixel by pixel, without any library."""
    odd = False
    for (ax, ay), (bx, by) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            odd = not odd
    return odd


def test_mask_is_what_the_outline_encloses():
    view = frame(40)
    outline = blob(500.0, rng=np.random.default_rng(5), rough=0.2, aspect=1.5)
    outline = outline + np.array([137.0, -61.3])
    mask = lesion_masks(view, (Lesion("cotton_wool_spot", (137.0, -61.3), outline),))
    corners = view.to_px(outline)
    expected = [[inside(corners, x, y) for x in range(40)] for y in range(40)]
    assert np.array_equal(mask["cotton_wool_spot"], expected)
    assert list(mask) == ["cotton_wool_spot"]


def test_mask_areas_agree_over_sizes():
    layout = eye(4)
    found = place_lesions(layout, (), DiseaseParams(diabetic_grade=2, amd=2), seed=4)
    large = tuple(s for s in found if s.area_um2 > 150**2 and s.kind == "drusen")
    assert len(large) >= 2
    areas = []
    for size in (512, 1024):
        view = frame_of(size_px=size, centre_um=(0.0, 0.0), fov_deg=45.0)
        one_by_one = [lesion_masks(view, (s,))["drusen"].sum() for s in large]
        areas.append(np.array(one_by_one) * view.px_um**2)
    true = np.array([s.area_um2 for s in large])
    assert areas[1].sum() == pytest.approx(true.sum(), rel=0.03)
    assert areas[0].sum() == pytest.approx(true.sum(), rel=0.08)


def test_smallest_lesion_keeps_a_pixel_and_one_outside_has_none():
    view = frame(64, um_a_px=200.0)
    dot = Lesion("microaneurysm", (70.0, 70.0), SQUARE * 10 + 70.0)
    mask = lesion_masks(view, (dot,))["microaneurysm"]
    assert mask.sum() == 1
    assert mask[32, 32]
    away = Lesion("microaneurysm", (9000.0, 0.0), SQUARE * 10 + np.array([9000.0, 0.0]))
    assert not lesion_masks(view, (away,))["microaneurysm"].any()


def test_mask_of_own_vessels_is_within_their_radius():
    view = frame(96)
    line = np.array([[-500.0, 10.0], [480.0, 10.0]])
    found = Lesion("irma", (0.0, 10.0), SQUARE, points_um=(line,), radii_um=(np.full(2, 45.0),))
    mask = lesion_masks(view, (found,))["irma"]
    x, y = view.x_um, view.y_um
    away = np.hypot(x - np.clip(x, -500, 480), y - 10.0)
    assert np.array_equal(mask, away <= 45.0)


def test_new_vessels_and_irma_lie_within_their_outline():
    for found in (
        new_vessels((0.0, 0.0), 500.0, onset=0.0, rng=np.random.default_rng(2)),
        irma((0.0, 0.0), onset=0.0, rng=np.random.default_rng(2)),
    ):
        points = np.concatenate(found.points_um)
        low, high = found.outline_um.min(0), found.outline_um.max(0)
        assert np.allclose(points.min(0), low)
        assert np.allclose(points.max(0), high)
        assert len(found.points_um) == len(found.radii_um) >= 3


def test_beads_are_in_the_radii_and_nothing_else_moves():
    plain = vein()
    other = Vessel(plain.points_um + np.array([0, 900.0]), plain.radii_um, "vein", 0, 1)
    artery = Vessel(plain.points_um, plain.radii_um, "artery", None, 0)
    found = beading(plain, onset=-1.0, rng=np.random.default_rng(0))
    first, second, third = bead((plain, other, artery), (found,))
    assert second is other
    assert third is artery
    assert np.allclose(first.points_um[:, 1], 500.0)
    assert np.isin(plain.points_um[:, 0], first.points_um[:, 0]).all()
    assert (first.parent, first.generation, first.kind) == (None, 0, "vein")
    assert np.allclose(first.radii_um[[0, -1]], 45.0)
    assert first.radii_um.max() == pytest.approx(45 * (1 + BEAD_DEPTH), rel=0.02)
    assert first.radii_um.min() == pytest.approx(45 * (1 - BEAD_DEPTH), rel=0.02)
    assert np.array_equal(first.radii_um, found.radii_um[0])
    assert bead((plain, other), ()) == (plain, other)


def test_same_seed_same_lesions_and_another_seed_others():
    layout, disease = eye(), DiseaseParams(diabetic_grade=3, amd=2, laser=True)
    one, two = (place_lesions(layout, (vein(),), disease, seed=5) for _ in range(2))
    assert [identity(a) for a in one] == [identity(b) for b in two]
    assert all(np.array_equal(a.outline_um, b.outline_um) for a, b in zip(one, two, strict=True))
    other = place_lesions(layout, (vein(),), disease, seed=6)
    assert {identity(a) for a in one}.isdisjoint(identity(b) for b in other)


def test_a_healthy_eye_has_none():
    assert place_lesions(eye(), (vein(),), DiseaseParams(), seed=1, years=20.0) == ()


def test_later_visits_keep_places_and_add_lesions():
    layout = eye()
    disease = DiseaseParams(diabetic_grade=2, amd=1, diabetic_progression=0.5)
    visits = {
        years: place_lesions(layout, (vein(),), disease, seed=8, years=years)
        for years in (0.0, 0.05, 2.0, 8.0)
    }
    for years, found in visits.items():
        assert all(lesion.onset_years <= years for lesion in found)
    now, soon, later, last = ({identity(s) for s in v} for v in visits.values())
    assert len(now & soon) >= 0.9 * len(now)
    # What a later visit shows from before the first one was seen at the first one.
    for visit in (soon, later, last):
        assert {s for s in visit if s[3] <= 0} <= now
    assert {s for s in last if s[3] <= 2} <= later
    assert later - now
    assert now - later
    kinds = [s.kind for s in visits[8.0]]
    assert kinds.count("neovascularisation") + kinds.count("preretinal_haemorrhage") > 0


def test_a_higher_grade_holds_the_core_of_the_lower():
    layout = eye()
    first, third = (
        place_lesions(layout, (), DiseaseParams(diabetic_grade=g), seed=2) for g in (1, 3)
    )
    places = {s.centre_um for s in third}
    assert sum(s.centre_um in places for s in first) == len(first) >= 3


def test_atrophy_grows_in_place():
    layout, disease = eye(), DiseaseParams(amd=3)

    def atrophy(years):
        found = place_lesions(layout, (), disease, seed=1, years=years)
        return next(s for s in found if s.kind == "geographic_atrophy")

    before, after = atrophy(0.0), atrophy(3.0)
    assert before.centre_um == after.centre_um
    grown = equivalent_diameter(after.outline_um) - equivalent_diameter(before.outline_um)
    assert grown == pytest.approx(3 * ATROPHY_UM_A_YEAR)


def test_laser_spares_macula_and_disc():
    layout = eye()
    scars = place_lesions(layout, (), DiseaseParams(laser=True), seed=1)
    places = np.array([s.centre_um for s in scars])
    assert len(places) > 80
    assert {s.kind for s in scars} == {"laser_scar"}
    assert np.hypot(*places.T).min() > 2 * layout.disc_axes_um[1]
    assert np.hypot(*(places - layout.disc_um).T).min() > 1.4 * layout.disc_axes_um[1]


def test_slots_open_stay_and_resolve():
    rng = np.random.default_rng(0)
    assert all(opens_years(0.0, core=True, rng=rng) < 0 for _ in range(50))
    assert all(opens_years(2.0, core=True, rng=rng) == 2.0 for _ in range(50))

    def there(years, **how):
        found = [slot(i, "x", 0, reached=0.0, years=years, **how) for i in range(200)]
        return {i: onset_and_rng[0] for i, onset_and_rng in enumerate(found) if onset_and_rng}

    core = there(0.0, life_years=0.5, core=True)
    assert len(core) == 200
    assert there(30.0, life_years=0.5, core=True) == core
    early, late = there(0.0, life_years=1.0), there(5.0, life_years=1.0)
    assert 80 < len(early) < 160
    assert 130 < len(late) < 200
    assert not any(early.get(i) == onset for i, onset in late.items() if onset < -6)
    assert sum(early.get(i) == late.get(i) for i in early) < 40


def test_years_are_refused_below_nought():
    with pytest.raises(Refusal, match="years of 0 or more"):
        place_lesions(eye(), (), DiseaseParams(), seed=1, years=-1.0)
