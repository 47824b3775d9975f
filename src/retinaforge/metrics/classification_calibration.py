"""Whether a classifier's probabilities are what they say.

    ECE     Σ over bins of confidence  | Σ_b w ([c = t] − max p) |  /  Σ w
    Brier   Σ w Σ_k (p_k − [t = k])² / Σ w, of two classes half of it
    entropy −Σ_k p_k log p_k

References:
    Naeini et al., AAAI 2015, and Guo et al., ICML 2017 (ECE, equal bins of the largest
    probability). G. W. Brier, Monthly Weather Review 78 (1950), 1. C. E. Shannon, 1948.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from retinaforge.core import Card, Refusal

BINS = 10

ECE_CARD = Card(
    name="ece",
    version=1,
    measures=f"mean gap between confidence and accuracy over {BINS} equal bins of the largest "
    "probability, bins weighted by their images",
    range="[0, 1]",
    direction="lower is better",
    unit="1",
    smallest_n=50,
    reference="Naeini et al., AAAI 2015; Guo et al., ICML 2017",
    known_failure="biased upwards on few images, and a constant answer of the classes' shares "
    "scores well: read it beside AUROC",
)
BRIER_CARD = Card(
    name="brier",
    version=1,
    measures="mean squared distance of the probabilities from the truth, of two classes halved as "
    "scikit-learn does",
    range="[0, 1] of two classes, [0, 2] of more",
    direction="lower is better",
    unit="1",
    smallest_n=10,
    reference="Brier, Monthly Weather Review 78, 1950; sklearn.metrics.brier_score_loss",
    known_failure="mixes calibration with discrimination, and depends on how common classes are",
)
ENTROPY_CARD = Card(
    name="predictive_entropy",
    version=1,
    measures="mean entropy of the probabilities: how unsure the classifier says it is",
    range="[0, log k]",
    direction="neither",
    unit="nat",
    smallest_n=1,
    reference="Shannon 1948; used to pick doubtful cases: Leibig et al., Sci. Rep. 7, 2017",
    known_failure="low entropy is no proof of being right",
)
CALIBRATION_CARDS = (ECE_CARD, BRIER_CARD, ENTROPY_CARD)

Weights = Float[np.ndarray, "draws n"]
Draws = Float[np.ndarray, "draws"]


def expected_calibration_error(
    truth: Int[np.ndarray, "n"],
    probabilities: Float[np.ndarray, "n k"],
    weights: Weights,
    *,
    bins: int = BINS,
) -> Draws:
    """Return the gap between confidence and accuracy, over equal bins of confidence.

    Args:
        truth: class of each image.
        probabilities: one column a class, rows sum to 1.
        weights: one row a draw.
        bins: number of bins of [0, 1]; a bin holds its upper edge, not its lower.

    Returns:
        One value in [0, 1] a draw; NaN in a draw without images.

    Raises:
        Refusal: "expected at least one bin; got ...".
    """
    if bins < 1:
        raise Refusal("at least one bin", f"{bins}", "10 or 15 are usual")
    confidence = probabilities.max(axis=1)
    gap = (probabilities.argmax(axis=1) == truth) - confidence
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left")
    inside = np.eye(bins)[place]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.abs(weights @ (inside * gap[:, None])).sum(axis=1) / weights.sum(axis=1)


def brier(
    truth: Int[np.ndarray, "n"], probabilities: Float[np.ndarray, "n k"], weights: Weights
) -> Draws:
    """Return the mean squared distance of probabilities from the truth, of two classes halved.

    Args:
        truth: class of each image, 0 to k - 1.
        probabilities: one column a class, rows sum to 1.
        weights: one row a draw.

    Returns:
        One value a draw, in [0, 1] of two classes, in [0, 2] of more; NaN without images.
    """
    classes = probabilities.shape[1]
    far = ((probabilities - np.eye(classes)[truth]) ** 2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ far) / weights.sum(axis=1) / (2 if classes == 2 else 1)


def predictive_entropy(probabilities: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n"]:
    """Return the entropy of each row of probabilities, in nats; 0 log 0 is 0."""
    p = np.clip(probabilities, 0, 1)
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1)
