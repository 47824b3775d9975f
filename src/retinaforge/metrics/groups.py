"""Gaps between groups of patients, held against the gap that chance alone makes.

    value of a group   AUROC, sensitivity (share of images with the finding that are called) or
                       specificity (share of those without that are not), of its images alone
    gap                G = largest − smallest value of the groups that are large enough
    null               G after the groups are dealt anew among patients, those with the finding and
                       those without each among themselves, so that only the tie between group and
                       answer is cut
    excess             G − mean of the null;   p = (1 + #{null ≥ G}) / (1 + #null)

G cannot be negative and grows with the number of groups even where all are equal: of K equal groups
whose values have the standard error s it is d₂(K) s on average, 1.13 s of two, 2.06 s of four.

References:
    Tippett, Biometrika 17 (1925), 364 (mean range d₂). Phipson and Smyth, Stat. Appl. Genet. Mol.
    Biol. 9 (2010). Field and Welsh, JRSS B 69 (2007) (patients are drawn, not images). Equal
    sensitivity and specificity as fairness: Hardt, Price, Srebro, NeurIPS 2016.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from retinaforge.core import Card, Refusal
from retinaforge.metrics.prediction import auroc, patient_draws

SMALLEST = 10
"""Patients with the finding, or without, that a group needs on each side that its value rests on.
"""
RESAMPLES, SHUFFLES = 1000, 1000
MOST_NUMBERS = 4_000_000
"""Weights held at once: draws are done in parts."""

Draws = Float[np.ndarray, "draws"]
Weights = Float[np.ndarray, "draws n"]

GROUP_GAP_CARD = Card(
    name="group_gap",
    version=1,
    measures="largest minus smallest AUROC, sensitivity or specificity of the groups that are "
    f"large enough ({SMALLEST} patients on each side that it rests on), beside what it is when "
    "groups are dealt anew among patients of the same truth",
    range="[0, 1]",
    direction="lower is better",
    unit="1",
    smallest_n=40,
    reference="range of group values; permutation null by Phipson and Smyth 2010; its mean for "
    "equal groups by Tippett 1925",
    known_failure="biased upwards, so is its interval: read the excess over the null and p; groups "
    "that differ in how ill the ill are differ without anyone being unfair",
)


@dataclass(frozen=True)
class Judged:
    """What a classifier said of images, and whose they are.

    Attributes:
        truth: True where the finding is there.
        scores: the more, the more likely.
        called: True where the classifier says it is there.
        patients: whose eye each image shows.
    """

    truth: Bool[np.ndarray, "n"]
    scores: Float[np.ndarray, "n"]
    called: Bool[np.ndarray, "n"]
    patients: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse rows that do not belong together."""
        lengths = [len(x) for x in (self.truth, self.scores, self.called, self.patients)]
        if len(set(lengths)) > 1:
            raise Refusal(
                "truth, score, call and patient of the same images",
                f"{', '.join(map(str, lengths))} of them",
                "hand over rows of the same images in the same order",
            )


@dataclass(frozen=True)
class GroupValue:
    """One measure of one group.

    Attributes:
        group: its name.
        value: NaN where the group is too small.
        interval: 95 % over patients, or None.
        n: images; `positives` of them with the finding.
        patients: whose images these are.
        reason: why the value is missing, else "".
    """

    group: str
    value: float
    interval: tuple[float, float] | None
    n: int
    positives: int
    patients: int
    reason: str = ""


@dataclass(frozen=True)
class Gap:
    """Largest minus smallest value of the groups, and what chance makes of it.

    Attributes:
        measure: "auroc", "sensitivity" or "specificity".
        value: NaN with fewer than two groups that are large enough.
        interval: 95 % over patients; leans upwards as the gap does.
        null_mean, null_high: mean and 95 % quantile of the gap of groups dealt anew.
        p: share of deals with as large a gap.
        groups: their values.
        reason: why something is missing, else "".
    """

    measure: str
    value: float
    interval: tuple[float, float] | None
    null_mean: float
    null_high: float
    p: float
    groups: tuple[GroupValue, ...] = field(default=())
    reason: str = ""

    @property
    def excess(self) -> float:
        """Return the gap beyond what equal groups show on average."""
        return self.value - self.null_mean


def _area(judged: Judged, weights: Weights) -> Draws:
    both = np.stack([-judged.scores, judged.scores], axis=1)
    return auroc(judged.truth.astype(np.int64), both, weights)


def _share(right: Bool[np.ndarray, "n"], side: Bool[np.ndarray, "n"], weights: Weights) -> Draws:
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ (right & side).astype(float)) / (weights @ side.astype(float))


MEASURES: dict[str, Callable[[Judged, Weights], Draws]] = {
    "auroc": _area,
    "sensitivity": lambda j, w: _share(j.called, j.truth, w),
    "specificity": lambda j, w: _share(~j.called, ~j.truth, w),
}
"""Each returns one value a row of weights of the images, NaN where a side has no weight."""

SIDES = {"auroc": (True, False), "sensitivity": (True,), "specificity": (False,)}
"""Truths that each measure rests on."""


def group_gap(
    judged: Judged,
    groups: Sequence[str],
    measure: str,
    *,
    rng: np.random.Generator,
    smallest: int = SMALLEST,
    resamples: int = RESAMPLES,
    shuffles: int = SHUFFLES,
) -> Gap:
    """Return the values of groups, their gap, its interval and what chance makes of it.

    Args:
        judged: truth and answers.
        groups: of each image; "" where unknown, which leaves the image out.
        measure: a key of `MEASURES`.
        rng: drawn from; its state moves on.
        smallest: patients on each side that a group needs.
        resamples: bootstrap draws of patients.
        shuffles: deals of the groups.

    Raises:
        Refusal: "expected a group for each image; got ...", "expected a measure ...; got ...".
    """
    if measure not in MEASURES:
        raise Refusal(f"a measure of {', '.join(MEASURES)}", repr(measure), "name one of them")
    names = np.asarray(groups, str)
    if len(names) != len(judged.patients):
        raise Refusal(
            "a group for each image", f"{len(names)} groups of {len(judged.patients)} images",
            'hand over "" where it is unknown',
        )  # fmt: skip
    own = _kept(judged, names != "")
    names = names[names != ""]
    small = {g: _too_small(own, names == g, measure, smallest) for g in np.unique(names).tolist()}
    large = [g for g, why in small.items() if not why]
    draws = _bootstrap(own, names, large, measure, rng, resamples)
    values = tuple(_value_of(own, names, g, measure, why, draws.get(g)) for g, why in small.items())
    if len(large) < 2:
        why = f"{len(large)} of {len(small)} groups are large enough: a gap needs two"
        return Gap(measure, math.nan, None, math.nan, math.nan, math.nan, values, why)
    table = np.stack([draws[g] for g in large])
    gap = float(np.ptp([v.value for v in values if v.group in large]))
    inside = np.isin(names, large)
    null = _dealt_anew(_kept(own, inside), names[inside], large, measure, rng, shuffles)
    hits = int((null >= gap - 1e-12).sum())
    lost = shuffles - len(null)
    return Gap(
        measure, gap, _interval(np.ptp(table, axis=0)), float(null.mean()),
        float(np.quantile(null, 0.95)), (1 + hits) / (1 + len(null)), values,
        f"{lost} of {shuffles} deals left a group without a side and are left out" if lost else "",
    )  # fmt: skip


def bands(values: Float[np.ndarray, "n"], edges: Sequence[float]) -> list[str]:
    """Return the band that each number falls into: "below 50", "50 to 65", "65 and over".

    Args:
        values: such as ages in years; NaN is "", unknown.
        edges: rising; a band holds its lower edge.

    Raises:
        Refusal: "expected rising edges; got ...".
    """
    if not edges or any(b <= a for a, b in pairwise(edges)):
        raise Refusal("rising edges of bands", f"{list(edges)}", "such as 50,65")
    said = [f"below {edges[0]:g}"]
    said += [f"{a:g} to {b:g}" for a, b in pairwise(edges)]
    said += [f"{edges[-1]:g} and over"]
    places = np.searchsorted(np.asarray(edges, float), values, side="right")
    return [said[k] if np.isfinite(v) else "" for k, v in zip(places, values, strict=True)]


def _kept(judged: Judged, keep: Bool[np.ndarray, "n"]) -> Judged:
    patients = tuple(p for p, yes in zip(judged.patients, keep, strict=True) if yes)
    return Judged(judged.truth[keep], judged.scores[keep], judged.called[keep], patients)


def _too_small(judged: Judged, own: Bool[np.ndarray, "n"], measure: str, smallest: int) -> str:
    people = np.asarray(judged.patients, str)
    for side in SIDES[measure]:
        count = len(np.unique(people[own & (judged.truth == side)]))
        if count < smallest:
            word = "with" if side else "without"
            return f"{count} patients {word} the finding; {smallest} are needed"
    return ""


def _bootstrap(
    judged: Judged, names: np.ndarray, large: list[str], measure: str,
    rng: np.random.Generator, resamples: int,
) -> dict[str, Draws]:  # fmt: skip
    """Return each large group's value in every draw of patients, the same draws for all."""
    if not large:
        return {}
    parts: dict[str, list[Draws]] = {g: [] for g in large}
    for count in _parts(resamples, len(names)):
        weights = patient_draws(judged.patients, rng=rng, resamples=count)
        for g in large:
            own = names == g
            parts[g].append(MEASURES[measure](_kept(judged, own), weights[:, own]))
    return {g: np.concatenate(found) for g, found in parts.items()}


def _value_of(
    judged: Judged, names: np.ndarray, group: str, measure: str, why: str, draws: Draws | None
) -> GroupValue:
    own = _kept(judged, names == group)
    count, people = len(own.truth), len(set(own.patients))
    positives = int(own.truth.sum())
    if why or draws is None:
        return GroupValue(group, math.nan, None, count, positives, people, why)
    value = float(MEASURES[measure](own, np.ones((1, count)))[0])
    return GroupValue(group, value, _interval(draws), count, positives, people)


def _interval(draws: Draws) -> tuple[float, float] | None:
    known = draws[np.isfinite(draws)]
    if 2 * len(known) < len(draws):
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def _dealt_anew(
    judged: Judged, names: np.ndarray, large: list[str], measure: str,
    rng: np.random.Generator, shuffles: int,
) -> Draws:  # fmt: skip
    """Return the gaps of groups that are dealt anew; a patient's images in one group stay together.

    The unit is a patient in a group: who was photographed by two cameras is dealt twice.
    """
    _, unit = np.unique([f"{p}\n{g}" for p, g in zip(judged.patients, names, strict=True)],
                        return_inverse=True)  # fmt: skip
    group_of = np.zeros(int(unit.max()) + 1, np.int64)
    group_of[unit] = np.searchsorted(large, names)
    ill = np.zeros(len(group_of), bool)
    np.logical_or.at(ill, unit, judged.truth)
    found: list[Draws] = []
    for count in _parts(shuffles, len(names)):
        dealt = _deals(group_of, ill, rng, count)[:, unit]
        each = [MEASURES[measure](judged, (dealt == k).astype(float)) for k in range(len(large))]
        found.append(np.ptp(np.stack(each), axis=0))
    gaps = np.concatenate(found)
    return gaps[np.isfinite(gaps)]


def _deals(
    group_of: Int[np.ndarray, "count"],
    ill: Bool[np.ndarray, "count"],
    rng: np.random.Generator,
    deals: int,
) -> Int[np.ndarray, "deals count"]:
    dealt = np.tile(group_of, (deals, 1))
    for side in (True, False):
        place = np.flatnonzero(ill == side)
        dealt[:, place] = rng.permuted(dealt[:, place], axis=1)
    return dealt


def _parts(count: int, n: int) -> list[int]:
    """Cut a number of draws so that their weights fit."""
    at_once = max(1, MOST_NUMBERS // max(n, 1))
    return [min(at_once, count - k) for k in range(0, count, at_once)]
