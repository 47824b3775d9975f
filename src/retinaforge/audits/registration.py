"""Lay one vessel pattern over another: similarity transform and mirror, found from junctions.

    1  junctions whose surroundings look alike are matched (descriptors of `junctions`);
    2  two matches that agree on turn and size give a transform  z -> s z + t  (complex);
    3  the transforms under which most vessel falls on vessel of its own direction are refined by
       iterated closest points, in (x, y, w cos 2 theta, w sin 2 theta) so that a vessel is never
       drawn to one that crosses it, first as a similarity, at last with quadratic terms, which
       other lenses, careless resizing and gentle warps ask for.

References: closest points, Besl and McKay, IEEE TPAMI 14(2), 1992; similarity in closed form,
Umeyama, IEEE TPAMI 13(4), 1991.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Bool, Complex, Float, UInt8
from scipy.spatial import KDTree

from retinaforge.audits.junctions import (
    SIZES,
    Surroundings,
    mirror_descriptors,
    query_descriptors,
    reference_descriptors,
    surroundings_of,
)
from retinaforge.audits.patterns import FOV_REACH, FOV_SIDE, Pattern, mirrored
from retinaforge.audits.transforms import Transform, bent, similarity, similarity_between

MATCHES = 48
"""Matches of junctions looked at for each pair of patterns and mirror."""

LEAST_APART = 0.15
"""Junctions of two matches that give a transform lie at least this far apart, in radii."""

TURN_SLACK = 0.35
SIZE_SLACK = 0.3
"""How far (radians; natural logarithm) the two matches may differ from what they give together."""

HYPOTHESES = 160
LOOKS = 128
"""Transforms tried for each mirror, and samples of the query looked up for each."""

REFINED = 3
"""Best transforms that are tightened before one is chosen."""

FIRST_GATES = (0.08, 0.06)
GATES = (0.045, 0.035, 0.03)
BEND_GATES = (0.03, 0.03, 0.03, 0.03)
"""Samples further from their closest point than this are left out, round by round."""

LEAST_SAMPLES = 12
LEAST_TO_BEND = 60
"""Fewer closest points than this decide nothing."""

HELD = 0.02
"""How firmly a bend is held to none: the ridge, in shares of the samples."""

DIRECTION_WEIGHT = 0.04
"""w: how many radii of distance half a radian of direction is worth."""

NEAR = 0.022
"""A sample lies on a vessel up to this distance in (x, y, w cos 2 theta, w sin 2 theta)."""

CELLS = 128
CHANNELS = 8
COARSE = 0.045


class Prepared:
    """A pattern with what is computed of it once, whichever side of a pair it stands on."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern

    @cached_property
    def surroundings(self) -> Surroundings:
        """Return the junctions that are matched, and what lies round them."""
        return surroundings_of(self.pattern)

    @property
    def junctions(self) -> Float[np.ndarray, "k 2"]:
        """Return where they are."""
        return self.surroundings.where

    @property
    def arms(self) -> Float[np.ndarray, "k 4"]:
        """Return their arms."""
        return self.surroundings.arms

    @cached_property
    def as_reference(self) -> Float[np.ndarray, "k d"]:
        """Return the descriptors that others are compared with."""
        return reference_descriptors(self.surroundings)

    @cached_property
    def as_query(self) -> Float[np.ndarray, "s a k d"]:
        """Return the descriptors that are compared with others'."""
        return query_descriptors(self.surroundings)

    @cached_property
    def mirror(self) -> Prepared:
        """Return the same in a mirror."""
        other = Prepared(mirrored(self.pattern))
        own = self.surroundings
        other.__dict__["surroundings"] = Surroundings(
            own.where * [-1.0, 1.0], np.pi - own.arms, own.series.conj()
        )
        other.__dict__["as_query"] = mirror_descriptors(self.as_query)
        return other

    @cached_property
    def lifted(self) -> Float[np.ndarray, "n 4"]:
        """Return samples with their directions as two more coordinates."""
        return lift(self.pattern.points, self.pattern.directions)

    @cached_property
    def tree(self) -> KDTree:
        """Return the tree of the lifted samples."""
        return KDTree(self.lifted)

    @cached_property
    def thin_sample(self) -> np.ndarray:
        """Return up to 3 * LOOKS samples spread over all vessels."""
        return _spread(len(self.pattern.points), 3 * LOOKS)

    @cached_property
    def ways(self) -> UInt8[np.ndarray, "side side"]:
        """Return where a vessel is near, one bit for each of eight directions."""
        grid = np.zeros((CHANNELS, CELLS, CELLS), bool)
        reach = int(np.ceil(COARSE / (2 * FOV_REACH) * CELLS))
        dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
        near = np.hypot(dx, dy) <= COARSE / (2 * FOV_REACH) * CELLS
        cell = _cells(self.pattern.points)
        channel = _channels(self.pattern.directions)
        rows = np.clip(cell[:, 1, None] + dy[near], 0, CELLS - 1)
        columns = np.clip(cell[:, 0, None] + dx[near], 0, CELLS - 1)
        for turn in (-1, 0, 1):
            grid[((channel + turn) % CHANNELS)[:, None], rows, columns] = True
        return np.packbits(grid, axis=0, bitorder="little")[0]


def lift(points: Float[np.ndarray, "n 2"], directions: Float[np.ndarray, "n"]) -> np.ndarray:
    """Return (x, y, w cos 2 theta, w sin 2 theta)."""
    double = 2.0 * directions
    turned = DIRECTION_WEIGHT * np.stack([np.cos(double), np.sin(double)], axis=1)
    return np.concatenate([points, turned], axis=1)


@dataclass(frozen=True)
class Proposal:
    """Transforms that agreeing matches of junctions suggest, before anything was laid over.

    Attributes:
        mirror: the query was mirrored first.
        turns, shifts: z -> turn z + shift, complex, at most `HYPOTHESES`.
        agreed: how many pairs of matches agree on turn and size, beyond those kept too.
    """

    mirror: bool
    turns: Complex[np.ndarray, "n"]
    shifts: Complex[np.ndarray, "n"]
    agreed: int


def propose(
    query: Prepared, reference: Prepared, *, mirrors: Sequence[bool] = (False, True)
) -> list[Proposal]:
    """Return the transforms that junctions suggest, for the query and its mirror image.

    Args:
        query: pattern that may be a copy.
        reference: pattern that it may be a copy of.
        mirrors: whether the query is mirrored first; both are tried by default.
    """
    found = []
    for mirror in mirrors:
        turns, shifts = _hypotheses(query.mirror if mirror else query, reference)
        found.append(Proposal(mirror, turns[:HYPOTHESES], shifts[:HYPOTHESES], len(turns)))
    return found


def register(
    query: Prepared, reference: Prepared, proposals: Sequence[Proposal] | None = None
) -> Transform | None:
    """Return the best transform of a query onto a reference; None where nothing matches.

    Args:
        query: pattern that may be a copy.
        reference: pattern that it may be a copy of.
        proposals: where to begin; made here if there are none.
    """
    found = []
    for p in propose(query, reference) if proposals is None else proposals:
        if len(p.turns):
            hits = _look(query.mirror if p.mirror else query, reference, p.turns, p.shifts)
            found += [(hits[k], similarity(p.turns[k], p.shifts[k], mirror=p.mirror))
                      for k in _distinct(hits, p.turns, p.shifts)]  # fmt: skip
    found.sort(key=lambda row: -row[0])
    begun = [_tighten(query, reference, t, FIRST_GATES) for _, t in found[:REFINED]]
    if not begun:
        return None
    shares = [share_on(query, reference, t, few=True)[0] for t in begun]
    best = begun[int(np.argmax(shares))]
    return _bend(query, reference, _tighten(query, reference, best, GATES))


def share_on(
    query: Prepared, reference: Prepared, transform: Transform, *, few: bool = False
) -> tuple[float, float]:
    """Return which share of the query's vessels in the common field lies on the reference's.

    Args:
        query: whose samples are counted.
        reference: whose vessels they should lie on.
        transform: from one to the other.
        few: look at some hundred samples only.

    Returns:
        The share, NaN where nothing is in the common field, and the length counted, in radii of
        the reference's field of view.
    """
    pattern = query.pattern
    take = query.thin_sample if few else slice(None)
    points, directions = pattern.points[take].astype(float), pattern.directions[take]
    carried = transform.carry(points)
    within = in_view(reference.pattern, carried)
    count = int(within.sum())
    if not count or not len(reference.lifted):
        return float("nan"), 0.0
    lifted = lift(carried[within], transform.turn(points, directions)[within])
    distance, _ = reference.tree.query(lifted, distance_upper_bound=1.5 * NEAR)
    length = pattern.length * count / len(points) * transform.size
    return float((distance < NEAR).mean()), length


def _tighten(
    query: Prepared, reference: Prepared, transform: Transform, gates: tuple[float, ...]
) -> Transform:
    """Return the similarity after iterated closest points."""
    for gate in gates:
        source, target = _closest(query, reference, transform, gate)
        if len(source) < LEAST_SAMPLES:
            return transform
        transform = similarity_between(source, target, mirror=transform.mirrored)
    return transform


def _bend(query: Prepared, reference: Prepared, transform: Transform) -> Transform:
    """Return the quadratic map after iterated closest points."""
    for gate in BEND_GATES:
        source, target = _closest(query, reference, transform, gate)
        if len(source) < LEAST_TO_BEND:
            return transform
        transform = bent(transform, source, target, held=HELD)
    return transform


def _closest(
    query: Prepared, reference: Prepared, transform: Transform, gate: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return samples of the query and their closest points of the reference, within the gate."""
    points = query.pattern.points[query.thin_sample].astype(float)
    directions = query.pattern.directions[query.thin_sample]
    carried = lift(transform.carry(points), transform.turn(points, directions))
    distance, at = reference.tree.query(carried, distance_upper_bound=2 * gate)
    near = distance < gate
    return points[near], reference.lifted[at[near], :2]


def _hypotheses(query: Prepared, reference: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """Return turns and shifts (complex) given by pairs of matches that agree."""
    here, there, turn, size = _matches(query, reference)
    if len(here) < 2:
        return np.zeros(0, complex), np.zeros(0, complex)
    p, q = query.junctions[here] @ [1, 1j], reference.junctions[there] @ [1, 1j]
    i, j = _pairs_of(len(p))
    dp, dq = p[j] - p[i], q[j] - q[i]
    apart = (np.abs(dp) > LEAST_APART) & (np.abs(dq) > LEAST_APART)
    i, j, s = i[apart], j[apart], dq[apart] / dp[apart]
    agree = np.ones(len(s), bool)
    for k in (i, j):
        agree &= np.abs(np.log(np.abs(s)) - np.log(size[k])) < SIZE_SLACK
        agree &= np.abs(np.angle(s * np.exp(-1j * turn[k]))) < TURN_SLACK
    i, j, s = i[agree], j[agree], s[agree]
    return s, (q[i] + q[j] - s * (p[i] + p[j])) / 2


@lru_cache(maxsize=64)
def _pairs_of(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(count, 1)


def _matches(
    query: Prepared, reference: Prepared
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the best matches: junction here and there, turn, size; the most alike first."""
    sizes, arms, n, width = query.as_query.shape
    m = len(reference.as_reference)
    if not n or not m:
        return (np.zeros(0, int),) * 2 + (np.zeros(0),) * 2
    alike = query.as_query.reshape(-1, width) @ reference.as_reference.T
    alike = alike.reshape(sizes * arms, n, m)
    variant = alike.argmax(axis=0)
    best = np.take_along_axis(alike, variant[None], 0)[0]
    order = np.argsort(-best, axis=None, kind="stable")[:MATCHES]
    here, there = np.unravel_index(order, best.shape)
    size, arm = np.divmod(variant[here, there], arms)
    turn = reference.arms[there, 0] - query.arms[here, arm]
    return here, there, turn, 1 / np.array(SIZES)[size]


def _look(
    query: Prepared, reference: Prepared, turns: np.ndarray, shifts: np.ndarray
) -> Float[np.ndarray, "n"]:
    """Return, for each transform, the share of the query's samples on vessels of the reference.

    Samples beyond the reference's field of view do not count, but at least half must be within.
    """
    few = query.thin_sample[::3]
    points = query.pattern.points[few].astype(float) @ [1, 1j]
    carried = turns[:, None] * points + shifts[:, None]
    ways = np.mod(query.pattern.directions[few] + np.angle(turns)[:, None], np.pi)
    cell = _cells(np.stack([carried.real, carried.imag], axis=-1))
    column, row = cell[..., 0], cell[..., 1]
    hit = (reference.ways[row, column] >> _channels(ways) & 1).astype(bool)
    within = in_view(reference.pattern, np.stack([carried.real, carried.imag], axis=-1))
    return (hit & within).sum(axis=1) / np.maximum(within.sum(axis=1), 0.5 * len(few))


def _distinct(hits: np.ndarray, turns: np.ndarray, shifts: np.ndarray) -> list[int]:
    """Return the best transforms that differ from one another."""
    kept: list[int] = []
    for k in np.argsort(-hits, kind="stable"):
        same = [abs(turns[k] - turns[o]) + abs(shifts[k] - shifts[o]) < 0.1 for o in kept]
        if not any(same):
            kept.append(int(k))
        if len(kept) == REFINED:
            break
    return kept


def in_view(pattern: Pattern, points: Float[np.ndarray, "... 2"]) -> Bool[np.ndarray, "..."]:
    """Return which points lie in a pattern's field of view."""
    cell = np.floor((points + FOV_REACH) / (2 * FOV_REACH) * FOV_SIDE).astype(int)
    inside = ((cell >= 0) & (cell < FOV_SIDE)).all(axis=-1)
    cell = np.clip(cell, 0, FOV_SIDE - 1)
    return pattern.fov[cell[..., 1], cell[..., 0]] & inside


def _cells(points: np.ndarray) -> np.ndarray:
    cell = np.floor((points + FOV_REACH) / (2 * FOV_REACH) * CELLS)
    return np.clip(cell, 0, CELLS - 1).astype(int)


def _channels(directions: np.ndarray) -> np.ndarray:
    return np.floor(directions / np.pi * CHANNELS).astype(int) % CHANNELS


def _spread(count: int, most: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
