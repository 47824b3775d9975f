"""Paths along vessels: does a way through the reference's vessels exist in the estimate?

Two points of the reference's centreline that it connects are drawn at random. The way between
them along the reference's centreline is R long, that between the nearest points of the estimate's
centreline E long (steps to neighbours: 1, or √2 across a corner).

    infeasible   a point is background in the estimate, or no vessel of it joins the two
    correct      0.9 ≤ R / E ≤ 1.1, or both points are nearest to one point of the estimate
    too long     R / E < 0.9            too short    R / E > 1.1

References:
    R. J. Araújo, J. S. Cardoso, H. P. Oliveira, "A deep learning design for improving topology
    coherence in blood vessel segmentation", MICCAI 2019, as in the code beside J. Morano et al.,
    "RRWNet", Expert Systems with Applications 2024
    (github.com/j-morano/rrwnet, detailed_evaluation/topo_metric.py, MIT), which counts too long
    and too short as one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from retinaforge.core import Card, Quantity
from retinaforge.vessels.compare_pair import NO_REFERENCE, VesselPair
from retinaforge.vessels.skeleton import AROUND, VesselMask, labels_of

TOLERANCE = 0.1
STARTS, GOALS = 32, 32
"""So many points are drawn, and so many others for each of them."""

ONE_POINT = "no two points of the reference's centreline are joined"

PATHS_CORRECT = Card(
    name="paths_correct",
    version=1,
    measures="share of paths between random points of the reference's centreline that the "
    f"estimate has too, within {TOLERANCE:.0%} of their length; {STARTS} × {GOALS} paths, seeded",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=1,
    reference="Araújo et al., MICCAI 2019; Morano et al. (RRWNet), Expert Syst. Appl. 2024",
    known_failure="one cut near the disc makes many paths infeasible, one in a twig hardly any; "
    "a way round by a crossing counts as correct if it is about as long; a sample, so that "
    "mirroring an image moves the second digit",
)
PATHS_TOO_LONG = replace(
    PATHS_CORRECT,
    name="paths_too_long",
    measures=PATHS_CORRECT.measures.replace(
        f"has too, within {TOLERANCE:.0%} of their length",
        "has only by a way round: reference's length / estimate's < 0.9",
    ),
    direction="lower is better",
)
PATHS_TOO_SHORT = replace(
    PATHS_TOO_LONG,
    name="paths_too_short",
    measures=PATHS_CORRECT.measures.replace(
        f"has too, within {TOLERANCE:.0%} of their length",
        "has by a short cut: reference's length / estimate's > 1.1",
    ),
)
PATHS_INFEASIBLE = replace(
    PATHS_TOO_LONG,
    name="paths_infeasible",
    measures=PATHS_CORRECT.measures.replace(
        f"has too, within {TOLERANCE:.0%} of their length", "interrupts"
    ),
)


@dataclass(frozen=True)
class Paths:
    """Numbers of paths by what became of them; all zero where no two points are joined."""

    correct: int
    too_long: int
    too_short: int
    infeasible: int

    @property
    def total(self) -> int:
        """Return the number of paths."""
        return self.correct + self.too_long + self.too_short + self.infeasible


def compare_paths(
    estimate: VesselMask,
    reference: VesselMask,
    *,
    rng: np.random.Generator,
    starts: int = STARTS,
    goals: int = GOALS,
) -> Paths:
    """Follow random paths of the reference in the estimate.

    Args:
        estimate: the mask under test.
        reference: whose paths ought to be there.
        rng: drawn from.
        starts: number of points drawn, each centreline point as likely as any other.
        goals: for each of them, number of other points drawn among those it is joined with.
    """
    begin, end = _draw(reference, rng=rng, starts=starts, goals=goals)
    if not len(begin):
        return Paths(0, 0, 0, 0)
    piece = labels_of(estimate.pixels, AROUND)[tuple(reference.points.T)]
    feasible = (piece[begin] == piece[end]) & (piece[begin] > 0)
    ours, theirs = begin[feasible], end[feasible]
    if not len(ours):
        return Paths(0, 0, 0, len(begin))
    near = np.asarray(estimate.tree.query(reference.points)[1])
    true = _ways(reference.points, ours, theirs)
    found = _ways(estimate.points, near[ours], near[theirs])
    share = np.divide(true, found, out=np.ones_like(true), where=found > 0)
    longer, shorter = int((share < 1 - TOLERANCE).sum()), int((share > 1 + TOLERANCE).sum())
    return Paths(len(ours) - longer - shorter, longer, shorter, len(begin) - len(ours))


def _draw(
    reference: VesselMask, *, rng: np.random.Generator, starts: int, goals: int
) -> tuple[Int[np.ndarray, "k"], Int[np.ndarray, "k"]]:
    """Return the indices of pairs of different points that the reference's centreline joins."""
    n = len(reference.points)
    if not n:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    piece = np.asarray(connected_components(_links(reference.points), directed=False)[1])
    order = np.argsort(piece, kind="stable")
    size = np.bincount(piece)
    first = np.concatenate([[0], np.cumsum(size)])[piece]
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    begin = np.repeat(rng.integers(n, size=starts), goals)
    others = size[piece[begin]] - 1
    step = np.floor(rng.random(len(begin)) * others).astype(np.int64) + 1
    # Counted onwards from its own place in the piece, no point meets itself.
    place = (rank[begin] - first[begin] + step) % (others + 1)
    joined = others > 0
    return begin[joined], order[first[begin] + place][joined]


def _links(points: Int[np.ndarray, "n 2"]) -> csr_array:
    """Return the lengths of the steps between neighbouring points, each once."""
    n = len(points)
    height, width = points.max(axis=0) + 1
    number = np.full((height + 1, width + 2), -1, dtype=np.int64)
    row, column = points[:, 0], points[:, 1] + 1
    number[row, column] = np.arange(n)
    parts = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        other = number[row + down, column + right]
        own = np.flatnonzero(other >= 0)
        parts.append((own, other[own], np.full(len(own), np.hypot(down, right))))
    begin, end, length = (np.concatenate(values) for values in zip(*parts, strict=True))
    return csr_array((length, (begin, end)), shape=(n, n))


def _ways(
    points: Int[np.ndarray, "n 2"], begin: Int[np.ndarray, "k"], end: Int[np.ndarray, "k"]
) -> Float[np.ndarray, "k"]:
    """Return the length of the shortest way between each pair of points."""
    sources, which = np.unique(begin, return_inverse=True)
    links = _links(points)
    lengths = np.empty(len(begin))
    for k, source in enumerate(sources.tolist()):
        own = which == k
        lengths[own] = dijkstra(links, directed=False, indices=source)[end[own]]
    return lengths


def paths_correct(pair: VesselPair) -> Quantity:
    """Return the share of correct paths; NaN where the reference joins no two points."""
    return _share(PATHS_CORRECT, pair, "correct")


def paths_too_long(pair: VesselPair) -> Quantity:
    """Return the share of paths that go a way round."""
    return _share(PATHS_TOO_LONG, pair, "too_long")


def paths_too_short(pair: VesselPair) -> Quantity:
    """Return the share of paths that take a short cut."""
    return _share(PATHS_TOO_SHORT, pair, "too_short")


def paths_infeasible(pair: VesselPair) -> Quantity:
    """Return the share of interrupted paths."""
    return _share(PATHS_INFEASIBLE, pair, "infeasible")


def _share(card: Card, pair: VesselPair, name: str) -> Quantity:
    if not pair.n_reference:
        return Quantity(card, float("nan"), NO_REFERENCE)
    paths = pair.shared(_seeded)
    if not paths.total:
        return Quantity(card, float("nan"), ONE_POINT)
    return Quantity(card, getattr(paths, name) / paths.total)


def _seeded(estimate: VesselMask, reference: VesselMask) -> Paths:
    return compare_paths(estimate, reference, rng=np.random.default_rng(0))
