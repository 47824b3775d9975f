"""How far readers agree with one another and with themselves, as scores with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from retinaforge.core import Card, Score
from retinaforge.metrics.prediction import quadratic_kappa
from retinaforge.metrics.reader_agreement import cohen_kappa, fleiss_kappa
from retinaforge.metrics.reader_bootstrap import NO_WIDTH
from retinaforge.metrics.reader_cards import COHEN_CARD, FLEISS_CARD, INTRA_CARD
from retinaforge.tasks.reader_answers import Reading
from retinaforge.tasks.reader_sheet import ALL, OVER_IMAGES, Arithmetic, Sheet

FEWEST_SHARED = 0.5
Pair = tuple[np.ndarray, int]


def agreement(
    sheet: Sheet, of: Callable[[Reading], int | None], *, ordered: bool, **where: str
) -> list[Score]:
    """Return Fleiss's kappa (unordered), Cohen's of each pair with their mean, and intra-reader.

    Args:
        sheet: readings.
        of: answer as a small whole number; None leaves it out.
        ordered: scores and grades: quadratic weights, and no Fleiss.
        **where: what is measured.
    """
    how = quadratic_kappa if ordered else cohen_kappa
    tables = {r: dict(zip(*map(list, sheet.values(r, of)), strict=True)) for r in sheet.readers}
    full = [r for r in sheet.readers if len(tables[r]) >= FEWEST_SHARED * len(sheet.items)]
    pairs = {
        f"{a}-{b}": _pair(tables[a], tables[b], how, sheet.cases)
        for a, b in combinations(full, 2)
    }  # fmt: skip
    found = [] if ordered else [_fleiss(tables, full, sheet, where)]
    found.append(_mean(COHEN_CARD, list(pairs.values()), "fewer than two readers", where))
    found += [_one(COHEN_CARD, name, pair, where) for name, pair in pairs.items()]
    return [*found, *_intra(sheet, of, how, where)]


def _pair(a: dict[int, Any], b: dict[int, Any], how: Arithmetic, cases: np.ndarray) -> Pair:
    shared = sorted(set(a) & set(b))
    if not shared:
        return np.full(len(cases), np.nan), 0
    first, second = (np.array([t[k] for k in shared], dtype=np.int64) for t in (a, b))
    return how(first, second, cases[:, shared]), len(shared)


def _fleiss(
    tables: dict[str, dict[int, Any]], full: Sequence[str], sheet: Sheet, where: dict[str, str]
) -> Score:
    shared = sorted(set.intersection(*(set(tables[r]) for r in full))) if full else []
    if len(full) < 2 or not shared:
        return _undefined(FLEISS_CARD, ALL, "fewer than two readers", where)
    grid = np.array([[tables[r][k] for r in full] for k in shared], dtype=np.int64)
    return _one(FLEISS_CARD, ALL, (fleiss_kappa(grid, sheet.cases[:, shared]), len(shared)), where)


def _intra(
    sheet: Sheet, of: Callable[[Reading], int | None], how: Arithmetic, where: dict[str, str]
) -> list[Score]:
    """Return each reader's kappa of first and second showing, and their mean."""
    place = {item: k for k, item in enumerate(sheet.items)}
    found = {}
    for reader in sheet.readers:
        both = [(place[i], of(sheet.readings[r, i]), of(again)) for (r, i), again in
                sheet.again.items() if r == reader and (r, i) in sheet.readings]  # fmt: skip
        known = [row for row in both if row[1] is not None and row[2] is not None]
        first, second = ({k: row[j] for k, *row in known} for j in (0, 1))
        found[reader] = _pair(first, second, how, sheet.cases)
    some = [pair for pair in found.values() if pair[1]]
    mean = _mean(INTRA_CARD, some, "no image was read twice", where)
    return [mean, *(_one(INTRA_CARD, reader, pair, where) for reader, pair in found.items())]


def _mean(card: Card, pairs: Sequence[Pair], reason: str, where: dict[str, str]) -> Score:
    if not pairs:
        return _undefined(card, ALL, reason, where)
    known = np.stack([values for values, _ in pairs], axis=1)
    counts = (~np.isnan(known)).sum(axis=1)
    mean = np.where(counts > 0, np.nansum(known, axis=1) / np.maximum(counts, 1), np.nan)
    return _one(card, ALL, (mean, sum(n for _, n in pairs)), where)


def _one(card: Card, reader: str, pair: Pair, where: dict[str, str]) -> Score:
    values, n = pair
    if n == 0 or math.isnan(values[0]):
        why = "no shared images" if n == 0 else "all answers are the same: 0 / 0"
        return _undefined(card, reader, why, where, n)
    known = values[1:][~np.isnan(values[1:])]
    if len(known) < 0.8 * (len(values) - 1):
        return Score(card, float(values[0]), None, n, {"reader": reader, **where},
                     "undefined in many draws: no interval")  # fmt: skip
    low, high = np.quantile(known, [0.025, 0.975])
    if high - low < 1e-9:
        return Score(card, float(values[0]), None, n, {"reader": reader, **where}, NO_WIDTH)
    return Score(card, float(values[0]), (float(low), float(high)), n,
                 {"reader": reader, **where}, OVER_IMAGES)  # fmt: skip


def _undefined(card: Card, reader: str, why: str, where: dict[str, str], n: int = 0) -> Score:
    return Score(card, math.nan, None, n, {"reader": reader, **where}, why)
