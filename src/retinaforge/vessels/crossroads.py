"""Where one vessel passes over another: four arms that pair into two lines which go on.

A thinned crossing at a right angle is one node of four arms. At a sharp angle the two vessels
share a stretch: two nodes of three arms with a bridge between them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from retinaforge.vessels.arms import Arm, End, bend_deg
from retinaforge.vessels.graph import VesselGraph

STRAIGHT_DEG = 40.0
"""A vessel that passes over another bends by no more than this."""

BRIDGE_RADII, BRIDGE_UNIT = 4.0, 3.0
"""A bridge is at most this many radii of the wider vessel plus this many units long."""

WIDTH_RATIO = 2.0
"""The two ends of a vessel that goes on differ in width by no more than this factor."""


@dataclass(frozen=True)
class Crossing:
    """Two vessels that cross.

    Attributes:
        place_px: (x, y).
        pairs: the ends that belong together, two pairs.
        nodes: the one or two nodes of the crossing.
        bridges: the segment between two nodes, if there are two.
        bend_deg: sum of the two bends; the smaller the surer.
    """

    place_px: tuple[float, float]
    pairs: tuple[tuple[End, End], tuple[End, End]]
    nodes: tuple[int, ...]
    bridges: tuple[int, ...]
    bend_deg: float


def find_crossings(graph: VesselGraph, arms: list[list[Arm]]) -> tuple[Crossing, ...]:
    """Return the crossings of a graph, the surest first; no node is part of two.

    Args:
        graph: of one mask.
        arms: its arms, from `arms_at_nodes`.
    """
    found = [c for node, here in enumerate(arms) if (c := _at_node(graph, node, here))]
    found += [c for k in range(len(graph.segments)) if (c := _over_bridge(graph, k, arms))]
    taken: set[int] = set()
    kept = []
    for crossing in sorted(found, key=lambda c: c.bend_deg):
        if taken.isdisjoint(crossing.nodes):
            taken.update(crossing.nodes)
            kept.append(crossing)
    return tuple(kept)


def _fits(one: Arm, other: Arm) -> float:
    """Return the bend of a vessel through both arms; infinite where it cannot be one vessel."""
    bend = bend_deg(one, other)
    wide, narrow = max(one.radius_px, other.radius_px), min(one.radius_px, other.radius_px)
    return bend if bend <= STRAIGHT_DEG and wide <= WIDTH_RATIO * narrow else math.inf


def _at_node(graph: VesselGraph, node: int, arms: list[Arm]) -> Crossing | None:
    if len(arms) != 4:
        return None
    a, b, c, d = arms
    pairings = (((a, b), (c, d)), ((a, c), (b, d)), ((a, d), (b, c)))
    bends = [_fits(*one) + _fits(*two) for one, two in pairings]
    best = int(np.argmin(bends))
    if math.isinf(bends[best]):
        return None
    place = (float(graph.nodes_px[node, 0]), float(graph.nodes_px[node, 1]))
    return _crossing(place, pairings[best], (node,), (), bends[best])


def _over_bridge(graph: VesselGraph, bridge: int, arms: list[list[Arm]]) -> Crossing | None:
    segment = graph.segments[bridge]
    u, v = segment.start, segment.end
    if u == v or len(arms[u]) != 3 or len(arms[v]) != 3:
        return None
    near = [arm for arm in arms[u] if arm.end[0] != bridge]
    far = [arm for arm in arms[v] if arm.end[0] != bridge]
    if len(near) != 2 or len(far) != 2:
        return None
    widest = max(arm.radius_px for arm in (*near, *far))
    if segment.length_px > BRIDGE_RADII * widest + BRIDGE_UNIT * graph.unit_px:
        return None
    best, bends = None, math.inf
    for swap in (False, True):
        pairs = ((near[0], far[int(swap)]), (near[1], far[1 - int(swap)]))
        total = _fits(*pairs[0]) + _fits(*pairs[1])
        if total < bends:
            best, bends = pairs, total
    if best is None:
        return None
    x, y = segment.points_px[len(segment.points_px) // 2]
    return _crossing((float(x), float(y)), best, (u, v), (bridge,), bends)


def _crossing(
    place: tuple[float, float], pairs: tuple[tuple[Arm, Arm], tuple[Arm, Arm]],
    nodes: tuple[int, ...], bridges: tuple[int, ...], bend: float,
) -> Crossing:  # fmt: skip
    first, second = ((one.end, other.end) for one, other in pairs)
    return Crossing(place, (first, second), nodes, bridges, bend)


def joints(arms: list[list[Arm]], crossings: tuple[Crossing, ...]) -> dict[End, list[Arm]]:
    """Return, for every end of a segment, the arms in which a vessel can go on from there."""
    on: dict[End, list[Arm]] = {}
    by_end = {arm.end: arm for here in arms for arm in here}
    for here in arms:
        for arm in here:
            on[arm.end] = [other for other in here if other.end != arm.end]
    for crossing in crossings:
        for pair in crossing.pairs:
            for one, other in (pair, pair[::-1]):
                on[one] = [by_end[other]]
        for bridge, side in product(crossing.bridges, (False, True)):
            on[(bridge, side)] = []
    return on
