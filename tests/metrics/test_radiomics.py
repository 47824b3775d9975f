"""Radiomic features against matrices counted by hand and against PyRadiomics' stored values.

The small matrices and their counts are the examples of PyRadiomics' documentation (glcm, glrlm,
glszm, gldm, ngtdm), each of which can be counted on paper.
"""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from retinaforge.core import Refusal
from retinaforge.metrics.radiomics import (
    RadiomicFeatures,
    colour_features,
    luminance,
    opponents,
    radiomic_features,
)
from retinaforge.metrics.radiomics.cooccurrence import cooccurrence, pair_counts
from retinaforge.metrics.radiomics.filters import HIGH, LOW, halved, wavelet
from retinaforge.metrics.radiomics.grey import Grey, grey_levels
from retinaforge.metrics.radiomics.shape import shape_features
from retinaforge.metrics.radiomics.sizes import Sized, dependences, runs, zones
from retinaforge.metrics.radiomics.tones import tone_differences, tone_features

ROOT = Path(__file__).parents[2]
REFERENCE = json.loads((Path(__file__).parent / "data/frd_reference.json").read_text())
BLOCKS = [[5, 2, 5, 4, 4], [3, 3, 3, 1, 3], [2, 1, 1, 1, 3], [4, 2, 2, 2, 3], [3, 5, 3, 3, 2]]


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("frd_reference", ROOT / "tools/frd_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAINTER = _tool()


def _grey(levels: list[list[int]]) -> Grey:
    channel = np.array(levels, dtype=np.float64)
    return grey_levels(channel, np.ones(channel.shape, dtype=bool), bin_width=1.0)


def _matrix(things: Sized, rows: int, columns: int) -> list[list[int]]:
    table = np.zeros((rows, columns), dtype=int)
    table[things.level.astype(int) - 1, things.size.astype(int) - 1] = things.count
    return table.tolist()


def _by_name(features: RadiomicFeatures) -> dict[str, float]:
    return dict(zip(features.names, features.values.tolist(), strict=True))


def _random(size: int = 40) -> tuple[np.ndarray, np.ndarray]:
    channel = np.random.default_rng(0).normal(100, 20, (size, size))
    return channel, np.ones((size, size), dtype=bool)


def test_pairs_side_by_side_are_counted() -> None:
    levels = [[1, 2, 5, 2, 3], [3, 2, 1, 3, 1], [1, 3, 5, 5, 2], [1, 1, 1, 1, 2], [1, 2, 4, 3, 5]]
    assert pair_counts(_grey(levels), (0, 1)).tolist() == [
        [6, 4, 3, 0, 0], [4, 0, 2, 1, 3], [3, 2, 0, 1, 2], [0, 1, 1, 0, 0], [0, 3, 2, 0, 2],
    ]  # fmt: skip


def test_runs_along_rows_are_counted() -> None:
    assert _matrix(runs(_grey(BLOCKS))[0], 5, 5) == [
        [1, 0, 1, 0, 0], [3, 0, 1, 0, 0], [4, 1, 1, 0, 0], [1, 1, 0, 0, 0], [3, 0, 0, 0, 0],
    ]  # fmt: skip


def test_runs_of_a_transposed_image_change_places() -> None:
    turned = np.array(BLOCKS).T.tolist()
    rows, columns, _, other = (_matrix(one, 5, 5) for one in runs(_grey(BLOCKS)))
    rows_t, columns_t, _, other_t = (_matrix(one, 5, 5) for one in runs(_grey(turned)))
    assert (rows, columns, other) == (columns_t, rows_t, other_t)


def test_zones_are_counted() -> None:
    assert _matrix(zones(_grey(BLOCKS))[0], 5, 5) == [
        [0, 0, 0, 1, 0], [1, 0, 0, 0, 1], [1, 0, 1, 0, 1], [1, 1, 0, 0, 0], [3, 0, 0, 0, 0],
    ]  # fmt: skip


def test_dependences_are_counted() -> None:
    assert _matrix(dependences(_grey(BLOCKS))[0], 5, 4) == [
        [0, 1, 2, 1], [1, 2, 3, 0], [1, 4, 4, 0], [1, 2, 0, 0], [3, 0, 0, 0],
    ]  # fmt: skip


def test_tone_differences_are_summed() -> None:
    levels = [[1, 2, 5, 2], [3, 5, 1, 3], [1, 3, 5, 5], [3, 1, 1, 1]]
    expected = [13.35, 2.0, 0.6 + 0.6 + 0.5 + 4 / 3, 10.075]
    assert tone_differences(_grey(levels)) == pytest.approx(expected)


def test_pixels_outside_the_mask_count_for_nothing() -> None:
    channel, mask = np.array(BLOCKS, dtype=np.float64), np.ones((5, 5), dtype=bool)
    mask[0] = mask[2, 2] = False
    other = np.where(mask, channel, 99.0)
    for measure in (lambda g: cooccurrence(g, with_mcc=True), tone_features):
        assert measure(grey_levels(channel, mask, bin_width=1.0)) == measure(
            grey_levels(other, mask, bin_width=1.0)
        )


def test_bins_start_at_a_multiple_of_their_width() -> None:
    channel = np.array([[54.0, 74.9, 75.0, 166.0]])
    grey = grey_levels(channel, np.ones((1, 4), bool), bin_width=25.0)
    assert grey.levels[grey.ranks[0] - 1].tolist() == [1, 1, 2, 5]


def test_a_flat_region_has_the_stated_values() -> None:
    grey = _grey([[7] * 9] * 9)
    glcm = cooccurrence(grey, with_mcc=True)
    assert (glcm["Correlation"], glcm["MCC"], glcm["Imc1"], glcm["Contrast"]) == (1, 1, 0, 0)
    assert tone_features(grey)["Coarseness"] == 1e6


def test_shape_of_a_square() -> None:
    shape = shape_features(np.ones((10, 10), dtype=bool))
    # Four corners are cut off a 10 x 10 square, half a pixel along each side.
    assert shape["MeshSurface"] == pytest.approx(100 - 4 / 8)
    assert shape["Perimeter"] == pytest.approx(36 + 4 * np.sqrt(0.5))
    assert shape["MaximumDiameter"] == pytest.approx(np.hypot(9, 10))
    assert shape["Elongation"] == pytest.approx(1)


def test_wavelet_is_coif1_and_loses_nothing() -> None:
    pywt_low = [-0.01565572813546454, -0.0727326195128539, 0.38486484686420286]
    assert LOW[:3] == pytest.approx(pywt_low, abs=1e-12)
    assert pytest.approx(1) == LOW @ LOW
    assert HIGH.sum() == pytest.approx(0, abs=1e-12)
    channel, _ = _random()
    energy = sum(float(np.sum(band**2)) for band in wavelet(channel).values())
    assert energy == pytest.approx(4 * float(np.sum(channel**2)))


def test_halving_reproduces_a_parabola() -> None:
    y, x = np.mgrid[:60.0, :60.0]
    small, mask = halved(x**2 + y, np.ones((60, 60), dtype=bool))
    at = np.arange(30) * 2 + 0.5
    assert mask.all()
    assert small[10:20, 10:20] == pytest.approx((at**2 + at[:, None])[10:20, 10:20], rel=1e-6)


@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize("which", ["0", "1", "2", "3"])
def test_agrees_with_pyradiomics(version: Any, which: str) -> None:
    pixels, mask = PAINTER.paint(int(which))
    measured = radiomic_features(luminance(pixels), mask, version=version)
    expected = REFERENCE[version]["features"][which]
    assert list(measured.names) == list(expected)
    assert measured.values == pytest.approx(list(expected.values()), rel=1e-7, abs=1e-9)


def test_a_channel_mirrored_has_the_same_features() -> None:
    channel, mask = _random()
    mask[:4] = False
    straight = radiomic_features(channel, mask, version="v0").values
    mirrored = radiomic_features(channel[:, ::-1], mask[:, ::-1], version="v0").values
    assert mirrored == pytest.approx(straight, rel=1e-9)


def test_grey_pixels_have_no_opponent_colour() -> None:
    pixels = np.full((20, 20, 3), 90, dtype=np.uint8)
    assert all(np.abs(channel).max() < 1e-12 for channel in opponents(pixels).values())
    values = _by_name(colour_features(pixels, np.ones((20, 20), dtype=bool)))
    assert len(values) == 154
    assert np.isfinite(list(values.values())).all()


def test_luminance_is_rec_709() -> None:
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8)
    assert luminance(pixels)[0] == pytest.approx([54.1875, 182.427, 18.3855])


def test_the_same_image_gives_the_same_bytes() -> None:
    channel, mask = _random()
    first, second = (radiomic_features(channel, mask, version="v1") for _ in range(2))
    assert first.values.tobytes() == second.values.tobytes()


def test_refuses_a_mask_that_is_too_small() -> None:
    channel, mask = _random()
    mask[5:] = False
    with pytest.raises(Refusal, match="expected a finite channel and a mask of its size, 8 px"):
        radiomic_features(channel, mask, version="v0")


def test_refuses_an_image_of_one_grey() -> None:
    with pytest.raises(Refusal, match="expected an image that is not flat"):
        radiomic_features(np.full((20, 20), 3.0), np.ones((20, 20), bool), version="v1")
