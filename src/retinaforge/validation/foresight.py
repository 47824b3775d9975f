"""Which score foresaw it? Every score of the scorecards against what came of the synthetic sets.

    agreement(score) = rank correlation over the sets of (score, the better the higher) and outcome

Scores are turned by their card's direction, so that a positive correlation means that the score was
right; a score whose card knows no better is left as it is. p values are corrected (Holm) over all
scores of one outcome. Beside it: the same within groups of sets, and how far the outcome agrees
with itself over halves of the patients, which no score can be expected to exceed by much.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from retinaforge.core import Refusal
from retinaforge.core.artefacts import environment
from retinaforge.metrics import holm
from retinaforge.metrics.rank_agreement import (
    FEWEST,
    KENDALL_CARD,
    PERMUTED,
    RESAMPLED,
    SPEARMAN_CARD,
    RankAgreement,
    orders_of,
    rank_agreement,
    smallest_shown,
)
from retinaforge.tasks.usefulness_outcomes import Outcome, Outcomes, plain
from retinaforge.tasks.usefulness_scores import number

FORESIGHT_VERSION = 1
LEVEL = 0.05
TURN = {"higher is better": 1.0, "lower is better": -1.0}
LABELS = "labels"
TABLES = ("vessels", "quality")
"""Families of one score a column, of which the mean is told too."""
Row = dict[str, Any]


def foresight(
    outcomes: Outcomes, scores: Sequence[Row], groups: Sequence[str] = (),
    unscored: Sequence[float] = (), *, seed: int = 0,
) -> Row:  # fmt: skip
    """Return how every score agrees with every outcome, as plain data.

    Args:
        outcomes: of the sets.
        scores: rows of `reports.comparison.compare_runs`, cells in the order of the sets.
        groups: kind of each set; none: not looked at.
        unscored: share of each set's images that `validate` could not score; none: not told.
        seed: of permutations and resamples.

    Raises:
        Refusal: "expected at least 5 sets; got ...", or where numbers of sets differ.
    """
    count = len(outcomes.names)
    _require(count, scores, groups)
    rows = [_score_row(row) for row in scores]
    rows += [*_means(rows), _trts_row(outcomes)]
    if len(unscored):
        rows.append(_unscored_row(unscored))
    for kind, outcome in outcomes.found.items():
        for row, found in zip(rows, _against(rows, outcome, None, seed), strict=True):
            row[kind] = found
        if groups:
            for row, found in zip(rows, _against(rows, outcome, groups, seed), strict=True):
                row[kind]["within"] = found
    return {
        **outcomes.asked,
        "sets": [_set_row(outcomes, k, groups) for k in range(count)],
        "patients": outcomes.patients,
        "outcomes": {k: _outcome_row(k, o, rows, seed) for k, o in outcomes.found.items()},
        "rows": rows,
        "protocol": _protocol(count, rows, groups),
        "cards": [SPEARMAN_CARD.as_dict(), KENDALL_CARD.as_dict()],
        "environment": environment(),
    }


def _require(count: int, scores: Sequence[Row], groups: Sequence[str]) -> None:
    if count < FEWEST:
        raise Refusal(
            f"at least {FEWEST} synthetic sets", f"{count}",
            "an order of so few says nothing: make others, of other kinds and qualities",
        )  # fmt: skip
    for what, found in (("cells of a score", len(scores[0]["cells"]) if scores else count),
                        ("groups", len(groups) or count)):  # fmt: skip
        if found != count:
            raise Refusal(f"{count} {what}, one a set", str(found), "name one for each set")


def _score_row(row: Row) -> Row:
    """Return a score with its values, higher the better where its card knows."""
    values = [math.nan if c is None or c["value"] is None else float(c["value"])
              for c in row["cells"]]  # fmt: skip
    kept = ("identity", "family", "name", "space", "column", "group", "direction", "measures")
    reason = "" if row["one_version"] else "the scorecards hold several versions of this score"
    return {**{key: row.get(key) for key in kept}, "refused": reason,
            "values": [number(v) for v in values]}  # fmt: skip


def _means(rows: Sequence[Row]) -> list[Row]:
    """Return for families of many columns the mean over those that every set has."""
    found = []
    for family in TABLES:
        for name in dict.fromkeys(r["name"] for r in rows if r["family"] == family and r["column"]):
            own = [r for r in rows if r["family"] == family and r["name"] == name and r["column"]]
            whole = [r for r in own if None not in r["values"] and not r["refused"]]
            if len(whole) < 2:
                continue
            values = np.mean([r["values"] for r in whole], axis=0)
            found.append({
                **own[0], "identity": f"{family}:mean:{name}_mean", "name": f"{name}_mean",
                "column": None, "values": [number(float(v)) for v in values],
                "measures": f"mean of {name} over the {len(whole)} columns that every set has",
            })  # fmt: skip
    return found


def _trts_row(outcomes: Outcomes) -> Row:
    """Return the score that knows the labels: what photographs taught says of the images."""
    return {
        "identity": "labels::trts", "family": LABELS, "name": "trts", "space": None,
        "column": None, "group": None, "direction": "higher is better", "refused": "",
        "measures": f"{outcomes.asked['headline']} of what photographs taught, on the synthetic "
        "images by their labels (train on real, test on synthetic)",
        "values": [number(float(v)) for v in outcomes.trts],
    }  # fmt: skip


def _unscored_row(shares: Sequence[float]) -> Row:
    """Return the score that stands before all others: how many images show no fundus."""
    return {
        "identity": "footing::unscored", "family": "footing", "name": "unscored", "space": None,
        "column": None, "group": None, "direction": "lower is better", "refused": "",
        "measures": "share of the images that validate could not score, as they show no fundus",
        "values": [number(float(v)) for v in shares],
    }  # fmt: skip


def _against(
    rows: Sequence[Row], outcome: Outcome, groups: Sequence[str] | None, seed: int
) -> list[Row]:
    """Return how each score agrees with an outcome, p corrected over all scores."""
    found = [
        _refused(row) or rank_agreement(
            _turned(row), outcome.values, seed=seed, groups=groups,
            draws=outcome.draws if groups is None else None,
        )
        for row in rows
    ]  # fmt: skip
    corrected = holm([one.p for one in found])
    return [_plain(one, p) for one, p in zip(found, corrected, strict=True)]


def _refused(row: Row) -> RankAgreement | None:
    if not row["refused"]:
        return None
    nan = math.nan
    return RankAgreement(nan, nan, nan, None, None, 0, row["refused"])


def _turned(row: Row) -> np.ndarray:
    values = np.array([math.nan if v is None else v for v in row["values"]])
    return values * TURN.get(row["direction"], 1.0)


def _plain(one: RankAgreement, corrected: float) -> Row:
    return {
        "spearman": number(one.spearman), "kendall": number(one.kendall),
        "interval_sets": one.interval and list(one.interval),
        "interval_patients": one.interval_draws and list(one.interval_draws),
        "p": number(one.p), "p_holm": number(corrected), "n": one.n, "reason": one.reason,
    }  # fmt: skip


def _set_row(outcomes: Outcomes, k: int, groups: Sequence[str]) -> Row:
    return {
        "name": outcomes.names[k], "group": groups[k] if groups else "",
        "synthetic": outcomes.synthetic[k], "trts": number(float(outcomes.trts[k])),
        **{kind: plain(outcome, k) for kind, outcome in outcomes.found.items()},
    }  # fmt: skip


def _outcome_row(kind: str, outcome: Outcome, rows: Sequence[Row], seed: int) -> Row:
    tested = sum(row[kind]["p"] is not None for row in rows)
    n = int(np.isfinite(outcome.values).sum())
    return {
        "scores": tested,
        "shown": [r["identity"] for r in rows if (r[kind]["p_holm"] or 1.0) < LEVEL],
        "shown_within": [r["identity"] for r in rows
                         if (r[kind].get("within", {}).get("p_holm") or 1.0) < LEVEL],
        "by_chance": round(LEVEL * tested, 1),
        "below_level_uncorrected": sum((r[kind]["p"] or 1.0) < LEVEL for r in rows),
        "smallest_shown": number(smallest_shown(n, tested)) if n >= FEWEST and tested else None,
        "agrees_with_itself": self_agreement(outcome.halves),
        "range": [number(float(f(outcome.values))) for f in (np.nanmin, np.nanmax)] if n else None,
    }  # fmt: skip


def self_agreement(halves: np.ndarray) -> Row:
    """Return how far the order of sets by half of the patients is that by the other half.

    Args:
        halves: outcome by half, shape (2, cuts, sets).

    Returns:
        spearman: mean over the cuts in which both halves are defined; cuts: their number; whole:
        what the Spearman-Brown formula 2 ρ / (1 + ρ) expects of all patients against as many
        others (None where ρ is not above 0).
    """
    found = [
        rank_agreement(a, b, permuted=1, resampled=0).spearman for a, b in zip(*halves, strict=True)
    ]
    known = [v for v in found if math.isfinite(v)]
    mean = float(np.mean(known)) if known else math.nan
    return {"spearman": number(mean), "cuts": len(known),
            "whole": number(2 * mean / (1 + mean)) if mean > 0 else None}  # fmt: skip


def _protocol(count: int, rows: Sequence[Row], groups: Sequence[str]) -> Mapping[str, Any]:
    orders, exact = orders_of((0,) * count, 0, PERMUTED)
    tried = f"all {len(orders)}" if exact else f"{len(orders)} random"
    return {
        "version": FORESIGHT_VERSION, "sets": count, "scores": len(rows),
        "orientation": "a score is turned so that higher is better, by its card; "
        f"{sum(r['direction'] not in TURN for r in rows)} whose card knows no better are not",
        "p": f"two-sided, {tried} orders of the sets; corrected by Holm over the scores of one "
        "outcome; sets of one kind are not independent, so that p is at best as good as the "
        "sets are a sample of anything",
        "interval_sets": f"95 %, percentiles of {RESAMPLED} resamples of the sets",
        "interval_patients": "95 %, percentiles over bootstrap draws of the judging patients, the "
        "same for all sets; the scores are held",
        "within": "ranks and permutations inside each group of sets" if groups else "",
        "agrees_with_itself": "rank correlation of the outcome by two halves of the judging "
        "patients, mean over random cuts",
    }  # fmt: skip
