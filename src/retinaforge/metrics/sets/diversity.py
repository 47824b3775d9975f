"""How many different images a set holds: Vendi score of features, Inception Score of classes.

Vendi      exp(−Σ λ ln λ), λ eigenvalues of K / n, K = cos(xᵢ, xⱼ)   (Friedman and Dieng 2023)
Inception  exp(mean_i Σ_c pᵢ(c) ln (pᵢ(c) / p̄(c))), p̄ the mean over images   (Salimans et al. 2016)

Both look at the synthetic set alone; what real images reach at the same n stands beside them.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float

from retinaforge.core import Card, Quantity, Refusal
from retinaforge.metrics.pairs import Features
from retinaforge.metrics.sets.clouds import Cloud, inner, make_clouds, raw, too_few
from retinaforge.metrics.sets.frechet import ENCODER, OtherFeatures, Square
from retinaforge.metrics.sets.kernels import without_length
from retinaforge.metrics.sets.pair import Pair

Probabilities = Float[np.ndarray, "n classes"]
OtherProbabilities = Float[np.ndarray, "m classes"]

VENDI_CARD = Card(
    name="vendi",
    version=1,
    measures="effective number of different synthetic images: exponential of the entropy of the "
    f"eigenvalues of the cosine similarities of features {ENCODER}",
    range="[1, inf); at most n",
    direction="higher is better",
    unit="images",
    smallest_n=2,
    reference="Friedman and Dieng, TMLR 2023, definition 1; kernel: cosine",
    known_failure="grows with n, so compare at equal n; noise and artefacts are diversity too: "
    "above the real images' own is no better than on it",
)

INCEPTION_CARD = Card(
    name="inception_score",
    version=1,
    measures="exponential of the mean divergence of an image's class probabilities from their "
    "mean over the synthetic images; all images as one split",
    range="[1, inf); at most the number of classes",
    direction="higher is better",
    unit="1",
    smallest_n=2,
    reference="Salimans et al., NeurIPS 2016, section 4. Published tables take the mean over ten "
    "splits, which is lower; the name holds for Inception-v3 only: the file of 2015 has "
    "1008 classes, whose logits its authors' code takes without bias",
    known_failure="never looks at real images; the classes are everyday objects, among which a "
    "retina has no place; biased by n",
)


def vendi(real: Features, synthetic: OtherFeatures) -> Quantity:
    """Return the effective number of different vectors in the synthetic set.

    exp(−Σ λ ln λ), λ the eigenvalues of the matrix of cosines over m

    Args:
        real: one feature vector a row; not looked at, but counted.
        synthetic: likewise, of the same dimension.

    Returns:
        The number, between 1 and the number of rows; NaN below two rows or where a vector has
        length 0.

    Raises:
        Refusal: "expected two matrices of finite features with equally many columns; got ...".

    References:
        Friedman and Dieng, The Vendi score, TMLR 2023.
    """
    return vendi_score(Pair(*make_clouds(real, synthetic)))


def vendi_score(pair: Pair) -> Quantity:
    """Return the Vendi score of a pair's synthetic set, or why there is none."""
    reason = too_few(VENDI_CARD, pair.a, pair.b) or without_length(pair.b)
    if reason:
        return Quantity(VENDI_CARD, math.nan, reason)
    values = np.linalg.eigvalsh(_similarity(pair.b))
    return Quantity(VENDI_CARD, float(np.exp(_entropy(np.clip(values, 0, None)))))


def inception_score(probabilities: Probabilities, *, splits: int = 1) -> Quantity:
    """Return the Inception Score of class probabilities.

    exp(mean_i Σ_c pᵢ(c) ln (pᵢ(c) / p̄(c)))

    Args:
        probabilities: one distribution over classes a row, summing to 1.
        splits: consecutive parts scored apart and averaged; published tables have 10.

    Returns:
        The score, between 1 and the number of classes, with a warning below one image a class;
        NaN below two images a split.

    Raises:
        Refusal: "expected one distribution over classes a row; got ...".

    References:
        Salimans et al., Improved techniques for training GANs, 2016.
    """
    p = _checked(probabilities)
    if len(p) < INCEPTION_CARD.smallest_n * splits:
        reason = f"needs at least 2 images a split; got {len(p)} in {splits}"
        return Quantity(INCEPTION_CARD, math.nan, reason)
    edges = [k * len(p) // splits for k in range(splits + 1)]
    parts = [p[start:end] for start, end in pairwise(edges)]
    value = float(np.mean([np.exp(max(_divergence(part), 0.0)) for part in parts]))
    n, classes = len(p) // splits, p.shape[1]
    warning = f"warning: {n} images a split are fewer than {classes} classes; the score is low"
    return Quantity(INCEPTION_CARD, value, warning if n < classes else "")


def _similarity(a: Cloud) -> Square:
    """Return cosines over n, or for n > d the d × d matrix of the same eigenvalues."""
    if len(a) <= a.dim:
        every = slice(0, len(a))
        cosines = raw(a, a, every, every, inner(a, a)) / a.lengths
        return cosines / a.lengths[:, None] / len(a)
    total, start = np.zeros((a.dim, a.dim)), 0
    for rows in a.blocks():
        rows += a.centre
        rows /= a.lengths[start : start + len(rows), None]
        total += rows.T @ rows
        start += len(rows)
    return total / len(a)


def _divergence(p: Probabilities) -> float:
    """Return the mean of Σ p ln p less Σ p̄ ln p̄."""
    return _entropy(p.mean(axis=0)) - float(np.mean([_entropy(row) for row in p]))


def _entropy(p: Float[np.ndarray, "size"]) -> float:
    """Return −Σ p ln p, with 0 ln 0 = 0."""
    p = p[p > 0]
    return -float(np.sum(p * np.log(p)))


def _checked(probabilities: Any) -> Probabilities:
    p = np.asarray(probabilities, np.float64)
    if p.ndim == 2 and p.shape[1] > 0:
        if len(p) == 0 or (p.min() >= 0 and np.abs(p.sum(axis=1) - 1).max() < 1e-3):
            return p
        came = f"rows from {p.min():g} up, with sums {p.sum(axis=1).min():g} to {p.sum(1).max():g}"
    else:
        came = f"shape {p.shape}"
    raise Refusal(
        "one distribution over classes a row, not negative and summing to 1",
        came,
        "hand over the softmax of the network's logits",
    )
