"""Grades follow the published rules, on hand-made lesions and on every eye that is placed."""

from dataclasses import replace

import numpy as np
import pytest

from retinaforge.core import Refusal, rng_for
from retinaforge.phantoms import AnatomyParams, DiseaseParams, VesselParams
from retinaforge.phantoms.disease import grade_at
from retinaforge.phantoms.frame import frame_of
from retinaforge.phantoms.fundus import Lesion, Vessel
from retinaforge.phantoms.grading import (
    amd_stage,
    dr_grade,
    glaucoma_label,
    labels_of,
    laser_treated,
    lesions_in,
    macular_oedema,
    thinnest_rim,
)
from retinaforge.phantoms.layout import lay_out
from retinaforge.phantoms.lesion_shapes import equivalent_diameter
from retinaforge.phantoms.lesions import place_lesions

CIRCLE = np.stack([np.cos(t := np.linspace(0, 2 * np.pi, 90)[:-1]), np.sin(t)], axis=1)
CORNERS = ((-600.0, -2500.0), (-600.0, 2500.0), (6500.0, -2500.0), (6500.0, 2500.0))
"""One place in each quadrant of an eye whose disc lies near (4450, -500)."""


def eye(seed=0, **disease):
    return lay_out(
        AnatomyParams(), VesselParams(), DiseaseParams(**disease), rng=rng_for(seed, "layout")
    )


def lesion(kind, place, diameter=100.0):
    unit = CIRCLE / equivalent_diameter(CIRCLE)
    return Lesion(kind, place, unit * diameter + np.array(place))


def veins(layout):
    """Return four straight veins from the disc into the quadrants, cut into stretches of 900 um."""
    found = []
    for corner in CORNERS:
        start, end = np.array(layout.disc_um), np.array(corner)
        for a, b in ((0.25, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.0)):
            points = start + np.linspace(a, b, 12)[:, None] * (end - start)
            found.append(Vessel(points, np.full(12, 40.0 * (1.2 - b)), "vein", None, 0))
    return tuple(found)


@pytest.mark.parametrize(
    ("kinds", "grade"),
    [
        ([], 0),
        (["drusen", "laser_scar", "disc_haemorrhage"], 0),
        (["microaneurysm"] * 30, 1),
        (["microaneurysm", "haemorrhage_dot"], 2),
        (["hard_exudate"], 2),
        (["cotton_wool_spot"], 2),
        (["microaneurysm", "irma"], 3),
        (["venous_beading"], 2),
        (["irma", "neovascularisation"], 4),
        (["preretinal_haemorrhage"], 4),
    ],
)
def test_dr_grade_of_one_place(kinds, grade):
    assert dr_grade([lesion(k, CORNERS[0]) for k in kinds], eye()) == grade


def test_4_2_1_rule():
    layout = eye()
    twenty_one = [lesion("haemorrhage_dot", c) for c in CORNERS for _ in range(21)]
    assert dr_grade(twenty_one, layout) == 3
    assert dr_grade(twenty_one[:-1], layout) == 2
    flames = [*twenty_one[:-1], lesion("haemorrhage_flame", CORNERS[3])]
    assert dr_grade(flames, layout) == 3
    beads = [lesion("venous_beading", c) for c in CORNERS]
    assert dr_grade([beads[0], beads[0]], layout) == 2
    assert dr_grade([beads[0], beads[3]], layout) == 3


def test_macular_oedema_by_the_distance_of_exudates():
    layout = eye()
    dd = 2 * layout.disc_axes_um[1]
    assert macular_oedema([lesion("cotton_wool_spot", (0.0, 0.0))], layout) == 0
    assert macular_oedema([lesion("hard_exudate", (-(dd + 60), 0.0))], layout) == 1
    assert macular_oedema([lesion("hard_exudate", (-(dd + 40), 0.0))], layout) == 2


@pytest.mark.parametrize(
    ("found", "stage"),
    [
        ([("drusen", 62.0)] * 20, 0),
        ([("drusen", 64.0)], 1),
        ([("drusen", 124.0)], 1),
        ([("drusen", 126.0)], 2),
        ([("pigment_change", 100.0)], 0),
        ([("pigment_change", 100.0), ("drusen", 70.0)], 2),
        ([("geographic_atrophy", 600.0)], 3),
    ],
)
def test_amd_stage_by_size(found, stage):
    layout = eye()
    assert amd_stage([lesion(k, (500.0, 0.0), d) for k, d in found], layout) == stage
    far = (-2.2 * 2 * layout.disc_axes_um[1] - 400, 0.0)
    assert amd_stage([lesion(k, far, d) for k, d in found], layout) == 0


def test_glaucoma_by_ratio_rim_and_notch():
    layout = eye()
    half = layout.disc_axes_um[1]

    def with_cup(ratio, notch=0.0):
        cup = (layout.disc_um[0], layout.disc_um[1])
        return replace(layout, cup_um=cup, cup_axes_um=(300.0, ratio * half), notch=notch)

    assert thinnest_rim(with_cup(0.6)) == pytest.approx(0.2)
    ratios = (0.3, 0.549, 0.551, 0.699, 0.701)
    assert [glaucoma_label(with_cup(r)) for r in ratios] == [0, 0, 1, 1, 2]
    assert glaucoma_label(with_cup(0.4, notch=0.66)) == 0
    assert glaucoma_label(with_cup(0.4, notch=0.67)) == 2


@pytest.mark.parametrize("grade", range(5))
def test_placed_eyes_have_their_grade(grade):
    for seed in range(24):
        layout = eye(seed)
        found = place_lesions(layout, veins(layout), DiseaseParams(diabetic_grade=grade), seed=seed)
        assert dr_grade(found, layout) == grade
        assert amd_stage(found, layout) == 0
        seen = lesions_in(frame_of(size_px=64, centre_um=(2200.0, -250.0), fov_deg=45.0), found)
        assert dr_grade(seen, layout) == grade


@pytest.mark.parametrize("stage", range(4))
def test_placed_maculas_have_their_stage(stage):
    for seed in range(24):
        layout = eye(seed)
        found = place_lesions(layout, (), DiseaseParams(amd=stage), seed=seed)
        assert amd_stage(found, layout) == stage
        assert dr_grade(found, layout) == 0


@pytest.mark.parametrize("glaucoma", range(3))
def test_placed_discs_have_their_label(glaucoma):
    assert {glaucoma_label(eye(seed, glaucoma=glaucoma)) for seed in range(300)} == {glaucoma}


def test_oedema_is_as_asked():
    for seed in range(6):
        layout = eye(seed)
        for wanted, risks in ((True, {2}), (False, {0, 1})):
            disease = DiseaseParams(diabetic_grade=2, macular_oedema=wanted)
            for years in (0.0, 3.0):
                found = place_lesions(layout, (), disease, seed=seed, years=years)
                assert macular_oedema(found, layout) in risks
    with pytest.raises(Refusal, match="diabetic_grade of 2 or more for macular_oedema"):
        DiseaseParams(diabetic_grade=1, macular_oedema=True)


def test_grades_follow_progression_and_never_fall():
    for seed in range(4):
        layout = eye(seed)
        disease = DiseaseParams(
            diabetic_grade=1, diabetic_progression=0.75, amd=1, amd_progression=0.5
        )
        for years in (0.0, 1.0, 1.34, 2.5, 2.67, 4.0, 9.0):
            found = place_lesions(layout, veins(layout), disease, seed=seed, years=years)
            assert dr_grade(found, layout) == grade_at(1, 0.75, years, top=4)
            assert amd_stage(found, layout) == grade_at(1, 0.5, years, top=3)


def test_grade_at_is_a_staircase():
    assert [grade_at(1, 0.5, y, top=4) for y in (0, 1.9, 2, 4, 100)] == [1, 1, 2, 3, 4]
    assert grade_at(3, 0.0, 50.0, top=4) == 3


def test_labels_of_a_treated_eye():
    layout = eye(3)
    found = place_lesions(layout, (), DiseaseParams(diabetic_grade=4, laser=True), seed=3)
    labels = labels_of(layout, found)
    assert (labels.dr_grade, labels.laser_treated, labels.glaucoma) == (4, True, 0)
    assert not laser_treated(place_lesions(layout, (), DiseaseParams(diabetic_grade=4), seed=3))
