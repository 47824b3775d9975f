"""How well a classifier's answers are, under many weightings of the images at once.

With weights w of the images, truth t, called class c = argmax p,

    accuracy         Σ w [c = t] / Σ w
    macro F1         mean over classes of  2 TP / (2 TP + FP + FN), weights counted
    sensitivity      the largest share of positives above any threshold that leaves at least the
      at specificity asked-for share of negatives at or below it
    one-against-rest AUROC of one class of several

Balanced accuracy, quadratically weighted kappa and AUROC stand in `metrics.prediction`, calibration
in `metrics.classification_calibration`. Values agree with scikit-learn's under the same sample
weights; there each draw of a bootstrap is a call of its own, here all draws are one product.

References:
    C. J. van Rijsbergen, Information Retrieval, 1979 (F). Gulshan et al., JAMA 316 (2016), 2402
    (operating points of high specificity).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from retinaforge.core import Card, Refusal
from retinaforge.metrics.prediction import auroc

Weights = Float[np.ndarray, "draws n"]
Draws = Float[np.ndarray, "draws"]
Truth = Int[np.ndarray, "n"]
SPECIFICITY = 0.9

ACCURACY_CARD = Card(
    name="accuracy",
    version=1,
    measures="share of images whose most probable class is the true one",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="definition; sklearn.metrics.accuracy_score",
    known_failure="the most common class alone scores its share",
)
MACRO_F1_CARD = Card(
    name="macro_f1",
    version=1,
    measures="mean over the classes of the truth of the harmonic mean of precision and recall",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="van Rijsbergen 1979; sklearn.metrics.f1_score(average='macro') over true classes",
    known_failure="a class that is never called counts 0 however close its probability came",
)
SENSITIVITY_CARD = Card(
    name="sensitivity_at_specificity",
    version=1,
    measures=f"largest sensitivity at a specificity of at least {SPECIFICITY:g}, the threshold "
    "taken on the judged images themselves; of DR grades: grade 2 or more against less",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=20,
    reference="Gulshan et al., JAMA 316, 2016; the ROC curve's point",
    known_failure="the threshold is not one that was fixed before: optimistic on few negatives",
)
CLASSIFICATION_CARDS = (ACCURACY_CARD, MACRO_F1_CARD, SENSITIVITY_CARD)


def accuracy(truth: Truth, probabilities: Float[np.ndarray, "n k"], weights: Weights) -> Draws:
    """Return the share of images that are called rightly; NaN in a draw without any.

    Args:
        truth: class of each image, 0 to k - 1.
        probabilities: one column a class.
        weights: one row a draw; a row of ones for the value itself.

    Returns:
        One value in [0, 1] a draw.
    """
    right = (probabilities.argmax(axis=1) == truth).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ right) / weights.sum(axis=1)


def macro_f1(truth: Truth, probabilities: Float[np.ndarray, "n k"], weights: Weights) -> Draws:
    """Return the mean F1 over the classes of `truth`; NaN in a draw that lacks one of them.

    A class that is never called rightly counts 0, as it has been missed.

    Args:
        truth: class of each image, 0 to k - 1.
        probabilities: one column a class.
        weights: one row a draw.

    Returns:
        One value in [0, 1] a draw.
    """
    called = probabilities.argmax(axis=1)
    scores = []
    for c in np.unique(truth):
        true, said = weights @ (truth == c), weights @ (called == c)
        both = weights @ ((truth == c) & (called == c))
        with np.errstate(invalid="ignore", divide="ignore"):
            scores.append(np.where(true > 0, 2 * both / (true + said), np.nan))
    return np.mean(scores, axis=0) if scores else np.full(len(weights), np.nan)


def sensitivity_at_specificity(
    positive: Int[np.ndarray, "n"],
    scores: Float[np.ndarray, "n"],
    weights: Weights,
    *,
    specificity: float = SPECIFICITY,
) -> Draws:
    """Return the largest sensitivity at a specificity of at least `specificity`.

    Args:
        positive: 1 where the finding is there, 0 where it is not.
        scores: the more, the more likely; any unit.
        weights: one row a draw.
        specificity: in [0, 1].

    Returns:
        One value in [0, 1] a draw; NaN where either side has no weight.

    Raises:
        Refusal: "expected a specificity from 0 to 1; got ...".
    """
    if not 0 <= specificity <= 1:
        raise Refusal("a specificity from 0 to 1", f"{specificity:g}", "0.9 is usual")
    if len(scores) == 0:
        return np.full(len(weights), np.nan)
    levels, rank = np.unique(-scores, return_inverse=True)
    order = np.argsort(rank, kind="stable")
    starts = np.searchsorted(rank[order], np.arange(len(levels)))
    ordered, yes = weights[:, order], positive[order].astype(np.float64)
    # Thresholds from the strictest down: all images of one score cross it together.
    found = np.cumsum(np.add.reduceat(ordered * yes, starts, axis=1), axis=1)
    false = np.cumsum(np.add.reduceat(ordered * (1 - yes), starts, axis=1), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = found / found[:, -1:]
        allowed = false / false[:, -1:] <= 1 - specificity + 1e-12
    best = np.where(allowed, sensitivity, 0.0).max(axis=1)
    known = (found[:, -1] > 0) & (false[:, -1] > 0)
    return np.where(known, best, np.nan)


def one_against_rest(
    truth: Truth, probabilities: Float[np.ndarray, "n k"], weights: Weights, *, which: int
) -> Draws:
    """Return the AUROC of one class of several; NaN where it, or its rest, has no weight."""
    score = probabilities[:, which]
    positive = (truth == which).astype(np.int64)
    return auroc(positive, np.stack([-score, score], axis=1), weights)
