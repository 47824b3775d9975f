"""Copies: the same eye is found under any disguise, other people's eyes are not."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from retinaforge.audits import (
    CATALOGUE,
    Gallery,
    Pattern,
    calibrate,
    likeness,
    load_patterns,
    nearest_embeddings,
    nearest_patterns,
    pattern_of,
    pattern_of_mask,
    save_patterns,
    shipped_calibration,
)
from retinaforge.audits.copies import calibration_of, pairs_of_strangers, rate_bound
from retinaforge.audits.patterns import STEP, mirrored
from retinaforge.audits.transforms import similarity
from retinaforge.core import Fov, Refusal
from retinaforge.phantoms import CameraParams, draw_fundus, photograph_fundus
from retinaforge.vessels.vasculature import read_vasculature

PEOPLE = 10
WIDE = CameraParams(fov_deg=45.0, aperture="circle", aim="between")
NARROW = CameraParams(fov_deg=36.0, aperture="cut", aim="macula")


@cache
def pattern(seed: int, camera: CameraParams = WIDE, shot: int = 0) -> Pattern:
    """Return the pattern of a phantom's true vessels."""
    eye = photograph_fundus(draw_fundus(seed, eye="OD"), camera, size_px=256, shot=shot)
    return pattern_of_mask(eye.vessel, eye.fov)


def moved(before: Pattern, *, turn: complex, shift: complex) -> Pattern:
    """Return a pattern whose points were turned, resized and shifted; its field is not."""
    change, angle = similarity(turn, shift, mirror=False), np.angle(turn)
    return replace(
        before,
        points=change.carry(before.points.astype(float)).astype(np.float32),
        directions=np.mod(before.directions + angle, np.pi).astype(np.float32),
        junctions=change.carry(before.junctions.astype(float)).astype(np.float32),
        arms=(before.arms + angle).astype(np.float32),
        fov=np.ones_like(before.fov),
    )


def test_the_same_eye_by_another_camera_is_a_copy_and_other_eyes_are_not() -> None:
    line = shipped_calibration().threshold
    for seed in range(3):
        other_camera = likeness(pattern(seed, NARROW, 1), pattern(seed))
        assert other_camera.score > line
        assert other_camera.transform is not None
        assert not other_camera.transform.mirrored
        assert other_camera.transform.size == pytest.approx(36 / 45, abs=0.04)
        for other in range(3):
            if other != seed:
                assert likeness(pattern(other, NARROW, 1), pattern(seed)).score < line


def test_a_mirrored_copy_is_found_and_said_to_be_mirrored() -> None:
    found = likeness(mirrored(pattern(1)), pattern(1))
    assert found.score > 0.8
    assert found.transform is not None
    assert found.transform.mirrored


@pytest.mark.parametrize("degrees", [0, 37, 180])
def test_turn_size_and_shift_are_recovered(degrees: int) -> None:
    turn, shift = 0.85 * np.exp(1j * np.deg2rad(degrees)), 0.1 - 0.07j
    found = likeness(pattern(2), moved(pattern(2), turn=turn, shift=shift)).transform
    assert found is not None
    true = similarity(turn, shift, mirror=False)
    points = pattern(2).points.astype(float)
    assert np.abs(found.carry(points) - true.carry(points)).max() < 0.01


def test_identical_patterns_share_everything_but_the_vessel_counted_as_missed() -> None:
    found = likeness(pattern(0), pattern(0))
    length = pattern(0).length
    assert found.query_share == pytest.approx(1, abs=0.005)
    assert found.score == pytest.approx(length / (length + 1.5), abs=0.02)


def test_likeness_hardly_depends_on_who_asks() -> None:
    there, back = (likeness(*pair) for pair in [
        (pattern(0), pattern(0, NARROW, 1)), (pattern(0, NARROW, 1), pattern(0))])  # fmt: skip
    assert there.score == pytest.approx(back.score, abs=0.06)


def test_the_nearest_of_a_gallery_is_the_original() -> None:
    gallery = Gallery([pattern(seed) for seed in range(PEOPLE)])
    found = nearest_patterns(
        [mirrored(pattern(k, NARROW, 1)) for k in (4, 7)], gallery, shortlist=3
    )
    assert [n.reference for n in found if n] == [4, 7]
    without = gallery.nearest(pattern(4, NARROW, 1), shortlist=3, without=[4])
    assert without is not None
    assert without.reference != 4
    assert without.likeness.score < shipped_calibration().threshold


def test_an_eye_without_vessels_cannot_be_judged() -> None:
    fov = Fov(np.ones((64, 64), bool), (31.5, 31.5), 32.0, "full frame")
    empty = pattern_of_mask(np.zeros((64, 64), bool), fov)
    for pair, whose in (((empty, pattern(0)), "query"), ((pattern(0), empty), "reference")):
        found = likeness(*pair)
        assert math.isnan(found.score)
        assert found.reason == f"the {whose} shows less than 3 radii of vessel"
    assert nearest_patterns([empty], [pattern(0)]) == [None]
    assert nearest_patterns([pattern(0)], [empty]) == [None]


def test_an_empty_gallery_is_refused() -> None:
    with pytest.raises(Refusal, match=r"expected at least one real photograph; got none"):
        Gallery([])


def test_a_pattern_is_in_radii_about_the_field_of_view() -> None:
    mask = np.zeros((200, 200), bool)
    mask[99:102, 20:180] = True
    fov = Fov(np.ones((200, 200), bool), (100.0, 100.0), 100.0, "full frame")
    found = pattern_of(read_vasculature(mask, fov))
    assert found.length == pytest.approx(1.6, abs=0.05)
    assert np.abs(found.points[:, 1]).max() < 0.01
    assert np.abs(np.sin(found.directions)).max() < 0.05
    assert np.diff(np.sort(found.points[:, 0])) == pytest.approx(STEP, abs=1e-3)
    assert len(found.junctions) == 0


def test_a_junction_has_the_directions_of_its_arms() -> None:
    mask = np.zeros((200, 200), bool)
    mask[99:102, 20:180] = True
    mask[20:100, 99:102] = True
    fov = Fov(np.ones((200, 200), bool), (100.0, 100.0), 100.0, "full frame")
    found = pattern_of_mask(mask, fov)
    assert found.junctions == pytest.approx(np.zeros((1, 2)), abs=0.03)
    arms = np.sort(np.rad2deg(found.arms[0, :3]) % 360)
    assert np.abs(np.exp(1j * np.deg2rad(arms)) - [1, -1, -1j]).max() < 0.35


def test_patterns_survive_being_saved(tmp_path) -> None:
    before = [pattern(0), pattern(1)]
    save_patterns(tmp_path / "patterns.npz", before)
    for old, new in zip(before, load_patterns(tmp_path / "patterns.npz"), strict=True):
        for name in ("points", "directions", "junctions", "arms", "fov"):
            np.testing.assert_array_equal(getattr(old, name), getattr(new, name))


def test_calibration_names_an_eye_that_stands_under_two_names() -> None:
    eyes = [*(pattern(seed) for seed in range(PEOPLE)), pattern(3, NARROW, 1)]
    found = calibrate(eyes, [str(k) for k in range(PEOPLE + 1)], rng=np.random.default_rng(0))
    assert found.n_pairs == 55
    assert found.suspects == ((3, PEOPLE),)
    assert found.false_match_rate == pytest.approx(1 / 55)
    same = calibrate(eyes, [*(str(k) for k in range(PEOPLE)), "3"], rng=np.random.default_rng(0))
    assert same.n_pairs == 54
    assert same.suspects == ()
    assert same.highest < same.threshold


def test_the_threshold_follows_the_tail() -> None:
    uniform = np.random.default_rng(0).uniform(size=200_000)
    scores = 0.1 - 0.02 * np.log(uniform)
    pairs = np.zeros((len(scores), 2), int)
    found = calibration_of(scores, pairs, n_patients=9, rate=1e-6)
    assert found.threshold == pytest.approx(0.1 + 0.02 * math.log(1e6), rel=0.02)


def test_no_match_in_n_bounds_the_rate_by_three_over_n() -> None:
    assert rate_bound(0, 3000) == pytest.approx(3 / 3000, rel=0.01)
    assert rate_bound(5, 5) == 1


def test_pairs_of_strangers_are_of_different_patients_and_too_few_are_refused() -> None:
    patients = [str(k // 2) for k in range(24)]
    pairs = pairs_of_strangers(patients, rng=np.random.default_rng(0), most=10**6)
    assert len(pairs) == 24 * 23 // 2 - 12
    assert all(patients[i] != patients[j] for i, j in pairs)
    assert len(pairs_of_strangers(patients, rng=np.random.default_rng(0), most=50)) == 50
    with pytest.raises(Refusal, match=r"expected photographs of at least 10 patients; got 2; use"):
        pairs_of_strangers(["a", "b", "a"], rng=np.random.default_rng(0), most=5)


def test_nearest_embeddings() -> None:
    real = np.array([[1.0, 0], [0, 1.0], [-1.0, -1.0]])
    index, cosine = nearest_embeddings(np.array([[5.0, 0], [-2.0, -2.0]]), real)
    assert index.tolist() == [0, 2]
    assert cosine == pytest.approx([1, 1])
    with pytest.raises(Refusal, match="expected two tables of one width"):
        nearest_embeddings(np.zeros((2, 3)), real)
    with pytest.raises(Refusal, match="expected at least two real embeddings; got 1"):
        nearest_embeddings(real, real[:1])


def test_the_shipped_calibration_says_what_it_rests_on() -> None:
    found = shipped_calibration()
    assert 0.3 < found.threshold < 0.75
    assert found.n_pairs >= 500
    assert found.upper_bound >= found.false_match_rate
    assert {"vessel_likeness", "embedding_likeness"} <= {card.name for card in CATALOGUE}
