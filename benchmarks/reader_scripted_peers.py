"""A study's numbers once more, from the exported CSV alone, by SciPy, scikit-learn, statsmodels."""

from __future__ import annotations

import io
import math
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

Scores = list[dict[str, Any]]


def peers_of(csv: str, scores: Scores) -> list[dict[str, Any]]:
    """Return ours and theirs of each number that both have.

    Args:
        csv: what `reader export` writes.
        scores: of reader.json.
    """
    table = pd.read_csv(io.StringIO(csv))
    pairs = "pair" in table.columns
    if pairs:
        table["right"] = table["pair"] == table["synthetic_side"]
    else:
        table["right"] = table["verdict"] == table["kind"]
        table["call"] = (table["verdict"] == "synthetic").astype(int)
    first = table[table["showing"] == 1]
    found = []
    for reader, own in first.groupby("reader"):
        found += _of_reader(str(reader), own, scores, pairs)
        again = table[(table["reader"] == reader) & (table["showing"] == 2)]
        both = own.merge(again, on="item")
        answer = "right" if pairs else "call"
        theirs = cohen_kappa_score(both[f"{answer}_x"], both[f"{answer}_y"])
        question = "pair" if pairs else "verdict"
        found += _row(scores, "intra_reader_kappa", reader, {"question": question},
                      "scikit-learn", theirs)  # fmt: skip
    return [*found, *_between(first, scores, "right" if pairs else "call", pairs)]


def _of_reader(reader: str, own: pd.DataFrame, scores: Scores, pairs: bool) -> list[dict[str, Any]]:
    k, n = int(own["right"].sum()), len(own)
    test = stats.binomtest(k, n, 0.5)
    low, high = test.proportion_ci(0.95, method="exact")
    row = _score(scores, "reader_accuracy", reader, {})
    found = _row(scores, "reader_accuracy", reader, {}, "SciPy", k / n)
    for name, ours, theirs in (("low", row["interval"][0], low), ("high", row["interval"][1], high),
                               ("p", row["p"], test.pvalue)):  # fmt: skip
        found.append(_beside(f"reader_accuracy, {name}", reader, "SciPy", ours, theirs))
    if pairs:
        share = (k + 0.5) / (n + 1)
        return found + _row(scores, "d_prime", reader, {}, "SciPy",
                            math.sqrt(2) * stats.norm.ppf(share))  # fmt: skip
    synthetic = own["kind"] == "synthetic"
    hits, alarms = ((own["call"][side].sum() + 0.5) / (side.sum() + 1)
                    for side in (synthetic, ~synthetic))  # fmt: skip
    z = stats.norm.ppf([hits, alarms])
    leaning = own["confidence"] * np.where(own["call"] == 1, 1, -1)
    return [
        *found,
        *_row(scores, "d_prime", reader, {}, "SciPy", z[0] - z[1]),
        *_row(scores, "criterion", reader, {}, "SciPy", -(z[0] + z[1]) / 2),
        *_row(scores, "reader_auc", reader, {}, "scikit-learn", roc_auc_score(synthetic, leaning)),
        *(r for side, rows in own.groupby("kind")
          for r in _row(scores, "called_real", reader, {"side": str(side)}, "pandas",
                        1 - rows["call"].mean())),
    ]  # fmt: skip


def _between(first: pd.DataFrame, scores: Scores, answer: str, pairs: bool) -> list[dict[str, Any]]:
    wide = first.pivot(index="item", columns="reader", values=answer).astype(int)
    where = {"question": "pair" if pairs else "verdict"}
    counts, _ = aggregate_raters(wide.to_numpy())
    cohen = {f"{a}-{b}": cohen_kappa_score(wide[a], wide[b])
             for a, b in combinations(wide.columns, 2)}  # fmt: skip
    found = _row(scores, "fleiss_kappa", "all", where, "statsmodels", fleiss_kappa(counts))
    for name, theirs in {**cohen, "all": float(np.mean(list(cohen.values())))}.items():
        found += _row(scores, "cohen_kappa", name, where, "scikit-learn", theirs)
    return found


def _score(scores: Scores, name: str, reader: str, where: dict[str, str]) -> dict[str, Any]:
    return next(s for s in scores if (s["name"], s["reader"]) == (name, reader)
                and all(s.get(k) == v for k, v in where.items()))  # fmt: skip


def _row(
    scores: Scores, name: str, reader: Any, where: dict[str, str], against: str, theirs: float
) -> list[dict[str, Any]]:
    ours = _score(scores, name, str(reader), where)["value"]
    return [_beside(", ".join([name, *where.values()]), str(reader), against, ours, float(theirs))]


def _beside(
    name: str, reader: str, against: str, ours: float | None, theirs: float
) -> dict[str, Any]:
    undefined = ours is None and not math.isfinite(theirs)
    off = 0.0 if undefined else math.inf if ours is None else abs(ours - theirs)
    return {"score": name, "reader": reader, "against": against, "ours": ours,
            "theirs": theirs if math.isfinite(theirs) else None, "difference": off}  # fmt: skip
