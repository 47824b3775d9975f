"""Smooth curves through centrelines: what shape a vessel has, without the pixels it is drawn in.

Each centreline is cut into even steps and smoothed by the curve z that makes least

    Σ |y − z|² + (Λ / 2π)⁶ Σ |Δ³z|²,

a smoothing spline on even steps, which leaves circles and lines alone and halves waves of length
Λ. All vessels of an eye are one banded system of equations.

References:
    E. T. Whittaker, Proc. Edinburgh Math. Soc. 41 (1923), 63, in the form of
    P. H. C. Eilers, Anal. Chem. 75 (2003), 3631.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import solveh_banded

HALF_WAVE_UNIT = 30.0
"""Waves of this length lose half their height; shorter ones are the mask's, not the vessel's."""

STEP_UNIT = 1.0
"""Length of a step between points."""

THIRD = (-1.0, 3.0, -3.0, 1.0)


@dataclass(frozen=True)
class Curves:
    """Smooth curves, one after another in one array; built by `smooth_curves`.

    Attributes:
        points_px: (x, y) in even steps along each curve.
        owner: number of the curve of each point, not falling.
        count: how many curves.
    """

    points_px: Float[np.ndarray, "n 2"]
    owner: Int[np.ndarray, "n"]
    count: int

    @property
    def lengths_px(self) -> Float[np.ndarray, "k"]:
        """Return the arc length of each curve."""
        within = self.owner[1:] == self.owner[:-1]
        steps = np.hypot(*np.diff(self.points_px, axis=0).T)
        return np.bincount(self.owner[1:][within], steps[within], self.count)

    @property
    def chords_px(self) -> Float[np.ndarray, "k"]:
        """Return the distance between the two ends of each curve."""
        first = np.searchsorted(self.owner, np.arange(self.count))
        last = np.searchsorted(self.owner, np.arange(self.count), side="right") - 1
        return np.hypot(*(self.points_px[last] - self.points_px[first]).T)

    def twists(self, bends: Bends, *, least_rad: float) -> Float[np.ndarray, "k"]:
        """Return (n − 1) Σ (arc / chord − 1) over the n pieces that each curve turns one way on.

        A piece goes over into the next half way between the two turns.

        Args:
            bends: those of these curves that count; from the first to the last of them is cut.
            least_rad: see `Bends.inflections`.
        """
        before, after = bends.changes(least_rad=least_rad)
        own = np.unique(bends.owner)
        ends = [bends.point[np.searchsorted(bends.owner, own, side=side) - (side == "right")]
                for side in ("left", "right")]  # fmt: skip
        cuts = (bends.point[before] + bends.point[after]) // 2
        first, last = (np.sort(np.concatenate([cuts, end])) for end in ends)
        steps = np.hypot(*np.diff(self.points_px, axis=0).T)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        chord = np.hypot(*(self.points_px[last] - self.points_px[first]).T)
        twist = np.where(chord > 0, (along[last] - along[first]) / np.maximum(chord, 1e-9) - 1, 0)
        of = self.owner[first]
        pieces = np.bincount(of, minlength=self.count)
        return np.maximum(pieces - 1, 0) * np.bincount(of, twist, self.count)

    @property
    def bends(self) -> Bends:
        """Return how the curves turn at their inner points."""
        step = np.diff(self.points_px, axis=0)
        inner = self.owner[2:] == self.owner[:-2]
        u, v = step[:-1][inner], step[1:][inner]
        turn = np.arctan2(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0], (u * v).sum(axis=1))
        span = (np.hypot(*u.T) + np.hypot(*v.T)) / 2
        point = np.flatnonzero(inner) + 1
        return Bends(turn, span, self.owner[1:-1][inner], point, self.count)


@dataclass(frozen=True)
class Bends:
    """Turns at inner points: angle (signed), the length that it stands for, the curve, and the
    number of the point in `Curves.points_px`."""

    turn_rad: Float[np.ndarray, "n"]
    span_px: Float[np.ndarray, "n"]
    owner: Int[np.ndarray, "n"]
    point: Int[np.ndarray, "n"]
    count: int

    def away_from_ends(self, points: int) -> Bends:
        """Return the bends that lie more than so many points from their curve's ends."""
        many = np.bincount(self.owner, minlength=self.count)
        place = np.arange(len(self.owner)) - (np.cumsum(many) - many)[self.owner]
        kept = (place >= points) & (place < many[self.owner] - points)
        return Bends(self.turn_rad[kept], self.span_px[kept], self.owner[kept], self.point[kept],
                     self.count)  # fmt: skip

    @property
    def lengths_px(self) -> Float[np.ndarray, "k"]:
        """Return the length of each curve that the bends stand for."""
        return np.bincount(self.owner, self.span_px, self.count)

    @property
    def squared_curvature(self) -> Float[np.ndarray, "k"]:
        """Return ∫ κ² ds of each curve, in 1 / px."""
        return np.bincount(self.owner, self.turn_rad**2 / self.span_px, self.count)

    def inflections(self, *, least_rad: float) -> Int[np.ndarray, "k"]:
        """Count how often each curve goes over from turning one way to turning the other.

        Args:
            least_rad: a turn counts if it turns the vessel by at least this angle.
        """
        before, _ = self.changes(least_rad=least_rad)
        return np.bincount(self.owner[before], minlength=self.count)

    def changes(self, *, least_rad: float) -> tuple[Int[np.ndarray, "m"], Int[np.ndarray, "m"]]:
        """Find where curves go over from turning one way to turning the other.

        Returns:
            Numbers of the last bend of each turn that another follows, and of that one's first.
        """
        if not len(self.owner):
            return np.zeros(0, dtype=int), np.zeros(0, dtype=int)
        sense = np.sign(self.turn_rad)
        fresh = (sense[1:] != sense[:-1]) | (self.owner[1:] != self.owner[:-1])
        starts = np.concatenate([[0], np.flatnonzero(fresh) + 1])
        lasts = np.concatenate([starts[1:] - 1, [len(sense) - 1]])
        turned = np.add.reduceat(self.turn_rad, starts)
        kept = np.flatnonzero(np.abs(turned) >= least_rad)
        one, two = kept[:-1], kept[1:]
        same = self.owner[starts[one]] == self.owner[starts[two]]
        changed = (turned[one] * turned[two] < 0) & same
        return lasts[one[changed]], starts[two[changed]]


def smooth_curves(lines: Sequence[Float[np.ndarray, "_ 2"]], *, unit_px: float) -> Curves:
    """Draw a smooth curve through each line.

    Args:
        lines: points (x, y) of two or more, no two successive ones the same.
        unit_px: the field of view's diameter / 512.
    """
    if not lines:
        return Curves(np.zeros((0, 2)), np.zeros(0, dtype=int), 0)
    points, owner = _even_steps(lines, STEP_UNIT * unit_px)
    return Curves(_whittaker(points, owner, HALF_WAVE_UNIT / STEP_UNIT), owner, len(lines))


def _even_steps(
    lines: Sequence[Float[np.ndarray, "_ 2"]], step_px: float
) -> tuple[Float[np.ndarray, "m 2"], Int[np.ndarray, "m"]]:
    """Return points of even steps along each line, from end to end, and whose they are."""
    points = np.concatenate(lines)
    first = np.cumsum([0, *(len(line) for line in lines[:-1])])
    last = np.append(first[1:], len(points)) - 1
    # Laid end to end: from each line to the next is a step too, of which nobody asks.
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    lengths = along[last] - along[first]
    # A length of whole steps stays one, wherever along all lines it was summed up.
    steps = np.maximum(np.ceil(lengths / step_px - 1e-9).astype(int), 1)
    owner = np.repeat(np.arange(len(lines)), steps + 1)
    begins = np.cumsum(steps + 1) - (steps + 1)
    share = (np.arange(len(owner)) - begins[owner]) / steps[owner]
    at = np.minimum(along[first][owner] + share * lengths[owner], along[last][owner])
    return np.stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)], axis=1), owner


def _whittaker(
    points: Float[np.ndarray, "n 2"], owner: Int[np.ndarray, "n"], half_wave: float
) -> Float[np.ndarray, "n 2"]:
    n = len(points)
    if n < len(THIRD):
        return points
    weight = (owner[3:] == owner[:-3]) * (half_wave / (2 * math.pi)) ** 6
    bands = np.zeros((4, n))
    bands[0] = 1.0
    for a, one in enumerate(THIRD):
        for b in range(a, 4):
            bands[b - a, a : a + n - 3] += one * THIRD[b] * weight
    return solveh_banded(bands, points, lower=True, overwrite_ab=True, check_finite=False)
