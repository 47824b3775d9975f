"""Several judges as one: mean, uncertainty, disagreement, flag."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retinaforge.core import Fov, Photograph, Refusal
from retinaforge.phantoms import draw_phantom
from retinaforge.vessels import Judge, JudgeCard, load_judge
from retinaforge.vessels.ensemble import FLAG_LEVELS, Ensemble, disagreement

CARD = JudgeCard("a", 1, "filter", "x", ("A",), "MIT", "x", "x")


class Fixed(Judge):
    def __init__(self, name: str, plane: np.ndarray) -> None:
        self.card, self.threshold, self.plane = replace(CARD, name=name), 0.5, plane

    def probability(self, photo: Photograph, fov: Fov) -> np.ndarray:
        return self.plane * fov.mask


def eye() -> tuple[Photograph, Fov]:
    mask = np.ones((20, 20), bool)
    return Photograph(np.zeros((20, 20, 3), np.uint8), "x"), Fov(mask, (9.5, 9.5), 10, "circle")


def halves() -> tuple[np.ndarray, np.ndarray]:
    one, other = np.zeros((20, 20)), np.zeros((20, 20))
    one[:10], other[5:15] = 1, 1
    return one, other


def test_disagreement_is_one_minus_dice() -> None:
    one, other = (plane > 0 for plane in halves())
    assert disagreement([one, one]) == 0
    assert disagreement([one, other]) == pytest.approx(0.5)
    assert disagreement([one, other, ~one]) == pytest.approx(1 - (0.5 + 0 + 0.5) / 3)
    assert disagreement([one & False, one & False]) == 0
    assert disagreement([one & False, one]) == 1


def test_mean_uncertainty_and_flag() -> None:
    photo, fov = eye()
    judges = [Fixed(name, plane) for name, plane in zip("ab", halves(), strict=True)]
    verdict = Ensemble(judges, flag_level=0.4).look(photo, fov)
    assert set(np.unique(verdict.probability)) == {0, 0.5, 1}
    assert verdict.uncertainty[2, 0] == 0.5
    assert verdict.uncertainty[7, 0] == 0
    assert verdict.flagged
    assert verdict.reason == "judges disagree: 0.50, flagged from 0.40"
    calm = Ensemble(judges, flag_level=0.6).look(photo, fov)
    assert not calm.flagged
    assert calm.reason == ""


def test_an_ensemble_is_a_judge() -> None:
    photo, fov = eye()
    judges = [Fixed(name, plane) for name, plane in zip("ab", halves(), strict=True)]
    both = Ensemble(judges)
    assert both.card.name == "a+b"
    assert both.card.training_data == ("A",)
    assert both.mask(photo, fov).sum() == 300


def test_one_judge_is_no_ensemble() -> None:
    one = Fixed("a", halves()[0])
    for judges, came in (([], "none"), ([one], "a"), ([one, one], "a, a")):
        with pytest.raises(Refusal, match=f"two judges or more that differ; got {came};"):
            Ensemble(judges)


def test_judges_of_no_known_level_flag_and_clear_nothing() -> None:
    photo, fov = eye()
    judges = [Fixed(name, plane) for name, plane in zip("ab", halves(), strict=True)]
    verdict = Ensemble(judges).look(photo, fov)
    assert (verdict.flagged, verdict.disagreement) == (None, pytest.approx(0.5))
    assert verdict.reason.startswith("no level of disagreement is known for these judges")
    known = [Fixed(name, judges[0].plane) for name in ("classical", "ours")]
    assert Ensemble(known).flag_level == FLAG_LEVELS[frozenset({"ours", "classical"})]
    for level in (0.0, 1.5):
        with pytest.raises(Refusal, match="a level of disagreement above 0 and at most 1; got"):
            Ensemble(judges, flag_level=level)


def test_noise_is_flagged_and_a_clear_phantom_is_not() -> None:
    phantom = draw_phantom(11, size_px=512)
    both = Ensemble([load_judge("ours"), load_judge("classical")])
    assert not both.look(phantom.photograph, phantom.fov).flagged
    rng = np.random.default_rng(0)
    noise = rng.integers(60, 140, phantom.photograph.pixels.shape).astype(np.uint8)
    assert both.look(Photograph(noise, "noise"), phantom.fov).flagged
