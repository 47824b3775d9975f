"""Wires: which pixels of a skeleton follow which, between the nodes where they branch or end.

Two skeleton pixels are linked if they share a side, or a corner round which no skeleton pixel
leads. A pixel with three links or more is part of a junction; neighbouring ones are one junction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True)
class Wire:
    """A path of skeleton pixels between two nodes.

    Attributes:
        path: indices of its pixels in order, without those of junctions; may be empty.
        start: node where it begins.
        end: node where it ends.
    """

    path: Int[np.ndarray, "k"]
    start: int
    end: int


@dataclass(frozen=True)
class Wiring:
    """Nodes, as (row, column), and the wires between them."""

    nodes: Float[np.ndarray, "m 2"]
    wires: tuple[Wire, ...]


def wire_up(points: Int[np.ndarray, "n 2"]) -> Wiring:
    """Follow a skeleton from node to node.

    Args:
        points: (row, column) of its pixels, in the order of a scan.

    Returns:
        Every pixel in one wire or one junction; a ring without a branch has one node on itself.
    """
    n = len(points)
    links = _links(points)
    degree = np.bincount(links.reshape(-1), minlength=n)
    cluster, nodes = _junctions(points, links, degree)
    order = np.argsort(np.concatenate([links[:, 0], links[:, 1]]), kind="stable")
    target = np.concatenate([links[:, 1], links[:, 0]])[order]
    first = np.concatenate([[0], np.cumsum(degree)])
    one, other = (np.full(n, -1, dtype=np.int64) for _ in range(2))
    one[degree > 0] = target[first[:-1][degree > 0]]
    other[degree > 1] = target[first[:-1][degree > 1] + 1]
    walker = _Walker(one.tolist(), other.tolist(), cluster.tolist(), len(nodes))
    for pixel in np.flatnonzero(cluster >= 0).tolist():
        for neighbour in target[first[pixel] : first[pixel + 1]].tolist():
            if walker.cluster[neighbour] < 0 and not walker.seen[neighbour]:
                walker.walk(neighbour, came_from=pixel, start=walker.cluster[pixel])
    for links_of_pixel in (1, 2):
        for pixel in np.flatnonzero(degree == links_of_pixel).tolist():
            if not walker.seen[pixel]:
                walker.walk(pixel, came_from=-1, start=None)
    ends = points[walker.end_pixels].reshape(-1, 2).astype(float)
    return Wiring(np.concatenate([nodes, ends]), tuple(walker.wires))


def _links(points: Int[np.ndarray, "n 2"]) -> Int[np.ndarray, "links 2"]:
    """Return the pairs of linked pixels."""
    if not len(points):
        return np.empty((0, 2), dtype=np.int64)
    height, width = points.max(axis=0) + 1
    number = np.full((height + 2, width + 2), -1, dtype=np.int64)
    number[points[:, 0] + 1, points[:, 1] + 1] = np.arange(len(points))
    row, column = points[:, 0] + 1, points[:, 1] + 1
    own = np.arange(len(points))
    right, below = number[row, column + 1], number[row + 1, column]
    left = number[row, column - 1]
    falling = np.where((right < 0) & (below < 0), number[row + 1, column + 1], -1)
    rising = np.where((left < 0) & (below < 0), number[row + 1, column - 1], -1)
    pairs = [np.stack([own, other], 1)[other >= 0] for other in (right, below, falling, rising)]
    return np.concatenate(pairs)


def _junctions(
    points: Int[np.ndarray, "n 2"], links: Int[np.ndarray, "links 2"], degree: Int[np.ndarray, "n"]
) -> tuple[Int[np.ndarray, "n"], Float[np.ndarray, "m 2"]]:
    """Return each pixel's junction (-1 for none), and the middle of each junction."""
    busy = degree >= 3
    both = links[busy[links[:, 0]] & busy[links[:, 1]]]
    n = len(points)
    graph = coo_array((np.ones(len(both), bool), (both[:, 0], both[:, 1])), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    kept, number = np.unique(label[busy], return_inverse=True)
    cluster = np.full(n, -1, dtype=np.int64)
    cluster[busy] = number
    size = np.maximum(np.bincount(number, minlength=len(kept)), 1)
    middle = [np.bincount(number, points[busy, axis], len(kept)) / size for axis in (0, 1)]
    return cluster, np.stack(middle, axis=1)


class _Walker:
    """Walks along links of two; holds what has been walked already.

    Args:
        one: the first pixel that each pixel is linked to; -1 for none.
        other: the second one.
        cluster: the junction that each pixel is part of; -1 for none.
        junctions: how many there are.
    """

    def __init__(
        self, one: list[int], other: list[int], cluster: list[int], junctions: int
    ) -> None:
        self.one, self.other, self.cluster = one, other, cluster
        self.seen = bytearray(len(cluster))
        self.wires: list[Wire] = []
        self.end_pixels: list[int] = []
        self.junctions = junctions

    def _end_at(self, pixel: int) -> int:
        self.end_pixels.append(pixel)
        return self.junctions + len(self.end_pixels) - 1

    def walk(self, pixel: int, *, came_from: int, start: int | None) -> None:
        """Walk from a pixel to the next node; it was not walked before and is no junction's."""
        begin = self._end_at(pixel) if start is None else start
        path, here, before, end = [], pixel, came_from, None
        # Every pixel of every centreline passes here: local names and no list a step.
        one, other, cluster, seen = self.one, self.other, self.cluster, self.seen
        while end is None:
            seen[here] = 1
            path.append(here)
            ahead = one[here]
            if ahead == before:
                ahead = other[here]
            if ahead < 0:
                end = self._end_at(here)
            elif cluster[ahead] >= 0:
                end = cluster[ahead]
            elif seen[ahead]:
                end = begin
            else:
                before, here = here, ahead
        self.wires.append(Wire(np.array(path, dtype=np.int64), begin, end))
