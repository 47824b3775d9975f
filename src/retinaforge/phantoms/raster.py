"""Find, for every pixel near a vessel, which piece of which centreline it belongs to, and where.

A pixel belongs to the piece whose wall it lies deepest in: depth = r - d, with d the distance to
the piece and r the radius there. That is the union of all pieces, so joints of a centreline and
branchings show neither gaps nor bumps. Pixel centres lie at whole coordinates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from retinaforge.core import Branch
from retinaforge.phantoms.coverage import strip_share

SMALLEST_RADIUS_PX = 0.5
"""Vessels narrower than a pixel are one pixel wide in masks, so that no vessel falls apart."""

STRAIGHT_PX = 0.01
"""A point of a centreline is left out where the line without it passes as near as this."""

HALF_DIAGONAL_PX = 0.7072
"""No wall further than this from a pixel's centre cuts the pixel."""

ROUND = np.float32(1 / 24)

PATCH_PIXELS = 60_000
"""Pixels worked on at a time, so that they stay in the cache."""


@dataclass(frozen=True)
class VesselLayer:
    """The pixels near one kind of vessel, in order of their index, and their place in it.

    Attributes:
        size_px: side of the square picture.
        index: flat index of each pixel.
        distance_px: from the pixel's centre to the centreline.
        radius_px: half the vessel's calibre there.
        branch: number of the branch.
        coverage_at: share of the pixel that the vessel covers, 0-1.
    """

    size_px: int
    index: Int[np.ndarray, "n"]
    distance_px: Float[np.ndarray, "n"]
    radius_px: Float[np.ndarray, "n"]
    branch: Int[np.ndarray, "n"]
    coverage_at: Float[np.ndarray, "n"]

    @cached_property
    def mask(self) -> Bool[np.ndarray, "height width"]:
        """Return where a pixel's centre lies in a vessel, each at least one pixel wide."""
        inside = self.distance_px <= np.maximum(self.radius_px, SMALLEST_RADIUS_PX)
        return self.plane(inside)

    @cached_property
    def coverage(self) -> Float[np.ndarray, "height width"]:
        """Return the share of each pixel that vessels cover, 0-1."""
        return self.plane(self.coverage_at)

    def plane(self, values: np.ndarray) -> np.ndarray:
        """Return values of the pixels near vessels as a picture, zero elsewhere."""
        picture = np.zeros(self.size_px**2, dtype=values.dtype)
        picture[self.index] = values
        return picture.reshape(self.size_px, self.size_px)


@dataclass(frozen=True)
class Pieces:
    """Straight pieces of centrelines: starts and vectors (n, 2), radii at both ends, branches."""

    starts: Float[np.ndarray, "n 2"]
    vectors: Float[np.ndarray, "n 2"]
    radii: Float[np.ndarray, "n"]
    growths: Float[np.ndarray, "n"]
    branches: Int[np.ndarray, "n"]

    def __getitem__(self, chosen: np.ndarray) -> Pieces:
        return Pieces(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def render_vessels(
    branches: Iterable[Branch], *, size_px: int, margin_px: float = 1.0
) -> VesselLayer:
    """Return the pixels of a square picture that lie in vessels or within `margin_px` of them.

    Args:
        branches: centrelines and radii in pixels of this picture.
        size_px: side of the picture.
        margin_px: how far outside the wall a pixel's centre may lie; at least 1, as a pixel
            further away is not covered at all.
    """
    margin = max(margin_px, 1.0)
    whole = _cut(tuple(branches))
    whole = whole[_in_picture(whole, size_px, margin)]
    pieces, of = _shorten(whole, size_px, margin)
    index, winner = _deepest(pieces, size_px, margin)
    # Measured from whole pieces: where one was cut for speed it has no end.
    winner = of[winner]
    parts = [
        _place(index[first : first + PATCH_PIXELS], winner[first : first + PATCH_PIXELS], whole,
               size_px=size_px, margin=margin)
        for first in range(0, max(len(index), 1), PATCH_PIXELS)
    ]  # fmt: skip
    return VesselLayer(size_px, *(np.concatenate(values) for values in zip(*parts, strict=True)))


def _place(
    index: np.ndarray, winner: np.ndarray, pieces: Pieces, *, size_px: int, margin: float
) -> tuple[np.ndarray, ...]:
    """Return index, distance, radius, branch and coverage of the pixels within the margin."""
    own = pieces[winner]
    x = (index % size_px - own.starts[:, 0]).astype(np.float32)
    y = (index // size_px - own.starts[:, 1]).astype(np.float32)
    vx, vy = own.vectors.T.astype(np.float32)
    square = np.maximum(vx**2 + vy**2, np.float32(1e-12))
    whole = (x * vx + y * vy) / square
    share = np.clip(whole, 0, 1)
    x, y = x - share * vx, y - share * vy
    distance = np.sqrt(x**2 + y**2)
    radius = (own.radii + share * own.growths).astype(np.float32)
    # On the axis itself the way across is the piece's own normal.
    x, y = (np.where(distance < 1e-5, *pair) for pair in ((-vy, x), (vx, y)))
    # A round end bends away from its tangent, within a pixel by 1 / (24 r) on average.
    beyond = np.zeros_like(share)
    past = np.flatnonzero(whole != share)
    beyond[past] = _beyond(pieces, winner[past], np.stack([x[past], y[past]], 1), share[past] > 0)
    flat = radius - np.minimum(2 * beyond, 1) * ROUND / np.maximum(radius, 1)
    coverage = np.where(radius > distance, np.float32(1), np.float32(0))
    cut = (np.abs(radius - distance) < HALF_DIAGONAL_PX) | (radius + distance < HALF_DIAGONAL_PX)
    wall = np.flatnonzero(cut)
    x, y = x[wall], y[wall]
    norm = np.maximum(np.sqrt(x**2 + y**2), np.float32(1e-12))
    coverage[wall] = strip_share(distance[wall], flat[wall], x / norm, y / norm)
    near = distance <= np.maximum(radius, SMALLEST_RADIUS_PX) + margin
    return index[near], distance[near], radius[near], own.branches[near], coverage[near]


def _beyond(pieces: Pieces, winner: np.ndarray, away: np.ndarray, at_end: np.ndarray) -> np.ndarray:
    """Return how far pixels lie past the ends that they are nearest to.

    At a joint this is the lesser of the two pieces' distances, whichever of them is the winner:
    both are equally near.

    Args:
        pieces: a branch's in the order of its centreline.
        winner: each pixel's piece.
        away: from that piece's end to the pixel, (n, 2).
        at_end: True at the piece's last point, False at its first.
    """
    other = np.clip(winner + np.where(at_end, 1, -1), 0, len(pieces.radii) - 1)
    ends = pieces.starts + pieces.vectors
    gap = np.where(
        at_end[:, None],
        pieces.starts[other] - ends[winner],
        ends[other] - pieces.starts[winner],
    )
    joined = (other != winner) & (np.abs(gap).max(axis=1, initial=0) < 1e-6)
    joined &= pieces.branches[other] == pieces.branches[winner]
    own, neighbour = (
        np.abs((away * pieces.vectors[of]).sum(1)) / np.hypot(*pieces.vectors[of].T).clip(1e-12)
        for of in (winner, other)
    )
    return np.where(joined, np.minimum(own, neighbour), own).astype(np.float32)


def _cut(branches: tuple[Branch, ...]) -> Pieces:
    """Return the pieces between the points that centrelines need, all branches at once."""
    if not branches:
        return Pieces(*(np.empty((0, 2)),) * 2, *(np.empty(0),) * 2, np.empty(0, dtype=int))
    points = np.concatenate([branch.points_px for branch in branches])
    radii = np.concatenate([branch.radii_px for branch in branches])
    number = np.repeat(np.arange(len(branches)), [len(b.radii_px) for b in branches])
    for _ in range(3):
        keep = ~_needless(points, radii, number)
        points, radii, number = points[keep], radii[keep], number[keep]
    joined = np.flatnonzero(number[1:] == number[:-1])
    return Pieces(points[joined], points[joined + 1] - points[joined], radii[joined],
                  radii[joined + 1] - radii[joined], number[joined])  # fmt: skip


def _needless(points: np.ndarray, radii: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Return the inner points, no two in a row, that lie on the line between their neighbours."""
    out = np.zeros(len(points), dtype=bool)
    here = np.arange(1, len(points) - 1, 2)
    here = here[(number[here - 1] == number[here]) & (number[here + 1] == number[here])]
    before, chord = points[here - 1], points[here + 1] - points[here - 1]
    square = np.maximum((chord**2).sum(1), 1e-12)
    share = ((points[here] - before) * chord).sum(1) / square
    off = np.linalg.norm(points[here] - before - share[:, None] * chord, axis=1)
    radius = radii[here - 1] + share * (radii[here + 1] - radii[here - 1])
    on_line = (off < STRAIGHT_PX) & (np.abs(radius - radii[here]) < STRAIGHT_PX)
    # A point behind its neighbours, where the line turns back, is needed.
    out[here[on_line & (share > 0) & (share < 1)]] = True
    return out


def _shorten(pieces: Pieces, size_px: int, margin: float) -> tuple[Pieces, Int[np.ndarray, "n"]]:
    """Cut pieces much longer than their patch is wide, and drop what the picture does not show.

    Returns:
        The shorter pieces, and of each the number of the piece it was cut from.
    """
    wide = 2 * (_widest(pieces) + margin)
    many = np.maximum(1, np.ceil(np.hypot(*pieces.vectors.T) / wide)).astype(int)
    of = np.repeat(np.arange(len(many)), many)
    rank = np.arange(len(of)) - np.repeat(np.cumsum(many) - many, many)
    part, whole = rank / many[of], pieces[of]
    shorter = Pieces(
        whole.starts + part[:, None] * whole.vectors,
        whole.vectors / many[of][:, None],
        whole.radii + part * whole.growths,
        whole.growths / many[of],
        whole.branches,
    )
    seen = _in_picture(shorter, size_px, margin)
    return shorter[seen], of[seen]


def _widest(pieces: Pieces) -> np.ndarray:
    return np.maximum(pieces.radii + np.maximum(pieces.growths, 0), SMALLEST_RADIUS_PX)


def _in_picture(pieces: Pieces, size_px: int, margin: float) -> Bool[np.ndarray, "n"]:
    reach, ends = (_widest(pieces) + margin)[:, None], pieces.starts + pieces.vectors
    low, high = np.minimum(pieces.starts, ends), np.maximum(pieces.starts, ends)
    return ((high + reach > -0.5) & (low - reach < size_px - 0.5)).all(axis=1)


def _deepest(pieces: Pieces, size_px: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the flat index of each pixel near a piece and the piece it lies deepest in."""
    middle = np.rint(pieces.starts + pieces.vectors / 2).astype(np.int64)
    half = np.abs(pieces.vectors).max(axis=1, initial=0) / 2
    reach = np.ceil(_widest(pieces) + margin + half + 0.5).astype(int)
    # A border as wide as the widest patch saves asking which of its pixels are in the picture.
    border = 2 * int(reach.max(initial=0)) + 1
    side = size_px + 2 * border
    depth = np.full(side * side, -np.inf, dtype=np.float32)
    winner = np.full(side * side, -1, dtype=np.int32)
    for chosen, size in _batches(reach):
        flat = (middle[chosen, 1] + border) * side + middle[chosen, 0] + border
        index, inside = _patches(pieces[chosen], middle[chosen], flat, size, side)
        np.maximum.at(depth, index, inside)
        wins = np.flatnonzero(inside == depth[index])
        winner[index[wins]] = chosen[wins // (2 * size + 1) ** 2]
    inner = slice(border, border + size_px)
    winner = winner.reshape(side, side)[inner, inner].ravel()
    index = np.flatnonzero(winner >= 0)
    return index, winner[index]


def _batches(reach: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """Yield pieces of one reach, as many at a time as keep their patches within the cache."""
    for size in np.unique(reach):
        chosen = np.flatnonzero(reach == size)
        many = max(1, PATCH_PIXELS // (2 * int(size) + 1) ** 2)
        for first in range(0, len(chosen), many):
            yield chosen[first : first + many], int(size)


def _patches(
    pieces: Pieces, middle: np.ndarray, flat: np.ndarray, reach: int, side: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return flat index and depth below the wall of each pixel of each piece's patch."""
    offset = np.arange(-reach, reach + 1)
    index = (flat[:, None] + (offset[:, None] * side + offset).ravel()).ravel()
    from_start = (middle - pieces.starts).astype(np.float32)
    x = np.repeat(from_start[:, 0, None, None] + offset.astype(np.float32), 2 * reach + 1, axis=1)
    y = from_start[:, 1, None, None] + offset.astype(np.float32)[:, None]
    vx, vy = (pieces.vectors[:, k, None, None].astype(np.float32) for k in (0, 1))
    square = np.maximum(vx**2 + vy**2, np.float32(1e-12))
    share = x * (vx / square) + y * (vy / square)
    np.clip(share, 0, 1, out=share)
    x -= share * vx
    y = y - share * vy
    radius, growth = (
        values[:, None, None].astype(np.float32) for values in (pieces.radii, pieces.growths)
    )
    share *= growth
    share += radius
    np.maximum(share, np.float32(SMALLEST_RADIUS_PX), out=share)
    return index, (share - np.sqrt(x**2 + y**2)).ravel()
