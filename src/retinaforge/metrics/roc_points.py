"""The ROC curve itself, and the sensitivity read off it between its points.

    sensitivity at specificity s = the curve, joined by straight lines, at 1 - s

References:
    T. Fawcett, Pattern Recognition Letters 27 (2006), 861.
    J. I. Orlando et al., Medical Image Analysis 59 (2020), 101570 (sensitivity at 0.85, as its
    evaluation interpolates it: ignaciorlando/refuge-evaluation@b8fc1a8bd1bd).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from sklearn.metrics import roc_curve

from retinaforge.core import Card

REFERENCE_SPECIFICITY = 0.85

REFERENCE_SENSITIVITY_CARD = Card(
    name="reference_sensitivity",
    version=1,
    measures=f"sensitivity at a specificity of {REFERENCE_SPECIFICITY:g}, the ROC curve's points "
    "joined by straight lines; on a vertical piece of the curve its upper end",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=20,
    reference="Orlando et al., Medical Image Analysis 59, 2020 (REFUGE)",
    known_failure="between two points of the curve no threshold reaches it; few negatives make it "
    "rough; REFUGE's published code joins other points, see `published_sensitivity`",
)

Weights = Float[np.ndarray, "draws n"]
Draws = Float[np.ndarray, "draws"]
Rates = Float[np.ndarray, "draws levels"]


def roc_rates(
    positive: Int[np.ndarray, "n"], scores: Float[np.ndarray, "n"], weights: Weights
) -> tuple[Rates, Rates]:
    """Return false and true positive rates from the strictest threshold to none, from (0, 0).

    Args:
        positive: 1 where the finding is there, 0 where it is not; at least one image.
        scores: the more, the more likely; equal scores make one point.
        weights: one row a draw.

    Returns:
        Two tables, one row a draw and one column a threshold; NaN where a side has no weight.
    """
    levels, rank = np.unique(-scores, return_inverse=True)
    order = np.argsort(rank, kind="stable")
    starts = np.searchsorted(rank[order], np.arange(len(levels)))
    ordered, yes = weights[:, order], positive[order].astype(np.float64)
    found = np.cumsum(np.add.reduceat(ordered * yes, starts, axis=1), axis=1)
    false = np.cumsum(np.add.reduceat(ordered * (1 - yes), starts, axis=1), axis=1)
    origin = np.zeros((len(weights), 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        true_rate, false_rate = found / found[:, -1:], false / false[:, -1:]
    return np.hstack([origin, false_rate]), np.hstack([origin, true_rate])


def reference_sensitivity(
    positive: Int[np.ndarray, "n"],
    scores: Float[np.ndarray, "n"],
    weights: Weights,
    *,
    specificity: float = REFERENCE_SPECIFICITY,
) -> Draws:
    """Return the sensitivity at a specificity, between the curve's points by straight lines.

    Args:
        positive: 1 where the finding is there.
        scores: the more, the more likely.
        weights: one row a draw.
        specificity: in [0, 1].

    Returns:
        One value in [0, 1] a draw; NaN where either side has no weight.
    """
    if len(scores) == 0:
        return np.full(len(weights), np.nan)
    false, true = roc_rates(positive, scores, weights)
    both = false + true
    known = np.isfinite(both.sum(axis=1))
    # Rounding must not push 1 - 0.85 below a point that lies at 0.15.
    at = 1 - specificity + 1e-12
    read = [
        np.interp(at, x, y) if ok else np.nan for x, y, ok in zip(false, true, known, strict=True)
    ]
    return np.asarray(read, np.float64)


def published_sensitivity(
    positive: Int[np.ndarray, "n"],
    scores: Float[np.ndarray, "n"],
    *,
    specificity: float = REFERENCE_SPECIFICITY,
) -> float:
    """Return the sensitivity at a specificity as REFUGE's published evaluation comes to it.

    Where the curve has several points at one specificity, that code joins the upper end of the one
    below `specificity` with the lower end of the one above, and so cuts the corner of the curve:
    the value may lie far from `reference_sensitivity`. It is given beside it so that results can
    be laid beside the published ones.

    Args:
        positive: 1 where the finding is there, both sides present.
        scores: the more, the more likely.
        specificity: in [0, 1].

    Returns:
        A value in [0, 1]; NaN where a side is absent.

    References:
        ignaciorlando/refuge-evaluation@b8fc1a8bd1bd, evaluation_metrics_for_classification.py.
    """
    if len(np.unique(positive)) < 2:
        return float("nan")
    # Without the points on straight pieces, as the published code leaves them out.
    false, true, _ = roc_curve(positive, scores)
    order = np.argsort(1 - false, kind="stable")
    return float(np.interp(specificity, (1 - false)[order], true[order]))
