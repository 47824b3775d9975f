"""Texture that belongs to the retina: cubic B-splines on lattices fixed in micrometres.

A lattice covers `PERIOD_UM` squared and repeats. A picture takes its part of it; pixels larger than
half a lattice cell average over their width, so that the same eye shows the same ground at 256 and
2048 px and to every camera. The spline is separable and its four taps are sparse: the cost is that
of the pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_matrix

from retinaforge.core import rng_for
from retinaforge.phantoms.frame import Frame

PERIOD_UM = 24000.0
"""Side of a lattice; wider than the widest picture wherever it is aimed."""
ORIGIN_UM = (-10000.0, -12000.0)
"""Where the first node lies (right eye, fovea at 0): the lattice is centred near the disc."""
MAP_CELL_UM = 40.0
"""Node distance of maps, on which choroid and nerve fibres are computed."""
SPLINE_ENERGY = 151 / 315
"""Mean over t of the sum of squared cubic B-spline weights: B-spline of degree 7 at 0."""

Plane = Float[np.ndarray, "height width"]
Lattice = Float[np.ndarray, "rows columns"]
Part = tuple[slice, slice]
WHOLE: Part = (slice(None), slice(None))


def noise(frame: Frame, cell_um: float, *, seed: int, part: Part = WHOLE) -> Plane:
    """Return smooth noise of mean 0 and variance 1 at points of the retina.

    Args:
        frame: which part of the retina, how finely.
        cell_um: distance of the lattice's nodes; blobs are about two cells wide.
        seed: of the lattice; the same for every frame.
        part: (rows, columns) of the frame that are wanted.

    Returns:
        One value a pixel; where pixels are wider than the blobs, their mean.
    """
    x_um, y_um = frame.x_um[0, part[1]], frame.y_um[part[0], 0]
    if frame.px_um > 4 * cell_um:
        return np.zeros((len(y_um), len(x_um)), dtype=np.float32)
    nodes = round(PERIOD_UM / cell_um)
    across, down = (
        _wrapped((axis - origin) * (nodes / PERIOD_UM), nodes, frame.px_um * nodes / PERIOD_UM)
        for axis, origin in zip((x_um, y_um), ORIGIN_UM, strict=True)
    )
    return _spline(down, white(nodes, seed=seed), across)


def white(nodes: int, *, seed: int) -> Lattice:
    """Return a lattice whose spline has variance 1."""
    lattice = rng_for(seed, "lattice", nodes).standard_normal((nodes, nodes), dtype=np.float32)
    return lattice / np.float32(SPLINE_ENERGY)


@dataclass(frozen=True)
class Map:
    """The nodes of a map of the retina that one picture needs.

    Attributes:
        first: numbers of the first (column, row), counted from ORIGIN_UM.
        nodes: how many along a side.
    """

    first: tuple[int, int]
    nodes: int

    @property
    def x_um(self) -> Float[np.ndarray, "1 n"]:
        """Return the columns' places on the retina."""
        return (ORIGIN_UM[0] + MAP_CELL_UM * self._numbers(0))[None, :].astype(np.float32)

    @property
    def y_um(self) -> Float[np.ndarray, "n 1"]:
        """Return the rows' places on the retina."""
        return (ORIGIN_UM[1] + MAP_CELL_UM * self._numbers(1))[:, None].astype(np.float32)

    def noise(self, cell_um: float, *, seed: int) -> Lattice:
        """Return noise of variance 1 at the nodes; the same at a node whatever the picture."""
        nodes = round(PERIOD_UM / cell_um)
        step = MAP_CELL_UM * nodes / PERIOD_UM
        across, down = (_wrapped(self._numbers(axis) * step, nodes, step) for axis in (0, 1))
        return _spline(down, white(nodes, seed=seed), across)

    def sample(self, values: Lattice, frame: Frame) -> Plane:
        """Return the cubic B-spline with these values at the nodes, averaged over each pixel."""
        across, down = (
            _weights((axis - origin) / MAP_CELL_UM - first, frame.px_um / MAP_CELL_UM)
            for axis, origin, first in zip(
                (frame.x_um[0], frame.y_um[:, 0]), ORIGIN_UM, self.first, strict=True
            )
        )
        return _spline(_matrix(*down, self.nodes), values, _matrix(*across, self.nodes))

    def _numbers(self, axis: int) -> np.ndarray:
        return self.first[axis] + np.arange(self.nodes)


def map_for(frame: Frame) -> Map:
    """Return the map under a picture, with the nodes beyond its border that the spline needs."""
    half_um = frame.px_um * frame.size_px / 2
    first = [
        math.floor((c - half_um - o) / MAP_CELL_UM) - 2
        for c, o in zip(frame.centre_um, ORIGIN_UM, strict=True)
    ]
    return Map((first[0], first[1]), math.ceil(2 * half_um / MAP_CELL_UM) + 6)


def ring_noise(cells: int, turns: Float[np.ndarray, "..."], *, seed: int):
    """Return noise of variance about 1 round a circle, linear between `cells` nodes.

    Args:
        cells: nodes round the circle.
        turns: where, in whole turns; any real number.
        seed: of the nodes.
    """
    nodes = rng_for(seed, "ring", cells).standard_normal(cells).astype(np.float32)
    place = (np.asarray(turns) % 1) * cells
    first = np.minimum(place.astype(np.int32), cells - 1)
    part = (place - first).astype(np.float32)
    return ((1 - part) * nodes[first] + part * nodes[(first + 1) % cells]) * np.float32(1.22)


def _weights(t: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (node numbers, weights) of the spline at `t`, averaged over `width`, in nodes."""
    parts = 2 + math.floor(3 * width)
    shifts = ((np.arange(parts) + 0.5) / parts - 0.5) * width
    t = np.asarray(t, dtype=np.float64)[:, None] + shifts
    first = np.floor(t).astype(np.int64)
    f = t - first
    taps = np.stack([(1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3])
    return first + np.arange(-1, 3)[:, None, None], (taps / (6 * parts)).astype(np.float32)


def _wrapped(t: np.ndarray, nodes: int, width: float) -> csr_matrix:
    column, weights = _weights(t, width)
    return _matrix(column % nodes, weights, nodes)


def _matrix(column: np.ndarray, weights: np.ndarray, nodes: int) -> csr_matrix:
    row = np.broadcast_to(np.arange(column.shape[1])[:, None], column.shape)
    shape = (column.shape[1], nodes)
    return csr_matrix((weights.ravel(), (row.ravel(), column.ravel())), shape=shape)


def _spline(down: csr_matrix, lattice: Lattice, across: csr_matrix) -> Plane:
    return np.ascontiguousarray((across @ np.ascontiguousarray((down @ lattice).T)).T)
