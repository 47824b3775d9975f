"""Every score of two sets, with an interval over patients and two lines to read it against.

floor    one half of the real images against the other, halves by patient, repeated
matched  the same half against as many synthetic images as the other half holds

Both at the same n, so that bias, which shrinks with n, cannot tell them apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from retinaforge.core import Card, Quantity, Refusal
from retinaforge.metrics.sets.clouds import HELD_IMAGES

# Patients are left out of a jackknife in this many groups.
GROUPS = 20
# Large sets: fewest disjoint groups of patients behind an interval, and images in each at most.
BATCHES = 10
BATCH_IMAGES = 1000

Rows = Int[np.ndarray, "_"]


@runtime_checkable
class Takeable(Protocol):
    """A set of rows of which a part can be taken."""

    def __len__(self) -> int: ...

    def take(self, index: Rows, /) -> Any:
        """Return some of the rows."""
        ...


S = TypeVar("S", bound=Takeable)
Scorer = Callable[[S, S], list[Quantity]]


@dataclass(frozen=True)
class SetResult:
    """One score of two sets.

    Attributes:
        card: what was measured.
        value: the score of all images; NaN where undefined, and `reason` says why.
        reason: why there is no value, or a warning that goes with it.
        interval: (low, high), 95 % over patients, or None.
        n_real: real images.
        n_synthetic: synthetic images.
        floor: what one half of the real images scores against the other, a number a split.
        matched: what the same halves score against as many synthetic images.
        n_floor: images on either side of `floor` and `matched`, (half, other half), at the median.
        notes: why interval, floor or matched are missing, and how the interval was made.
    """

    card: Card
    value: float
    reason: str
    interval: tuple[float, float] | None
    n_real: int
    n_synthetic: int
    floor: tuple[float, ...]
    matched: tuple[float, ...]
    n_floor: tuple[int, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of numbers that know how to give a part of themselves."""

    rows: Float[np.ndarray, "n columns"]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: Rows) -> Table:
        """Return some of the rows."""
        return Table(self.rows[index])


def compare_sets(
    real: S,
    synthetic: S,
    *,
    score: Scorer[S],
    patients_real: Sequence[str],
    patients_synthetic: Sequence[str],
    rng: np.random.Generator,
    repeats: int = 10,
) -> list[SetResult]:
    """Return every score of two sets with interval, floor and matched line.

    Args:
        real: the real images' rows.
        synthetic: the synthetic images' rows.
        score: gives one quantity a card, always in the same order.
        patients_real: whose eye each real row shows.
        patients_synthetic: likewise; a reconstruction has its original's patient, a drawn image
            a name of its own.
        rng: drawn from for halves and groups.
        repeats: splits of the real set into halves.

    Returns:
        One result a card.

    Raises:
        Refusal: "expected one patient for each image; got ...".
    """
    people = _people(real, synthetic, patients_real, patients_synthetic)
    values = score(real, synthetic)
    interval = _jackknife if len(real) + len(synthetic) <= HELD_IMAGES else _batch_means
    spread, how = interval(real, synthetic, people, score=score, rng=rng)
    halves, why = _halves(real, synthetic, people, score=score, rng=rng, repeats=repeats)
    sizes = (len(real), len(synthetic))
    return [
        _result(i, value, sizes, (spread, how), (halves, why)) for i, value in enumerate(values)
    ]


People = tuple[Rows, Rows]
# Errors of the scores with their degrees of freedom.
Spread = tuple[Float[np.ndarray, "size"], int]


@dataclass(frozen=True)
class _Split:
    sizes: tuple[int, int]
    floor: list[float]
    matched: list[float]


def _people(real: Takeable, synthetic: Takeable, a: Sequence[str], b: Sequence[str]) -> People:
    """Return patient numbers of both sets; the same name is the same number."""
    if (len(a), len(b)) != (len(real), len(synthetic)):
        raise Refusal(
            "one patient for each image",
            f"{len(a)} patients of {len(real)} real and {len(b)} of {len(synthetic)} synthetic",
            "hand over one name a row, in the rows' order",
        )
    names = np.concatenate([np.asarray(a, dtype=str), np.asarray(b, dtype=str)])
    codes = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return codes[: len(a)], codes[len(a) :]


def _jackknife(
    real: S, synthetic: S, people: People, *, score: Scorer[S], rng: np.random.Generator
) -> tuple[Spread | None, str]:
    """Return √((G − 1)/G Σ (θ₋g − θ̄)²), each group g of patients left out of both sets."""
    count = min(int(max(z.max(initial=-1) for z in people)) + 1, GROUPS)
    groups = [z % GROUPS for z in people]
    if count < 3:
        return None, "fewer than 3 patients: no interval over patients can be given"
    left = np.array([
        [q.value for q in score(*(z.take(np.flatnonzero(own != g)) for z, own in
                                  zip((real, synthetic), groups, strict=True)))]
        for g in range(count)
    ])  # fmt: skip
    errors = np.sqrt((count - 1) * left.var(axis=0))
    return (errors, count - 1), f"interval: jackknife, {count} groups of patients left out in turn"


def _batch_means(
    real: S, synthetic: S, people: People, *, score: Scorer[S], rng: np.random.Generator
) -> tuple[Spread | None, str]:
    """Return sd(θ of disjoint groups of patients) / √groups: linear in n, for large sets."""
    number = int(max(z.max(initial=-1) for z in people)) + 1
    count = max(BATCHES, math.ceil(max(len(real), len(synthetic)) / BATCH_IMAGES))
    if number < count:
        return None, f"fewer than {count} patients: no interval over patients can be given"
    dealt = rng.permutation(number) % count
    scored = np.array([
        [q.value for q in score(*(z.take(np.flatnonzero(dealt[own] == g)) for z, own in
                                  zip((real, synthetic), people, strict=True)))]
        for g in range(count)
    ])  # fmt: skip
    errors = scored.std(axis=0, ddof=1) / math.sqrt(count)
    return (errors, count - 1), f"interval: spread of {count} disjoint groups of patients"


def _halves(
    real: S,
    synthetic: S,
    people: People,
    *,
    score: Scorer[S],
    rng: np.random.Generator,
    repeats: int,
) -> tuple[list[_Split], str]:
    """Return floor and matched scores of repeated splits by patient."""
    patients = np.unique(people[0])
    if len(patients) < 4:
        return [], f"needs at least 4 real patients to make two halves; got {len(patients)}"
    return [
        _split(real, synthetic, *_draw(people, patients, rng=rng), score=score)
        for _ in range(repeats)
    ], ""


def _draw(people: People, patients: Rows, *, rng: np.random.Generator) -> tuple[Rows, Rows, Rows]:
    """Draw a half, the other half, and as many synthetic rows, none of the first half's patients.

    Both lines compare strangers then, even where synthetic images are reconstructions.
    """
    chosen = rng.permutation(patients)[: len(patients) // 2]
    mine = np.isin(people[0], chosen)
    strangers = np.flatnonzero(~np.isin(people[1], chosen))
    count = min(int((~mine).sum()), len(strangers) or len(mine), BATCH_IMAGES)
    half = _some(np.flatnonzero(mine), BATCH_IMAGES, rng=rng)
    other = _some(np.flatnonzero(~mine), count, rng=rng)
    return half, other, _some(strangers, count, rng=rng)


def _some(rows: Rows, count: int, *, rng: np.random.Generator) -> Rows:
    return np.sort(rng.permutation(rows)[:count])


def _split(
    real: S, synthetic: S, half: Rows, other: Rows, stand_in: Rows, *, score: Scorer[S]
) -> _Split:
    a = real.take(half)
    floor = [q.value for q in score(a, real.take(other))]
    matched = [q.value for q in score(a, synthetic.take(stand_in))]
    return _Split((len(half), len(other)), floor, matched)


def _result(
    place: int,
    value: Quantity,
    sizes: tuple[int, int],
    spread: tuple[Spread | None, str],
    halves: tuple[list[_Split], str],
) -> SetResult:
    interval, splits = _interval(value, place, spread[0]), halves[0]
    floor = _defined([split.floor[place] for split in splits])
    matched = _defined([split.matched[place] for split in splits])
    notes = [spread[1], halves[1]]
    if spread[0] is not None and interval is None:
        notes[0] = "no interval: the score is undefined without some group of patients"
    if splits and not (floor and matched):
        notes[1] = "the score is undefined for halves of the real set or as few synthetic images"
    return SetResult(
        card=value.card,
        value=value.value,
        reason=value.reason,
        interval=interval,
        n_real=sizes[0],
        n_synthetic=sizes[1],
        floor=floor,
        matched=matched,
        n_floor=_median_sizes(splits),
        notes=tuple(note for note in notes if note),
    )


def _defined(values: list[float]) -> tuple[float, ...]:
    return () if any(math.isnan(value) for value in values) else tuple(values)


def _median_sizes(splits: list[_Split]) -> tuple[int, int]:
    if not splits:
        return 0, 0
    first, second = np.median([split.sizes for split in splits], axis=0)
    return int(first), int(second)


def _interval(value: Quantity, place: int, spread: Spread | None) -> tuple[float, float] | None:
    """Return value ± t · error, cut where the score's range ends."""
    if spread is None or not math.isfinite(value.value) or not math.isfinite(spread[0][place]):
        return None
    reach = float(stats.t.ppf(0.975, spread[1])) * float(spread[0][place])
    low, high = _bounds(value.card)
    return max(value.value - reach, low), min(value.value + reach, high)


def _bounds(card: Card) -> tuple[float, float]:
    found = re.match(r"[\[(]([-\w.]+), ([-\w.]+)[\])]", card.range)
    return (float(found[1]), float(found[2])) if found else (-math.inf, math.inf)
