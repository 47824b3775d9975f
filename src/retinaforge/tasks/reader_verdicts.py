"""Scores of "real or synthetic?" and of "which of the two is synthetic?"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from retinaforge.core import Score
from retinaforge.metrics.reader_cards import (
    ACCURACY_CARD,
    AUC_CARD,
    CALLED_REAL_CARD,
    CRITERION_CARD,
    D_PRIME_CARD,
)
from retinaforge.metrics.reader_scores import (
    confidence_auc,
    criterion,
    d_prime,
    d_prime_of_pairs,
)
from retinaforge.tasks.reader_answers import Reading
from retinaforge.tasks.reader_kappas import agreement
from retinaforge.tasks.reader_questions import LEFT, REAL, SYNTHETIC
from retinaforge.tasks.reader_sheet import Sheet, exact, over_readers

FIRST_LEFT = "called_left"
SATURATED = "all answers to one side are alike: the correction sets the value, no interval"


def verdict_scores(sheet: Sheet, *, agree: bool = True, **where: str) -> list[Score]:
    """Return what readers' verdicts come to.

    Args:
        sheet: readings with a verdict.
        agree: also how far readers agree.
        **where: which part of the study it is.
    """
    found = exact(sheet, ACCURACY_CARD, lambda r: r.right, chance=True, **where)
    for side in (REAL, SYNTHETIC):
        found += exact(
            sheet, CALLED_REAL_CARD, lambda r, side=side: _called_real(r, side), chance=False,
            side=side, **where,
        )  # fmt: skip
    for card, how in ((D_PRIME_CARD, d_prime), (CRITERION_CARD, criterion)):
        scores = over_readers(sheet, card, _truth_and_call, lambda v, w, how=how: how(
            v[:, 0].astype(bool), v[:, 1].astype(bool), w), **where)  # fmt: skip
        found += [_honest(score, sheet, _truth_and_call) for score in scores]
    found += over_readers(sheet, AUC_CARD, _truth_and_leaning, lambda v, w: confidence_auc(
        v[:, 0] > 0, v[:, 1].astype(np.float64), w), **where)  # fmt: skip
    if agree:
        found += agreement(sheet, lambda r: int(r.answers["verdict"] == SYNTHETIC), ordered=False,
                           question="verdict", **where)  # fmt: skip
    return found


def _honest(score: Score, sheet: Sheet, of: Callable[[Reading], tuple[int, int]]) -> Score:
    """Take the interval from a reader whose answers to one side are all alike.

    Half an answer then sets the value; draws of such answers move it by next to nothing.
    """
    reader = score.where["reader"]
    if reader not in sheet.readers:
        return score
    calls: dict[int, set[int]] = {}
    for side, call in sheet.values(reader, of)[1]:
        calls.setdefault(side, set()).add(call)
    if all(len(given) > 1 for given in calls.values()):
        return score
    return replace(score, interval=None, reason=score.reason if not calls else SATURATED)


def _called_real(reading: Reading, side: str) -> bool | None:
    return reading.answers["verdict"] == REAL if reading.kind == side else None


def _truth_and_call(reading: Reading) -> tuple[int, int]:
    return int(reading.synthetic), int(reading.answers["verdict"] == SYNTHETIC)


def _truth_and_leaning(reading: Reading) -> tuple[int, int] | None:
    """Return the truth and a leaning from -3, surely real, to 3, surely synthetic."""
    if "confidence" not in reading.answers:
        return None
    sure = int(reading.answers["confidence"])
    return int(reading.synthetic), sure if reading.answers["verdict"] == SYNTHETIC else -sure


def pair_scores(sheet: Sheet, *, agree: bool = True, **where: str) -> list[Score]:
    """Return what choices between a real and a synthetic image come to.

    Args:
        sheet: readings of pairs.
        agree: also how far readers agree, and how often they chose the left image.
        **where: which part of the study it is.
    """
    found = exact(sheet, ACCURACY_CARD, lambda r: r.right, chance=True, **where)
    scores = over_readers(sheet, D_PRIME_CARD, lambda r: int(r.right), lambda v, w:
                          d_prime_of_pairs(v.astype(bool), w), **where)  # fmt: skip
    found += [_honest(score, sheet, lambda r: (1, int(r.right))) for score in scores]
    # Of a pair the synthetic image was taken for the real one exactly where the choice was wrong.
    found += exact(sheet, CALLED_REAL_CARD, lambda r: not r.right, chance=False, side=SYNTHETIC,
                   **where)  # fmt: skip
    if agree:
        found += exact(sheet, CALLED_REAL_CARD, lambda r: r.answers["pair"] == LEFT, chance=True,
                       side=FIRST_LEFT, **where)  # fmt: skip
        found += agreement(sheet, lambda r: int(r.right), ordered=False, question="pair", **where)
    return found
