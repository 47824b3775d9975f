"""Readings as arrays: items down, readers across, with the draws that all statistics share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retinaforge.core import Card, Score, rng_for
from retinaforge.metrics.reader_bootstrap import (
    ONE_READER,
    RESAMPLES,
    ReaderMean,
    case_draws,
    mean_over_readers,
    reader_draws,
)
from retinaforge.metrics.reader_scores import exact_share
from retinaforge.tasks.reader_answers import Reading

ALL = "all"
FEWEST_SHARED = 0.5
OVER_IMAGES = "interval over images only"
Values = tuple[np.ndarray, np.ndarray]
Arithmetic = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Sheet:
    """Readings of one study, or of one part of it.

    Attributes:
        readers: who read anything.
        items: what was read.
        readings: first showings by (reader, item).
        again: second showings by (reader, item).
        cases: draws of items, row 0 ones.
        draws: draws of readers, row 0 ones.
    """

    readers: tuple[str, ...]
    items: tuple[str, ...]
    readings: dict[tuple[str, str], Reading]
    again: dict[tuple[str, str], Reading]
    cases: np.ndarray
    draws: np.ndarray

    def part(self, keep: Callable[[Reading], bool]) -> Sheet:
        """Return the sheet of some items, with the same draws."""
        kept = {item for (_, item), r in self.readings.items() if keep(r)}
        columns = [k for k, item in enumerate(self.items) if item in kept]
        return Sheet(
            self.readers, tuple(self.items[k] for k in columns),
            {k: r for k, r in self.readings.items() if k[1] in kept},
            {k: r for k, r in self.again.items() if k[1] in kept},
            self.cases[:, columns], self.draws,
        )  # fmt: skip

    def values(self, reader: str, of: Callable[[Reading], Any]) -> Values:
        """Return the places of a reader's items, and a value each; None leaves an item out."""
        pairs = [(k, of(self.readings[reader, item])) for k, item in enumerate(self.items)
                 if (reader, item) in self.readings]  # fmt: skip
        known = [(k, value) for k, value in pairs if value is not None]
        return np.array([k for k, _ in known], dtype=int), np.array([v for _, v in known])


def sheet_of(readings: Sequence[Reading], seed: int) -> Sheet:
    """Return the sheet of a study's readings."""
    first = {(r.reader, r.item): r for r in readings if r.showing == 1}
    again = {(r.reader, r.item): r for r in readings if r.showing == 2}
    readers = tuple(sorted({r for r, _ in first}))
    facts = {item: r for (_, item), r in first.items()}
    items = tuple(sorted(facts))
    cases = case_draws(
        [str(facts[i].facts.get("patient", i)) for i in items], [facts[i].kind for i in items],
        rng=rng_for(seed, "cases"), resamples=RESAMPLES,
    )  # fmt: skip
    draws = reader_draws(len(readers), rng=rng_for(seed, "readers"), resamples=RESAMPLES)
    return Sheet(readers, items, first, again, cases, draws)


def scored(card: Card, found: ReaderMean, n: int, **where: str) -> Score:
    """Return a mean over readers as a score."""
    each = [None if math.isnan(v) else v for v in found.each]
    return Score(card, found.value, found.interval, n, {"reader": ALL, **where}, found.reason,
                 {"each": each})  # fmt: skip


def over_readers(
    sheet: Sheet, card: Card, of: Callable[[Reading], Any], how: Arithmetic, **where: str
) -> list[Score]:
    """Return a measure's mean over readers, then each reader's own, with intervals.

    Args:
        sheet: readings.
        card: of the measure.
        of: what of a reading is measured; None leaves it out. Tuples become columns.
        how: called with the values and the weights.
        **where: what is measured, for the table.
    """
    values = [sheet.values(reader, of) for reader in sheet.readers]

    def measure(k: int, weights: np.ndarray) -> np.ndarray:
        places, found = values[k]
        if not len(places):
            return np.full(len(weights), np.nan)
        return how(found, weights[:, places])

    total = sum(len(places) for places, _ in values)
    found = [scored(card, mean_over_readers(measure, sheet.cases, sheet.draws), total, **where)]
    ones = np.ones((len(sheet.cases), 1))
    for k, reader in enumerate(sheet.readers):
        own = mean_over_readers(lambda _, w, k=k: measure(k, w), sheet.cases, ones)
        found.append(Score(card, own.value, own.interval, len(values[k][0]),
                           {"reader": reader, **where}, _own(own.reason)))  # fmt: skip
    return [_reasoned(score) for score in found]


def _own(reason: str) -> str:
    return OVER_IMAGES if reason == ONE_READER else reason


def _reasoned(score: Score) -> Score:
    if math.isnan(score.value):
        return Score(score.card, math.nan, None, score.n, score.where,
                     "no answers that define it", score.extra)  # fmt: skip
    return score


def exact(
    sheet: Sheet, card: Card, of: Callable[[Reading], bool | None], *, chance: bool, **where: str
) -> list[Score]:
    """Return a share of answers: mean over readers by bootstrap, each reader and all pooled exact.

    Args:
        sheet: readings.
        card: of the share.
        of: whether a reading counts; None leaves it out.
        chance: whether one half is what guessing gives, so that a p value means something.
        **where: what is measured.
    """
    shares = over_readers(
        sheet, card, of, lambda v, w: (w @ v.astype(float)) / _positive(w.sum(axis=1)), **where
    )
    found = shares[:1]
    values = {reader: sheet.values(reader, of)[1] for reader in sheet.readers}
    pooled = np.concatenate([np.asarray(v, dtype=bool) for v in values.values()] or [[]])
    for name, own in {"pooled": pooled, **values}.items():
        one = exact_share(int(np.sum(own)), len(own))
        interval = None if math.isnan(one.value) else (one.low, one.high)
        extra = {"k": one.k, **({"p": None if math.isnan(one.p) else one.p} if chance else {})}
        reason = "" if interval else "no answers that define it"
        found.append(Score(card, one.value, interval, one.n, {"reader": name, **where}, reason,
                           extra))  # fmt: skip
    return found


def _positive(total: np.ndarray) -> np.ndarray:
    return np.where(total > 0, total, np.nan)
