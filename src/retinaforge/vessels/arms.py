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
    ends: list[list[End]] = [[] for _ in range(len(graph.nodes_px))]
    for k, segment in enumerate(graph.segments):
        ends[segment.start].append((k, False))
        ends[segment.end].append((k, True))
    return [
        [arm_from(graph, end, skip_px=SKIP_RADII * _widest(graph, here)) for end in here]
        for here in ends
    ]


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


def arm_from(graph: VesselGraph, end: End, *, skip_px: float) -> Arm:
    """Return the arm at one end of a segment.

    Args:
        graph: whose segment it is.
        end: which end.
        skip_px: how far from the node the direction is taken.
    """
    segment = graph.segments[end[0]]
    skip, look = skip_px, LOOK_UNIT * graph.unit_px
    # Points are a pixel apart or more, give or take the smoothing.
    many = math.ceil(2 * (skip + look)) + 2
    part = from_node(segment, end[1])[:many]
    away = np.sqrt(((part - part[0]) ** 2).sum(axis=1))
    first = int(np.argmax(away >= skip))
    last = int(np.argmax(away >= away[first] + look)) or len(part) - 1
    dx, dy = (part[last] - part[first] if last > first else part[-1] - part[0]).tolist()
    far = math.hypot(dx, dy)
    heading = (dx / far, dy / far) if far else (0.0, 0.0)
    radii = segment.radii_px[::-1] if end[1] else segment.radii_px
    (x0, y0), (x1, y1) = part[0].tolist(), part[first].tolist()
    return Arm(end, heading, float(radii[(first + last) // 2]), (x0, y0), (x1, y1), first)
