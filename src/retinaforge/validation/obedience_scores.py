"""How far images follow one word: accuracy, AUROC or rank correlation of asked against read.

    accuracy  share of images on the asked side of 1/2, mean of both sides (balanced)
    auroc     P(reading of an image asked with > reading of one asked without), ties half
    spearman  correlation of ranks of asked value and reading

Intervals: images of one base share words and noise, so bases are drawn with replacement (cluster
bootstrap, percentiles). Chance: the captions shuffled among the samples.

References:
    Field and Welsh, "Bootstrapping clustered data", JRSS B 69, 2007; Hanley and McNeil, Radiology
    143, 1982 (AUROC as a probability).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from retinaforge.core import Card

RESAMPLES, SHUFFLES = 1000, 1000
FEWEST = 8
"""Images below which a word is not judged."""
Measure = Callable[[np.ndarray, np.ndarray], float]


def accuracy(asked: np.ndarray, read: np.ndarray) -> float:
    """Return the share of readings on the asked side of 1/2, averaged over the two sides.

    Levels such as none, few and many ask for presence twice as often as for absence; the mean of
    both sides keeps chance at 1/2. NaN with one side alone.
    """
    there = asked > 0
    if there.all() or not there.any():
        return math.nan
    return float((np.mean(read[there] > 0.5) + np.mean(read[~there] <= 0.5)) / 2)


def auroc(asked: np.ndarray, read: np.ndarray) -> float:
    """Return the area under the ROC of readings, asked > 0 against 0; NaN with one side alone."""
    there = asked > 0
    n, m = int(there.sum()), int((~there).sum())
    if not n or not m:
        return math.nan
    return float((rankdata(read)[there].sum() - n * (n + 1) / 2) / (n * m))


def spearman(asked: np.ndarray, read: np.ndarray) -> float:
    """Return Spearman's rank correlation; NaN where either is constant."""
    a, b = rankdata(asked), rankdata(read)
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size else math.nan


MEASURES: Mapping[str, Measure] = {"accuracy": accuracy, "auroc": auroc, "spearman": spearman}
CHANCE = {"accuracy": 0.5, "auroc": 0.5, "spearman": 0.0}


def _card(name: str, measures: str, range_: str) -> Card:
    return Card(
        name=f"obedience_{name}", version=1, measures=measures, range=range_,
        direction="higher is better", unit="1", smallest_n=FEWEST,
        reference="retinaforge.validation.obedience_scores",
        known_failure="no better than the oracle: read it beside the donors' own images, read by "
        "the same oracle; an oracle taught on phantoms may read photographs wrongly",
    )  # fmt: skip


CARDS: Mapping[str, Card] = {
    "accuracy": _card("accuracy", "share of images that show what was asked for, as the oracle "
                      "reads them; mean of those asked with and those asked without", "[0, 1]"),
    "auroc": _card("auroc", "how surely the oracle tells images asked with a finding from images "
                   "asked without it", "[0, 1]"),
    "spearman": _card("spearman", "rank correlation of what was asked for and what the oracle "
                      "reads", "[-1, 1]"),
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One measure of one word.

    Attributes:
        value: NaN where undefined, then with a reason.
        interval: 95 %, over bases; None where none can be given.
        shuffled: (2.5 %, mean, 97.5 %) with captions shuffled among the samples; None likewise.
        n: images.
        bases: different bases.
        reason: why value or interval is missing.
    """

    value: float
    interval: tuple[float, float] | None
    shuffled: tuple[float, float, float] | None
    n: int
    bases: int
    reason: str = ""


def line_of(
    asked: Sequence[float | None], read: Sequence[float | None], bases: Sequence[str], *,
    measure: str, rng: np.random.Generator,
) -> Line:  # fmt: skip
    """Return a measure of what was asked and what was read.

    Args:
        asked: a number an image; None where unknown, which leaves the image out.
        read: likewise.
        bases: whose caption each image has; images of one base are drawn together.
        measure: of `MEASURES`.
        rng: drawn from.
    """
    pairs = [(a, r, b) for a, r, b in zip(asked, read, bases, strict=True) if None not in (a, r)]
    if len(pairs) < FEWEST:
        reason = f"{len(pairs)} images with a reading; {FEWEST} are needed"
        return Line(math.nan, None, None, len(pairs), len({b for _, _, b in pairs}), reason)
    a = np.array([p[0] for p in pairs], np.float64)
    r = np.array([p[1] for p in pairs], np.float64)
    codes = np.unique([p[2] for p in pairs], return_inverse=True)[1]
    of = MEASURES[measure]
    value, count = of(a, r), int(codes.max()) + 1
    if math.isnan(value):
        return Line(value, None, None, len(pairs), count, "asked or read values are all alike")
    if count < 2:
        return Line(value, None, None, len(pairs), count, "one base: no interval over bases")
    return Line(value, _interval(of, a, r, codes, rng), _shuffled(of, a, r, rng), len(pairs), count)


def _interval(
    of: Measure, a: np.ndarray, r: np.ndarray, codes: np.ndarray, rng: np.random.Generator
) -> tuple[float, float] | None:
    count = int(codes.max()) + 1
    rows = [np.flatnonzero(codes == k) for k in range(count)]
    found = []
    for _ in range(RESAMPLES):
        take = np.concatenate([rows[k] for k in rng.integers(count, size=count)])
        found.append(of(a[take], r[take]))
    found = [value for value in found if not math.isnan(value)]
    if len(found) < RESAMPLES // 2:
        return None
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _shuffled(
    of: Measure, a: np.ndarray, r: np.ndarray, rng: np.random.Generator
) -> tuple[float, float, float]:
    found = [of(rng.permutation(a), r) for _ in range(SHUFFLES)]
    low, high = np.nanquantile(found, [0.025, 0.975])
    return float(low), float(np.nanmean(found)), float(high)
