"""Several labels in one number: the mean over labels of AUROC, average precision and F1.

A label that no judging image has (or all have) is left out of the mean and named; one that is
missing from a bootstrap draw is left out of that draw. Each label is judged on the images whose
experts said anything of it.

References:
    Pachade et al., RFMiD, Data 6 (2021), 14 (many diseases of one photograph).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from retinaforge.metrics.classification_finding import AVERAGE_PRECISION_CARD, FINDING_F1_CARD
from retinaforge.metrics.prediction import AUROC_CARD
from retinaforge.tasks.usefulness_arms import REAL_ARM
from retinaforge.tasks.usefulness_fit import Fit
from retinaforge.tasks.usefulness_rounds import SPLIT, SYNTHETIC
from retinaforge.tasks.usefulness_scores import (
    SCORES,
    Measured,
    difference,
    draws_of,
    measure,
    plain,
)
from retinaforge.tasks.usefulness_study import Done
from retinaforge.tasks.usefulness_tables import said_of

TOGETHER = (AUROC_CARD.name, AVERAGE_PRECISION_CARD.name, FINDING_F1_CARD.name)
Row = dict[str, Any]


def together_rows(done: Done) -> list[Row]:
    """Return the mean over labels of every arm; nothing of a single question."""
    questions = done.prepared.material.labels.questions
    if len(questions) < 2:
        return []
    fits = {arm.name: [f for f in done.fits if f.job.arm.name == arm.name
                       and f.job.round.protocol == SPLIT] for arm in done.arms}  # fmt: skip
    rows: list[Row] = []
    for where in fits[REAL_ARM][0].answers:
        if where == SYNTHETIC:
            continue
        for metric in TOGETHER:
            found = {arm: _mean(done, own, where, metric) for arm, own in fits.items()}
            base = found[REAL_ARM][0]
            rows += [
                {"where": where, "metric": metric, "arm": arm, **plain(one),
                 "labels": len(questions) - len(left), "left_out": left,
                 "difference": None if arm == REAL_ARM else difference(one, base)}
                for arm, (one, left) in found.items()
            ]  # fmt: skip
    return rows


def _mean(done: Done, fits: list[Fit], where: str, metric: str) -> tuple[Measured, list[Row]]:
    """Return the mean over the labels that are defined, and those that are not."""
    m = done.prepared.material
    score = next(score for card, score in SCORES if card.name == metric)
    everyone = np.unique(np.concatenate([fit.places[where] for fit in fits]))
    weights = draws_of(m.patients[everyone].tolist(), words=f"labels {where}")
    good: list[Measured] = []
    left: list[Row] = []
    for column, question in enumerate(m.labels.questions):
        one = measure(said_of(done, fits, where, column), question, score, weights)
        if np.isfinite(one.value):
            good.append(one)
        else:
            left.append({"label": question.name, "reason": one.reason})
    if not good:
        nothing = np.full_like(next(iter(weights.values())), np.nan)[1:]
        return Measured((np.nan,) * len(fits), nothing, "no label is defined"), left
    with warnings.catch_warnings():
        # A draw, or a round, in which no label is defined is not a number.
        warnings.simplefilter("ignore", RuntimeWarning)
        seeds = np.nanmean([one.per_seed for one in good], axis=0)
        draws = np.nanmean([one.draws for one in good], axis=0)
    return Measured(tuple(float(v) for v in seeds), draws), left
