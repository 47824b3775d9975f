"""Where the vessels come from: the place that most of them point to, from all sides.

Each stretch of centreline votes for the cells that lie on its tangent, 0.1 to 0.35 radii of the
field away, into one of 12 bins by the direction in which it is seen from there, with its calibre.
A cell's score is

    S = ln(1 + Σ_k m_k) Σ_k m_k / (m_k + c)

with m_k the votes of direction k, c = 2 (in units of a calibre of 1/256 radius): it counts
directions, so that one wide vessel does not outvote many.

References:
    The idea of letting vessels vote for the disc: A. Hoover, M. Goldbaum, IEEE Trans. Med. Imaging
    22, 951 (2003); the directions and the formula are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from retinaforge.core import Fov
from retinaforge.vessels.vasculature import Vasculature

CELLS, DIRECTIONS = 64, 12
NEAREST, FARTHEST, STEP = 0.1, 0.35, 0.03
HALF_TANGENT = 0.02
ENOUGH = 2.0


@dataclass(frozen=True)
class Convergence:
    """The score of every cell of a square about the field's circle.

    Attributes:
        score: S, shape (64, 64).
        origin_px: (x, y) of the square's corner.
        cell_px: side of a cell.
    """

    score: Float[np.ndarray, "64 64"]
    origin_px: tuple[float, float]
    cell_px: float

    @property
    def peak_px(self) -> tuple[float, float]:
        """Return (x, y) of the middle of the best cell."""
        row, column = np.unravel_index(int(self.score.argmax()), self.score.shape)
        x, y = self.origin_px
        return x + (int(column) + 0.5) * self.cell_px, y + (int(row) + 0.5) * self.cell_px

    @property
    def strength(self) -> float:
        """Return the best score."""
        return float(self.score.max())

    def at(self, centre_px: tuple[float, float], reach_px: float) -> float:
        """Return the best score within reach of a place, as a share of the best of all."""
        best = float(self.score.max())
        i = (np.arange(CELLS) + 0.5) * self.cell_px
        dx, dy = self.origin_px[0] + i - centre_px[0], self.origin_px[1] + i - centre_px[1]
        near = np.hypot(dx[None, :], dy[:, None]) <= max(reach_px, self.cell_px)
        return float(self.score[near].max()) / best if best > 0 and near.any() else 0.0


def convergence_of(v: Vasculature, fov: Fov) -> Convergence:
    """Return where a vasculature's vessels point to."""
    radius, (x, y) = fov.radius_px, fov.centre_px
    cell = 2 * radius / CELLS
    origin = x - radius, y - radius
    points, along, calibre = _tangents(v, max(2, round(HALF_TANGENT * radius)))
    away = np.arange(NEAREST, FARTHEST, STEP) * radius
    away = np.concatenate([-away, away])
    votes = np.zeros(DIRECTIONS * CELLS * CELLS)
    if len(points):
        at = points[:, None, :] + along[:, None, :] * away[:, None]
        back = -along[:, None, :] * np.sign(away)[:, None]
        turn = np.arctan2(back[..., 1], back[..., 0]) / (2 * math.pi) + 0.5
        bins = np.floor(turn * DIRECTIONS).astype(int) % DIRECTIONS
        column, row = (np.floor((at[..., i] - origin[i]) / cell).astype(int) for i in range(2))
        inside = (column >= 0) & (column < CELLS) & (row >= 0) & (row < CELLS)
        weight = np.broadcast_to(calibre[:, None] * 256 / radius, inside.shape)
        number = (bins * CELLS + row) * CELLS + column
        votes = np.bincount(number[inside], weight[inside], len(votes))
    m = ndimage.gaussian_filter(votes.reshape(DIRECTIONS, CELLS, CELLS), (0, 1.3, 1.3))
    return Convergence((m / (m + ENOUGH)).sum(axis=0) * np.log1p(m.sum(axis=0)), origin, cell)


def _tangents(v: Vasculature, half: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return every third point of every branch, unit tangents, half calibres."""
    points, along, radii = [np.zeros((0, 2))], [np.zeros((0, 2))], [np.zeros(0)]
    for branch in v.tree.branches:
        i = np.arange(half, len(branch.points_px) - half, 3)
        step = branch.points_px[i + half] - branch.points_px[i - half]
        length = np.hypot(*step.T)
        moved = length > 0
        points.append(branch.points_px[i][moved])
        along.append(step[moved] / length[moved, None])
        radii.append(np.nan_to_num(branch.radii_px[i][moved]))
    return np.concatenate(points), np.concatenate(along), np.concatenate(radii)
