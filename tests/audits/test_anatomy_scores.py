"""Numbers behind the anatomy checks' scores: each answers to the damage it is meant for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from retinaforge.anatomy import AnatomyMaps
from retinaforge.audits.damage_scores import NUMBERS, PROVIDERS, numbers_of
from retinaforge.audits.disc_numbers import round_numbers
from retinaforge.audits.eye_findings import EyeFindings, Reading, outside
from retinaforge.audits.scores import Score, shipped_scores
from retinaforge.audits.vessel_ends import end_numbers
from retinaforge.audits.vessel_readings import adrift_area
from retinaforge.audits.vessel_rings import ring_numbers
from retinaforge.audits.vessel_walls import wall_numbers
from retinaforge.core import Fov, Landmarks, Photograph
from retinaforge.vessels.vasculature import read_vasculature

SIDE, MIDDLE = 512, 255.5


def made_up(
    *, gap: bool = False, island: bool = False, cut: bool = False, second: bool = False,
    wide: float = 4.0,
) -> EyeFindings:  # fmt: skip
    """Return an eye with a disc in its middle and eight straight vessels from rim to rim."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    away = np.hypot(x - MIDDLE, y - MIDDLE)
    field = away <= 250
    near = np.full((SIDE, SIDE), np.inf)
    for turn in np.arange(8) * math.pi / 4 + 0.2:
        along = (x - MIDDLE) * math.cos(turn) + (y - MIDDLE) * math.sin(turn)
        across = np.abs((y - MIDDLE) * math.cos(turn) - (x - MIDDLE) * math.sin(turn))
        broken = gap & (away > 130) & (away < 142)
        stopped = cut & (away < 95)
        near = np.minimum(near, np.where((along < 0) | broken | stopped, np.inf, across))
    if island:
        own = np.maximum(np.abs(x - 379), np.abs(y - 340) / 8)
        near = np.minimum(near, np.where(own < 3, np.abs(x - 379), np.inf))
    p = np.clip(wide / 2 - near + 0.5, 0, 1) * field
    disc = (away <= 38) | (second & (np.hypot(x - 150, y - 330) <= 34))
    ground = 90.0 + 60 * disc
    pixels = np.stack([ground * 1.4, ground * np.exp(-0.5 * p), ground * 0.5], axis=-1) * (
        field[..., None])  # fmt: skip
    photo = Photograph(np.clip(pixels, 0, 255).astype(np.uint8), "made up")
    fov = Fov(field, (MIDDLE, MIDDLE), 250.0, "circle")
    marks = Landmarks(disc_centre_px=(MIDDLE, MIDDLE), disc_axes_px=(38.0, 38.0))
    v = read_vasculature(p >= 0.5, fov, marks)
    heat = np.zeros((SIDE, SIDE))
    return EyeFindings(photo, fov, v, marks, p, AnatomyMaps((away <= 38) * 1.0, heat, heat))


SOUND = made_up()


def test_gaps_between_stumps_that_face_each_other_are_seen() -> None:
    assert end_numbers(SOUND)["hole_third"] == 0
    broken = end_numbers(made_up(gap=True))
    assert broken["hole_third"] > 2
    assert broken["gap_squares"] > 3
    assert broken["drop_sum"] > end_numbers(SOUND)["drop_sum"] + 2


def test_a_piece_that_hangs_on_nothing_is_seen() -> None:
    assert adrift_area(SOUND)["float_sum"] == 0
    assert adrift_area(made_up(island=True))["float_sum"] > 3


def test_vessels_that_stop_before_the_disc_cross_no_circle_about_it() -> None:
    sound, cut = ring_numbers(SOUND), ring_numbers(made_up(cut=True))
    assert not isinstance(sound, str)
    assert not isinstance(cut, str)
    assert sound["crossing_ratio"] == pytest.approx(0, abs=0.1)
    assert cut["crossing_ratio"] < -1
    assert cut["cover_24"] < sound["cover_24"] - 1


def test_a_second_bright_disc_is_seen_and_the_first_is_none() -> None:
    one, two = round_numbers(SOUND), round_numbers(made_up(second=True))
    assert one["round_home"] > 0.3
    assert one["round_rival"] < 0.1 < 0.3 < two["round_rival"]


def test_wider_vessels_have_more_area_and_width() -> None:
    thin, wide = wall_numbers(SOUND), wall_numbers(made_up(wide=8.0))
    assert wide["area"] - thin["area"] == pytest.approx(math.log(2), abs=0.15)
    assert wide["width_wide"] - thin["width_wide"] == pytest.approx(math.log(2), abs=0.3)


def test_every_score_has_weights_and_its_numbers_are_provided() -> None:
    scores = shipped_scores()
    assert set(scores) == set(PROVIDERS) == set(NUMBERS)
    for name, score in scores.items():
        assert score.numbers == NUMBERS[name]
        found = numbers_of(SOUND, PROVIDERS[name])
        if not isinstance(found, str):
            assert set(score.numbers) <= set(found)


def test_a_score_is_the_weighted_sum_and_unknown_numbers_count_as_usual() -> None:
    score = Score(("a", "b"), (1.0, 2.0), (2.0, 1.0), (3.0, 4.0), -1.0)
    assert score.log_odds({"a": 2.0, "b": 2.5}) == pytest.approx(-1 + 3 * 0.5 + 4 * 0.5)
    assert score.log_odds({"a": math.nan}) == -1
    assert score.log_odds({"a": 1e9}) == pytest.approx(-1 + 3 * 5)


@pytest.mark.parametrize(
    ("text", "value", "limit", "said"),
    [
        ("{value:.1%} against {limit:.1%}", 0.99812, 0.99834, "99.81% against 99.83%"),
        ("{value:.1%} against {limit:.1%}", 0.9, 0.995, "90.0% against 99.5%"),
        ("{value:.0f} against {limit:.0f}", 24.03, 24.01, "24.03 against 24.01"),
    ],
)
def test_a_reason_has_digits_enough_to_tell_value_and_limit_apart(
    text: str, value: float, limit: float, said: str
) -> None:
    low = value < limit
    reading = Reading("r", text if low else "", "" if low else text, lambda _: 0.0)
    assert outside(reading, value, (limit, None) if low else (None, limit)) == said
