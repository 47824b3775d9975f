"""How well a prediction is, under many weightings of the images at once (a bootstrap's draws).

With weights w of the images, classes c and probabilities p,

    AUROC            mean over classes of  Σ_i∈c Σ_j∉c w_i w_j [p_ic > p_jc]  /  Σ_i∈c Σ_j∉c w_i w_j
                     (ties count one half)
    balanced acc.    mean over classes of the weight of c that is called c
    κ (quadratic)    1 − Σ d² observed / Σ d² expected, d the distance of two grades
    MAE, R²          Σ w |e| / Σ w,   1 − Σ w e² / Σ w (y − ȳ)²

Values agree with scikit-learn's under the same sample weights; there each draw is a call of its
own, here all draws are one product of matrices.

References:
    D. J. Hand, R. J. Till, Machine Learning 45 (2001), 171 (areas of several classes; here one
    class against the rest). J. Cohen, Psychological Bulletin 70 (1968), 213 (weighted κ).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from retinaforge.core import Card, Refusal

Weights = Float[np.ndarray, "draws n"]
Draws = Float[np.ndarray, "draws"]

AUROC_CARD = Card(
    name="auroc",
    version=1,
    measures="area under the ROC curve; of several classes the mean of one against the rest",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="Hanley and McNeil, Radiology 143, 1982; one class against the rest, unweighted mean",
    known_failure="says nothing of thresholds; a class with few patients moves it as much as any",
)
BALANCED_ACCURACY_CARD = Card(
    name="balanced_accuracy",
    version=1,
    measures="mean over classes of the share that is recognised",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="Brodersen et al., ICPR 2010",
    known_failure="a class with two patients moves in steps of one half",
)
KAPPA_CARD = Card(
    name="quadratic_kappa",
    version=1,
    measures="agreement of grades beyond chance, a miss by d grades costing d squared",
    range="[-1, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="Cohen, Psychological Bulletin 70, 1968",
    known_failure="depends on how common the grades are: compare on the same photographs only",
)
MAE_CARD = Card(
    name="mae",
    version=1,
    measures="mean absolute error",
    range="[0, inf)",
    direction="lower is better",
    unit="the target's own",
    smallest_n=10,
    reference="definition",
    known_failure="small where all are alike: compare with what the mean scores",
)
R2_CARD = Card(
    name="r2",
    version=1,
    measures="share of the judged photographs' variance that the prediction takes away",
    range="(-inf, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="coefficient of determination, 1 - residual / total sum of squares",
    known_failure="depends on how much the targets vary; below 0 it is worse than their mean",
)

PREDICTION_CARDS = (AUROC_CARD, BALANCED_ACCURACY_CARD, KAPPA_CARD, MAE_CARD, R2_CARD)


def patient_draws(patients: Sequence[str], *, rng: np.random.Generator, resamples: int) -> Weights:
    """Return how often each image counts in each bootstrap draw of patients.

    Args:
        patients: whose eye each image shows.
        rng: drawn from; its state moves on.
        resamples: number of draws.

    Returns:
        Whole numbers as floats, one row a draw; rows of ones stand for no draw.

    Raises:
        Refusal: "expected at least two patients; got ...".
    """
    names, codes = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    if len(names) < 2:
        raise Refusal("at least two patients", f"{len(names)}", "judge on more patients")
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    return counts[:, codes].astype(np.float64)


def auroc(
    truth: Int[np.ndarray, "n"], probabilities: Float[np.ndarray, "n k"], weights: Weights
) -> Draws:
    """Return the area under the ROC curve, of several classes the mean of one against the rest.

    Args:
        truth: class of each image, 0 to k - 1.
        probabilities: or any scores, one column a class; of two classes the second counts.
        weights: one row a draw.

    Returns:
        One value a draw; NaN where a class of `truth`, or its rest, has no weight.
    """
    classes = np.unique(truth)
    asked = classes[-1:] if probabilities.shape[1] == 2 else classes
    areas = [_area(truth == c, probabilities[:, c], weights) for c in asked]
    return np.mean(areas, axis=0) if len(classes) > 1 else np.full(len(weights), np.nan)


def _area(positive: np.ndarray, scores: Float[np.ndarray, "n"], weights: Weights) -> Draws:
    """Return one class against the rest: rank by rank, ties together."""
    levels, rank = np.unique(scores, return_inverse=True)
    order = np.argsort(rank, kind="stable")
    starts = np.searchsorted(rank[order], np.arange(len(levels)))
    ordered = weights[:, order]
    yes = np.add.reduceat(ordered * positive[order], starts, axis=1)
    no = np.add.reduceat(ordered * ~positive[order], starts, axis=1)
    below = np.cumsum(no, axis=1) - no / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return (yes * below).sum(axis=1) / (yes.sum(axis=1) * no.sum(axis=1))


def balanced_accuracy(
    truth: Int[np.ndarray, "n"], predicted: Int[np.ndarray, "n"], weights: Weights
) -> Draws:
    """Return the mean share of each class that is recognised; NaN where one has no weight."""
    right = truth == predicted
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = [
            (weights[:, own] @ right[own]) / weights[:, own].sum(axis=1)
            for own in (truth == c for c in np.unique(truth))
        ]
    return np.mean(shares, axis=0)


def quadratic_kappa(
    truth: Int[np.ndarray, "n"], predicted: Int[np.ndarray, "n"], weights: Weights
) -> Draws:
    """Return the agreement of grades beyond chance; NaN where neither side varies."""
    count = int(max(truth.max(), predicted.max())) + 1
    real, said = np.eye(count)[truth], np.eye(count)[predicted]
    rows, columns = weights @ real, weights @ said
    cost = (np.arange(count)[:, None] - np.arange(count)) ** 2
    observed = weights @ cost[truth, predicted].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = ((rows @ cost) * columns).sum(axis=1) / weights.sum(axis=1)
        return np.where(expected > 0, 1 - observed / expected, np.nan)


def mean_absolute_error(
    truth: Float[np.ndarray, "n"], predicted: Float[np.ndarray, "n"], weights: Weights
) -> Draws:
    """Return the mean absolute error in the target's unit."""
    return (weights @ np.abs(truth - predicted)) / weights.sum(axis=1)


def r_squared(
    truth: Float[np.ndarray, "n"], predicted: Float[np.ndarray, "n"], weights: Weights
) -> Draws:
    """Return the share of variance taken away; NaN where the truth does not vary."""
    # Centred first: the variance is then no difference of large numbers.
    y = truth - truth.mean()
    total = weights.sum(axis=1)
    spread = weights @ y**2 - (weights @ y) ** 2 / total
    left = weights @ (truth - predicted) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 1e-12 * total, 1 - left / spread, np.nan)
