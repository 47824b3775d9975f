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
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from retinaforge.core import Card, Refusal
from retinaforge.metrics.group_names import in_order
from retinaforge.metrics.group_null import dealt_anew
from retinaforge.metrics.judged import MEASURES, SIDES, Draws, Judged, in_parts, kept
from retinaforge.metrics.prediction import patient_draws

SMALLEST = 10
"""Patients with the finding, or without, that a group needs on each side that its value rests on.
"""
RESAMPLES, SHUFFLES = 1000, 1000

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
    own = kept(judged, names != "")
    names = names[names != ""]
    small = {
        g: _too_small(own, names == g, measure, smallest)
        for g in in_order(np.unique(names).tolist())
    }
    large = [g for g, why in small.items() if not why]
    draws = _bootstrap(own, names, large, measure, rng, resamples)
    values = tuple(_value_of(own, names, g, measure, why, draws.get(g)) for g, why in small.items())
    if len(large) < 2:
        why = f"{len(large)} of {len(small)} groups are large enough: a gap needs two"
        return Gap(measure, math.nan, None, math.nan, math.nan, math.nan, values, why)
    table = np.stack([draws[g] for g in large])
    gap = float(np.ptp([v.value for v in values if v.group in large]))
    inside = np.isin(names, large)
    null = dealt_anew(kept(own, inside), names[inside], large, measure, rng, shuffles)
    hits = int((null >= gap - 1e-12).sum())
    lost = shuffles - len(null)
    return Gap(
        measure, gap, _interval(np.ptp(table, axis=0)), float(null.mean()),
        float(np.quantile(null, 0.95)), (1 + hits) / (1 + len(null)), values,
        f"{lost} of {shuffles} deals left a group without a side and are left out" if lost else "",
    )  # fmt: skip


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
    for count in in_parts(resamples, len(names)):
        weights = patient_draws(judged.patients, rng=rng, resamples=count)
        for g in large:
            own = names == g
            parts[g].append(MEASURES[measure](kept(judged, own), weights[:, own]))
    return {g: np.concatenate(found) for g, found in parts.items()}


def _value_of(
    judged: Judged, names: np.ndarray, group: str, measure: str, why: str, draws: Draws | None
) -> GroupValue:
    own = kept(judged, names == group)
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
