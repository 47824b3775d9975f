"""Does a generator keep, erase or amplify what can be told of a person?

A probe learns an attribute (sex, age, camera) from real images of some patients. With A its AUROC
(of a number: the concordance of two images, Harrell's c),

    real       A on real images of other patients: can it be told at all?
    synthetic  A of the same probe on synthetic images of which the attribute was asked for
    change     synthetic − real, over draws of patients on both sides at once

    kept       both above chance, the change's interval holds 0
    weakened / amplified    its interval lies below / above 0
    erased     told of real images, not of synthetic ones
    untold     not told of real images: nothing can be said

A second probe that learns from synthetic images says whether the attribute is there in another way
than in real ones. `association` asks whether the attribute has come to go with a label:

    association   AUROC of the attribute's score for the label; its |A − ½| grows where a generator
                  draws, say, the ill older than they are

References:
    Zhao et al., "Men also like shopping", EMNLP 2017 (bias amplification). Harrell et al., JAMA 247
    (1982), 2543 (concordance). Poplin et al., Nature Biomedical Engineering 2 (2018), 158 (sex and
    age can be read off fundus photographs).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from retinaforge.metrics.prediction import auroc, patient_draws

CHANCE = 0.5
RESAMPLES = 1000
FEWEST = 10
"""Patients below which a side is not judged."""

Fate = Literal["kept", "weakened", "amplified", "erased", "untold", "unknown"]


@dataclass(frozen=True)
class Told:
    """What a probe said of images whose attribute is known.

    Attributes:
        truth: 0 or 1, or a number.
        scores: of the probe; the more, the more likely (or the larger).
        patients: whose image it is.
        number: whether the attribute is a number.
    """

    truth: Float[np.ndarray, "n"]
    scores: Float[np.ndarray, "n"]
    patients: tuple[str, ...]
    number: bool = False


@dataclass(frozen=True)
class Reading:
    """How well an attribute is told of a set.

    Attributes:
        value: AUROC or concordance; NaN where it is not defined.
        interval: 95 % over patients, or None.
        draws: the value in every draw.
        n, patients: what it rests on.
        reason: why it is missing, else "".
    """

    value: float
    interval: tuple[float, float] | None
    draws: np.ndarray
    n: int
    patients: int
    reason: str = ""


@dataclass(frozen=True)
class Kept:
    """What became of an attribute.

    Attributes:
        fate: one of `Fate`.
        real, synthetic: how well it is told of each.
        change: synthetic minus real, with its interval.
        interval: of the change, or None.
    """

    fate: Fate
    real: Reading
    synthetic: Reading
    change: float
    interval: tuple[float, float] | None


def read(told: Told, *, rng: np.random.Generator, resamples: int = RESAMPLES) -> Reading:
    """Return how well an attribute is told, with draws of patients.

    Args:
        told: what a probe said.
        rng: drawn from; its state moves on.
        resamples: draws.
    """
    count, people = len(told.truth), len(set(told.patients))
    if people < FEWEST:
        nothing = np.full(resamples, np.nan)
        return Reading(
            math.nan, None, nothing, count, people, f"{people} patients; {FEWEST} are needed"
        )
    weights = np.concatenate(
        [np.ones((1, count)), patient_draws(told.patients, rng=rng, resamples=resamples)]
    )
    values = _concordance(told, weights) if told.number else _area(told, weights)
    if not math.isfinite(values[0]):
        return Reading(math.nan, None, values[1:], count, people, "all images have the same truth")
    return Reading(float(values[0]), spread(values[1:]), values[1:], count, people)


def fate_of(real: Reading, synthetic: Reading) -> Kept:
    """Return what became of an attribute; the two sides' draws are independent.

    Args:
        real: how well it is told of real images of other patients.
        synthetic: of synthetic images, by the same probe.
    """
    change = synthetic.value - real.value
    interval = spread(synthetic.draws - real.draws) if math.isfinite(change) else None
    if interval is None or real.interval is None or synthetic.interval is None:
        return Kept("unknown", real, synthetic, change, interval)
    return Kept(_fate(real.interval, synthetic.interval, interval), real, synthetic, change,
                interval)  # fmt: skip


def _fate(
    real: tuple[float, float], synthetic: tuple[float, float], change: tuple[float, float]
) -> Fate:
    if real[0] <= CHANCE:
        return "untold"
    if synthetic[0] <= CHANCE and change[1] < 0:
        return "erased"
    if change[0] > 0:
        return "amplified"
    return "weakened" if change[1] < 0 else "kept"


def association(
    scores: Float[np.ndarray, "n"], label: Float[np.ndarray, "n"], patients: Sequence[str],
    *, rng: np.random.Generator, resamples: int = RESAMPLES,
) -> Reading:  # fmt: skip
    """Return how far an attribute's score goes with a label: |AUROC − ½| over draws of patients.

    Args:
        scores: of the attribute's probe.
        label: 0 or 1.
        patients: whose image it is.
        rng: drawn from; its state moves on.
        resamples: draws.
    """
    told = read(Told(label, scores, tuple(patients)), rng=rng, resamples=resamples)
    if math.isnan(told.value):
        return told
    draws = np.abs(told.draws - CHANCE)
    return Reading(abs(told.value - CHANCE), spread(draws), draws, told.n, told.patients)


def spread(draws: np.ndarray) -> tuple[float, float] | None:
    """Return the 95 % interval of the defined draws; None where fewer than half are."""
    known = draws[np.isfinite(draws)]
    if 2 * len(known) < max(len(draws), 1):
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def _area(told: Told, weights: np.ndarray) -> np.ndarray:
    both = np.stack([-told.scores, told.scores], axis=1)
    return auroc(told.truth.astype(np.int64), both, weights)


def _concordance(told: Told, weights: np.ndarray) -> np.ndarray:
    """Return the weighted share of pairs of unlike truth that the scores order alike."""
    apart = np.sign(told.truth[:, None] - told.truth[None])
    alike = np.sign(told.scores[:, None] - told.scores[None])
    right = np.where(apart != 0, (apart * alike + 1) / 2, 0.0)
    pairs = (apart != 0).astype(float)
    top = np.einsum("di,di->d", weights @ right, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        return top / np.einsum("di,di->d", weights @ pairs, weights)
