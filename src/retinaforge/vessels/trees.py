"""From a graph to vessel trees: through crossings, away from the disc.

1. Vessels are cut at the disc's margin: each is a root there.
2. At a crossing each vessel goes on into its own continuation only.
3. From the roots outwards (Dijkstra; a step costs its length, and more the more it turns), every
   segment is reached once, and gets as parent the segment that it was reached from.
4. A branch with one child is one branch with it.

References:
    Parting crossings from branchings by what goes straight on follows arteriovenous graph
    analysis, e.g. B. Dashtbozorg et al., IEEE Trans. Image Process. 23 (2014), 1073.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core import Branch, VesselKind, VesselTree
from retinaforge.core.landmarks import Landmarks
from retinaforge.vessels.arms import Arm, End, arms_at_nodes, bend_deg, from_node
from retinaforge.vessels.crossroads import Crossing, find_crossings, joints
from retinaforge.vessels.disc_cut import cut_at_disc
from retinaforge.vessels.graph import VesselGraph
from retinaforge.vessels.medians import medians

FREE_TURN_DEG, TURN_UNIT = 70.0, 300.0
"""A turn beyond the first costs a detour of this many units for every radian more."""

GAP_PX = 2.5
"""Points of a segment are never so far apart; those either side of a crossing are."""


@dataclass(frozen=True)
class TracedTree:
    """Vessel trees with what the tracing knew beside them.

    Attributes:
        tree: branches from the disc outwards, parents before children.
        crossings_px: (x, y) where vessels of the mask cross.
        at_disc: which branches begin at the disc's margin.
        unit_px: the field of view's longer side / 512.
    """

    tree: VesselTree
    crossings_px: Float[np.ndarray, "m 2"]
    at_disc: Bool[np.ndarray, "n"]
    unit_px: float


@dataclass(frozen=True)
class _Step:
    """A segment reached: from which end it is walked, and after which other segment."""

    entry: End
    parent: int | None


def grow_tree(
    graph: VesselGraph, landmarks: Landmarks, *, kind: VesselKind = "unknown"
) -> TracedTree:
    """Direct a graph's segments from the disc, through crossings.

    Args:
        graph: of one mask.
        landmarks: the disc, if known; else each piece begins at its widest free end.
        kind: what the mask shows.
    """
    cut = cut_at_disc(graph, landmarks)
    arms = arms_at_nodes(cut.graph)
    crossings = find_crossings(cut.graph, arms)
    steps = _reach(cut.graph, arms, crossings, frozenset(cut.margin))
    chains = _chains(steps)
    over = {arm.end: arm.skip for c in crossings for line in c.lines for arm in line.arms}
    number = {step.entry[0]: k for k, chain in enumerate(chains) for step in chain}
    branches = []
    for chain in chains:
        parent = chain[0].parent
        before = None if parent is None else number[parent]
        line, radii = _join(cut.graph, chain, None if before is None else branches[before], over)
        branches.append(Branch(line, radii, kind, before))
    starts = [_node_of(cut.graph, chain[0].entry) for chain in chains]
    roots = [chain[0].parent is None for chain in chains]
    margin = set(cut.margin)
    return TracedTree(
        VesselTree(tuple(branches)),
        np.array([c.place_px for c in crossings], dtype=float).reshape(-1, 2),
        np.array([r and s in margin for r, s in zip(roots, starts, strict=True)], dtype=bool),
        graph.unit_px,
    )


def _node_of(graph: VesselGraph, end: End) -> int:
    segment = graph.segments[end[0]]
    return segment.end if end[1] else segment.start


def _reach(
    graph: VesselGraph, arms: list[list[Arm]], crossings: tuple[Crossing, ...],
    margin: frozenset[int],
) -> list[_Step]:  # fmt: skip
    """Walk outwards from the roots; every segment but bridges is reached once."""
    on, bridges = joints(arms, crossings)
    arm_of = {arm.end: arm for here in arms for arm in here}
    left = set(range(len(graph.segments))) - bridges
    steps: list[_Step] = []
    starts = [end for end in arm_of if end[0] in left and _node_of(graph, end) in margin]
    queue = [(0.0, end, -1) for end in starts]
    heapq.heapify(queue)
    roots = iter(_roots(graph, arm_of, on))
    while left:
        if not queue:
            queue.append((0.0, next(end for end in roots if end[0] in left), -1))
        cost, entry, parent = heapq.heappop(queue)
        if entry[0] not in left:
            continue
        left.discard(entry[0])
        steps.append(_Step(entry, None if parent < 0 else parent))
        leaving = (entry[0], not entry[1])
        cost += graph.segments[entry[0]].length_px
        for arm in on[leaving]:
            if arm.end[0] in left:
                extra = _detour(arm_of[leaving], arm) * graph.unit_px
                heapq.heappush(queue, (cost + extra, arm.end, entry[0]))
    return steps


def _detour(coming: Arm, going: Arm) -> float:
    return TURN_UNIT * math.radians(max(0.0, bend_deg(coming, going) - FREE_TURN_DEG))


def _roots(graph: VesselGraph, arm_of: dict[End, Arm], on: dict[End, list[Arm]]) -> list[End]:
    """Return all ends, free ones before others, the widest first."""
    width = medians([s.radii_px for s in graph.segments]).tolist()

    def rank(end: End) -> tuple[bool, float, float, tuple[float, float]]:
        arm = arm_of[end]
        wide = width[end[0]]
        return bool(on[end]), -wide if wide == wide else 0.0, -arm.radius_px, arm.node_px

    return sorted(arm_of, key=rank)


def _chains(steps: list[_Step]) -> list[list[_Step]]:
    """Join every segment to its parent where it is the parent's only child."""
    children: dict[int, int] = {}
    for step in steps:
        if step.parent is not None:
            children[step.parent] = children.get(step.parent, 0) + 1
    chains: list[list[_Step]] = []
    at: dict[int, int] = {}
    for step in steps:
        if step.parent is not None and children[step.parent] == 1:
            at[step.entry[0]] = at[step.parent]
            chains[at[step.parent]].append(step)
        else:
            at[step.entry[0]] = len(chains)
            chains.append([step])
    return chains


def _join(
    graph: VesselGraph, chain: list[_Step], parent: Branch | None, over: dict[End, int]
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n"]]:
    """Return one line through a chain's segments, begun where its parent ends.

    Under a crossing it goes straight on: there a segment bends towards the node.

    Args:
        graph: whose segments they are.
        chain: steps, each after the one before.
        parent: the branch that the first of them leaves, if any.
        over: how many points of the ends at a crossing lie in it.
    """
    lines, widths = [], []
    for k, step in enumerate(chain):
        segment, at_end = graph.segments[step.entry[0]], step.entry[1]
        first = over.get(step.entry, 0) if k or parent else 0
        last = over.get((step.entry[0], not at_end), 0) if k + 1 < len(chain) else 0
        many = len(segment.radii_px)
        part = slice(first, many - last) if first + last < many else slice(many // 2, many // 2 + 1)
        lines.append(from_node(segment, at_end)[part])
        widths.append((segment.radii_px[::-1] if at_end else segment.radii_px)[part])
    line, radii = np.concatenate(lines), np.concatenate(widths)
    if parent is not None:
        line = np.concatenate([parent.points_px[-1:], line])
        radii = np.concatenate([radii[:1], radii])
    return _closed(line, radii)


def _closed(
    line: Float[np.ndarray, "n 2"], radii: Float[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "m 2"], Float[np.ndarray, "m"]]:
    """Return a line with points a pixel apart where it passes a crossing, and none twice."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    if not (steps > GAP_PX).any():
        fresh = np.concatenate([[True], steps > 0])
        return line[fresh], radii[fresh]
    many = np.where(steps > GAP_PX, np.ceil(steps), steps > 0).astype(int)
    of = np.repeat(np.arange(len(steps)), many)
    rank = np.arange(len(of)) - np.repeat(np.cumsum(many) - many, many)
    at = np.concatenate([[0.0], of + (rank + 1) / many[of]])
    whole = np.arange(len(line))
    between = np.stack([np.interp(at, whole, line[:, axis]) for axis in (0, 1)], axis=1)
    return between, np.interp(at, whole, radii)
