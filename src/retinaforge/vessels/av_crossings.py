"""Where arteries and veins cross: intersections of their centrelines."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from retinaforge.vessels.once import once
from retinaforge.vessels.vasculature import Vasculature

SAME_UNIT = 4.0
"""Intersections nearer to each other than this are one crossing; units of the field / 512."""


@once
def artery_vein_crossings(v: Vasculature) -> Float[np.ndarray, "m 2"]:
    """Return where arteries cross veins, (x, y) in pixels; none where kinds are not known."""
    line = v.centrelines
    joined = line.branch[1:] == line.branch[:-1]
    start, end = line.points_px[:-1][joined], line.points_px[1:][joined]
    artery = v.of_kind("artery")[line.branch[:-1][joined]] if len(v.tree.branches) else joined
    vein = v.of_kind("vein")[line.branch[:-1][joined]] if len(v.tree.branches) else joined
    places = intersections(start[artery], end[artery], start[vein], end[vein])
    return merge_near(places, SAME_UNIT * v.unit_px)


def intersections(
    a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "n 2"],
    c: Float[np.ndarray, "m 2"], d: Float[np.ndarray, "m 2"],
) -> Float[np.ndarray, "k 2"]:  # fmt: skip
    """Return where pieces a–b meet pieces c–d.

    a + s (b − a) = c + t (d − c),  0 ≤ s, t < 1
    """
    if not len(a) or not len(c):
        return np.zeros((0, 2))
    one, two = _nearby(a, b, c, d)
    a, u, c, w = a[one], (b - a)[one], c[two], (d - c)[two]
    across = u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]
    apart = c - a
    with np.errstate(divide="ignore", invalid="ignore"):
        s = (apart[:, 0] * w[:, 1] - apart[:, 1] * w[:, 0]) / across
        t = (apart[:, 0] * u[:, 1] - apart[:, 1] * u[:, 0]) / across
    meet = (s >= 0) & (s < 1) & (t >= 0) & (t < 1)
    return a[meet] + s[meet, None] * u[meet]


def _nearby(
    a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "n 2"],
    c: Float[np.ndarray, "m 2"], d: Float[np.ndarray, "m 2"],
) -> tuple[Int[np.ndarray, "k"], Int[np.ndarray, "k"]]:  # fmt: skip
    """Return the pairs of pieces whose middles are near enough for them to meet.

    The few pieces that are much longer than the rest, over gaps, would make every pair near;
    they are left out.
    """
    first, second = np.hypot(*(b - a).T), np.hypot(*(d - c).T)
    reach = 4 * float(np.median(np.concatenate([first, second])))
    short: tuple[Bool[np.ndarray, "n"], ...] = (first <= reach, second <= reach)
    index = [np.flatnonzero(part) for part in short]
    trees = KDTree(((a + b) / 2)[short[0]]), KDTree(((c + d) / 2)[short[1]])
    pairs = trees[0].sparse_distance_matrix(trees[1], reach, output_type="ndarray")
    return index[0][pairs["i"]], index[1][pairs["j"]]


def merge_near(points: Float[np.ndarray, "n 2"], reach: float) -> Float[np.ndarray, "m 2"]:
    """Return the middle of every group of points that chains of steps up to `reach` join."""
    if not len(points):
        return points
    n = len(points)
    pairs = KDTree(points).query_pairs(reach, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    many, group = connected_components(graph, directed=False)
    size = np.bincount(group)
    return np.stack([np.bincount(group, points[:, k], many) / size for k in (0, 1)], axis=1)
