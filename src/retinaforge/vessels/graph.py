"""From a vessel mask to a graph: nodes where vessels branch, cross or end, and what joins them.

    mask → thinned → links between its pixels → nodes (other than two links) → segments
    centreline c = (b₁ + b₂) / 2, calibre as in `skeleton`        (b₁, b₂: the walls either side)

A thinning algorithm puts the skeleton of an even width left or right of the middle, depending on
how the picture lies; the middle between the two walls does not. So the numbers measured on the
graph hold for the eye, not for its orientation. Everything is iterative.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from retinaforge.vessels.polyline import smooth_polylines
from retinaforge.vessels.skeleton import VesselMask, fov_box, vessel_mask
from retinaforge.vessels.spurs import prune_spurs
from retinaforge.vessels.thinning import thin
from retinaforge.vessels.wiring import Wiring, wire_up

SMOOTH_UNIT = 1.5
"""Standard deviation of the smoothing along the centreline, in the same units."""


@dataclass(frozen=True)
class Segment:
    """What joins two nodes.

    Attributes:
        points_px: sub-pixel centreline (x, y), from node `start` to node `end`, both included.
        radii_px: half the calibre at each point.
        start: index of the node where it begins.
        end: index of the node where it ends.
    """

    points_px: Float[np.ndarray, "n 2"]
    radii_px: Float[np.ndarray, "n"]
    start: int
    end: int

    @property
    def length_px(self) -> float:
        """Return the length along the centreline."""
        return float(np.hypot(*np.diff(self.points_px, axis=0).T).sum())


@dataclass(frozen=True)
class VesselGraph:
    """Nodes and segments of one mask, in the coordinates of the photograph.

    Attributes:
        nodes_px: (x, y) of every node.
        segments: what joins them; a ring without a branch starts and ends at one node.
        unit_px: the field of view's longer side / 512.
    """

    nodes_px: Float[np.ndarray, "m 2"]
    segments: tuple[Segment, ...]
    unit_px: float

    @property
    def degrees(self) -> Int[np.ndarray, "m"]:
        """Return how many segment ends meet at each node."""
        ends = np.array([(s.start, s.end) for s in self.segments], dtype=int).reshape(-1)
        return np.bincount(ends, minlength=len(self.nodes_px))


class _ThinnedMask(VesselMask):
    """A mask thinned so that no vessel is lost, whichever way it runs."""

    @cached_property
    def points(self) -> Int[np.ndarray, "n 2"]:
        """Return the (row, column) of every pixel of the one-pixel-wide centreline."""
        return thin(self.pixels)


def trace_graph(
    pixels: Bool[np.ndarray, "height width"], fov_mask: Bool[np.ndarray, "height width"]
) -> VesselGraph:
    """Trace the vessels of a mask.

    Args:
        pixels: True on vessels.
        fov_mask: True inside the field of view, same shape.

    Returns:
        The graph, in the coordinates of `pixels` (x, y; pixel centres are whole numbers).

    Raises:
        Refusal: if either is not a boolean image, their shapes differ, or nothing is inside.
    """
    cut, box = vessel_mask(pixels, fov_mask), fov_box(fov_mask)
    mask = _ThinnedMask(cut.pixels, cut.fov)
    wiring = wire_up(mask.points)
    reach_px = _node_reach(wiring, mask)
    wiring = prune_spurs(wiring, mask.points, reach_px, unit_px=mask.unit_px)
    corner = np.array([box[1].start, box[0].start], dtype=float)
    return _finish(wiring, mask, reach_px, corner)


def _node_reach(wiring: Wiring, mask: VesselMask) -> Float[np.ndarray, "m"]:
    """Return how far the nearest wall is from each node, in pixels."""
    if not len(wiring.nodes) or mask.walls is None:
        return np.zeros(len(wiring.nodes))
    return np.maximum(mask.walls.query(wiring.nodes)[0] - 0.5, 0.5)


def _finish(
    wiring: Wiring, mask: VesselMask, reach_px: Float[np.ndarray, "m"],
    corner: Float[np.ndarray, "2"],
) -> VesselGraph:  # fmt: skip
    """Turn paths of pixels into sub-pixel centrelines with radii."""
    nodes = wiring.nodes[:, ::-1] + corner
    used = sorted({node for wire in wiring.wires for node in (wire.start, wire.end)})
    renumbered = {node: k for k, node in enumerate(used)}
    centres, radii = mask.centres[:, ::-1] + corner, mask.calibres_px / 2
    lines, widths = [], []
    for wire in wiring.wires:
        line = np.concatenate([nodes[[wire.start]], centres[wire.path], nodes[[wire.end]]])
        near = [(wire.start, nodes[wire.start]), (wire.end, nodes[wire.end])]
        widths.append(_radii_along(line, radii[wire.path], near, reach_px))
        lines.append(line)
    lines = smooth_polylines(lines, sigma=SMOOTH_UNIT * mask.unit_px)
    segments = tuple(
        Segment(line, width, renumbered[wire.start], renumbered[wire.end])
        for wire, line, width in zip(wiring.wires, lines, widths, strict=True)
    )
    return VesselGraph(nodes[used], segments, mask.unit_px)


def _radii_along(
    line: Float[np.ndarray, "n 2"], radii: Float[np.ndarray, "k"],
    near: list[tuple[int, Float[np.ndarray, "2"]]], reach_px: Float[np.ndarray, "m"],
) -> Float[np.ndarray, "n"]:  # fmt: skip
    """Return a radius for every point; inside a junction that of the vessel outside it.

    Within a junction the walls either side of a point are not those of one vessel.
    """
    own = np.concatenate([[np.nan], radii, [np.nan]])
    inside = np.zeros(len(line), bool)
    for node, place in near:
        inside |= np.hypot(*(line - place).T) <= reach_px[node]
    known = np.flatnonzero(np.isfinite(own) & ~inside)
    if not len(known):
        known = np.flatnonzero(np.isfinite(own))
    if not len(known):
        return np.full(len(line), np.nan)
    return np.interp(np.arange(len(line)), known, own[known])
