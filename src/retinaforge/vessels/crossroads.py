"""Where one vessel passes over another: two lines that go straight on and change sides.

A thinned crossing at a right angle is one node of four arms. Else the two vessels share a stretch:
nodes of three arms or more with short segments, bridges, between them. A line joins two arms over
no more than `BRIDGES` bridges; two lines with a node in common cross where their four arms take
turns around the place. At the angle θ two vessels of radii r₁ and r₂ lie on one another over

    (r₁ + r₂) / sin(θ/2)

and the bridges are no longer than that, give or take. The straightest crossing is taken first; an
arm is part of one line only, while a line may cross several others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from retinaforge.vessels.arms import Arm, End, bend_deg
from retinaforge.vessels.graph import VesselGraph

STRAIGHT_DEG = 50.0
"""A vessel that passes over another bends by no more than this."""

BRIDGES, BRIDGE_RADII, BRIDGE_UNIT = 3, 8.0, 3.0
"""A line goes over so many bridges, together at most this many radii plus this many units long."""

OVERLAP_SLACK = 1.3
"""Factor on the overlap of two vessels, for walls that are not straight."""

WIDTH_RATIO, WIDTH_UNIT = 2.0, 0.5
"""The two ends of a vessel that goes on differ in radius by no more than this factor, and this."""


@dataclass(frozen=True)
class Line:
    """A vessel that goes on from one arm into another.

    Attributes:
        ends: the two ends of segments that it joins.
        arms: the same as arms.
        nodes: the nodes it passes, in order.
        bridges: the segments between them.
        length_px: length of these.
        bend_deg: how much it bends; the smaller the surer.
    """

    ends: tuple[End, End]
    arms: tuple[Arm, Arm]
    nodes: tuple[int, ...]
    bridges: tuple[int, ...]
    length_px: float
    bend_deg: float


@dataclass(frozen=True)
class Crossing:
    """Two vessels that cross.

    Attributes:
        place_px: (x, y).
        lines: the two.
        bend_deg: sum of their bends.
    """

    place_px: tuple[float, float]
    lines: tuple[Line, Line]
    bend_deg: float


def find_crossings(graph: VesselGraph, arms: list[list[Arm]]) -> tuple[Crossing, ...]:
    """Return the crossings of a graph, the surest first.

    Args:
        graph: of one mask.
        arms: its arms, from `arms_at_nodes`.
    """
    at: dict[int, list[Line]] = {}
    for line in _lines(graph, arms):
        for node in line.nodes:
            at.setdefault(node, []).append(line)
    found: dict[frozenset[End], Crossing] = {}
    tried: set[tuple[int, int]] = set()
    for here in at.values():
        for one, other in combinations(here, 2):
            # Two lines may share several nodes, but are one pair.
            pair = (id(one), id(other))
            if pair in tried:
                continue
            tried.add(pair)
            crossing = _crossing(graph, one, other)
            key = frozenset((*one.ends, *other.ends))
            if crossing and (key not in found or crossing.bend_deg < found[key].bend_deg):
                found[key] = crossing
    return _consistent(sorted(found.values(), key=lambda c: (c.bend_deg, c.place_px)))


def _consistent(crossings: list[Crossing]) -> tuple[Crossing, ...]:
    """Keep the first of crossings that contradict each other."""
    line_of: dict[End, frozenset[End]] = {}
    bridges: set[int] = set()
    kept = []
    for crossing in crossings:
        wanted = {end: frozenset(line.ends) for line in crossing.lines for end in line.ends}
        over = {k for line in crossing.lines for k in line.bridges}
        clash = any(line_of.get(end, line) != line for end, line in wanted.items())
        ends = {end[0] for end in wanted}
        if clash or ends & bridges or over & {end[0] for end in line_of}:
            continue
        line_of.update(wanted)
        bridges |= over
        kept.append(crossing)
    return tuple(kept)


def _lines(graph: VesselGraph, arms: list[list[Arm]]) -> Iterator[Line]:
    """Yield every line that is straight enough, each once."""
    for nodes, bridges, length in _paths(graph, arms):
        first = [arm for arm in arms[nodes[0]] if arm.end[0] not in bridges]
        last = [arm for arm in arms[nodes[-1]] if arm.end[0] not in bridges]
        pairs = combinations(first, 2) if not bridges else ((a, b) for a in first for b in last)
        for one, other in pairs:
            bend = _fits(graph, one, other)
            if math.isfinite(bend):
                yield Line((one.end, other.end), (one, other), nodes, bridges, length, bend)


def _paths(
    graph: VesselGraph, arms: list[list[Arm]]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], float]]:
    """Yield the nodes, bridges and length of every way over few bridges, in one direction."""
    ways: list[list[tuple[int, int, float]]] = [[] for _ in arms]
    for k, segment in enumerate(graph.segments):
        u, v = segment.start, segment.end
        if u == v or len(arms[u]) < 3 or len(arms[v]) < 3:
            continue
        length = segment.length_px
        widest = max(arm.radius_px for arm in (*arms[u], *arms[v]))
        if length <= BRIDGE_RADII * widest + BRIDGE_UNIT * graph.unit_px:
            ways[u].append((v, k, length))
            ways[v].append((u, k, length))
    for node, here in enumerate(arms):
        if len(here) >= 4:
            yield (node,), (), 0.0
        walks = [((node,), (), 0.0)] if ways[node] else []
        for _ in range(BRIDGES):
            walks = [
                ((*nodes, v), (*bridges, k), length + more)
                for nodes, bridges, length in walks
                for v, k, more in ways[nodes[-1]]
                if v not in nodes
            ]
            yield from (walk for walk in walks if walk[0][0] < walk[0][-1])


def _fits(graph: VesselGraph, one: Arm, other: Arm) -> float:
    """Return the bend of a vessel through both arms; infinite where it cannot be one vessel."""
    if one.end == other.end:
        return math.inf
    wide, narrow = max(one.radius_px, other.radius_px), min(one.radius_px, other.radius_px)
    if wide > WIDTH_RATIO * narrow + WIDTH_UNIT * graph.unit_px:
        return math.inf
    bend = bend_deg(one, other)
    dx, dy = other.place_px[0] - one.place_px[0], other.place_px[1] - one.place_px[1]
    far = math.hypot(dx, dy)
    if bend > STRAIGHT_DEG or far < graph.unit_px:
        return bend if bend <= STRAIGHT_DEG else math.inf
    into = _angle_deg((-one.heading[0], -one.heading[1]), (dx / far, dy / far))
    out = _angle_deg((dx / far, dy / far), other.heading)
    return max(bend, into, out) if max(into, out) <= STRAIGHT_DEG else math.inf


def _angle_deg(u: tuple[float, float], v: tuple[float, float]) -> float:
    return math.degrees(math.acos(min(1.0, max(-1.0, u[0] * v[0] + u[1] * v[1]))))


def _crossing(graph: VesselGraph, one: Line, other: Line) -> Crossing | None:
    """Return two lines as a crossing, if they are one."""
    (a, b), (c, d) = one.ends, other.ends
    if a in (c, d) or b in (c, d):
        return None
    if a[0] in other.bridges or b[0] in other.bridges:
        return None
    if c[0] in one.bridges or d[0] in one.bridges or not _take_turns(one, other):
        return None
    shared = set(one.bridges) & set(other.bridges)
    overlap = sum(graph.segments[k].length_px for k in shared)
    theta = _angle_deg(_course(one), _course(other))
    theta = math.radians(min(theta, 180 - theta))
    radii = sum(max(arm.radius_px for arm in line.arms) for line in (one, other))
    limit = OVERLAP_SLACK * radii / max(math.sin(theta / 2), 0.05) + BRIDGE_UNIT * graph.unit_px
    if overlap > limit:
        return None
    return Crossing(_place(graph, one, other), (one, other), one.bend_deg + other.bend_deg)


def _course(line: Line) -> tuple[float, float]:
    """Return the unit vector in which a line goes."""
    (ax, ay), (bx, by) = line.arms[0].heading, line.arms[1].heading
    x, y = bx - ax, by - ay
    far = math.hypot(x, y)
    return (x / far, y / far) if far else (0.0, 0.0)


def _take_turns(one: Line, other: Line) -> bool:
    """Return whether the four arms lie around their middle one line's after the other's."""
    (ax, ay), (bx, by) = one.arms[0].place_px, one.arms[1].place_px
    (cx, cy), (dx, dy) = other.arms[0].place_px, other.arms[1].place_px
    x, y = (ax + bx + cx + dx) / 4, (ay + by + cy + dy) / 4
    low, high = math.atan2(ay - y, ax - x), math.atan2(by - y, bx - x)
    if high < low:
        low, high = high, low
    within = low < math.atan2(cy - y, cx - x) < high
    return within != (low < math.atan2(dy - y, dx - x) < high)


def _place(graph: VesselGraph, one: Line, other: Line) -> tuple[float, float]:
    """Return the middle of what two lines share."""
    shared = [node for node in one.nodes if node in other.nodes]
    x, y = graph.nodes_px[shared].mean(axis=0).tolist()
    return x, y


def joints(
    arms: list[list[Arm]], crossings: tuple[Crossing, ...]
) -> tuple[dict[End, list[Arm]], frozenset[int]]:
    """Return, for every end of a segment, the arms a vessel can go on in; and the bridges.

    A branch that leaves at a crossing belongs to the line that passes nearest to it.
    """
    by_end = {arm.end: arm for here in arms for arm in here}
    on = {arm.end: [o for o in here if o.end != arm.end] for here in arms for arm in here}
    lines = {frozenset(line.ends): line for c in crossings for line in c.lines}
    bridges = frozenset(k for line in lines.values() for k in line.bridges)
    at: dict[int, list[Line]] = {}
    for line in lines.values():
        for node in line.nodes:
            at.setdefault(node, []).append(line)
    for line in lines.values():
        for end, beyond in (line.ends, line.ends[::-1]):
            on[end] = [by_end[beyond]]
    in_line = {end for line in lines.values() for end in line.ends}
    for node, here in at.items():
        for arm in arms[node]:
            if arm.end in in_line or arm.end[0] in bridges:
                continue
            nearest = min(here, key=lambda line, arm=arm: (_off(line, arm), line.ends))
            on[arm.end] = list(nearest.arms)
            for end in nearest.ends:
                on[end].append(arm)
    for bridge in bridges:
        on[(bridge, False)], on[(bridge, True)] = [], []
    return on, bridges


def _off(line: Line, arm: Arm) -> float:
    """Return how far from a line's chord an arm leaves its node."""
    (ax, ay), (bx, by) = (a.place_px for a in line.arms)
    x, y = arm.node_px
    ux, uy = bx - ax, by - ay
    share = ((x - ax) * ux + (y - ay) * uy) / max(ux * ux + uy * uy, 1e-9)
    share = min(1.0, max(0.0, share))
    return math.hypot(x - ax - share * ux, y - ay - share * uy)
