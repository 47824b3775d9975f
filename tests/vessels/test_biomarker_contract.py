"""Every column of the table: its card, its range, its reasons, and the eye whatever way it lies."""

import math
import re
from dataclasses import fields, replace

import numpy as np
import pytest

from retinaforge.core import Fov, Landmarks
from retinaforge.phantoms import draw_fundus
from retinaforge.phantoms.frame import frame_of
from retinaforge.phantoms.phantom import tree_in
from retinaforge.phantoms.vessel_paint import rasterise
from retinaforge.vessels.biomarkers import BIOMARKERS, measure_all
from retinaforge.vessels.biomarkers.lesions import LESION_KINDS
from retinaforge.vessels.vasculature import read_vasculature

SEED, SIZE, FOV_DEG = 8, 1024, 45.0
COLUMNS = [biomarker.card.column for biomarker in BIOMARKERS]
CARDS = {biomarker.card.column: biomarker.card for biomarker in BIOMARKERS}

PARTNERS = ("vertical_", "horizontal_"), ("_height", "_width")
"""What is upright lies on its side after a quarter turn, and the other way round."""

IN_PIXELS = {"pvbm_d0", "pvbm_d1", "pvbm_d2"}
"""Another package's definitions that count in pixels, and move by 3 % with twice as many."""

UPRIGHT = {"disc_fovea_angle_deg"}
"""Measured against the picture's horizontal: turned with the picture."""


def draw_masks(size_px):
    """Return arteries, veins, field of view and landmarks of one eye; its disc drawn round, so
    that a disc diameter is the same whichever way is up."""
    fundus = draw_fundus(SEED, eye="OD")
    layout = fundus.layout
    frame = frame_of(size_px=size_px, centre_um=(layout.disc_um[0] / 2, 0.0), fov_deg=FOV_DEG)
    layers = rasterise(tree_in(frame, fundus), frame)
    middle = frame.middle_px
    y, x = np.indices((size_px, size_px))
    inside = np.hypot(x - middle, y - middle) <= frame.fov_radius_px
    disc, fovea = frame.to_px(np.array([layout.disc_um, (0.0, 0.0)])).tolist()
    px = min(layout.disc_axes_um) / frame.px_um
    marks = Landmarks(
        eye="OD", disc_centre_px=tuple(disc), disc_axes_px=(px, px), cup_centre_px=tuple(disc),
        cup_axes_px=(0.4 * px, 0.5 * px), fovea_px=tuple(fovea), um_per_px=frame.px_um,
    )  # fmt: skip
    fov = Fov(inside, (middle, middle), frame.fov_radius_px, "circle")
    lesions = {kind: inside & blots(frame, y, x, k) for k, kind in enumerate(LESION_KINDS)}
    return layers["artery"].mask & inside, layers["vein"].mask & inside, fov, marks, lesions


def blots(frame, y, x, number):
    """Return seven round lesions of 120 to 300 um about the fovea, on places of their own."""
    mask = np.zeros(y.shape, dtype=bool)
    for k in range(7):
        turn, away = 2.4 * (7 * number + k), 900.0 + 500.0 * k + 130.0 * number
        place = np.array([(away * math.cos(turn), away * math.sin(turn))])
        ((cx, cy),) = frame.to_px(place).tolist()
        mask |= np.hypot(x - cx, y - cy) <= (60.0 + 15.0 * k) / frame.px_um
    return mask


def lay(eye, *, mirrored, turns):
    """Return the same eye as a mirror shows it, then turned by so many quarters."""
    artery, vein, fov, marks, lesions = eye
    last = artery.shape[0] - 1

    def mask(pixels):
        return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if mirrored else pixels, turns))

    def point(place):
        x, y = (last - place[0], place[1]) if mirrored else place
        for _ in range(turns):
            x, y = y, last - x
        return x, y

    def axes(pair):
        return pair[::-1] if turns % 2 else pair

    other = {"OD": "OS", "OS": "OD"}[marks.eye] if mirrored else marks.eye
    laid = replace(
        marks, eye=other, disc_centre_px=point(marks.disc_centre_px),
        disc_axes_px=axes(marks.disc_axes_px), cup_centre_px=point(marks.cup_centre_px),
        cup_axes_px=axes(marks.cup_axes_px), fovea_px=point(marks.fovea_px),
    )  # fmt: skip
    return mask(artery), mask(vein), replace(fov, mask=mask(fov.mask),
                                             centre_px=point(fov.centre_px)), laid, {
        kind: mask(pixels) for kind, pixels in lesions.items()
    }  # fmt: skip


def table(eye):
    artery, vein, fov, marks, lesions = eye
    found = measure_all(
        read_vasculature(artery | vein, fov, marks, artery=artery, vein=vein, lesions=lesions)
    )
    return {quantity.card.column: quantity for quantity in found}


@pytest.fixture(scope="module")
def eye():
    return draw_masks(SIZE)


@pytest.fixture(scope="module")
def plain(eye):
    return table(eye)


@pytest.fixture(scope="module")
def laid(eye):
    """The table for each other way in which the picture can lie."""
    ways = [(mirrored, turns) for mirrored in (False, True) for turns in range(4)][1:]
    return {way: table(lay(eye, mirrored=way[0], turns=way[1])) for way in ways}


@pytest.fixture(scope="module")
def doubled():
    return table(draw_masks(2 * SIZE))


@pytest.fixture(scope="module")
def bare(eye):
    """Tables where something is not known, or there is nothing to measure."""
    artery, vein, fov, marks, _ = eye
    empty, block = np.zeros_like(artery), np.zeros_like(artery)
    block[300:700, 300:700] = fov.mask[300:700, 300:700]
    return [
        {q.card.column: q for q in measure_all(found)}
        for found in (
            read_vasculature(artery | vein, fov),
            read_vasculature(
                empty,
                fov,
                marks,
                artery=empty,
                vein=empty,
                lesions=dict.fromkeys(LESION_KINDS, empty),
            ),
            read_vasculature(block, fov, marks),
        )
    ]


def counted(column):
    """Whether a column is a count, or a count for a length or in all."""
    name = CARDS[column].name
    counts = ("count", "bifurcations", "ends", "trees", "roots", "crossings", "loops",
              "inflections", "solvable")  # fmt: skip
    return any(word in name for word in counts)


def same(column, one, other, *, scale=1.0):
    """Whether two values of a column agree: 2 %, counts within 1 or 5 %.

    A region of one millimetre holds a handful of thin vessels, which a mask draws a pixel wide
    and more: its share of vessel may move by a thousandth of the region.
    """
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    if CARDS[column].unit == "px":
        other = other / scale
    if CARDS[column].unit == "px2":
        other = other / scale**2
    allowed = max(1.0 if CARDS[column].unit == "1" else 0.0, 0.05 * one) if counted(column) else 0
    if column.startswith("area_density_macula"):
        allowed = 0.001
    return abs(other - one) <= max(allowed, 0.02 * abs(one), 1e-9)


def partner(column):
    for one, other in PARTNERS:
        if one in column or other in column:
            old, new = (one, other) if one in column else (other, one)
            return column.replace(old, new)
    return column


def test_there_are_enough_columns_and_no_name_twice():
    assert len(COLUMNS) >= 40
    assert len(set(COLUMNS)) == len(COLUMNS)


@pytest.mark.parametrize("column", COLUMNS)
def test_the_card_is_complete(column):
    card = CARDS[column]
    for field in fields(card):
        if field.name != "side":
            assert getattr(card, field.name) not in ("", None), field.name
    assert card.smallest_n >= 1
    assert re.fullmatch(r"[\[(]-?[\d.inf]+, [\d.inf]+[\])]", card.range), card.range
    assert re.fullmatch(r"[a-z][a-z0-9_]*", column)


@pytest.mark.parametrize("column", COLUMNS)
def test_values_lie_in_the_range_and_missing_ones_have_a_reason(column, plain, bare):
    low, high = (float(end) for end in CARDS[column].range[1:-1].split(","))
    for quantity in (plain[column], *(found[column] for found in bare)):
        if math.isnan(quantity.value):
            assert len(quantity.reason) > 5
        else:
            assert low <= quantity.value <= high
            assert not quantity.reason


@pytest.mark.parametrize("column", COLUMNS)
def test_a_whole_eye_leaves_nothing_undefined(column, plain):
    assert not math.isnan(plain[column].value), plain[column].reason


@pytest.mark.parametrize("column", COLUMNS)
def test_a_mirrored_or_turned_eye_has_the_same_numbers(column, plain, laid):
    for (mirrored, turns), found in laid.items():
        if column in UPRIGHT and turns:
            continue
        name = partner(column) if turns % 2 else column
        came = found[name].value
        assert same(column, plain[column].value, came), (mirrored, turns, came)


@pytest.mark.parametrize("column", COLUMNS)
def test_an_eye_of_twice_or_half_the_pixels_has_the_same_numbers(column, plain, doubled):
    if column in IN_PIXELS:
        assert doubled[column].value == pytest.approx(plain[column].value, rel=0.04)
        return
    assert same(column, plain[column].value, doubled[column].value, scale=2.0)
    assert same(column, doubled[column].value, plain[column].value, scale=0.5)
