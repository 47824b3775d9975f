"""The levels at which a word is asked for, and the eyes that show each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from retinaforge.captions.record import EyeRecord
from retinaforge.tasks.oracle_words import Word, true_value


def levels_of(word: Word, held_out: Sequence[EyeRecord]) -> dict[str, list[EyeRecord]]:
    """Return donors by level of a word; {} where the records show fewer than two levels.

    A count has none, fewer and more than the median of those that have any; an amount the lowest,
    middle and highest fifth.
    """
    known = [(true_value(word, r.value(word.name)), r) for r in held_out if stands_alone(word, r)]
    known = [(value, r) for value, r in known if math.isfinite(value)]
    if word.kind == "amount":
        found = _fifths(known)
    elif word.kind == "count":
        found = _few_and_many(known)
    else:
        values = sorted({value for value, _ in known})
        found = {_spoken(word, v): [r for u, r in known if u == v] for v in values}
    found = {name: rows for name, rows in found.items() if rows}
    return found if len(found) > 1 else {}


def stands_alone(word: Word, record: EyeRecord) -> bool:
    return not any(record.value(name) for name in word.alone)


def _spoken(word: Word, value: float) -> str:
    if word.kind == "side":
        return "right" if value else "left"
    if word.kind == "flag":
        return "there" if value else "absent"
    return f"{value:g}"


def _fifths(known: list[tuple[float, EyeRecord]]) -> dict[str, list[EyeRecord]]:
    values = np.array([value for value, _ in known])
    if not values.size:
        return {}
    low, below, above, high = np.quantile(values, [0.2, 0.4, 0.6, 0.8])
    spans = {"low": (-math.inf, low), "middle": (below, above), "high": (high, math.inf)}
    return {name: [r for v, r in known if a <= v <= b] for name, (a, b) in spans.items()}


def _few_and_many(known: list[tuple[float, EyeRecord]]) -> dict[str, list[EyeRecord]]:
    there = sorted(v for v, _ in known if v > 0)
    if not there:
        return {}
    middle = float(np.median(there))
    few = [r for v, r in known if 0 < v < middle]
    many = [r for v, r in known if v >= middle and v > 0]
    none = [r for v, r in known if v == 0]
    return {"none": none, "few": few, "many": many} if few else {"none": none, "there": many}
