"""Fidelity and diversity by nearest neighbours, k = 5, a ball for each image to its k-th neighbour.

precision  share of synthetic images inside the ball of a real one        (Kynkäänniemi et al. 2019)
recall     share of real images inside the ball of a synthetic one
density    mean number of real balls a synthetic image lies in, over k           (Naeem et al. 2020)
coverage   share of real images whose ball holds a synthetic one

Only tiles of distances are held, never a matrix of all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from retinaforge.core import Card, Quantity
from retinaforge.metrics.pairs import Features
from retinaforge.metrics.sets.clouds import Cloud, Tile, Vector, make_clouds, too_few
from retinaforge.metrics.sets.frechet import ENCODER, OtherFeatures
from retinaforge.metrics.sets.pair import Pair, Watcher

NEIGHBOURS = 5
COARSE = 50
# Distances that differ by less than rounding are equal; what lies on a ball is not inside it.
ROUNDING = 1e-13

Nearest = Float[np.ndarray, "n k"]
Places = Int[np.ndarray, "size"]
_KYNKAANNIEMI = "Kynkaanniemi et al., NeurIPS 2019, eq. 1 and 2, with k = 5"
_NAEEM = "Naeem et al., ICML 2020, eq. 3 and 4, with k = 5; values of their package prdc"


def _card(name: str, measures: str, *, top: str, reference: str, known_failure: str) -> Card:
    return Card(
        name=name,
        version=1,
        measures=f"{measures} (ball: to the 5th nearest of the same set), features {ENCODER}",
        range=f"[0, {top}",
        direction="higher is better",
        unit="1",
        smallest_n=10,
        reference=reference,
        known_failure=known_failure,
    )


PRECISION_CARD = _card(
    "precision",
    "share of synthetic images inside the ball of at least one real image",
    top="1]",
    reference=_KYNKAANNIEMI,
    known_failure="one outlier among the real images makes a ball that holds nearly everything; "
    "copies of real images score 1; grows with the number of real images",
)
RECALL_CARD = _card(
    "recall",
    "share of real images inside the ball of at least one synthetic image",
    top="1]",
    reference=_KYNKAANNIEMI,
    known_failure="scattered synthetic images make wide balls and so high recall; sets of "
    "different size are not comparable",
)
DENSITY_CARD = _card(
    "density",
    "number of real balls that a synthetic image lies in, over 5",
    top="inf); 1 for two samples of one distribution",
    reference=_NAEEM,
    known_failure="exceeds 1 where synthetic images crowd in the middle of the real ones, as after "
    "mode collapse: read it beside coverage",
)
COVERAGE_CARD = _card(
    "coverage",
    "share of real images whose ball holds at least one synthetic image",
    top="1]",
    reference=_NAEEM,
    known_failure="about 0.97 for two equally large samples of one distribution, never quite 1; "
    "falls where the synthetic set is smaller than the real one",
)


def precision(real: Features, synthetic: OtherFeatures) -> Quantity:
    """Return the share of synthetic vectors inside the ball of at least one real vector.

    mean_j [∃ i: |yⱼ − xᵢ| < rᵢ], rᵢ the distance of xᵢ to its 5th nearest real vector

    Args:
        real: one feature vector a row.
        synthetic: likewise, of the same dimension.

    Returns:
        The share in [0, 1]; NaN below ten rows.

    Raises:
        Refusal: "expected two matrices of finite features with equally many columns; got ...".

    References:
        Kynkäänniemi et al., Improved precision and recall metric, NeurIPS 2019.
    """
    return precision_score(Pair(*make_clouds(real, synthetic)))


def recall(real: Features, synthetic: OtherFeatures) -> Quantity:
    """Return the share of real vectors inside the ball of at least one synthetic vector.

    mean_i [∃ j: |xᵢ − yⱼ| < sⱼ], sⱼ the distance of yⱼ to its 5th nearest synthetic vector

    Args:
        real: one feature vector a row.
        synthetic: likewise, of the same dimension.

    Returns:
        The share in [0, 1]; NaN below ten rows.

    Raises:
        Refusal: "expected two matrices of finite features with equally many columns; got ...".

    References:
        Kynkäänniemi et al., Improved precision and recall metric, NeurIPS 2019.
    """
    return recall_score(Pair(*make_clouds(real, synthetic)))


def density(real: Features, synthetic: OtherFeatures) -> Quantity:
    """Return how many real balls a synthetic vector lies in, over 5, on average.

    Σ_i Σ_j [|yⱼ − xᵢ| < rᵢ] / 5 m

    Args:
        real: one feature vector a row.
        synthetic: likewise, of the same dimension.

    Returns:
        The density, at least 0, near 1 for one distribution; NaN below ten rows.

    Raises:
        Refusal: "expected two matrices of finite features with equally many columns; got ...".

    References:
        Naeem et al., Reliable fidelity and diversity metrics, ICML 2020.
    """
    return density_score(Pair(*make_clouds(real, synthetic)))


def coverage(real: Features, synthetic: OtherFeatures) -> Quantity:
    """Return the share of real vectors whose ball holds at least one synthetic vector.

    mean_i [∃ j: |yⱼ − xᵢ| < rᵢ]

    Args:
        real: one feature vector a row.
        synthetic: likewise, of the same dimension.

    Returns:
        The share in [0, 1]; NaN below ten rows.

    Raises:
        Refusal: "expected two matrices of finite features with equally many columns; got ...".

    References:
        Naeem et al., Reliable fidelity and diversity metrics, ICML 2020.
    """
    return coverage_score(Pair(*make_clouds(real, synthetic)))


def covered_rows(real: Features, synthetic: OtherFeatures) -> Bool[np.ndarray, "n"]:
    """Return for each real vector whether its ball holds at least one synthetic vector.

    Args:
        real: one feature vector a row.
        synthetic: likewise, of the same dimension.

    Returns:
        True where it is covered; their mean is `coverage`.

    Raises:
        Refusal: "expected two matrices of finite features with equally many columns; got ...".
    """
    return Pair(*make_clouds(real, synthetic)).seen_by(Balls).covered


class Balls(Watcher):
    """Balls about both sets' vectors, and who lies in whose."""

    def __init__(self, a: Cloud, b: Cloud) -> None:
        super().__init__(a, b)
        self.nearest = [np.full((len(z), NEIGHBOURS), np.inf) for z in (a, b)]
        self.slack = ROUNDING * max((float(z.norms.max(initial=0)) for z in (a, b)), default=0)
        self.synthetic_inside = np.zeros(len(b), dtype=bool)
        self.real_inside = np.zeros(len(a), dtype=bool)
        self.covered = np.zeros(len(a), dtype=bool)
        self.memberships = 0

    def within(self, side: int, rows: slice, columns: slice, tile: Tile) -> None:
        """Bring a tile's squared distances into the lists of nearest neighbours."""
        a, nearest = self.sets[side], self.nearest[side]
        squares = _squares(a, a, rows, columns, tile)
        if rows == columns:
            np.fill_diagonal(squares, np.inf)
        else:
            nearest[columns] = _merged(nearest[columns], squares.T)
        nearest[rows] = _merged(nearest[rows], squares)

    def across(self, rows: slice, columns: slice, tile: Tile) -> None:
        """Count who lies in whose ball."""
        squares = _squares(*self.sets, rows, columns, tile)
        inside = squares < self._radii(0)[rows, None]
        self.memberships += int(np.count_nonzero(inside))
        self.synthetic_inside[columns] |= inside.any(axis=0)
        self.covered[rows] |= inside.any(axis=1)
        self.real_inside[rows] |= (squares < self._radii(1)[columns]).any(axis=1)

    def _radii(self, side: int) -> Vector:
        """Return each vector's squared radius, less what rounding may have added."""
        return self.nearest[side].max(axis=1) - self.slack


def _merged(nearest: Nearest, squares: Tile) -> Nearest:
    """Return the nearest of those that were known and of a tile's rows."""
    farthest = nearest.max(axis=1)
    if np.isfinite(farthest).all():  # few of a tile are nearer than what is known already
        if squares.flags.c_contiguous:
            who, where = np.nonzero(squares < farthest[:, None])
        else:  # by the memory's order, which is that of the transpose
            where, who = np.nonzero(np.less(squares.T, farthest))
        squares = _in_rows(who, squares[who, where], len(nearest))
    else:
        squares = np.ascontiguousarray(squares)
    if squares.shape[1] > NEIGHBOURS:
        squares = np.partition(squares, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
    both = np.concatenate([nearest, squares], axis=1)
    return np.partition(both, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]


def _in_rows(who: Places, values: Vector, count: int) -> Nearest:
    """Return each row's nearest of scattered values, infinity where there are fewer."""
    order = np.lexsort((values, who))
    who, values = who[order], values[order]
    rank = np.arange(len(who)) - np.searchsorted(who, who)
    kept = rank < NEIGHBOURS
    found = np.full((count, NEIGHBOURS), np.inf)
    found[who[kept], rank[kept]] = values[kept]
    return found


def _squares(a: Cloud, b: Cloud, rows: slice, columns: slice, tile: Tile) -> Tile:
    squares = tile * -2
    squares += a.norms[rows, None]
    squares += b.norms[columns]
    return squares


def precision_score(pair: Pair) -> Quantity:
    """Return the precision of a pair, or why there is none."""
    return _score(PRECISION_CARD, pair, lambda balls: balls.synthetic_inside.mean())


def recall_score(pair: Pair) -> Quantity:
    """Return the recall of a pair, or why there is none."""
    return _score(RECALL_CARD, pair, lambda balls: balls.real_inside.mean())


def density_score(pair: Pair) -> Quantity:
    """Return the density of a pair, or why there is none."""
    return _score(DENSITY_CARD, pair, lambda balls: balls.memberships / (NEIGHBOURS * len(pair.b)))


def coverage_score(pair: Pair) -> Quantity:
    """Return the coverage of a pair, or why there is none."""
    return _score(COVERAGE_CARD, pair, lambda balls: balls.covered.mean())


def _score(card: Card, pair: Pair, read: Callable[[Balls], float]) -> Quantity:
    reason = too_few(card, pair.a, pair.b)
    if reason:
        return Quantity(card, math.nan, reason)
    n = min(len(pair.a), len(pair.b))
    warning = f"warning: n = {n}; balls to the 5th neighbour are coarse below {COARSE} images"
    return Quantity(card, float(read(pair.seen_by(Balls))), warning if n < COARSE else "")
