"""Distances between two sets of feature vectors: Fréchet (Gaussian) and kernel (MMD²).

Fréchet:  |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½)             (Dowson and Landau 1982)
Kernel:   mean k(x, x') + mean k(y, y') − 2 mean k(x, y), i ≠ j, k(x, y) = (x·y / d + 1)³

Neither is FID or KID: those names mean Inception features, and the encoder here is the caller's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.covariance import ledoit_wolf

from retinaforge.core import Card, Quantity, Refusal
from retinaforge.metrics.pairs import Features

OtherFeatures = Float[np.ndarray, "m dim"]
Matrix = Float[np.ndarray, "dim dim"]
Kernel = Float[np.ndarray, "n m"]
OwnKernel = Float[np.ndarray, "n n"]
_ENCODER = "of a named encoder (state it beside the number)"

FRECHET_CARD = Card(
    name="frechet_distance",
    version=1,
    measures=f"distance of two Gaussians fitted to features {_ENCODER}",
    range="[0, inf)",
    direction="lower is better",
    unit="squared feature units",
    smallest_n=2,
    reference="Dowson and Landau, J. Multivar. Anal. 12, 1982, eq. 6; sample covariances (n - 1), "
    "float64. Not FID: another encoder",
    known_failure="biased upwards at small n; below n = feature dimension the covariance is "
    "singular and the number says more about n than about the images",
)

SHRUNK_CARD = Card(
    name="frechet_distance_shrunk",
    version=1,
    measures=f"Fréchet distance with Ledoit-Wolf shrunk covariances on features {_ENCODER}",
    range="[0, inf)",
    direction="lower is better",
    unit="squared feature units",
    smallest_n=2,
    reference="Dowson and Landau 1982, eq. 6; covariances after Ledoit and Wolf, "
    "J. Multivar. Anal. 88, 2004",
    known_failure="shrinkage towards a sphere hides differences of covariance at small n; "
    "sets of different size are shrunk differently, so compare at equal n",
)

KERNEL_CARD = Card(
    name="kernel_distance",
    version=1,
    measures=f"unbiased squared maximum mean discrepancy, cubic kernel, on features {_ENCODER}",
    range="(-inf, inf); expected value 0 for two samples of one distribution",
    direction="lower is better",
    unit="1",
    smallest_n=2,
    reference="Binkowski et al., ICLR 2018, section 4; Gretton et al., JMLR 2012, eq. 3. "
    "Not KID: another encoder, all pairs instead of subsets",
    known_failure="unbiased but noisy at small n, where it may be negative; sees only what the "
    "encoder sees",
)


def frechet_distance(real: Features, synthetic: OtherFeatures) -> Quantity:
    """Return the Fréchet distance of two feature sets.

    |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½)

    Args:
        real: one feature vector a row.
        synthetic: likewise, of the same dimension.

    Returns:
        The distance in squared feature units, with a warning as its reason where a set is smaller
        than the dimension; NaN below two rows.

    Raises:
        Refusal: "expected two matrices of finite features with equally many columns; got ...".

    References:
        Dowson and Landau 1982, eq. 6; Heusel et al. 2017 for its use on deep features.
    """
    return _frechet(FRECHET_CARD, real, synthetic)


def frechet_distance_shrunk(real: Features, synthetic: OtherFeatures) -> Quantity:
    """Return the Fréchet distance with Ledoit-Wolf covariances, for sets of few images.

    Args:
        real: one feature vector a row.
        synthetic: likewise, of the same dimension.

    Returns:
        The distance in squared feature units; NaN below two rows.

    Raises:
        Refusal: "expected two matrices of finite features with equally many columns; got ...".

    References:
        Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance, 2004.
    """
    return _frechet(SHRUNK_CARD, real, synthetic)


def kernel_distance(real: Features, synthetic: OtherFeatures) -> Quantity:
    """Return the unbiased squared maximum mean discrepancy under a cubic kernel.

    Σ_{i≠j} k(xᵢ, xⱼ) / n(n−1) + Σ_{i≠j} k(yᵢ, yⱼ) / m(m−1) − 2 Σ k(xᵢ, yⱼ) / nm

    Args:
        real: one feature vector a row.
        synthetic: likewise, of the same dimension.

    Returns:
        The distance, without unit; NaN below two rows.

    Raises:
        Refusal: "expected two matrices of finite features with equally many columns; got ...".

    References:
        Bińkowski et al., Demystifying MMD GANs, ICLR 2018, section 4.
    """
    x, y = _checked(real, synthetic)
    if min(len(x), len(y)) < 2:
        return Quantity(KERNEL_CARD, math.nan, _too_few(x, y))
    within = _mean_off_diagonal(_cubic(x, x)) + _mean_off_diagonal(_cubic(y, y))
    return Quantity(KERNEL_CARD, within - 2 * float(_cubic(x, y).mean()))


def gaussian_frechet(mean_1: Any, covariance_1: Any, mean_2: Any, covariance_2: Any) -> float:
    """Return the squared Fréchet distance of two Gaussians given by their moments.

    The trace of the matrix square root is taken from the eigenvalues of a symmetric product, which
    needs no `scipy.linalg.sqrtm` (its signature changes) and never leaves the real numbers.

    Args:
        mean_1: shape (dim,), feature units.
        covariance_1: shape (dim, dim), squared feature units.
        mean_2: like `mean_1`.
        covariance_2: like `covariance_1`.

    Returns:
        The distance in squared feature units, at least 0.

    References:
        Dowson and Landau 1982, eq. 6.
    """
    root = _square_root(covariance_1)
    eigenvalues = np.linalg.eigvalsh(root @ covariance_2 @ root)
    overlap = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    spread = np.trace(covariance_1) + np.trace(covariance_2) - 2 * overlap
    return max(float(np.sum((mean_1 - mean_2) ** 2) + spread), 0.0)


def _frechet(card: Card, real: np.ndarray, synthetic: np.ndarray) -> Quantity:
    x, y = _checked(real, synthetic)
    if min(len(x), len(y)) < 2:
        return Quantity(card, math.nan, _too_few(x, y))
    shrink = card is SHRUNK_CARD
    sigma = [_shrunk(z) if shrink else np.atleast_2d(np.cov(z, rowvar=False)) for z in (x, y)]
    value = gaussian_frechet(x.mean(axis=0), sigma[0], y.mean(axis=0), sigma[1])
    return Quantity(card, value, "" if shrink else _singular(x, y))


def _shrunk(features: Features) -> Matrix:
    return ledoit_wolf(features)[0]


def _square_root(matrix: Matrix) -> Matrix:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def _cubic(x: Features, y: OtherFeatures) -> Kernel:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _mean_off_diagonal(kernel: OwnKernel) -> float:
    n = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))


def _too_few(x: Features, y: OtherFeatures) -> str:
    return f"needs at least 2 images a set; got {len(x)} and {len(y)}"


def _singular(x: Features, y: OtherFeatures) -> str:
    n, dim = min(len(x), len(y)), x.shape[1]
    if n > dim:
        return ""
    return f"warning: n = {n} does not exceed the feature dimension {dim}; covariance is singular"


def _checked(real: Any, synthetic: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(real, np.float64), np.asarray(synthetic, np.float64)
    same = x.ndim == y.ndim == 2 and x.shape[1] == y.shape[1] > 0
    if same and np.isfinite(x).all() and np.isfinite(y).all():
        return x, y
    raise Refusal(
        "two matrices of finite features with equally many columns",
        f"shapes {x.shape} and {y.shape}" + (" with NaN or infinity" if same else ""),
        "compute both with the same encoder, one row an image",
    )
