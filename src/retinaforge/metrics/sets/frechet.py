"""Fréchet distance of the Gaussians fitted to two sets of features, plain and shrunk.

d² = |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁^½ Σ₂ Σ₁^½)^½                (Dowson and Landau 1982)

With Σ₁ = AᵀA and Σ₂ = BᵀB the last trace is ‖A Bᵀ‖_*, the sum of the singular values of A Bᵀ. For
fewer images than features A and B are the centred features themselves and A Bᵀ is n × m: exact,
and no d × d matrix is ever made. Else they are Cholesky factors of the covariances.

None of these is FID: that name means Inception features, and the encoder here is the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from scipy.linalg import get_blas_funcs, get_lapack_funcs

from retinaforge.core import Card, Quantity
from retinaforge.metrics.pairs import Features
from retinaforge.metrics.sets.clouds import Cloud, inner, loose_clouds, make_clouds, too_few
from retinaforge.metrics.sets.pair import Pair

OtherFeatures = Float[np.ndarray, "m dim"]
Square = Float[np.ndarray, "size size"]
Product = Float[np.ndarray, "rows columns"]
Factor = Float[np.ndarray, "rank size"]
ENCODER = "of a named encoder (state it beside the number)"

FRECHET_CARD = Card(
    name="frechet_distance",
    version=1,
    measures=f"distance of two Gaussians fitted to features {ENCODER}",
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
    measures=f"Fréchet distance with Ledoit-Wolf shrunk covariances on features {ENCODER}",
    range="[0, inf)",
    direction="lower is better",
    unit="squared feature units",
    smallest_n=2,
    reference="Dowson and Landau 1982, eq. 6; covariances after Ledoit and Wolf, "
    "J. Multivar. Anal. 88, 2004",
    known_failure="shrinkage towards a sphere hides differences of covariance at small n; "
    "sets of different size are shrunk differently, so compare at equal n",
)


def frechet_distance(real: Features, synthetic: OtherFeatures) -> Quantity:
    """Return the Fréchet distance of two feature sets.

    |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 ‖A Bᵀ‖_*

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
    return frechet_score(Pair(*loose_clouds(real, synthetic)))


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
    return shrunk_score(Pair(*make_clouds(real, synthetic)))


def frechet_score(pair: Pair) -> Quantity:
    """Return the plain distance of a pair, or why there is none."""
    reason = too_few(FRECHET_CARD, pair.a, pair.b)
    if reason:
        return Quantity(FRECHET_CARD, math.nan, reason)
    return Quantity(FRECHET_CARD, frechet(pair.a, pair.b), singular(pair.a, pair.b))


def shrunk_score(pair: Pair) -> Quantity:
    """Return the shrunk distance of a pair, or why there is none."""
    reason = too_few(SHRUNK_CARD, pair.a, pair.b)
    value = math.nan if reason else _frechet_shrunk(pair.a, pair.b)
    return Quantity(SHRUNK_CARD, value, reason)


def singular(a: Cloud, b: Cloud) -> str:
    """Return a warning where a set has too few images for a covariance of full rank."""
    n = min(len(a), len(b))
    if n > a.dim:
        return ""
    return f"warning: n = {n} does not exceed the feature dimension {a.dim}; covariance is singular"


def frechet(a: Cloud, b: Cloud) -> float:
    """Return the Fréchet distance of two clouds of at least two rows each."""
    if max(len(a), len(b)) <= a.dim:
        product = _doubly_centred(inner(a, b)) / math.sqrt((len(a) - 1) * (len(b) - 1))
    else:
        product = _factor(a) @ _factor(b).T
    gap = a.mean - b.mean
    spread = _variance(a) + _variance(b) - 2 * nuclear_norm(product)
    return max(float(gap @ gap + spread), 0.0)


def gaussian_frechet(
    mean_1: Float[np.ndarray, "size"],
    covariance_1: Square,
    mean_2: Float[np.ndarray, "size"],
    covariance_2: Square,
) -> float:
    """Return the squared Fréchet distance of two Gaussians given by their moments.

    |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 ‖L₁ᵀ L₂‖_* with Σ = L Lᵀ: no `scipy.linalg.sqrtm`, whose
    signature changes, and never a complex number.

    Args:
        mean_1: feature units.
        covariance_1: squared feature units; symmetric and positive semidefinite.
        mean_2: like `mean_1`.
        covariance_2: like `covariance_1`.

    Returns:
        The distance in squared feature units, at least 0.

    References:
        Dowson and Landau 1982, eq. 6.
    """
    overlap = nuclear_norm(cholesky_factor(covariance_1) @ cholesky_factor(covariance_2).T)
    gap = np.asarray(mean_1) - np.asarray(mean_2)
    spread = np.trace(covariance_1) + np.trace(covariance_2) - 2 * overlap
    return max(float(gap @ gap + spread), 0.0)


def nuclear_norm(matrix: Product) -> float:
    """Return the sum of the singular values."""
    return float(np.linalg.svd(matrix, compute_uv=False).sum()) if matrix.size else 0.0


def cholesky_factor(matrix: Square) -> Factor:
    """Return R with RᵀR = matrix; by pivoting where it is singular, which is four times slower."""
    potrf, pstrf = get_lapack_funcs(("potrf", "pstrf"), (matrix,))
    factor, failed = potrf(matrix)
    if not failed:
        return factor
    packed, pivots, rank, _ = pstrf(matrix)
    factor = np.zeros((rank, len(packed)))
    factor[:, pivots - 1] = np.triu(packed)[:rank]
    return factor


def _doubly_centred(product: Product) -> Product:
    product -= product.mean(axis=0)
    product -= product.mean(axis=1, keepdims=True)
    return product


def _factor(a: Cloud) -> Factor:
    """Return A with AᵀA the covariance: centred features if they are few, else Cholesky's."""
    if len(a) <= a.dim:
        return (a.rows() - a.mean) / math.sqrt(len(a) - 1)
    return cholesky_factor(_scatter(a) / (len(a) - 1))


def _scatter(a: Cloud) -> Square:
    """Return Σ (x − μ)(x − μ)ᵀ, some rows at a time."""
    total = np.zeros((a.dim, a.dim), order="F")
    (add_product,) = get_blas_funcs(("syrk",), (total,))
    for rows in a.blocks():
        rows -= a.mean
        total = add_product(1.0, rows.T, beta=1.0, c=total, overwrite_c=True)
    total = np.triu(total)  # the routine leaves the lower half alone
    total += np.triu(total, 1).T
    return total


def _variance(a: Cloud) -> float:
    """Return tr Σ."""
    return float(a.norms.sum() - len(a) * (a.mean @ a.mean)) / (len(a) - 1)


def _frechet_shrunk(a: Cloud, b: Cloud) -> float:
    """Return the distance under (1 − s) S + s μ I, S with 1/n, in the span of both sets.

    Outside that span, of dimension d − r, both covariances are the multiple s μ of the identity.
    """
    scatters = _scatters_in_span(a, b) if len(a) + len(b) < a.dim else (_scatter(a), _scatter(b))
    shrunk, floors = zip(
        *(_shrunk(s, z) for s, z in zip(scatters, (a, b), strict=True)), strict=True
    )
    outside = (a.dim - len(scatters[0])) * math.sqrt(floors[0] * floors[1])
    overlap = outside + nuclear_norm(cholesky_factor(shrunk[0]) @ cholesky_factor(shrunk[1]).T)
    gap = a.mean - b.mean
    traces = sum(_variance(z) * (len(z) - 1) / len(z) for z in (a, b))
    return max(float(gap @ gap + traces - 2 * overlap), 0.0)


def _scatters_in_span(a: Cloud, b: Cloud) -> tuple[Square, Square]:
    """Return both scatters in coordinates of the space that the rows of both sets span."""
    across = inner(a, b)
    gram = np.block([[inner(a, a), across], [across.T, inner(b, b)]])
    coordinates = cholesky_factor(gram).T
    parts = coordinates[: len(a)], coordinates[len(a) :]
    x, y = (part - part.mean(axis=0) for part in parts)
    return x.T @ x, y.T @ y


def _shrunk(scatter: Square, a: Cloud) -> tuple[Square, float]:
    """Return Ledoit and Wolf's covariance and its part s μ that is a multiple of the identity."""
    n, dim = len(a), a.dim
    covariance = scatter / n
    mu = float(np.trace(covariance)) / dim
    fourth = sum(float((np.einsum("ij,ij->i", r, r) ** 2).sum()) for r in _about_own_mean(a))
    square = float(np.sum(covariance**2))
    distance = square - dim * mu**2
    error = min((fourth / n - square) / n, distance)
    shrinkage = error / distance if dim > 1 and distance > 0 and error > 0 else 0.0
    covariance *= 1 - shrinkage
    covariance.flat[:: len(covariance) + 1] += shrinkage * mu
    return covariance, shrinkage * mu


def _about_own_mean(a: Cloud) -> Iterator[Float[np.ndarray, "k dim"]]:
    """Yield x − μ, some rows at a time."""
    for rows in a.blocks():
        rows -= a.mean
        yield rows
