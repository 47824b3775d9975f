"""Texture that belongs to the retina: cubic B-splines on lattices fixed in micrometres.

A lattice covers `PERIOD_UM` squared and repeats. A picture takes its part of it; pixels larger than
half a lattice cell average over their width, so that the same eye shows the same ground at 256 and
2048 px and to every camera. The spline is separable and its four taps are sparse: the cost is that
of the pixels.
"""

from __future__ import annotations

import math

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
"""Node distance of maps that are computed once for an eye: choroid and nerve fibres."""
SPLINE_ENERGY = 151 / 315
"""Mean over t of the sum of squared cubic B-spline weights: B-spline of degree 7 at 0."""

Plane = Float[np.ndarray, "height width"]
Lattice = Float[np.ndarray, "rows columns"]


def noise(frame: Frame, cell_um: float, *, seed: int) -> Plane:
    """Return smooth noise of mean 0 and variance 1 at points of the retina.

    Args:
        frame: which part of the retina, how finely.
        cell_um: distance of the lattice's nodes, at least 20 um; blobs are about two cells wide.
        seed: of the lattice; the same for every frame.

    Returns:
        One value a pixel; where pixels are wider than the blobs, their mean.
    """
    if frame.px_um > 4 * cell_um:
        return np.zeros((frame.size_px, frame.size_px), dtype=np.float32)
    return sample(white(round(PERIOD_UM / cell_um), seed=seed), frame)


def white(nodes: int, *, seed: int) -> Lattice:
    """Return a lattice whose spline has variance 1."""
    rng = rng_for(seed, "lattice", nodes)
    lattice = rng.standard_normal((nodes, nodes), dtype=np.float32)
    return lattice / np.float32(SPLINE_ENERGY)


def sample(lattice: Lattice, frame: Frame) -> Plane:
    """Return the cubic B-spline with the lattice's coefficients, averaged over each pixel."""
    rows = _weights(frame.y_um[:, 0] - ORIGIN_UM[1], len(lattice), frame.px_um)
    columns = _weights(frame.x_um[0] - ORIGIN_UM[0], len(lattice), frame.px_um)
    return np.ascontiguousarray((columns @ (rows @ lattice).T).T)


def map_noise(cell_um: float, *, seed: int) -> Lattice:
    """Return noise of variance 1 at the nodes of a map of the whole retina."""
    nodes = np.arange(map_nodes()) * MAP_CELL_UM
    weights = _weights(nodes, round(PERIOD_UM / cell_um), MAP_CELL_UM)
    return (weights @ (weights @ white(round(PERIOD_UM / cell_um), seed=seed)).T).T


def map_nodes() -> int:
    """Return the nodes along a side of a map."""
    return round(PERIOD_UM / MAP_CELL_UM)


def map_axes_um() -> tuple[Lattice, Lattice]:
    """Return a map's places on the retina: x as a row, y as a column."""
    nodes = (np.arange(map_nodes()) * MAP_CELL_UM).astype(np.float32)
    return ORIGIN_UM[0] + nodes[None, :], ORIGIN_UM[1] + nodes[:, None]


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


def _weights(offset_um: np.ndarray, nodes: int, px_um: float) -> csr_matrix:
    cell_um = PERIOD_UM / nodes
    parts = 1 + math.floor(2 * px_um / cell_um)
    shifts = ((np.arange(parts) + 0.5) / parts - 0.5) * px_um
    t = (np.asarray(offset_um, dtype=np.float64)[:, None] + shifts) / cell_um
    first = np.floor(t).astype(np.int64)
    f = t - first
    taps = np.stack([(1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3])
    column = (first + np.arange(-1, 3)[:, None, None]) % nodes
    row = np.broadcast_to(np.arange(len(t))[:, None], t.shape)
    row = np.broadcast_to(row, column.shape)
    shape = (len(t), nodes)
    values = (taps / (6 * parts)).astype(np.float32)
    return csr_matrix((values.ravel(), (row.ravel(), column.ravel())), shape=shape)
