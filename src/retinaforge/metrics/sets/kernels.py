"""Squared maximum mean discrepancies (MMD²) of two sets of features, over all pairs.

Cubic, unbiased:    Σ_{i≠j} k(xᵢ, xⱼ) / n(n−1) + Σ_{i≠j} k(yᵢ, yⱼ) / m(m−1) − 2 mean k(x, y),
                    k(x, y) = (x·y / d + 1)³                            (Bińkowski et al. 2018)
Gaussian, biased:   1000 (mean k(x, x') + mean k(y, y') − 2 mean k(x, y)),
                    k(x, y) = exp(−|x − y|² / 2σ²), σ = 10, |x| = |y| = 1 (Jayasumana et al. 2024)

Neither is KID or CMMD by itself: those names mean Inception and CLIP features. `CMMD_CARD` is the
Gaussian one's card where the features are CLIP's.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace

import numpy as np

from retinaforge.core import Card, Quantity
from retinaforge.metrics.pairs import Features
from retinaforge.metrics.sets.clouds import Cloud, Tile, make_clouds, raw, too_few
from retinaforge.metrics.sets.frechet import ENCODER, OtherFeatures
from retinaforge.metrics.sets.pair import Pair, Watcher

SIGMA = 10.0
SCALE = 1000.0
NO_LENGTH = "a feature vector of length 0 cannot be normalised"

KERNEL_CARD = Card(
    name="kernel_distance",
    version=1,
    measures=f"unbiased squared maximum mean discrepancy, cubic kernel, on features {ENCODER}",
    range="(-inf, inf); expected value 0 for two samples of one distribution",
    direction="lower is better",
    unit="1",
    smallest_n=2,
    reference="Binkowski et al., ICLR 2018, section 4; Gretton et al., JMLR 2012, eq. 3. "
    "Not KID: another encoder, all pairs instead of subsets",
    known_failure="unbiased but noisy at small n, where it may be negative; sees only what the "
    "encoder sees",
)

GAUSSIAN_CARD = Card(
    name="mmd_gaussian",
    version=1,
    measures="biased squared maximum mean discrepancy times 1000, Gaussian kernel of sigma 10, on "
    f"features of length 1 {ENCODER}",
    range="[0, inf)",
    direction="lower is better",
    unit="1",
    smallest_n=2,
    reference="Jayasumana et al., CVPR 2024 (CMMD), with the estimator of their code: Gretton et "
    "al., JMLR 2012, eq. 5. CMMD only where the encoder is CLIP ViT-L/14 at 336 px",
    known_failure="biased upwards by about 10 (1/n + 1/m) times the spread of the features; sigma "
    "is far wider than vectors of length 1 are apart, so it sees little beyond the means",
)

CMMD_CARD = replace(
    GAUSSIAN_CARD,
    name="cmmd",
    measures="CMMD: biased squared maximum mean discrepancy times 1000, Gaussian kernel of sigma "
    "10, on CLIP's image embeddings scaled to length 1",
    reference="Jayasumana et al., CVPR 2024, with the estimator of their code. Published values "
    "are of CLIP ViT-L/14 at 336 px: the protocol names the tower that was used here",
)


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
    return kernel_score(Pair(*make_clouds(real, synthetic)))


def mmd_gaussian(real: Features, synthetic: OtherFeatures) -> Quantity:
    """Return CMMD's estimator of the squared maximum mean discrepancy, times 1000.

    1000 (mean k(x, x') + mean k(y, y') − 2 mean k(x, y)), diagonals included

    Args:
        real: one feature vector a row; scaled to length 1 here.
        synthetic: likewise, of the same dimension.

    Returns:
        The distance, without unit; NaN below two rows or where a vector has length 0.

    Raises:
        Refusal: "expected two matrices of finite features with equally many columns; got ...".

    References:
        Jayasumana et al., Rethinking FID, CVPR 2024.
    """
    return gaussian_score(Pair(*make_clouds(real, synthetic)))


class KernelSums(Watcher):
    """Sums of a kernel within both sets, on their diagonals, and across."""

    def __init__(self, a: Cloud, b: Cloud) -> None:
        super().__init__(a, b)
        self.totals = [0.0, 0.0]
        self.diagonals = [0.0, 0.0]
        self.cross = 0.0

    @abstractmethod
    def kernel(self, a: Cloud, b: Cloud, rows: slice, columns: slice, tile: Tile) -> Tile:
        """Return the kernel of a tile of inner products."""

    def within(self, side: int, rows: slice, columns: slice, tile: Tile) -> None:
        """Add a tile on or above the diagonal, which stands for its mirror image too."""
        a = self.sets[side]
        values = self.kernel(a, a, rows, columns, tile)
        if rows == columns:
            self.diagonals[side] += float(np.trace(values))
            self.totals[side] += float(values.sum())
        else:
            self.totals[side] += 2 * float(values.sum())

    def across(self, rows: slice, columns: slice, tile: Tile) -> None:
        """Add a tile of one set against the other."""
        self.cross += float(self.kernel(*self.sets, rows, columns, tile).sum())

    def unbiased(self) -> float:
        """Return the discrepancy without the diagonals."""
        n, m = (len(z) for z in self.sets)
        first, second = (t - d for t, d in zip(self.totals, self.diagonals, strict=True))
        return first / (n * (n - 1)) + second / (m * (m - 1)) - 2 * self.cross / (n * m)

    def biased(self) -> float:
        """Return the discrepancy with the diagonals; at least 0."""
        n, m = (len(z) for z in self.sets)
        value = self.totals[0] / n**2 + self.totals[1] / m**2 - 2 * self.cross / (n * m)
        return max(value, 0.0)


class Cubic(KernelSums):
    """Sums of (x·y / d + 1)³."""

    def kernel(self, a: Cloud, b: Cloud, rows: slice, columns: slice, tile: Tile) -> Tile:
        """Return (x·y / d + 1)³."""
        base = raw(a, b, rows, columns, tile)
        base /= a.dim
        base += 1
        cube = base * base
        cube *= base
        return cube


class Gaussian(KernelSums):
    """Sums of exp(−|x − y|² / 2σ²) of vectors scaled to length 1."""

    def kernel(self, a: Cloud, b: Cloud, rows: slice, columns: slice, tile: Tile) -> Tile:
        """Return exp((cos − 1) / σ²)."""
        cosine = raw(a, b, rows, columns, tile)
        cosine /= a.lengths[rows, None]
        cosine /= b.lengths[columns]
        cosine -= 1
        cosine /= SIGMA**2
        return np.exp(cosine, out=cosine)


def kernel_score(pair: Pair) -> Quantity:
    """Return the cubic distance of a pair, or why there is none."""
    reason = too_few(KERNEL_CARD, pair.a, pair.b)
    return Quantity(KERNEL_CARD, math.nan if reason else pair.seen_by(Cubic).unbiased(), reason)


def gaussian_score(pair: Pair) -> Quantity:
    """Return the Gaussian distance of a pair, or why there is none."""
    reason = too_few(GAUSSIAN_CARD, pair.a, pair.b) or without_length(pair.a, pair.b)
    value = math.nan if reason else SCALE * pair.seen_by(Gaussian).biased()
    return Quantity(GAUSSIAN_CARD, value, reason)


def without_length(*clouds: Cloud) -> str:
    """Return why vectors cannot be scaled to length 1; "" if they can."""
    return "" if all(z.lengths.min() > 0 for z in clouds) else NO_LENGTH
