"""Join arteries that a map breaks where a vein passes over them, and veins under arteries.

A map that gives every pixel one kind only leaves a gap, as wide as the vessel above, in the one
below. Two free ends of one kind are joined where

    both point at each other, within `ALIGNED_DEG`, and are about as wide;
    the way between them lies in one kind or the other;
    it is no longer than `GAP_CALIBRES` times the other vessel's calibre, and a little.

An end without such a partner is drawn on under the other kind, turning by `FAN_DEG` at most, to
where its own kind goes on within that length: there it leaves a vessel, or the vessel beyond
parts. The other kind stays as it is, so that both are True where they cross.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from retinaforge.core.landmarks import PointPx
from retinaforge.vessels.arms import Arm, End, arms_from
from retinaforge.vessels.depth import depth_inside
from retinaforge.vessels.graph import VesselGraph, trace_graph
from retinaforge.vessels.medians import medians
from retinaforge.vessels.skeleton import require_masks

ALIGNED_DEG = 35.0
"""An end points at another if it turns by no more than this."""

FAN_DEG = (0.0, -8.0, 8.0, -16.0, 16.0, -24.0, 24.0)
"""Turns that are tried, the smallest first."""

GAP_CALIBRES, GAP_UNIT = 2.5, 4.0
"""A gap is no longer than this many calibres of the vessel above plus so many units."""

WIDTH_RATIO, WIDTH_UNIT = 2.5, 0.5
"""Ends of one vessel differ in radius by no more than this factor, and this many units."""

SEEN_FROM = (1.0, 0.5)
"""An end's direction is taken from so many calibres inside, where a slanting cut does not turn it;
then, for vessels that bend there, from nearer."""

COVERED = 0.9
"""Share of the way between two ends that lies in either kind, at least."""

Mask = Bool[np.ndarray, "height width"]
Indices = Int[np.ndarray, "k"]


@dataclass(frozen=True, order=True)
class _Gap:
    """An end and where its vessel goes on; the straighter first."""

    turn_deg: float
    gap_px: float
    to: PointPx
    one: int
    radius_px: float


def bridge_kinds(artery: Mask, vein: Mask, fov_mask: Mask) -> tuple[Mask, Mask]:
    """Close the gaps that one kind of vessel leaves in the other.

    Args:
        artery: True on arteries.
        vein: True on veins, same shape.
        fov_mask: True inside the field of view, same shape.

    Returns:
        Arteries and veins; nothing is taken away.

    Raises:
        Refusal: if masks are not boolean images of one shape, or the field of view is empty.
    """
    require_masks(fov_mask, artery, vein)
    return _bridged(artery, vein, fov_mask), _bridged(vein, artery, fov_mask)


def _bridged(broken: Mask, over: Mask, fov_mask: Mask) -> Mask:
    """Return a kind with its gaps under the other closed."""
    graph = trace_graph(broken, fov_mask)
    closed = broken.copy()
    if not over.any():
        return closed
    # Distance to the nearest pixel outside, less the half pixel to the wall.
    masks = _Masks(broken, over, depth_inside(over) - 0.5, graph.unit_px)
    radii_px = medians([segment.radii_px for segment in graph.segments]).tolist()
    for calibres in SEEN_FROM:
        ends = _free_ends(graph, radii_px, calibres)
        for gaps in (_all_facing(ends, masks), _all_beyond(ends, masks)):
            for gap in sorted(gaps):
                end = ends[gap.one]
                if not _joined(end, closed & ~broken):
                    _draw(closed, end, gap.to, gap.radius_px)
    return closed & (fov_mask | broken)


@dataclass(frozen=True)
class _Masks:
    """A broken kind, the other, how deep inside that each pixel lies, the unit."""

    broken: Mask
    over: Mask
    depth_px: Float[np.ndarray, "height width"]
    unit_px: float

    @cached_property
    def reach_px(self) -> float:
        """Return the length of the longest gap."""
        return GAP_CALIBRES * 2 * float(self.depth_px.max()) + GAP_UNIT * self.unit_px

    def bridges(self, row: Indices, column: Indices, gap_px: float) -> bool:
        """Return whether a gap is no longer than the vessel above it allows."""
        calibre = 2 * float(self.depth_px[row, column].max(initial=0.0))
        return 0 < gap_px <= GAP_CALIBRES * calibre + GAP_UNIT * self.unit_px


def _free_ends(graph: VesselGraph, radii_px: list[float], calibres: float) -> list[Arm]:
    """Return the free ends, each seen from so many calibres inside.

    Args:
        graph: of one kind.
        radii_px: median radius of each segment.
        calibres: how far from an end its direction is taken.
    """
    degrees = graph.degrees.tolist()
    ends: list[End] = []
    skips: list[float] = []
    for k, segment in enumerate(graph.segments):
        free = [
            e for node, e in ((segment.start, False), (segment.end, True)) if degrees[node] == 1
        ]
        if free:
            skip = min(calibres * 2 * radii_px[k], segment.length_px / 2)
            ends += [(k, at_end) for at_end in free]
            skips += [skip] * len(free)
    return arms_from(graph, ends, skips)


def _all_facing(ends: list[Arm], masks: _Masks) -> list[_Gap]:
    """Return the gaps between any two ends that are near enough."""
    if len(ends) < 2:
        return []
    tree = KDTree([end.node_px for end in ends])
    pairs = tree.query_pairs(masks.reach_px, output_type="ndarray")
    return [gap for k, j in pairs.tolist() if (gap := _facing(ends, k, j, masks)) is not None]


def _joined(end: Arm, new: Mask) -> bool:
    """Return whether something that was drawn touches an end already."""
    (x, y), reach = end.node_px, math.ceil(max(end.radius_px, 0.5)) + 2
    top, left = max(round(y) - reach, 0), max(round(x) - reach, 0)
    return bool(new[top : round(y) + reach + 1, left : round(x) + reach + 1].any())


def _turn_deg(one: Arm, other: Arm, unit_px: float) -> float:
    """Return the larger turn of a vessel through both ends; infinite where widths do not fit."""
    wide, narrow = max(one.radius_px, other.radius_px), min(one.radius_px, other.radius_px)
    dx, dy = other.place_px[0] - one.place_px[0], other.place_px[1] - one.place_px[1]
    far = math.hypot(dx, dy)
    if not wide <= WIDTH_RATIO * narrow + WIDTH_UNIT * unit_px or far == 0:
        return math.inf
    out = -(one.heading[0] * dx + one.heading[1] * dy) / far
    into = (other.heading[0] * dx + other.heading[1] * dy) / far
    return math.degrees(math.acos(min(1.0, max(-1.0, min(out, into)))))


def _facing(ends: list[Arm], k: int, j: int, masks: _Masks) -> _Gap | None:
    """Return the gap between two ends of one vessel; None if they are not such."""
    one, other = ends[k], ends[j]
    turn = _turn_deg(one, other, masks.unit_px)
    if turn > ALIGNED_DEG:
        return None
    row, column = _pixels_between(one.place_px, other.place_px)
    own, above = masks.broken[row, column], masks.over[row, column]
    gap_px = math.dist(one.place_px, other.place_px) * float((above & ~own).mean())
    if float((own | above).mean()) < COVERED or (own & above).any():
        return None
    if not masks.bridges(row, column, gap_px):
        return None
    return _Gap(turn, gap_px, other.place_px, k, other.radius_px)


def _all_beyond(ends: list[Arm], masks: _Masks) -> list[_Gap]:
    """Return the gaps to where ends' own kind goes on under the other, the best of each end."""
    if not ends:
        return []
    best: dict[int, _Gap] = {}
    for gap in _rays(ends, masks):
        if gap.one not in best or gap < best[gap.one]:
            best[gap.one] = gap
    return list(best.values())


def _rays(ends: list[Arm], masks: _Masks) -> Iterator[_Gap]:
    """Yield the gaps that lie on straight ways out of the ends, one way for each of `FAN_DEG`."""
    radius = np.array([end.radius_px for end in ends])
    straight = np.array([math.atan2(-end.heading[1], -end.heading[0]) for end in ends])
    turn = (straight[:, None] + np.radians(FAN_DEG)).reshape(-1)
    reach = np.repeat(4 * radius + masks.reach_px, len(FAN_DEG))
    start = np.repeat(np.array([end.place_px for end in ends]), len(FAN_DEG), axis=0)
    row, column, many = _pixels_along(start, reach, turn, masks.over.shape)
    own, above = masks.broken[row, column], masks.over[row, column]
    here = np.arange(row.shape[1])
    seen = here < many[:, None]
    # Out of its own kind at `leave`, in again at `land`: between the two it is hidden.
    leave = np.where(own & seen, len(here), here).min(axis=1)
    land = np.where(own & seen & (here > leave[:, None]), here, len(here)).min(axis=1)
    before, hidden = here < leave[:, None], (here >= leave[:, None]) & (here < land[:, None])
    found = (leave > 0) & (land < many) & (above | ~hidden).all(axis=1)
    found &= ~(own & above & before).any(axis=1)
    for ray in np.flatnonzero(found).tolist():
        k, angle = divmod(ray, len(FAN_DEG))
        way, gap_px = hidden[ray], float(land[ray] - leave[ray]) / 2
        if masks.bridges(row[ray, way], column[ray, way], gap_px):
            on = min(land[ray] + 2 * math.ceil(radius[k]), many[ray] - 1)
            to = (float(column[ray, on]), float(row[ray, on]))
            yield _Gap(abs(FAN_DEG[angle]), gap_px, to, k, ends[k].radius_px)


def _pixels_along(
    start: Float[np.ndarray, "k 2"], reach: Float[np.ndarray, "k"], turn: Float[np.ndarray, "k"],
    size_px: tuple[int, int],
) -> tuple[Int[np.ndarray, "k n"], Int[np.ndarray, "k n"], Int[np.ndarray, "k"]]:  # fmt: skip
    """Return (row, column) along straight ways, every half pixel, and how many lie in the picture.

    What comes after those is pixel (0, 0).
    """
    far = start + reach[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    whole = 2 * np.ceil(np.hypot(*(far - start).T)).astype(np.int64)
    step = np.arange(whole.max() + 1)
    share = step / np.maximum(whole, 1)[:, None]
    x, y = (start[:, k, None] + share * (far - start)[:, k, None] for k in (0, 1))
    column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    inside = (row >= 0) & (column >= 0) & (row < size_px[0]) & (column < size_px[1])
    inside &= step <= whole[:, None]
    # A straight way that has left the picture does not come back.
    return np.where(inside, row, 0), np.where(inside, column, 0), inside.sum(axis=1)


def _pixels_between(
    one: PointPx, other: PointPx
) -> tuple[Int[np.ndarray, "k"], Int[np.ndarray, "k"]]:
    """Return (row, column) along the straight way between two points, every half pixel."""
    many = 2 * math.ceil(math.dist(one, other)) + 1
    x, y = (np.linspace(one[k], other[k], many) for k in (0, 1))
    return np.rint(y).astype(np.int64), np.rint(x).astype(np.int64)


def _draw(mask: Mask, one: Arm, to: PointPx, radius_px: float) -> None:
    """Draw a straight vessel from an end to a point, as wide as they are."""
    widest = max(one.radius_px, radius_px, 0.5)
    low = np.floor(np.minimum(one.place_px, to) - widest).astype(int)
    high = np.ceil(np.maximum(one.place_px, to) + widest).astype(int)
    x0, y0 = np.maximum(low, 0).tolist()
    x1, y1 = (int(v) + 1 for v in high)
    part = mask[y0:y1, x0:x1]
    y, x = np.mgrid[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]]
    dx, dy = to[0] - one.place_px[0], to[1] - one.place_px[1]
    along = ((x - one.place_px[0]) * dx + (y - one.place_px[1]) * dy) / (dx * dx + dy * dy)
    along = np.clip(along, 0, 1)
    off = np.hypot(x - one.place_px[0] - along * dx, y - one.place_px[1] - along * dy)
    part |= off <= np.maximum(one.radius_px + along * (radius_px - one.radius_px), 0.5)
