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
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from scipy.spatial import KDTree

from retinaforge.core.landmarks import PointPx
from retinaforge.vessels.arms import Arm, arm_from
from retinaforge.vessels.graph import VesselGraph, trace_graph
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
    depth_px = np.asarray(ndimage.distance_transform_edt(over)) - 0.5
    away_px = np.asarray(ndimage.distance_transform_edt(~over))
    masks = _Masks(broken, over, depth_px, away_px, graph.unit_px)
    for calibres in SEEN_FROM:
        ends = _free_ends(graph, calibres)
        for gaps in (_all_facing(ends, masks), [_beyond(ends, k, masks) for k in range(len(ends))]):
            for gap in sorted(gap for gap in gaps if gap):
                end = ends[gap.one]
                if not _joined(end, closed & ~broken):
                    _draw(closed, end, gap.to, gap.radius_px)
    return closed & (fov_mask | broken)


@dataclass(frozen=True)
class _Masks:
    """A broken kind, the other, how deep inside and how far from that each pixel lies, the unit."""

    broken: Mask
    over: Mask
    depth_px: Float[np.ndarray, "height width"]
    away_px: Float[np.ndarray, "height width"]
    unit_px: float

    @property
    def reach_px(self) -> float:
        """Return the length of the longest gap."""
        return GAP_CALIBRES * 2 * float(self.depth_px.max()) + GAP_UNIT * self.unit_px

    def bridges(self, row: Indices, column: Indices, gap_px: float) -> bool:
        """Return whether a gap is no longer than the vessel above it allows."""
        calibre = 2 * float(self.depth_px[row, column].max(initial=0.0))
        return 0 < gap_px <= GAP_CALIBRES * calibre + GAP_UNIT * self.unit_px


def _free_ends(graph: VesselGraph, calibres: float) -> list[Arm]:
    """Return the free ends, each seen from so many calibres inside."""
    degrees = graph.degrees
    ends: list[Arm] = []
    for k, segment in enumerate(graph.segments):
        skip = min(calibres * 2 * float(np.median(segment.radii_px)), segment.length_px / 2)
        for node, at_end in ((segment.start, False), (segment.end, True)):
            if degrees[node] == 1:
                ends.append(arm_from(graph, (k, at_end), skip_px=skip))
    return ends


def _all_facing(ends: list[Arm], masks: _Masks) -> list[_Gap | None]:
    """Return the gaps between any two ends that are near enough."""
    if len(ends) < 2:
        return []
    tree = KDTree([end.node_px for end in ends])
    pairs = tree.query_pairs(masks.reach_px, output_type="ndarray")
    return [_facing(ends, k, j, masks) for k, j in pairs.tolist()]


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


def _beyond(ends: list[Arm], k: int, masks: _Masks) -> _Gap | None:
    """Return the gap to where an end's own kind goes on under the other; None where it does not."""
    end = ends[k]
    straight = math.atan2(-end.heading[1], -end.heading[0])
    reach, (height, width) = 4 * end.radius_px + masks.reach_px, masks.over.shape
    found: list[_Gap] = []
    row, column = (
        min(max(round(at), 0), size - 1)
        for at, size in zip(end.place_px[::-1], masks.over.shape, strict=True)
    )
    if masks.away_px[row, column] > reach + 2:
        return None  # nothing that it could go on under
    for angle in FAN_DEG:
        ux, uy = math.cos(straight + math.radians(angle)), math.sin(straight + math.radians(angle))
        far = (end.place_px[0] + reach * ux, end.place_px[1] + reach * uy)
        row, column = _pixels_between(end.place_px, far)
        inside = (row >= 0) & (column >= 0) & (row < height) & (column < width)
        row, column = row[inside], column[inside]
        own, above = masks.broken[row, column], masks.over[row, column]
        leave = int(np.argmin(own))
        land = leave + int(np.argmax(own[leave:]))
        hidden = slice(leave, land)
        if leave == 0 or not above[hidden].all() or (own & above)[:leave].any():
            continue
        if masks.bridges(row[hidden], column[hidden], (land - leave) / 2):
            on = min(land + 2 * math.ceil(end.radius_px), len(row) - 1)
            to = (float(column[on]), float(row[on]))
            found.append(_Gap(abs(angle), (land - leave) / 2, to, k, end.radius_px))
    return min(found, default=None)


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
