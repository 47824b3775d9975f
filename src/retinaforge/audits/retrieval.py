"""The real images nearest to a synthetic one, by what an encoder sees of both.

    s(a, b) = (a - m) · (b - m) / (|a - m| |b - m|),   m the mean of the real vectors

Without m every eye is like every other: what all photographs share is most of what an encoder sees.
The search is exact, in parts, so that memory does not grow with the number of real images.

Likeness of embeddings is not identity: `audits.copies` tells copied eyes by their vessels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from retinaforge.core import Card, Refusal

CHUNK = 4096
"""Rows of either side that are compared at a time."""

SIMILARITY_CARD = Card(
    name="centred_cosine",
    version=1,
    measures="cosine of two images' embeddings, the mean of the real embeddings taken away",
    range="[-1, 1]",
    direction="neither",
    unit="1",
    smallest_n=2,
    reference="cosine similarity; centring as in Mu and Viswanath, ICLR 2018",
    known_failure="sees what the encoder sees: the same camera and disease can outweigh the eye",
)

Vectors = Float[np.ndarray, "n channels"]


@dataclass(frozen=True)
class Nearest:
    """The nearest real images of every query, nearest first.

    Attributes:
        places: their numbers, shape (queries, top); -1 where there are not as many.
        likeness: centred cosine, the same shape; NaN there.
    """

    places: Int[np.ndarray, "m top"]
    likeness: Float[np.ndarray, "m top"]


def nearest_real(
    queries: Vectors,
    real: Vectors,
    *,
    top: int = 5,
    apart: tuple[Sequence[str], Sequence[str]] | None = None,
) -> Nearest:
    """Return the real images most like each query.

    Args:
        queries: one row an image, float32, perhaps memory-mapped.
        real: the same of the real images.
        top: how many.
        apart: whose eye each query and each real image shows; a real image of the query's own
            patient does not count. None: all count.

    Raises:
        Refusal: "expected vectors of one encoder; got ...", or fewer than two real images.
    """
    if len(real) < 2 or queries.ndim != 2 or queries.shape[1:] != real.shape[1:]:
        raise Refusal(
            "vectors of one encoder, at least two real images",
            f"shapes {queries.shape} and {real.shape}",
            "embed both folders with the same encoder",
        )
    middle = _mean(real)
    own, others = _codes(apart, (len(queries), len(real)))
    places = np.full((len(queries), top), -1, np.int64)
    likeness = np.full((len(queries), top), np.nan)
    for rows in _parts(len(queries)):
        asked = _unit(queries[rows], middle)
        best = np.full((len(asked), top), -np.inf, np.float32)
        found = np.full((len(asked), top), -1, np.int64)
        for columns in _parts(len(real)):
            alike = asked @ _unit(real[columns], middle).T
            alike[own[rows][:, None] == others[columns]] = -np.inf
            numbers = np.broadcast_to(np.arange(columns.start, columns.stop), alike.shape)
            both = np.concatenate([best, alike], 1), np.concatenate([found, numbers], 1)
            # Stable: of equally near ones the first named stays in front.
            order = np.argsort(-both[0], axis=1, kind="stable")[:, :top]
            best, found = (np.take_along_axis(each, order, 1) for each in both)
        known = np.isfinite(best)
        places[rows] = np.where(known, found, -1)
        likeness[rows] = np.where(known, best, np.nan)
    return Nearest(places, likeness)


def real_to_real(real: Vectors, patients: Sequence[str]) -> Float[np.ndarray, "n"]:
    """Return how like each real image its nearest of another patient is: what to hold against."""
    return nearest_real(real, real, top=1, apart=(patients, patients)).likeness[:, 0]


def share_below(value: float, yardstick: Float[np.ndarray, "n"]) -> float:
    """Return the share of real images whose nearest of another patient is less alike."""
    known = yardstick[np.isfinite(yardstick)]
    return float((known < value).mean()) if len(known) and np.isfinite(value) else float("nan")


def _codes(
    apart: tuple[Sequence[str], Sequence[str]] | None, counts: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return one number a patient on both sides; without any, numbers that never agree."""
    if apart is None:
        return np.full(counts[0], -1), np.zeros(counts[1], int)
    codes = np.unique([*apart[0], *apart[1]], return_inverse=True)[1]
    return codes[: counts[0]], codes[counts[0] :]


def _parts(count: int) -> Iterator[slice]:
    return (slice(k, min(k + CHUNK, count)) for k in range(0, count, CHUNK))


def _mean(rows: Vectors) -> Float[np.ndarray, "k"]:
    total = sum(rows[part].astype(np.float64).sum(axis=0) for part in _parts(len(rows)))
    return np.asarray(total / len(rows))


def _unit(rows: Vectors, middle: Float[np.ndarray, "k"]) -> Vectors:
    away = rows - middle
    return (away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)).astype(
        np.float32
    )
