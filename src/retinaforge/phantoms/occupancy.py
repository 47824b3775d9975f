"""What the vessels of one kind occupy while they grow.

A coarse map to steer by, and an exact check: the map holds the nearest vessel of each cell; the
check measures every distance, so that nothing is grown that would touch.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from retinaforge.phantoms.fundus import FIELD_RADIUS_UM, Point

SIGHT_UM = 330.0
CELL_UM = 75.0
GAP_UM = 40.0
"""Clear distance kept between the walls of two vessels of one kind."""

Near = tuple[float, float, float, int]
"""Clear distance to the nearest wall, where (x, y) that vessel is, and which one it is."""
NOTHING: Near = (math.inf, 0.0, 0.0, -1)


class Occupied:
    """Points of one kind grown so far, with their radii and their vessels."""

    def __init__(self, middle: Point) -> None:
        self.table, self.owner, self.count = np.empty((3, 2048)), np.empty(2048, int), 0
        self.spots: list[tuple[float, float, float, int]] = []
        reach = FIELD_RADIUS_UM + 300.0
        self.corner = (middle[0] - reach, middle[1] - reach)
        self.cells = math.ceil(2 * reach / CELL_UM)
        self.clear = np.full((self.cells, self.cells), np.inf)
        self.nearest_point = np.full((self.cells, self.cells), -1)

    def add(self, points: Float[np.ndarray, "n 2"], radius: float, who: int) -> None:
        """Take a vessel's points into table and map."""
        first, self.count = self.count, self.count + len(points)
        while self.count > self.table.shape[1]:
            self.table = np.concatenate([self.table, np.empty_like(self.table)], axis=1)
            self.owner = np.concatenate([self.owner, np.empty_like(self.owner)])
        self.table[:2, first : self.count], self.table[2, first : self.count] = points.T, radius
        self.owner[first : self.count] = who
        self.spots += [(x, y, radius, who) for x, y in points.tolist()]
        low = ((points.min(0) - SIGHT_UM - self.corner) / CELL_UM).astype(int).clip(0)
        high = ((points.max(0) + SIGHT_UM - self.corner) / CELL_UM).astype(int) + 1
        x = self.corner[0] + CELL_UM * (np.arange(low[0], min(high[0], self.cells)) + 0.5)
        y = self.corner[1] + CELL_UM * (np.arange(low[1], min(high[1], self.cells)) + 0.5)
        across, down = points[:, :1] - x, points[:, 1:] - y
        far = np.square(across)[:, None, :] + np.square(down)[:, :, None]
        best = far.argmin(axis=0)
        least = np.sqrt(far.min(axis=0)) - radius
        window = np.s_[low[1] : low[1] + len(y), low[0] : low[0] + len(x)]
        wins = least < self.clear[window]
        self.clear[window][wins] = least[wins]
        self.nearest_point[window][wins] = first + best[wins]

    def near(self, x: float, y: float) -> Near:
        """Return the nearest vessel as the map has it; nothing if it is out of sight."""
        i, j = int((x - self.corner[0]) / CELL_UM), int((y - self.corner[1]) / CELL_UM)
        if not (0 <= i < self.cells and 0 <= j < self.cells):
            return NOTHING
        which = self.nearest_point[j, i]
        if which < 0:
            return NOTHING
        px, py, radius, who = self.spots[which]
        return math.hypot(x - px, y - py) - radius, px, py, who

    def first_blocked(
        self, points: Float[np.ndarray, "n 2"], radius: float,
        free: np.ndarray, kin: tuple[int, ...], near_node: np.ndarray,
    ) -> int:  # fmt: skip
        """Return the first of the points that touches another vessel, or their number.

        Args:
            points: to be checked, (x, y) in micrometres.
            radius: micrometres.
            free: True where touching is allowed (inside the disc).
            kin: itself first, then vessels that share its first node.
            near_node: True where a point is so near that node that it may touch its kin.
        """
        table, owner = self.table[:, : self.count], self.owner[: self.count]
        low, high = points.min(0) - 160.0, points.max(0) + 160.0
        close = (table[0] > low[0]) & (table[0] < high[0])
        close &= (table[1] > low[1]) & (table[1] < high[1]) & (owner != kin[0])
        which = np.flatnonzero(close)
        if not len(which):
            return len(points)
        x, y, r = table[:, which]
        far = np.square(points[:, :1] - x) + np.square(points[:, 1:] - y)
        related = (owner[which][:, None] == np.array(kin)).any(axis=1)
        touches = (
            (far < (r + radius + GAP_UM) ** 2) & ~(related & near_node[:, None]) & ~free[:, None]
        )
        blocked = touches.any(axis=1)
        return int(blocked.argmax()) if blocked.any() else len(points)
