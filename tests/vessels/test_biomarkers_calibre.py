"""Calibre and central equivalents: drawn bars and stars, papers' formulas, phantoms' truth."""

import math

import numpy as np
import pytest

from retinaforge.core import Fov, Landmarks
from retinaforge.phantoms import draw_phantom
from retinaforge.phantoms import truth_zones as truth_of
from retinaforge.phantoms.truth import true_biomarkers
from retinaforge.vessels.biomarkers.calibre import CALIBRE
from retinaforge.vessels.biomarkers.equivalents import EQUIVALENTS, hubbard, join_to_trunk, knudtson
from retinaforge.vessels.vasculature import read_vasculature

SIZE = 601
CENTRE = (300.0, 300.0)
FOV = Fov(np.ones((SIZE, SIZE), bool), CENTRE, 300.0, "full frame")
UNIT_PX = 600 / 512
MARKS = Landmarks(eye="OD", disc_centre_px=CENTRE, disc_axes_px=(40.0, 40.0),
                  fovea_px=(60.0, 300.0), um_per_px=10.0)  # fmt: skip


def measured(catalogue, pixels, landmarks=MARKS, fov=FOV, **kinds):
    v = read_vasculature(pixels, fov, landmarks, **kinds)
    return {b.card.column: b.measure(v) for b in catalogue}


def bar(width, angle_deg, *, start=-150.0, end=150.0, off=0.0):
    """Return a straight vessel along a ray from the middle."""
    y, x = np.mgrid[:SIZE, :SIZE] - CENTRE[0]
    turn = math.radians(angle_deg)
    across = x * np.sin(turn) - y * np.cos(turn) + off
    along = x * np.cos(turn) + y * np.sin(turn)
    return (np.abs(across) < width / 2) & (along >= start) & (along <= end)


def star(widths, *, first_deg, end=220.0):
    """Return straight vessels from the disc outwards, in all directions."""
    angles = first_deg + 360 / len(widths) * np.arange(len(widths))
    rays = [bar(w, a, start=20.0, end=end) for w, a in zip(widths, angles, strict=True)]
    return np.logical_or.reduce(rays)


ARTERIES, VEINS = (7, 8, 9, 10, 8, 6, 5), (9, 10, 12, 14, 11, 8, 7)


def two_stars():
    return {"artery": star(ARTERIES, first_deg=3), "vein": star(VEINS, first_deg=28)}


@pytest.mark.parametrize("angle", [0, 10, 22.5, 30, 45, 60, 80, 90, 135])
@pytest.mark.parametrize("width", [4, 7, 12, 20])
def test_width_is_right_at_any_angle(width, angle):
    found = measured(CALIBRE, bar(width, angle, start=-500, end=500, off=0.3),
                     Landmarks(um_per_px=10.0))  # fmt: skip
    for column in ("calibre_mean_um", "calibre_median_um", "calibre_widest_third_um"):
        assert found[column].value / 10 == pytest.approx(width, abs=0.35)
    assert found["calibre_sd_um"].value / 10 < 0.6
    assert found["calibre_mean_fov512"].value == pytest.approx(
        found["calibre_mean_um"].value / 10 / UNIT_PX
    )


def test_two_bars_count_by_their_length():
    narrow, wide = bar(5, 0, off=80), bar(11, 0, start=-75, end=75, off=-80)
    found = measured(CALIBRE, narrow | wide, artery=narrow, vein=wide)
    value = {name: q.value for name, q in found.items()}
    lengths = np.array([296, 139])
    mean = float((lengths * (5, 11)).sum() / lengths.sum())
    assert value["calibre_mean_um"] == pytest.approx(10 * mean, rel=0.02)
    assert value["calibre_median_um"] == pytest.approx(50, rel=0.01)
    sd = math.sqrt((lengths * np.square(np.array([5, 11]) - mean)).sum() / lengths.sum())
    assert value["calibre_sd_um"] == pytest.approx(10 * sd, rel=0.05)
    assert value["calibre_narrowest_third_um"] == pytest.approx(50, rel=0.02)
    assert value["calibre_middle_third_um"] == pytest.approx(50, rel=0.02)
    assert value["calibre_widest_third_um"] == pytest.approx(
        10 * (11 * 139 + 5 * 6) / 145, rel=0.02
    )
    assert value["artery_calibre_mean_um"] == pytest.approx(50, rel=0.02)
    assert value["vein_calibre_median_um"] == pytest.approx(110, rel=0.01)
    assert value["artery_vein_calibre_ratio"] == pytest.approx(5 / 11, rel=0.03)


def test_generations_begin_at_the_disc():
    trunk = bar(11, 0, start=20, end=120)
    y, x = np.mgrid[:SIZE, :SIZE] - CENTRE[0]
    children = np.zeros_like(trunk)
    for bend, width in ((30, 9), (-30, 6)):
        turn = math.radians(bend)
        u, v = x - 118, y
        across, along = u * np.sin(turn) - v * np.cos(turn), u * np.cos(turn) + v * np.sin(turn)
        children |= (abs(across) < width / 2) & (along > 0) & (along < 120)
    found = measured(CALIBRE, trunk | children)
    assert found["calibre_generation_1_um"].value == pytest.approx(110, rel=0.03)
    assert found["calibre_generation_2_um"].value == pytest.approx(75, rel=0.05)
    assert found["calibre_generation_3_um"].reason == "no vessel of this class has a wall in view"
    away = measured(CALIBRE, bar(6, 0, off=150))
    assert away["calibre_generation_1_um"].reason == "no vessel begins at the disc's margin"


def test_calibre_that_cannot_be_known_is_nan_with_its_reason():
    found = measured(CALIBRE, bar(6, 0), Landmarks())
    assert "micrometres" in found["calibre_mean_um"].reason
    assert found["calibre_mean_fov512"].value > 0
    assert "not told apart" in found["artery_calibre_mean_fov512"].reason
    assert "not told apart" in found["artery_vein_calibre_ratio"].reason
    assert "disc is not known" in found["calibre_generation_1_fov512"].reason
    empty = np.zeros((SIZE, SIZE), bool)
    assert "no vessel" in measured(CALIBRE, empty)["calibre_mean_um"].reason
    one = measured(CALIBRE, bar(6, 0), artery=bar(6, 0), vein=empty)
    assert one["artery_vein_calibre_ratio"].reason == "no vein whose width shows"


def test_trunks_by_knudtsons_formula():
    # Six equal ones make three pairs; two of these join, the third is carried over.
    c = 0.88
    pair = c * math.sqrt(2)
    expected = c * math.hypot(pair, c * math.hypot(pair, pair))
    assert knudtson([1.0] * 6, "artery") == pytest.approx(expected)
    assert knudtson([0.5, *[1.0] * 6], "artery") == pytest.approx(expected)
    assert math.isnan(knudtson([1.0] * 5, "vein"))
    assert join_to_trunk([3.0, 1.0, 2.0], lambda a, b: 10 * a + b) == 33.0


def test_trunks_by_hubbards_formula():
    pair = math.sqrt((0.87 + 1.01 - 0.22) * 60**2 - 10.76)
    expected = math.sqrt((0.87 + 1.01 - 0.22) * pair**2 - 10.76)
    assert hubbard([60.0] * 4 + [24.9], "artery") == pytest.approx(expected)
    pair = math.sqrt((0.72 + 0.91) * 60**2 + 450.05)
    expected = math.sqrt((0.72 + 0.91) * pair**2 + 450.05)
    assert hubbard([60.0] * 4, "vein") == pytest.approx(expected)
    assert math.isnan(hubbard([60.0] * 3 + [24.9], "vein"))


@pytest.mark.parametrize("kind", ["artery", "vein"])
def test_formulas_agree_with_those_of_the_phantoms(kind):
    calibres = np.random.default_rng(3).uniform(26, 150, size=11)
    assert knudtson(calibres.tolist(), kind) == truth_of.knudtson(calibres.tolist(), kind)
    expected = truth_of.hubbard(calibres.tolist(), kind)
    assert hubbard(calibres.tolist(), kind) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("zone", ["zone_b", "zone_c"])
def test_equivalents_of_drawn_vessels(zone):
    kinds = two_stars()
    found = measured(EQUIVALENTS, kinds["artery"] | kinds["vein"], **kinds)
    value = {name: q.value for name, q in found.items()}
    assert value[f"artery_count_{zone}"] == value[f"vein_count_{zone}"] == 7
    for name, kind, widths in (("crae", "artery", ARTERIES), ("crve", "vein", VEINS)):
        um = [10.0 * w for w in widths]
        assert value[f"{name}_knudtson_{zone}_um"] == pytest.approx(knudtson(um, kind), rel=0.04)
        assert value[f"{name}_hubbard_{zone}_um"] == pytest.approx(hubbard(um, kind), rel=0.04)
        in_dd = value[f"{name}_knudtson_{zone}_dd"]
        assert in_dd == pytest.approx(value[f"{name}_knudtson_{zone}_um"] / 800)
    for rule in ("knudtson", "hubbard"):
        ratio = value[f"crae_{rule}_{zone}_um"] / value[f"crve_{rule}_{zone}_um"]
        assert value[f"avr_{rule}_{zone}"] == pytest.approx(ratio)


def test_a_vessel_that_passes_twice_counts_twice():
    ring = bar(6, 0, start=-280, end=280, off=90)
    found = measured(EQUIVALENTS, ring, artery=ring, vein=np.zeros_like(ring))
    # It dips into zone B (80–120 px from the centre) through the middle circle: one passage.
    assert found["artery_count_zone_b"].value == 1
    across = bar(6, 90, start=-280, end=280)
    found = measured(EQUIVALENTS, across, artery=across, vein=np.zeros_like(across))
    assert found["artery_count_zone_b"].value == 2


def test_hubbard_is_refused_without_a_scale_and_six_vessels_are_asked_for():
    kinds = two_stars()
    both = kinds["artery"] | kinds["vein"]
    bare = Landmarks(disc_centre_px=CENTRE, disc_axes_px=(40.0, 40.0))
    found = measured(EQUIVALENTS, both, bare, **kinds)
    for column in ("crae_hubbard_zone_b_um", "avr_hubbard_zone_c", "crve_knudtson_zone_b_um"):
        assert math.isnan(found[column].value)
        assert found[column].reason == "micrometres a pixel are not known"
    assert found["crae_knudtson_zone_b_dd"].value > 0
    assert found["avr_knudtson_zone_b"].value > 0
    few = star((8, 8, 8, 8, 8), first_deg=5)
    found = measured(EQUIVALENTS, both, artery=few, vein=kinds["vein"])
    assert found["crae_knudtson_zone_b_um"].reason.startswith("fewer than 6 arteries cross zone B")
    assert found["avr_knudtson_zone_b"].reason.startswith("fewer than 6 arteries cross zone B")
    assert found["crae_hubbard_zone_b_um"].value > 0
    three = star((8, 8, 8), first_deg=5)
    found = measured(EQUIVALENTS, both, artery=three, vein=kinds["vein"])
    assert "fewer than 4 arteries of 25 µm" in found["crae_hubbard_zone_b_um"].reason


def test_equivalents_need_disc_kinds_and_half_of_the_zone():
    kinds = two_stars()
    both = kinds["artery"] | kinds["vein"]
    found = measured(EQUIVALENTS, both, Landmarks(um_per_px=10.0), **kinds)
    assert {q.reason for q in found.values()} == {"the optic disc is not known"}
    found = measured(EQUIVALENTS, both)
    assert {q.reason for q in found.values()} == {"arteries and veins are not told apart"}
    half = FOV.mask.copy()
    half[:, 290:] = False
    found = measured(EQUIVALENTS, both, fov=Fov(half, CENTRE, 300.0, "cut circle"), **kinds)
    assert all("less than half of the region is in view" in q.reason for q in found.values())


def test_mirrored_turned_and_rescaled_vessels_measure_the_same():
    kinds = two_stars()
    both = kinds["artery"] | kinds["vein"]
    columns = (*CALIBRE, *EQUIVALENTS)
    straight = measured(columns, both, **kinds)
    last = SIZE - 1
    for name, change in {
        "mirrored": lambda m: m[:, ::-1],
        "turned": lambda m: np.rot90(m),
        "twice": lambda m: np.kron(m, np.ones((2, 2), bool)),
    }.items():
        marks, fov = MARKS, FOV
        if name == "twice":
            marks = Landmarks(eye="OD", disc_centre_px=(600.5, 600.5), disc_axes_px=(80.0, 80.0),
                              fovea_px=(120.5, 600.5), um_per_px=5.0)  # fmt: skip
            fov = Fov(change(FOV.mask), (600.5, 600.5), 600.0, "full frame")
        if name == "mirrored":
            marks = Landmarks(eye="OS", disc_centre_px=CENTRE, disc_axes_px=(40.0, 40.0),
                              fovea_px=(last - 60.0, 300.0), um_per_px=10.0)  # fmt: skip
        changed = {kind: np.ascontiguousarray(change(m)) for kind, m in kinds.items()}
        other = measured(columns, np.ascontiguousarray(change(both)), marks, fov, **changed)
        for column, quantity in straight.items():
            if math.isnan(quantity.value):
                assert other[column].reason == quantity.reason
            elif column.startswith("calibre_sd"):
                assert other[column].value == pytest.approx(quantity.value, rel=0.04)
            else:
                assert other[column].value == pytest.approx(quantity.value, rel=0.02), column


@pytest.mark.parametrize("seed", [302, 309])
def test_phantoms_measure_what_they_are(seed):
    phantom = draw_phantom(seed, size_px=1024)
    truth, px_um = true_biomarkers(phantom), phantom.px_um
    axes = phantom.fundus.layout.disc_axes_um
    marks = Landmarks(
        eye=phantom.photograph.eye, disc_centre_px=phantom.disc_centre_px,
        disc_axes_px=(axes[0] / px_um, axes[1] / px_um), fovea_px=phantom.fovea_px, um_per_px=px_um,
    )  # fmt: skip
    found = measured((*CALIBRE, *EQUIVALENTS), phantom.vessel, marks, phantom.fov,
                     artery=phantom.artery, vein=phantom.vein)  # fmt: skip
    for rule in ("knudtson", "hubbard"):
        for name in ("crae", "crve"):
            value = found[f"{name}_{rule}_zone_b_um"].value
            assert value == pytest.approx(truth[f"{name}_{rule}_um"], rel=0.05)
        assert found[f"avr_{rule}_zone_b"].value == pytest.approx(truth[f"avr_{rule}"], rel=0.04)
    for kind in ("artery", "vein"):
        count = found[f"{kind}_count_zone_b"].value
        assert count == pytest.approx(truth[f"{kind}_zone_b_vessels"], abs=1)
        # The truth counts what lies on the disc as well, where vessels are widest.
        mean = found[f"{kind}_calibre_mean_um"].value / truth[f"{kind}_mean_calibre_um"]
        assert 0.9 < mean < 1.0
