"""The vessel pattern of one eye: what identifies its owner, in numbers that can be kept.

    u = (x - c) / r          c, r: centre and radius of the field of view

Centrelines are sampled at equal distances, with their direction; junctions are where vessels
branch or cross, with the directions in which their arms leave. No kinds, no landmarks: a pattern
needs nothing but a mask, so that it can be had of any picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Bool, Float, Int

from retinaforge.core import Fov
from retinaforge.vessels.graph import VesselGraph, trace_graph
from retinaforge.vessels.vasculature import Vasculature

STEP = 0.02
"""Distance between samples of a centreline, in radii of the field of view."""

CHORD = 0.03
"""Directions are those of chords that reach this far either way."""

ARM = 0.06
"""An arm's direction is that of its point this far from the junction."""

ARMS = 4
"""Arms kept of a junction, the longest first."""

FOV_SIDE = 96
FOV_REACH = 1.2
"""The field of view is kept as a raster of so many cells from -reach to reach."""


@dataclass(frozen=True)
class Pattern:
    """Vessels of one eye in radii of the field of view about its centre, y down.

    Attributes:
        points: samples of all centrelines, equally far apart, shape (n, 2).
        directions: of the centreline there, radians, modulo pi.
        junctions: where at least three vessels meet, shape (m, 2).
        arms: directions in which they leave, radians; NaN where there are fewer.
        fov: True inside the field of view; rows are y.
    """

    points: Float[np.ndarray, "n 2"]
    directions: Float[np.ndarray, "n"]
    junctions: Float[np.ndarray, "m 2"]
    arms: Float[np.ndarray, "m 4"]
    fov: Bool[np.ndarray, "side side"]

    @property
    def length(self) -> float:
        """Return the length of all vessels, in radii of the field of view."""
        return STEP * len(self.points)


def pattern_of(vasculature: Vasculature) -> Pattern:
    """Return the pattern of an eye whose vessels were traced."""
    return pattern_of_mask(vasculature.pixels, vasculature.fov)


def pattern_of_mask(pixels: Bool[np.ndarray, "height width"], fov: Fov) -> Pattern:
    """Return the pattern of a vessel mask.

    Args:
        pixels: True on vessels.
        fov: of the same photograph.

    Raises:
        Refusal: if masks are not boolean images of one shape.
    """
    graph = trace_graph(pixels & fov.mask, fov.mask)
    centre, radius = np.array(fov.centre_px), fov.radius_px
    lines = _Lines.of(graph, centre, radius)
    points, directions = _sampled(lines) if graph.segments else (np.zeros((0, 2)), np.zeros(0))
    where, arms = _junctions(graph, lines)
    return Pattern(
        points.astype(np.float32), directions.astype(np.float32),
        ((where - centre) / radius).astype(np.float32), arms.astype(np.float32), _raster(fov),
    )  # fmt: skip


def mirrored(pattern: Pattern) -> Pattern:
    """Return the pattern seen in a mirror (left and right exchanged)."""
    swap = np.array([-1, 1], np.float32)
    return Pattern(
        pattern.points * swap, np.mod(np.pi - pattern.directions, np.pi).astype(np.float32),
        pattern.junctions * swap, (np.pi - pattern.arms).astype(np.float32),
        np.ascontiguousarray(pattern.fov[:, ::-1]),
    )  # fmt: skip


def save_patterns(to: Path | BinaryIO, patterns: Sequence[Pattern]) -> None:
    """Write patterns as .npz to a file or an open stream."""
    stacked = {}
    for field in fields(Pattern):
        arrays = [getattr(p, field.name) for p in patterns]
        if field.name == "fov":
            stacked["fov"] = np.packbits(np.array(arrays, bool).reshape(len(arrays), -1), axis=1)
            continue
        stacked[field.name] = np.concatenate(arrays)
        stacked[f"{field.name}_n"] = np.array([len(a) for a in arrays])
    np.savez_compressed(to, **stacked)


def load_patterns(path: Path) -> list[Pattern]:
    """Return the patterns that `save_patterns` wrote."""
    with np.load(path) as file:
        parts = {
            field.name: np.split(file[field.name], np.cumsum(file[f"{field.name}_n"])[:-1])
            for field in fields(Pattern)
            if field.name != "fov"
        }
        bits = np.unpackbits(file["fov"], axis=1, count=FOV_SIDE**2).astype(bool)
    return [
        Pattern(**{name: part[k] for name, part in parts.items()},
                fov=bits[k].reshape(FOV_SIDE, FOV_SIDE))
        for k in range(len(bits))
    ]  # fmt: skip


@dataclass(frozen=True)
class _Lines:
    """Centrelines side by side: row k holds line k, then its last point again and again.

    Attributes:
        points: shape (2, lines, most points), x and y.
        size: number of points of each.
        along: length from the line's beginning; infinite beyond its end.
    """

    points: Float[np.ndarray, "2 k n"]
    size: Int[np.ndarray, "k"]
    along: Float[np.ndarray, "k n"]

    @staticmethod
    def of(graph: VesselGraph, centre: np.ndarray, radius: float) -> _Lines:
        """Return a graph's centrelines in radii of the field of view about its centre."""
        size = np.array([len(s.points_px) for s in graph.segments], dtype=np.int64)
        if not len(size):
            return _Lines(np.zeros((2, 0, 1)), size, np.zeros((0, 1)))
        flat = (np.concatenate([s.points_px for s in graph.segments]) - centre) / radius
        step = np.arange(size.max())
        own = np.minimum(step, size[:, None] - 1)
        points = flat.T[:, (np.cumsum(size) - size)[:, None] + own]
        along = np.zeros(own.shape)
        along[:, 1:] = np.hypot(*np.diff(points, axis=2)).cumsum(axis=1)
        return _Lines(points, size, np.where(step < size[:, None], along, np.inf))


def _sampled(lines: _Lines) -> tuple[np.ndarray, np.ndarray]:
    """Return points `STEP` apart along every line, centred on it, and directions there."""
    whole = lines.along[np.arange(len(lines.size)), lines.size - 1]
    count = np.rint(whole / STEP).astype(np.int64)
    line = np.repeat(np.arange(len(count)), count)
    rank = np.arange(len(line)) - np.repeat(np.cumsum(count) - count, count)
    at = ((whole - (count - 1) * STEP) / 2)[line] + STEP * rank
    ahead, back = _on_lines(lines, line, at + CHORD), _on_lines(lines, line, at - CHORD)
    dx, dy = ahead - back
    return _on_lines(lines, line, at).T, np.mod(np.arctan2(dy, dx), np.pi)


def _on_lines(
    lines: _Lines, line: Int[np.ndarray, "m"], at: Float[np.ndarray, "m"]
) -> Float[np.ndarray, "2 m"]:
    """Return the points at lengths along lines; a line's end for what lies beyond it."""
    last = lines.size[line] - 1
    low, high = np.zeros(len(line), dtype=np.int64), last.copy()
    # The last point at or before each place, by halving.
    for _ in range(int(lines.size.max()).bit_length()):
        middle = (low + high + 1) // 2
        reached = lines.along[line, middle] <= at
        low, high = np.where(reached, middle, low), np.where(reached, high, middle - 1)
    before = np.minimum(low, np.maximum(last - 1, 0))
    after = np.minimum(before + 1, last)
    start, apart = lines.along[line, before], lines.along[line, after] - lines.along[line, before]
    first, step = lines.points[:, line, before], lines.points[:, line, after]
    slope = (step - first) / np.where(apart > 0, apart, 1.0)
    found = slope * (at - start) + first
    found = np.where(at <= 0, lines.points[:, line, 0], found)
    return np.where(low >= last, lines.points[:, line, last], found)


def _junctions(graph: VesselGraph, lines: _Lines) -> tuple[np.ndarray, np.ndarray]:
    """Return where at least three arms meet, and the arms' directions, the longest first."""
    found: dict[int, list[tuple[float, float]]] = {}
    leaves = (_leaves(lines, back=False), _leaves(lines, back=True))
    for segment, first, last in zip(graph.segments, *leaves, strict=True):
        for node, way in ((segment.start, first), (segment.end, last)):
            found.setdefault(node, []).append((segment.length_px, way))
    nodes = sorted(node for node, arms in found.items() if len(arms) >= 3)
    directions = np.full((len(nodes), ARMS), np.nan)
    for row, node in zip(directions, nodes, strict=True):
        longest = sorted(found[node], reverse=True)[:ARMS]
        row[: len(longest)] = [direction for _, direction in longest]
    return graph.nodes_px[nodes].reshape(-1, 2), directions


def _leaves(lines: _Lines, *, back: bool) -> list[float]:
    """Return the direction of each line's first point `ARM` away from where it starts, or, going
    back, from where it ends."""
    here = np.arange(len(lines.size))
    last = lines.size - 1
    points = lines.points - lines.points[:, here, last if back else 0][:, :, None]
    far = np.hypot(*points) >= ARM
    if back:
        far &= np.arange(far.shape[1]) < last[:, None]
        k = np.where(far.any(axis=1), far.shape[1] - 1 - far[:, ::-1].argmax(axis=1), 0)
    else:
        k = np.where(far.any(axis=1), far.argmax(axis=1), last)
    dx, dy = points[:, here, k]
    return np.arctan2(dy, dx).tolist()


def _raster(fov: Fov) -> Bool[np.ndarray, "side side"]:
    """Return the field of view in cells about its centre."""
    cells = (np.arange(FOV_SIDE) + 0.5) / FOV_SIDE * 2 * FOV_REACH - FOV_REACH
    column = np.rint(cells * fov.radius_px + fov.centre_px[0]).astype(int)
    row = np.rint(cells * fov.radius_px + fov.centre_px[1]).astype(int)
    height, width = fov.mask.shape
    inside = ((row >= 0) & (row < height))[:, None] & ((column >= 0) & (column < width))
    found = fov.mask[np.clip(row, 0, height - 1)][:, np.clip(column, 0, width - 1)]
    return found & inside
