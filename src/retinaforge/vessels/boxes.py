"""Box counting over every position of the grid at once.

Let m(x) be the mass of vessel in a box of side s at x. Averaged over all positions of a grid of
such boxes, the sums that the dimensions of order 0, 1 and 2 rest on are sums over all x:

    N(s)   = (1/s²) Σ [m(x) > 0]
    S₁(s)  = (1/s²) Σ −p(x) ln p(x)          p = m / M
    S₂(s)  = −ln (1/s²) Σ p(x)²

No position is preferred, so that nothing changes when the eye is mirrored or turned.

A grid laid anywhere over a square of side E has E/s + 1 boxes a side on average, not E/s, and
leaves boxes at its border partly empty. The dimension D_q is therefore the slope over ln n_q(s),

    n_q(s) = E/s + 1/(q + 1),

with E the longer side of what is covered: with it a filled square has dimension 2 (q = 0: exactly)
and a line 1 whatever their size, where plain counting reads 1.85 for boxes up to an eighth of it.

References:
    H. G. E. Hentschel, I. Procaccia, Physica D 8 (1983), 435: dimensions of order q.
    C. Allain, M. Cloitre, Phys. Rev. A 44 (1991), 3552: gliding boxes, lacunarity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import csr_array

CELL_UNIT = 2.0
"""Side of a cell of the raster that boxes are made of, in units of the field of view / 512."""

CELLS = 256
"""Cells a side: the whole field of view."""

BOXES = (4, 8, 16, 32)
"""Sides of the boxes in cells: 8 to 64 units, 1.6 to 12.5 % of the field of view."""

Raster = Float[np.ndarray, "side side"]


def raster_of_points(
    points: Float[np.ndarray, "n 2"], mass: Float[np.ndarray, "n"], *,
    centre: tuple[float, float], unit: float,
) -> Raster:  # fmt: skip
    """Return the mass of points in each cell of a raster round a centre.

    Args:
        points: (x, y), pixels.
        mass: of each point.
        centre: middle of the raster, pixels.
        unit: pixels a unit.
    """
    cell = np.floor((points - np.array(centre)) / (CELL_UNIT * unit)).astype(int) + CELLS // 2
    inside = ((cell >= 0) & (cell < CELLS)).all(axis=1)
    flat = cell[inside, 1] * CELLS + cell[inside, 0]
    return np.bincount(flat, mass[inside], CELLS * CELLS).reshape(CELLS, CELLS)


def raster_of_mask(
    mask: Bool[np.ndarray, "height width"], *, centre: tuple[float, float], unit: float
) -> Raster:
    """Return the share of each cell that a mask covers, exactly; pixels are squares."""
    rows = _shares(mask.shape[0], centre[1], unit)
    columns = _shares(mask.shape[1], centre[0], unit)
    covered = rows @ csr_array(mask, dtype=np.float64) @ columns.T
    return np.asarray(covered.todense())


def raster_of_middles(
    mask: Bool[np.ndarray, "height width"], *, centre: tuple[float, float], unit: float
) -> Raster:
    """Return 1 for each cell whose middle lies on a mask, else 0; for large shapes."""
    middles = (np.arange(CELLS) + 0.5 - CELLS / 2) * CELL_UNIT * unit
    row, column = (np.rint(middles + at).astype(int) for at in (centre[1], centre[0]))
    height, width = mask.shape
    framed = np.outer((row >= 0) & (row < height), (column >= 0) & (column < width))
    return (framed & mask[np.ix_(row.clip(0, height - 1), column.clip(0, width - 1))]).astype(float)


def _shares(size: int, centre: float, unit: float) -> csr_array:
    """Return, for each cell along an axis, the share of it that each pixel covers."""
    side = CELL_UNIT * unit
    left = centre - CELLS / 2 * side
    # Borders of pixels and of cells together cut the axis into pieces of one pixel, one cell each.
    cuts = np.concatenate([np.arange(size + 1) - 0.5, left + side * np.arange(CELLS + 1)])
    cuts = np.unique(cuts.clip(max(-0.5, left), min(size - 0.5, left + side * CELLS)))
    middle, length = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
    cell = np.floor((middle - left) / side).astype(int).clip(0, CELLS - 1)
    pixel = np.floor(middle + 0.5).astype(int).clip(0, size - 1)
    return csr_array((length / side, (cell, pixel)), shape=(CELLS, size))


def window_sums(raster: Raster, side: int) -> Raster:
    """Return the mass in every square of `side` cells that touches the raster."""
    return _windows(_integral(raster), side)


def _integral(raster: Raster) -> Float[np.ndarray, "rows columns"]:
    """Return the mass above and left of every corner of a cell."""
    total = np.zeros((raster.shape[0] + 1, raster.shape[1] + 1))
    total[1:, 1:] = raster.cumsum(axis=0).cumsum(axis=1)
    return total


def _windows(integral: Float[np.ndarray, "rows columns"], side: int) -> Raster:
    """Return the mass in every square of `side` cells that touches the raster."""
    beyond = side - 1
    height, width = integral.shape
    total = np.zeros((height + 2 * beyond, width + 2 * beyond))
    total[beyond : beyond + height, beyond : beyond + width] = integral
    # Nothing lies beyond the raster: sums stay what they were at its last row and column.
    total[beyond : beyond + height, beyond + width :] = integral[:, -1:]
    total[beyond + height :] = total[beyond + height - 1]
    found = total[side:, side:] - total[:-side, side:]
    found -= total[side:, :-side]
    found += total[:-side, :-side]
    return found


def dimensions(
    raster: Raster, *, least: float, boxes: Sequence[int] = BOXES
) -> tuple[float, float, float]:
    """Return box, information and correlation dimension of what a raster holds.

    Args:
        raster: mass of each cell.
        least: mass below which a box counts as empty.
        boxes: sides of boxes, in cells.

    Returns:
        D₀, D₁, D₂; NaN where nothing is covered, or one cell only, which has no extent.
    """
    held = raster > 0
    if not held.any() or raster.sum() < least:
        return np.nan, np.nan, np.nan
    extent = max(int(np.ptp(at)) for at in np.nonzero(held))
    if extent == 0:
        return np.nan, np.nan, np.nan
    integral = _integral(raster)
    rows = np.array([_sums(_windows(integral, side), side, least) for side in boxes])
    steps = [np.log(extent / np.array(boxes) + 1 / (order + 1)) for order in (0, 1, 2)]
    found = [float(np.polyfit(step, rows[:, k], 1)[0]) for k, step in enumerate(steps)]
    return found[0], found[1], found[2]


def _sums(mass: Raster, side: int, least: float) -> tuple[float, float, float]:
    mass = mass[mass >= least]
    p = mass / (mass.sum() / side**2)
    return (
        float(np.log(len(p) / side**2)),
        float(-(p * np.log(p)).sum() / side**2),
        float(-np.log((p * p).sum() / side**2)),
    )


def lacunarity(raster: Raster, field: Raster, *, side: int) -> float:
    """Return E[m²] / E[m]² over the boxes that lie in the field; NaN where they are empty.

    Args:
        raster: mass of each cell.
        field: 1 for each cell inside the field of view.
        side: of a box, in cells.
    """
    inside = window_sums(field, side) >= 0.999 * side**2
    mass = window_sums(raster, side)[inside]
    mean = float(mass.mean()) if len(mass) else 0.0
    return float((mass**2).mean()) / mean**2 if mean > 0 else np.nan
