"""Arms: the ends of segments that meet at a node, with the direction in which each leaves it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from retinaforge.vessels.graph import Segment, VesselGraph

SKIP_RADII, LOOK_UNIT = 1.0, 7.0
"""A direction is taken beyond the junction's own width, over this many units of length."""

End = tuple[int, bool]
"""A segment and which end of it: False where it starts, True where it ends."""


@dataclass(frozen=True)
class Arm:
    """One end of a segment.

    Attributes:
        end: which segment, which end.
        heading: unit vector away from the node (x, y).
        radius_px: typical radius of the segment there.
        node_px: (x, y) of the node.
        place_px: (x, y) where it has left the junction.
        skip: how many points of the segment lie between the two.
    """

    end: End
    heading: tuple[float, float]
    radius_px: float
    node_px: tuple[float, float]
    place_px: tuple[float, float]
    skip: int


def arms_at_nodes(graph: VesselGraph) -> list[list[Arm]]:
    """Return the arms of every node."""
    if not graph.segments:
        return [[] for _ in range(len(graph.nodes_px))]
    ends: list[list[End]] = [[] for _ in range(len(graph.nodes_px))]
    for k, segment in enumerate(graph.segments):
        ends[segment.start].append((k, False))
        ends[segment.end].append((k, True))
    skips = [SKIP_RADII * _widest(graph, here) for here in ends]
    every = iter(
        arms_from(
            graph, [end for here in ends for end in here],
            [skip for skip, here in zip(skips, ends, strict=True) for _ in here],
        )
    )  # fmt: skip
    return [[next(every) for _ in here] for here in ends]


def bend_deg(coming: Arm, going: Arm) -> float:
    """Return by how many degrees a vessel turns that comes in one arm and goes out another."""
    dot = -(coming.heading[0] * going.heading[0] + coming.heading[1] * going.heading[1])
    return math.degrees(math.acos(min(1.0, max(-1.0, dot))))


def from_node(segment: Segment, at_end: bool) -> Float[np.ndarray, "n 2"]:
    """Return a segment's points, beginning at the node of the named end."""
    return segment.points_px[::-1] if at_end else segment.points_px


def _widest(graph: VesselGraph, ends: list[End]) -> float:
    radii = [float(graph.segments[k].radii_px[-1 if at_end else 0]) for k, at_end in ends]
    return max((radius for radius in radii if math.isfinite(radius)), default=0.0)


def arms_from(graph: VesselGraph, ends: list[End], skips_px: list[float]) -> list[Arm]:
    """Return the arms at ends of segments, all in one go.

    Args:
        graph: whose segments they are.
        ends: which ends of which segments.
        skips_px: how far from the node each direction is taken.
    """
    if not ends:
        return []
    size = np.array([len(segment.radii_px) for segment in graph.segments])
    begin = np.cumsum(size) - size
    points = np.concatenate([segment.points_px for segment in graph.segments])
    radii = np.concatenate([segment.radii_px for segment in graph.segments])
    of, back = np.array([end[0] for end in ends]), np.array([end[1] for end in ends])
    skip, look = np.array(skips_px), LOOK_UNIT * graph.unit_px
    # Points are a pixel apart or more, give or take the smoothing.
    many = np.minimum(np.ceil(2 * (skip + look)).astype(np.int64) + 2, size[of])
    step = np.arange(many.max())
    seen, way = step < many[:, None], np.where(back, -1, 1)[:, None]
    start = np.where(back, begin[of] + size[of] - 1, begin[of])[:, None]
    at = start + way * np.minimum(step, many[:, None] - 1)
    x, y = points[at, 0], points[at, 1]
    away = np.sqrt((x - x[:, :1]) ** 2 + (y - y[:, :1]) ** 2)
    here = np.arange(len(ends))
    first = ((away >= skip[:, None]) & seen).argmax(axis=1)
    last = ((away >= (away[here, first] + look)[:, None]) & seen).argmax(axis=1)
    last = np.where(last == 0, many - 1, last)
    low, high = np.where(last > first, first, 0), np.where(last > first, last, many - 1)
    rows = zip(
        ends, (x[here, high] - x[here, low]).tolist(), (y[here, high] - y[here, low]).tolist(),
        radii[at[here, (first + last) // 2]].tolist(), points[at[:, 0]].tolist(),
        points[at[here, first]].tolist(), first.tolist(), strict=True,
    )  # fmt: skip
    return [
        Arm(end, _unit(dx, dy), radius, (node[0], node[1]), (place[0], place[1]), many_skipped)
        for end, dx, dy, radius, node, place, many_skipped in rows
    ]


def _unit(dx: float, dy: float) -> tuple[float, float]:
    far = math.hypot(dx, dy)
    return (dx / far, dy / far) if far else (0.0, 0.0)
