"""From a vessel mask to a graph: nodes where vessels branch, cross or end, and what joins them.

    mask → thinned → links between its pixels → nodes (other than two links) → segments
    centreline c = (b₁ + b₂) / 2, calibre as in `chords`          (b₁, b₂: the walls either side)

A thinning algorithm puts the skeleton of an even width left or right of the middle, depending on
how the picture lies; the middle between the two walls does not. So the numbers measured on the
graph hold for the eye, not for its orientation. Everything is iterative.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from retinaforge.vessels.chords import radii_across
from retinaforge.vessels.polyline import smooth_polylines
from retinaforge.vessels.skeleton import VesselMask, fov_box, labels_of, vessel_mask
from retinaforge.vessels.spurs import prune_spurs
from retinaforge.vessels.thinning import thin
from retinaforge.vessels.wiring import Wiring, wire_up

TIP_RADII = 1.5
"""Up to this many radii from a free end a vessel is as wide as before: there a skeleton turns into
a corner of the mask."""

RADIUS_UNIT = 3.0
"""A radius is the mean over this much of the centreline either side, in units of the field of
view's longer side / 512."""

SMOOTH_UNIT = 1.5
"""Standard deviation of the smoothing along the centreline, in the same units, but never less than
as many pixels: that is what the staircase of a skeleton asks for."""


PINHOLE_AREA = 4.0
"""Smaller holes in a vessel are filled before it is thinned; in the same units, squared."""

SPECK = 3
"""Holes of so many pixels and less, which have no branches, are found without labelling all."""


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

    @cached_property
    def length_px(self) -> float:
        """Return the length along the centreline."""
        dx, dy = (self.points_px[1:] - self.points_px[:-1]).T
        return float(np.hypot(dx, dy).sum())


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
    mask = _ThinnedMask(fill_pinholes(cut.pixels, cut.unit_px), cut.fov)
    wiring = wire_up(mask.points)
    reach_px = _node_reach(wiring, mask)
    wiring = prune_spurs(wiring, mask.points, reach_px, unit_px=mask.unit_px)
    corner = np.array([box[1].start, box[0].start], dtype=float)
    return _finish(wiring, mask, reach_px, corner)


def fill_pinholes(
    pixels: Bool[np.ndarray, "height width"], unit_px: float
) -> Bool[np.ndarray, "height width"]:
    """Fill holes that are specks of a reflex or of noise: each would be traced as a loop.

    Args:
        pixels: True on vessels.
        unit_px: the field of view's longer side / 512; holes below `PINHOLE_AREA` units squared
            are filled.
    """
    if PINHOLE_AREA * unit_px**2 <= SPECK + 1:
        return _without_specks(pixels, PINHOLE_AREA * unit_px**2)
    holes = labels_of(~pixels, ndimage.generate_binary_structure(2, 1))
    areas = np.bincount(holes.reshape(-1))
    small = areas < PINHOLE_AREA * unit_px**2
    small[0] = False
    if not small.any():
        return pixels
    # What touches the frame is not enclosed.
    frame = (holes[0], holes[-1], holes[:, 0], holes[:, -1])
    small[np.concatenate(frame)] = False
    return pixels | small[holes]


def _without_specks(
    pixels: Bool[np.ndarray, "height width"], below: float
) -> Bool[np.ndarray, "height width"]:
    """Fill holes of less than `below` pixels, at most `SPECK`.

    One of the pixels of such a hole has one neighbour in it at most: only there is looked.
    """
    height, width = pixels.shape
    vessel = np.ones((height + 2, width + 2), dtype=np.uint8)
    vessel[1:-1, 1:-1] = pixels
    walls = vessel[:-2, 1:-1] + vessel[2:, 1:-1] + vessel[1:-1, :-2] + vessel[1:-1, 2:]
    rows, columns = np.nonzero((walls >= 3) & ~pixels)
    flat, steps = vessel.tobytes(), (-width - 2, width + 2, -1, 1)
    filled: list[tuple[int, int]] = []
    for start in ((rows + 1) * (width + 2) + columns + 1).tolist():
        hole = [start]
        for here in hole:
            hole += [here + s for s in steps if not flat[here + s] and here + s not in hole]
            if len(hole) >= below:
                break
        else:
            at = [divmod(here, width + 2) for here in hole]
            if all(0 < y - 1 < height - 1 and 0 < x - 1 < width - 1 for y, x in at):
                filled += at
    if not filled:
        return pixels
    closed = pixels.copy()
    row, column = np.array(filled).T
    closed[row - 1, column - 1] = True
    return closed


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
    ends = np.array([(wire.start, wire.end) for wire in wiring.wires], dtype=int).reshape(-1, 2)
    used, renumbered = np.unique(ends, return_inverse=True)
    if not len(ends):
        return VesselGraph(nodes[used], (), mask.unit_px)
    size = np.array([len(wire.path) + 2 for wire in wiring.wires])
    last = np.cumsum(size) - 1
    first, path = last - size + 1, np.concatenate([wire.path for wire in wiring.wires])
    inner = np.ones(size.sum(), bool)
    inner[first], inner[last] = False, False
    points, radii = np.empty((len(inner), 2)), np.full(len(inner), np.nan)
    points[first], points[last] = nodes[ends[:, 0]], nodes[ends[:, 1]]
    points[inner], radii[inner] = mask.centres[path, ::-1] + corner, mask.calibres_px[path] / 2
    reach = np.where((np.bincount(ends.reshape(-1)) == 1)[ends], _tips(radii, first)[:, None],
                     reach_px[ends])  # fmt: skip
    within = np.zeros(len(inner), bool)
    for side in (0, 1):
        away = np.hypot(*(points - np.repeat(nodes[ends[:, side]], size, axis=0)).T)
        within |= away <= np.repeat(reach[:, side], size)
    lines = smooth_polylines(
        np.split(points, last[:-1] + 1), sigma=SMOOTH_UNIT * max(mask.unit_px, 1.0)
    )
    across = radii_across(
        np.concatenate(lines) - corner, size, np.where(within, np.nan, radii),
        pixels=mask.pixels, fov=mask.fov,
    )  # fmt: skip
    radii = _fill(np.where(within, radii, across), within, size)
    radii = _average(radii, size, reach=round(RADIUS_UNIT * max(mask.unit_px, 1.0)))
    widths = np.split(radii, last[:-1] + 1)
    segments = tuple(
        Segment(line, width, start, end)
        for line, width, (start, end) in zip(
            lines, widths, renumbered.reshape(-1, 2).tolist(), strict=True
        )
    )
    return VesselGraph(nodes[used], segments, mask.unit_px)


def _tips(
    radii: Float[np.ndarray, "n"], first: Int[np.ndarray, "k"]
) -> Float[np.ndarray, "k"]:  # fmt: skip
    """Return how far from a free end of each line the nearest wall may be the end itself."""
    finite = np.isfinite(radii)
    total = np.add.reduceat(np.where(finite, radii, 0.0), first)
    return TIP_RADII * total / np.maximum(np.add.reduceat(finite, first, dtype=np.int64), 1)


def _fill(
    radii: Float[np.ndarray, "n"], within: Bool[np.ndarray, "n"], size: Int[np.ndarray, "k"]
) -> Float[np.ndarray, "n"]:
    """Return a radius for every point of every line; in a junction or at a tip that of the rest.

    There the walls either side of a point are not those of one vessel. Between known
    points the radius is interpolated; a line that lies in junctions throughout keeps its own.

    Args:
        radii: NaN where not known.
        within: which points lie in a junction.
        size: number of points of each line, one line after the other.
    """
    first = np.cumsum(size) - size
    finite = np.isfinite(radii)
    clear = finite & ~within
    some = np.repeat(np.add.reduceat(clear, first, dtype=np.int64) > 0, size)
    known, here = np.where(some, clear, finite), np.arange(len(radii))
    low, high = np.repeat(first, size), np.repeat(first + size - 1, size)
    before = np.maximum.accumulate(np.where(known, here, -1))
    after = np.minimum.accumulate(np.where(known, here, len(radii))[::-1])[::-1]
    before, after = np.where(before >= low, before, -1), np.where(after <= high, after, -1)
    before, after = np.where(before < 0, after, before), np.where(after < 0, before, after)
    share = (here - before) / np.maximum(after - before, 1)
    filled = radii[before] + np.where(after > before, share, 0.0) * (radii[after] - radii[before])
    return np.where(before >= 0, filled, np.nan)


def _average(
    radii: Float[np.ndarray, "n"], size: Int[np.ndarray, "k"], *, reach: int
) -> Float[np.ndarray, "n"]:
    """Return the mean over up to `reach` points either side, as many on one side as on the other.

    The walls of a mask are stairs; its width at one place says little, its mean much.
    """
    last = np.cumsum(size) - 1
    here, known = np.arange(len(radii)), np.isfinite(radii)
    to_end = np.minimum(here - np.repeat(last - size + 1, size), np.repeat(last, size) - here)
    either = np.minimum(to_end, reach)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, radii, 0.0))])
    mean = (total[here + either + 1] - total[here - either]) / (2 * either + 1)
    return np.where(known, mean, np.nan)
