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
from jaxtyping import Bool, Float

from retinaforge.core import Fov
from retinaforge.vessels.graph import Segment, VesselGraph, trace_graph
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
    lines = [(s.points_px - centre) / radius for s in graph.segments]
    sampled = [_sample(line) for line in lines]
    points = np.concatenate([s[0] for s in sampled]) if sampled else np.zeros((0, 2))
    directions = np.concatenate([s[1] for s in sampled]) if sampled else np.zeros(0)
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


def _sample(line: Float[np.ndarray, "n 2"]) -> tuple[np.ndarray, np.ndarray]:
    """Return points `STEP` apart along a line, centred on it, and directions there."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    count = round(along[-1] / STEP)
    at = (along[-1] - (count - 1) * STEP) / 2 + STEP * np.arange(count)

    def on_line(where: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(where, along, line[:, axis]) for axis in (0, 1)], axis=1)

    dx, dy = (on_line(at + CHORD) - on_line(at - CHORD)).T
    return on_line(at), np.mod(np.arctan2(dy, dx), np.pi)


def _junctions(graph: VesselGraph, lines: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return where at least three arms meet, and the arms' directions, the longest first."""
    found: dict[int, list[tuple[float, float]]] = {}
    for segment, line in zip(graph.segments, lines, strict=True):
        for node, way in ((segment.start, line), (segment.end, line[::-1])):
            found.setdefault(node, []).append((_length(segment), _leaves(way)))
    nodes = sorted(node for node, arms in found.items() if len(arms) >= 3)
    directions = np.full((len(nodes), ARMS), np.nan)
    for row, node in zip(directions, nodes, strict=True):
        longest = sorted(found[node], reverse=True)[:ARMS]
        row[: len(longest)] = [direction for _, direction in longest]
    return graph.nodes_px[nodes].reshape(-1, 2), directions


def _length(segment: Segment) -> float:
    return segment.length_px


def _leaves(way: Float[np.ndarray, "n 2"]) -> float:
    """Return the direction of the first point `ARM` away from where a line starts."""
    dx, dy = (way - way[0]).T
    far = np.flatnonzero(np.hypot(dx, dy) >= ARM)
    k = far[0] if len(far) else len(way) - 1
    return float(np.arctan2(dy[k], dx[k]))


def _raster(fov: Fov) -> Bool[np.ndarray, "side side"]:
    """Return the field of view in cells about its centre."""
    cells = (np.arange(FOV_SIDE) + 0.5) / FOV_SIDE * 2 * FOV_REACH - FOV_REACH
    column = np.rint(cells * fov.radius_px + fov.centre_px[0]).astype(int)
    row = np.rint(cells * fov.radius_px + fov.centre_px[1]).astype(int)
    height, width = fov.mask.shape
    inside = ((row >= 0) & (row < height))[:, None] & ((column >= 0) & (column < width))
    found = fov.mask[np.clip(row, 0, height - 1)][:, np.clip(column, 0, width - 1)]
    return found & inside
