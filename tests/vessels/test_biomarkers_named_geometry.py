"""PVBM's and VascX's definitions on drawn vessels, in closed form."""

import math

import numpy as np
import pytest

from retinaforge.core import Fov, Landmarks
from retinaforge.vessels.biomarkers.calibre import CALIBRE
from retinaforge.vessels.biomarkers.counts import COUNTS
from retinaforge.vessels.biomarkers.equivalents import join_to_trunk
from retinaforge.vessels.biomarkers.named_pvbm_geometry import NAMED_PVBM_GEOMETRY
from retinaforge.vessels.biomarkers.named_vascx import NAMED_VASCX
from retinaforge.vessels.biomarkers.tortuosity import TORTUOSITY
from retinaforge.vessels.vasculature import read_vasculature

SIZE, CENTRE, RADIUS = 801, (300.0, 400.0), 40.0
FOV = Fov(np.ones((SIZE, SIZE), bool), (400.0, 400.0), 400.0, "full frame")
MARKS = Landmarks(disc_centre_px=CENTRE, disc_axes_px=(RADIUS, RADIUS), fovea_px=(540.0, 400.0))
EMPTY = np.zeros((SIZE, SIZE), bool)


def ray(angle_deg, start, end, width=7, origin=CENTRE):
    """Return a straight vessel from so far to so far from a point."""
    y, x = np.indices((SIZE, SIZE))
    turn = math.radians(angle_deg)
    u, v = x - origin[0], y - origin[1]
    along, across = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
    return (np.abs(across) < width / 2) & (along >= start) & (along <= end)


def measured(catalogue, artery, vein=EMPTY, marks=MARKS):
    v = read_vasculature(artery | vein, FOV, marks, artery=artery, vein=vein)
    return {b.card.name.split(":")[1]: b.measure(v) for b in catalogue}


def octile(angle_deg):
    c, s = abs(math.cos(math.radians(angle_deg))), abs(math.sin(math.radians(angle_deg)))
    return max(c, s) + (math.sqrt(2) - 1) * min(c, s)


@pytest.mark.parametrize("angle", [0, 22.5, 45, 70])
def test_pvbms_length_is_that_of_a_chain_of_steps(angle):
    found = measured(NAMED_PVBM_GEOMETRY, ray(angle, 20, 280))
    # From the disc's margin (40 px) to the end, where the skeleton stops a half width short.
    assert found["artery_length"].value == pytest.approx(octile(angle) * 238, rel=0.03)
    assert found["artery_tortuosity_index"].value == pytest.approx(octile(angle), rel=0.01)
    assert found["artery_median_tortuosity"].value == pytest.approx(octile(angle), rel=0.01)
    counts = [found[f"artery_{name}_count"].value for name in ("start", "end", "inter")]
    assert counts == [1, 1, 0]


def test_pvbms_branching_angle_is_that_between_the_children():
    fork = ray(0, 20, 150)
    place = (CENTRE[0] + 150, CENTRE[1])
    fork |= ray(35, 0, 160, width=5, origin=place) | ray(-35, 0, 160, width=5, origin=place)
    found = measured(NAMED_PVBM_GEOMETRY, fork)
    assert found["artery_branching_angle"].value == pytest.approx(70, abs=4)
    counts = [found[f"artery_{name}_count"].value for name in ("start", "end", "inter")]
    assert counts == [1, 2, 1]


def test_pvbm_leaves_out_trees_far_from_the_disc_and_our_own_columns_do_not():
    near, far = ray(0, 20, 280), ray(90, 200, 330, width=13)
    alone, both = (measured(NAMED_PVBM_GEOMETRY, m) for m in (near, near | far))
    assert both["artery_length"].value == alone["artery_length"].value
    assert both["artery_start_count"].value == 1
    v = read_vasculature(near | far, FOV, MARKS, artery=near | far, vein=EMPTY)
    own = {b.card.column: b.measure(v).value for b in (*COUNTS, *CALIBRE, *TORTUOSITY)}
    assert own["trees"] == 2
    unit_px = 800 / 512
    assert 8.2 < own["calibre_mean_fov512"] * unit_px < 9.5
    assert own["tortuosity"] == pytest.approx(0, abs=0.003)


def six(widths, first):
    return np.logical_or.reduce([ray(first + 60 * k, 20, 230, w) for k, w in enumerate(widths)])


WIDTHS = (6, 7, 8, 9, 10, 11)


@pytest.mark.parametrize(("catalogue", "crae", "crve"), [
    (NAMED_PVBM_GEOMETRY, "crae_knudtson", "crve_knudtson"),
    (NAMED_VASCX, "artery_cre_full", "vein_cre_full"),
])  # fmt: skip
def test_equivalents_join_the_six_widest(catalogue, crae, crve):
    found = measured(catalogue, six(WIDTHS, 5), six(WIDTHS, 35))
    for name, factor in ((crae, 0.88), (crve, 0.95)):
        expected = join_to_trunk(WIDTHS, lambda a, b, c=factor: c * math.hypot(a, b))
        assert found[name].value == pytest.approx(expected, rel=0.03)


def test_pvbm_has_an_equivalent_of_fewer_than_six_and_none_of_none():
    found = measured(NAMED_PVBM_GEOMETRY, ray(10, 20, 230, 8) | ray(190, 20, 230, 8))
    assert found["crae_knudtson"].value == pytest.approx(0.88 * math.hypot(8, 8), rel=0.04)
    assert found["crve_knudtson"].reason == "no vein crosses zone B"


def test_vascx_segments_have_their_calibre_and_their_share_of_the_field():
    mask = six(WIDTHS, 5)
    found = measured(NAMED_VASCX, mask)
    assert found["artery_vd"].value == pytest.approx(mask.sum() / SIZE**2)
    assert found["artery_diam_md"].value == pytest.approx(8.5, abs=0.4)
    assert found["artery_diam_lw"].value == pytest.approx(8.5, abs=0.4)
    assert found["artery_tort_md"].value == pytest.approx(1, abs=0.003)
    assert found["artery_bifurcation_count"].value == 0


def test_vascx_finds_the_arcades_angle_at_the_disc():
    arcades = ray(55, 20, 330, 9) | ray(-50, 20, 330, 10) | ray(180, 20, 200, 12) | ray(5, 20, 300)
    found = measured(NAMED_VASCX, arcades)
    assert found["artery_temporal_angle"].value == pytest.approx(105, abs=1)


def test_vascx_curvature_of_an_arc_is_its_inverse_radius():
    y, x = np.indices((SIZE, SIZE))
    artery = np.zeros_like(EMPTY)
    for radius in (150, 180, 210, 240, 270):
        artery |= (np.abs(np.hypot(x - 400, y - 400) - radius) < 2.5) & (y > 400) & (x > 350)
    marks = Landmarks(disc_centre_px=(60.0, 60.0), disc_axes_px=(20.0, 20.0),
                      fovea_px=(260.0, 60.0))  # fmt: skip
    found = measured(NAMED_VASCX, artery, marks=marks)
    lengths = [r * (math.pi / 2 + math.asin(50 / r)) for r in (150, 180, 210, 240, 270)]
    expected = sum(n / r for n, r in zip(lengths, (150, 180, 210, 240, 270), strict=True))
    assert found["artery_curv_lw"].value == pytest.approx(200 * expected / sum(lengths), rel=0.1)


def test_vascx_sparsity_is_the_mean_distance_to_a_line():
    line = ray(90, -300, 300, 5, origin=(400.0, 400.0))
    marks = Landmarks(disc_centre_px=(0.0, 0.0), disc_axes_px=(2.0, 2.0), fovea_px=(3.0, 4.0))
    found = measured(NAMED_VASCX, line, marks=marks)["sparsity_mean"]
    y, x = np.indices((SIZE, SIZE)).astype(float)
    away = np.hypot(x - 400, np.maximum(np.abs(y - 400) - 298, 0))
    rim = np.minimum.reduce([x + 1, y + 1, SIZE - x, SIZE - y])
    expected = away[(rim >= away) & ~line].mean() / 5
    assert found.value == pytest.approx(expected, rel=0.01)


def test_what_is_not_known_has_its_reason():
    mask = six(WIDTHS, 5)
    bare = measured(NAMED_PVBM_GEOMETRY, mask, marks=Landmarks())
    assert {q.reason for q in bare.values()} == {"the optic disc is not known"}
    none = {b.measure(read_vasculature(mask, FOV, MARKS)).reason for b in NAMED_PVBM_GEOMETRY}
    assert none == {"arteries and veins are not told apart"}
    bare = measured(NAMED_VASCX, mask, marks=Landmarks())
    assert bare["artery_cre_full"].reason == bare["sparsity_mean"].reason
    half = measured(NAMED_VASCX, mask, marks=Landmarks(disc_centre_px=CENTRE,
                    disc_axes_px=(RADIUS, RADIUS)))  # fmt: skip
    assert half["artery_temporal_angle"].reason == "the fovea is not known"
    few = measured(NAMED_VASCX, ray(0, 20, 200))
    assert few["artery_diam_md"].reason == "fewer than 5 segments are long enough"
    assert few["artery_bifangle"].reason.startswith("fewer than 3 branchings")
    assert few["artery_temporal_angle"].reason.startswith("no circle on the fovea's side")
    assert few["artery_cre_full"].reason.startswith("fewer than two circles")
    assert measured(NAMED_VASCX, EMPTY)["sparsity_mean"].reason == (
        "no vessel inside the field of view"
    )
    far = measured(NAMED_PVBM_GEOMETRY, ray(90, 200, 330))
    assert far["artery_length"].reason.startswith("no vessel tree")
    assert measured(NAMED_PVBM_GEOMETRY, ray(0, 20, 200))["artery_branching_angle"].reason == (
        "no branching with two vessels of 30/1444 of the field of view"
    )
