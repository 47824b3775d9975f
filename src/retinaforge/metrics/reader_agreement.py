"""How far readers agree, under many weightings of the images at once.

Counts n_ij of answer j to image i by k readers, weights w_i:

    Fleiss  P_i = (Σ_j n_ij² − k) / (k (k − 1)),  κ = (Σ w P_i / Σ w − P_e) / (1 − P_e),
            P_e = Σ_j p_j², p_j the weighted share of answer j
    Cohen   κ = (P_o − P_e) / (1 − P_e),  P_e = Σ_j a_j b_j, a and b each reader's shares

Values agree with statsmodels' at equal weights; there each draw is a call of its own.

References:
    J. L. Fleiss, Psychological Bulletin 76 (1971), 378.
    J. Cohen, Educational and Psychological Measurement 20 (1960), 37.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from retinaforge.core import Refusal
from retinaforge.metrics.prediction import Draws, Weights

Answers = Int[np.ndarray, "n"]


def fleiss_kappa(answers: Int[np.ndarray, "n readers"], weights: Weights) -> Draws:
    """Return Fleiss's kappa, one value a draw.

    Args:
        answers: small whole numbers, one column a reader, every cell answered.
        weights: of the images, one row a draw.

    Returns:
        NaN where all answers with weight are the same.

    Raises:
        Refusal: "expected answers of two readers or more; got ...".
    """
    if answers.shape[1] < 2:
        raise Refusal("answers of two readers or more", f"{answers.shape[1]}", "add a reader")
    if answers.shape[0] == 0:
        return np.full(len(weights), np.nan)
    codes = np.unique(answers)
    counts = (answers[:, :, None] == codes).sum(axis=1).astype(np.float64)
    k = answers.shape[1]
    agreed = (np.square(counts).sum(axis=1) - k) / (k * (k - 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weights.sum(axis=1)
        shares = (weights @ counts) / (total * k)[:, None]
        return _beyond_chance((weights @ agreed) / total, np.square(shares).sum(axis=1))


def cohen_kappa(first: Answers, second: Answers, weights: Weights) -> Draws:
    """Return Cohen's unweighted kappa of two readings, one value a draw.

    Args:
        first: answers of one reading.
        second: of the other, to the same images.
        weights: of the images, one row a draw.

    Returns:
        NaN where all answers with weight are the same.
    """
    if first.size == 0:
        return np.full(len(weights), np.nan)
    codes = np.unique(np.concatenate([first, second]))
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weights.sum(axis=1)
        seen = (weights @ (first == second).astype(np.float64)) / total
        a, b = ((weights @ (x[:, None] == codes).astype(np.float64)) for x in (first, second))
        return _beyond_chance(seen, (a * b).sum(axis=1) / np.square(total))


def _beyond_chance(seen: Draws, chance: Draws) -> Draws:
    return np.where(chance < 1 - 1e-12, (seen - chance) / (1 - chance), np.nan)
