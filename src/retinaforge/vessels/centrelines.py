"""All centrelines of a tree in one array: what is summed over vessels costs one step, not one each.

A piece joins two successive points p, q of a branch; its calibre is r(p) + r(q).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from retinaforge.core import VesselTree


@dataclass(frozen=True)
class Pieces:
    """The straight pieces between successive points; those of unknown calibre have NaN.

    Attributes:
        middles_px: (x, y) half way.
        lengths_px: length.
        calibres_px: mean calibre.
        branch: number of the branch.
    """

    middles_px: Float[np.ndarray, "n 2"]
    lengths_px: Float[np.ndarray, "n"]
    calibres_px: Float[np.ndarray, "n"]
    branch: Int[np.ndarray, "n"]


@dataclass(frozen=True)
class Centrelines:
    """Points of all branches, one branch after the other; built by `centrelines_of`.

    Attributes:
        points_px: (x, y).
        radii_px: half the calibre.
        branch: number of the branch.
    """

    points_px: Float[np.ndarray, "n 2"]
    radii_px: Float[np.ndarray, "n"]
    branch: Int[np.ndarray, "n"]

    @cached_property
    def pieces(self) -> Pieces:
        """Return what joins successive points of a branch."""
        p, r = self.points_px, self.radii_px
        joined = np.flatnonzero(self.branch[1:] == self.branch[:-1])
        start, end = p[joined], p[joined + 1]
        return Pieces(
            (start + end) / 2,
            np.hypot(*(end - start).T),
            r[joined] + r[joined + 1],
            self.branch[joined],
        )


def centrelines_of(tree: VesselTree) -> Centrelines:
    """Return the points of all branches of a tree."""
    sizes = [len(branch.radii_px) for branch in tree.branches]
    if not sizes:
        return Centrelines(np.empty((0, 2)), np.empty(0), np.empty(0, dtype=np.int64))
    return Centrelines(
        np.concatenate([branch.points_px for branch in tree.branches]),
        np.concatenate([branch.radii_px for branch in tree.branches]),
        np.repeat(np.arange(len(sizes)), sizes),
    )


def weighted_mean(values: Float[np.ndarray, "n"], weights: Float[np.ndarray, "n"]) -> float:
    """Return the mean, each value counting as much as its weight."""
    return float((values * weights).sum() / weights.sum())


def weighted_sd(values: Float[np.ndarray, "n"], weights: Float[np.ndarray, "n"]) -> float:
    """Return the standard deviation about the weighted mean."""
    off = values - weighted_mean(values, weights)
    return float(np.sqrt(weighted_mean(off * off, weights)))


def weighted_quantiles(
    values: Float[np.ndarray, "n"], weights: Float[np.ndarray, "n"], *, shares: tuple[float, ...]
) -> list[float]:
    """Return the values at which each share (0-1) of the weight is reached."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    at = np.searchsorted(reached, np.array(shares) * reached[-1])
    return [float(value) for value in values[order][np.minimum(at, len(values) - 1)]]


def known(pieces: Pieces, chosen: Bool[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
    """Return which of the chosen pieces have a calibre and a length."""
    return chosen & np.isfinite(pieces.calibres_px) & (pieces.lengths_px > 0)
