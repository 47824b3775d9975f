"""How well one finding is found, under many weightings of the images at once.

With weights w of the images, positives P, scores s and thresholds from the strictest down,

    average precision  Σ over thresholds of  (recall_t − recall_t−1) precision_t
    F1 of the finding  2 TP / (2 TP + FP + FN), what is called being given

Both agree with scikit-learn's under the same sample weights. A finding that no image has is not
scored 0: it is not a number.

References:
    C. J. van Rijsbergen, Information Retrieval, 1979 (F). Pachade et al., RFMiD, Data 6 (2021), 14
    (AUROC, average precision and F1 of each disease).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from retinaforge.core import Card

Weights = Float[np.ndarray, "draws n"]
Draws = Float[np.ndarray, "draws"]

AVERAGE_PRECISION_CARD = Card(
    name="average_precision",
    version=1,
    measures="mean precision over the steps of recall of one finding (of DR grades: 2 or more)",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="sklearn.metrics.average_precision_score; RFMiD, Data 6, 2021",
    known_failure="chance scores the finding's share: compare on the same images only",
)
FINDING_F1_CARD = Card(
    name="finding_f1",
    version=1,
    measures="harmonic mean of precision and recall of one finding, called where it is the more "
    "probable (of DR grades: 2 or more)",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="van Rijsbergen 1979; sklearn.metrics.f1_score(pos_label=1)",
    known_failure="a rare finding that is never called counts 0 however well it is ranked",
)
FINDING_CARDS = (AVERAGE_PRECISION_CARD, FINDING_F1_CARD)


def average_precision(
    positive: Int[np.ndarray, "n"], scores: Float[np.ndarray, "n"], weights: Weights
) -> Draws:
    """Return the average precision; NaN in a draw without positives.

    Args:
        positive: 1 where the finding is there, 0 where it is not.
        scores: the more, the more likely; images of one score are called together.
        weights: one row a draw.

    Returns:
        One value in [0, 1] a draw.
    """
    if len(scores) == 0:
        return np.full(len(weights), np.nan)
    levels, rank = np.unique(-scores, return_inverse=True)
    order = np.argsort(rank, kind="stable")
    starts = np.searchsorted(rank[order], np.arange(len(levels)))
    ordered, yes = weights[:, order], positive[order].astype(np.float64)
    gained = np.add.reduceat(ordered * yes, starts, axis=1)
    found, called = (
        np.cumsum(gained, axis=1),
        np.cumsum(np.add.reduceat(ordered, starts, axis=1), axis=1),
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        # What weighs nothing gains nothing: its precision, 0 / 0, does not count.
        precision = np.where(called > 0, found / called, 0.0)
        return (gained * precision).sum(axis=1) / found[:, -1]


def finding_f1(
    positive: Int[np.ndarray, "n"], called: Bool[np.ndarray, "n"], weights: Weights
) -> Draws:
    """Return the F1 of a finding; NaN in a draw without positives.

    Args:
        positive: 1 where the finding is there, 0 where it is not.
        called: where it is said to be there.
        weights: one row a draw.

    Returns:
        One value in [0, 1] a draw.
    """
    true, said = weights @ positive.astype(np.float64), weights @ called.astype(np.float64)
    both = weights @ (positive.astype(bool) & called).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(true > 0, 2 * both / (true + said), np.nan)
