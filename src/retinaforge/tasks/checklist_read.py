"""What readers answered on the checklist: how often captions are right, how far readers agree.

    accuracy  correct / (correct + wrong), with Wilson's interval; "not said" counts in neither
    kappa     Cohen's of two readers, Fleiss's of more: agreement beyond what their own rates of
              answers would give
    AC1       Gwet's: agreement beyond chance where one answer is rare, at which kappa falls though
              readers agree (here captions are mostly right, so it is the one to read)

References:
    Wilson, JASA 22 (1927), 209. Cohen, Educ. Psychol. Meas. 20 (1960), 37. Fleiss, Psychol. Bull.
    76 (1971), 378. Gwet, Br. J. Math. Stat. Psychol. 61 (2008), 29.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa
from statsmodels.stats.proportion import proportion_confint

from retinaforge.core import Refusal
from retinaforge.core.artefacts import environment
from retinaforge.tasks.checklist import ANSWERS, ITEMS
from retinaforge.tasks.checklist_answers import Reader, Votes

ALL = "all five items"


def agreement_statistics(readers: Sequence[Reader]) -> dict[str, Any]:
    """Return accuracy and agreement per item as plain data.

    Raises:
        Refusal: for answers to different samples, or one reader twice.
    """
    samples = sorted({reader.sample for reader in readers})
    names = [reader.name for reader in readers]
    if len(samples) != 1:
        raise Refusal("answers to one sample", f"answers to {', '.join(samples)}",
                      "give the files of one checklist only")  # fmt: skip
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Refusal("each reader once", f"{twice!r} twice", "let each reader type another name")
    items = [*ITEMS, ALL]
    return {
        "format": 1, "sample": samples[0], "readers": names,
        "images": len({name for reader in readers for name, _ in reader.votes}),
        "items": {item: _item(readers, item) for item in items},
        "notes": [{"reader": r.name, "name": n, "note": t} for r in readers for n, t in
                  r.notes.items()],
        "wrong": _wrong(readers), "environment": environment(),
    }  # fmt: skip


def _item(readers: Sequence[Reader], item: str) -> dict[str, Any]:
    votes = [_votes(reader, item) for reader in readers]
    counts = {answer: sum(list(v.values()).count(answer) for v in votes) for answer in ANSWERS}
    said = counts["correct"] + counts["wrong"]
    each = {r.name: accuracy(v) for r, v in zip(readers, votes, strict=True)}
    return {
        "counts": counts, "accuracy": _proportion(counts["correct"], said),
        "by_reader": each, **agreement(votes),
    }  # fmt: skip


def accuracy(votes: Votes) -> dict[str, Any]:
    """Return the share of what is said that is correct, with Wilson's interval."""
    answers = list(votes.values())
    return _proportion(answers.count("correct"), len(answers) - answers.count("not said"))


def agreement(votes: Sequence[Votes]) -> dict[str, Any]:
    """Return how far readers agree on the cells that all of them answered.

    Returns:
        cells, observed (share of pairs of readers that agree), kappa, kappa_kind and ac1; None
        with a reason where they cannot be given.
    """
    shared = sorted(set.intersection(*(set(v) for v in votes))) if votes else []
    if len(votes) < 2 or not shared:
        reason = "one reader" if len(votes) < 2 else "no cell that all readers answered"
        return {"cells": len(shared), "observed": None, "kappa": None, "kappa_kind": "",
                "ac1": None, "reason": reason}  # fmt: skip
    table = np.array([[[v[c] for v in votes].count(a) for a in ANSWERS] for c in shared])
    kappa, kind = _kappa(votes, shared, table)
    return {
        "cells": len(shared), "observed": observed(table), "kappa": _known(kappa),
        "kappa_kind": kind, "ac1": _known(gwet_ac1(table)),
        "reason": "" if not math.isnan(kappa) else "all answers are the same: kappa is 0 / 0",
    }  # fmt: skip


def observed(table: Int[np.ndarray, "cells answers"]) -> float:
    """Return the share of pairs of readers that agree, mean over cells."""
    readers = table.sum(1)
    return float(((table * (table - 1)).sum(1) / (readers * (readers - 1))).mean())


def gwet_ac1(table: Int[np.ndarray, "cells answers"]) -> float:
    """Return Gwet's AC1: (p_a − p_e) / (1 − p_e), p_e = Σ π (1 − π) / (q − 1).

    Args:
        table: how many readers gave each answer, for each cell; each cell has as many readers.
    """
    share = (table / table.sum(1, keepdims=True)).mean(0)
    chance = float((share * (1 - share)).sum() / (table.shape[1] - 1))
    return (observed(table) - chance) / (1 - chance)


def _kappa(votes: Sequence[Votes], shared: Sequence[Any], table: np.ndarray) -> tuple[float, str]:
    if (table.sum(0) > 0).sum() < 2:
        return math.nan, "Cohen" if len(votes) == 2 else "Fleiss"
    if len(votes) > 2:
        return float(fleiss_kappa(table)), "Fleiss"
    first, second = ([ANSWERS.index(v[c]) for c in shared] for v in votes)
    both = np.zeros((len(ANSWERS), len(ANSWERS)))
    np.add.at(both, (first, second), 1)
    return float(cohens_kappa(both, return_results=False)), "Cohen"


def _wrong(readers: Sequence[Reader]) -> list[dict[str, Any]]:
    """Return what readers called wrong, what most of them did first."""
    found: dict[tuple[str, str], list[str]] = {}
    for reader in readers:
        for cell, answer in reader.votes.items():
            if answer == "wrong":
                found.setdefault(cell, []).append(reader.name)
    ordered = sorted(found.items(), key=lambda one: (-len(one[1]), one[0]))
    return [{"name": n, "item": i, "readers": who} for (n, i), who in ordered]


def _votes(reader: Reader, item: str) -> Votes:
    return {c: a for c, a in reader.votes.items() if item in (c[1], ALL)}


def _proportion(k: int, n: int) -> dict[str, Any]:
    if n == 0:
        return {"value": None, "interval": None, "n": 0, "reason": "nothing said on it"}
    low, high = np.asarray(proportion_confint(k, n, method="wilson"), dtype=float)
    return {"value": k / n, "interval": [float(low), float(high)], "n": n, "reason": ""}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
