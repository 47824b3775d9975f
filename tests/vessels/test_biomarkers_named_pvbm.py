"""PVBM's definitions, written out box by box as its documentation says them."""

import numpy as np
import pytest

from retinaforge.core import Fov
from retinaforge.vessels.biomarkers import named_pvbm_geometry as geometry
from retinaforge.vessels.biomarkers.named_pvbm import NAMED_PVBM, from_corner
from retinaforge.vessels.vasculature import read_vasculature


def by_the_book(mask):
    """D₀, D₁, D₂ of PVBM 3.0.1.8, `MultifractalVBMs(optimize=False)`."""
    sides = np.linspace(5, int(0.6 * min(mask.shape)), 20).astype(int)
    rows = []
    for side in sides:
        boxes = np.array([
            mask[y : y + side, x : x + side].sum()
            for y in range(0, mask.shape[0], side)
            for x in range(0, mask.shape[1], side)
        ])  # fmt: skip
        boxes = boxes[(boxes >= 0.01 * side**2) & (boxes <= 0.98 * side**2)]
        p = boxes / boxes.sum()
        rows.append([np.log(len(p)), -(p * np.log(p)).sum(), -np.log((p**2).sum())])
    return [-np.polyfit(np.log(sides), column, 1)[0] for column in np.array(rows).T]


@pytest.fixture(scope="module")
def mask():
    y, x = np.indices((240, 300))
    waves = np.sin(x / 9 + np.cos(y / 23)) + np.sin(y / 13 + x / 40)
    return (np.abs(waves) < 0.15) & (np.hypot(x - 150, y - 120) < 115)


def test_dimensions_are_those_of_the_definition(mask):
    assert from_corner(mask) == pytest.approx(by_the_book(mask), rel=1e-9)


@pytest.mark.parametrize(("below", "right"), [(True, False), (False, True), (True, True)])
def test_the_other_corners_are_those_of_the_mirrored_mask(mask, below, right):
    mirrored = mask[:: -1 if below else 1, :: -1 if right else 1]
    assert from_corner(mask, below=below, right=right) == pytest.approx(by_the_book(mirrored))


def test_columns_hold_the_mean_of_the_corners(mask):
    fov = Fov(np.ones_like(mask), (149.5, 119.5), 192.0, "full frame")
    found = {b.card.column: b.measure(read_vasculature(mask, fov)).value for b in NAMED_PVBM}
    corners = [by_the_book(mask[::a, ::b]) for a in (1, -1) for b in (1, -1)]
    names = ("pvbm_d0", "pvbm_d1", "pvbm_d2")
    assert [found[name] for name in names] == pytest.approx(np.mean(corners, axis=0))
    assert found["pvbm_area_px2"] == mask.sum()


def test_an_empty_mask_has_no_dimension(mask):
    fov = Fov(np.ones_like(mask), (149.5, 119.5), 192.0, "full frame")
    empty = read_vasculature(np.zeros_like(mask), fov)
    assert [b.measure(empty).reason for b in NAMED_PVBM[1:]] == [
        "no vessel inside the field of view"
    ] * 3


def test_a_piece_that_closes_upon_itself_has_no_tortuosity():
    lengths, chords = np.array([11.0, 12.0, 13.0, 60.0]), np.array([10.0, 10.0, 10.0, 0.0])
    walk = geometry.Walk(lengths, chords, np.array([]), 1, 1, 1)
    assert geometry._median_tortuosity(walk) == pytest.approx(1.2)
    loop = geometry.Walk(lengths[3:], chords[3:], np.array([]), 1, 1, 1)
    assert np.isnan(geometry._median_tortuosity(loop))
