"""Two sets of feature vectors, moved about one centre c, and their inner products tile by tile.

(x − c)·(y − c) is kept instead of x·y, so that a large common offset costs no digits; what needs
the raw product adds back  x·y = (x − c)·(y − c) + (x − c)·c + (y − c)·c + c·c.

Small sets hold the Gram matrix of both once, and every subset (jackknife, halves, extrapolation)
is a sub-matrix of it; large ones multiply a tile at a time and hold none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from retinaforge.core import Card, Refusal

TILE = 1024
# Images of both sets together up to which the Gram matrix is held: 4096² · 8 bytes = 128 MiB.
HELD_IMAGES = 4096

Vector = Float[np.ndarray, "size"]
Tile = Float[np.ndarray, "rows columns"]
Index = Int[np.ndarray, "k"]


@dataclass(frozen=True)
class Cloud:
    """One set of feature vectors, kept by reference.

    Attributes:
        features: one vector a row, as handed over.
        centre: c, common to both sets.
        labels: where each row stood in the set that was handed over.
        norms: |x − c|².
        lean: (x − c)·c.
        lengths: |x|, uncentred.
        gram: centred inner products of both sets, or None.
        places: the rows of this set in `gram`.
    """

    features: Float[np.ndarray, "n dim"]
    centre: Vector
    labels: Int[np.ndarray, "n"]
    norms: Float[np.ndarray, "n"]
    lean: Float[np.ndarray, "n"]
    lengths: Float[np.ndarray, "n"]
    gram: Float[np.ndarray, "k k"] | None = None
    places: Int[np.ndarray, "n"] | None = None

    def __len__(self) -> int:
        return len(self.features)

    @property
    def dim(self) -> int:
        """Return the number of features."""
        return self.features.shape[1]

    @property
    def offset(self) -> float:
        """Return c·c."""
        return float(self.centre @ self.centre)

    @cached_property
    def mean(self) -> Vector:
        """Return the mean of x − c."""
        return self.features.mean(axis=0, dtype=np.float64) - self.centre

    def rows(self, part: slice = slice(None)) -> Float[np.ndarray, "k dim"]:
        """Return x − c of some rows in float64, as a copy."""
        return np.subtract(self.features[part], self.centre, dtype=np.float64)

    def blocks(self) -> Iterator[Float[np.ndarray, "k dim"]]:
        """Yield x − c, some rows at a time."""
        for part in _parts(len(self)):
            yield self.rows(part)

    def take(self, index: Index) -> Cloud:
        """Return the subset of these rows; it shares the Gram matrix."""
        return replace(
            self,
            features=self.features[index],
            labels=self.labels[index],
            norms=self.norms[index],
            lean=self.lean[index],
            lengths=self.lengths[index],
            places=None if self.places is None else self.places[index],
        )


def make_clouds(real: Any, synthetic: Any) -> tuple[Cloud, Cloud]:
    """Return both sets about the middle of their means, with their Gram matrix if it is small.

    Raises:
        Refusal: "expected two matrices of finite features with equally many columns; got ...".
    """
    return hold(*loose_clouds(real, synthetic))


def loose_clouds(real: Any, synthetic: Any) -> tuple[Cloud, Cloud]:
    """Return both sets about the middle of their means, without the Gram matrix.

    For a score that needs one product once, where the matrix of all rows would cost more.

    Raises:
        Refusal: "expected two matrices of finite features with equally many columns; got ...".
    """
    x, y = _checked(real, synthetic)
    means = [z.mean(axis=0, dtype=np.float64) for z in (x, y) if len(z)]
    centre = np.mean(means, axis=0) if means else np.zeros(x.shape[1])
    return _cloud(x, centre), _cloud(y, centre)


def hold(a: Cloud, b: Cloud) -> tuple[Cloud, Cloud]:
    """Return both sets with the Gram matrix of all their rows, unless that would be large."""
    n, total = len(a), len(a) + len(b)
    if (a.gram is not None and a.gram is b.gram) or total > HELD_IMAGES:
        return a, b
    rows = np.concatenate([a.rows(), b.rows()])
    gram, places = rows @ rows.T, np.arange(total)
    return replace(a, gram=gram, places=places[:n]), replace(b, gram=gram, places=places[n:])


def inner(a: Cloud, b: Cloud, rows: slice = slice(None), columns: slice = slice(None)) -> Tile:
    """Return (x − c)·(y − c) for some rows of one set and of the other, as a copy."""
    if a.gram is not None and a.gram is b.gram and a.places is not None and b.places is not None:
        return a.gram[np.ix_(a.places[rows], b.places[columns])]
    return a.rows(rows) @ b.rows(columns).T


def raw(a: Cloud, b: Cloud, rows: slice, columns: slice, tile: Tile) -> Tile:
    """Return x·y from a centred tile."""
    product = tile + a.lean[rows, None]
    product += b.lean[columns] + a.offset
    return product


def tiles_within(a: Cloud) -> Iterator[tuple[slice, slice, Tile]]:
    """Yield the tiles on and above the diagonal of a set's inner products."""
    parts = _parts(len(a))
    for i, rows in enumerate(parts):
        yield from _tiles(a, a, rows, parts[i:])


def tiles_across(a: Cloud, b: Cloud) -> Iterator[tuple[slice, slice, Tile]]:
    """Yield all tiles of the inner products of two sets."""
    for rows in _parts(len(a)):
        yield from _tiles(a, b, rows, _parts(len(b)))


def _tiles(
    a: Cloud, b: Cloud, rows: slice, parts: list[slice]
) -> Iterator[tuple[slice, slice, Tile]]:
    if a.gram is not None and a.gram is b.gram:
        for columns in parts:
            yield rows, columns, inner(a, b, rows, columns)
        return
    left = a.rows(rows)
    for columns in parts:
        # The same array twice is a symmetric product, which BLAS makes at half the price.
        right = left if a is b and columns == rows else b.rows(columns)
        yield rows, columns, left @ right.T


def too_few(card: Card, a: Cloud, b: Cloud) -> str:
    """Return why a score of these sets is undefined; "" if they are large enough."""
    if min(len(a), len(b)) >= card.smallest_n:
        return ""
    return f"needs at least {card.smallest_n} images a set; got {len(a)} and {len(b)}"


def _parts(count: int) -> list[slice]:
    return [slice(start, min(start + TILE, count)) for start in range(0, count, TILE)]


def _cloud(features: np.ndarray, centre: Vector) -> Cloud:
    norms, lean, lengths = (np.empty(len(features)) for _ in range(3))
    cloud = Cloud(features, centre, np.arange(len(features)), norms, lean, lengths)
    for part in _parts(len(features)):
        raw_rows = features[part].astype(np.float64, copy=False)
        lengths[part] = np.sqrt(np.einsum("ij,ij->i", raw_rows, raw_rows))
        rows = cloud.rows(part)
        norms[part], lean[part] = np.einsum("ij,ij->i", rows, rows), rows @ centre
    return cloud


def _checked(real: Any, synthetic: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = _floating(real), _floating(synthetic)
    same = x.ndim == y.ndim == 2 and x.shape[1] == y.shape[1] > 0
    if same and np.isfinite(x).all() and np.isfinite(y).all():
        return x, y
    raise Refusal(
        "two matrices of finite features with equally many columns",
        f"shapes {x.shape} and {y.shape}" + (" with NaN or infinity" if same else ""),
        "compute both with the same encoder, one row an image",
    )


def _floating(features: Any) -> np.ndarray:
    array = np.asarray(features)
    return array if array.dtype.char in "fd" else array.astype(np.float64)
