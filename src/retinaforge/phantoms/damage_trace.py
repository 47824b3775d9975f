"""Trace a vessel mask into paths with calibres, so that a photograph's vessels can be damaged."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import convolve, distance_transform_edt, gaussian_filter1d, label
from skimage.morphology import skeletonize

from retinaforge.phantoms.fundus import Vessel

Mask = Bool[np.ndarray, "height width"]
SHORTEST_PX = 5


@dataclass(frozen=True)
class Traced:
    """A mask's vessels between branchings and what each pixel is nearest to.

    Attributes:
        vessels: paths with radii in nominal micrometres, smoothed along the path.
        skeleton: the mask's centreline.
        away_px: distance of each pixel to the centreline.
        nearest: (y, x) of the nearest centreline pixel.
        radius_px: radius at each centreline pixel, 0 elsewhere.
        path: index of the path that a centreline pixel belongs to, -1 elsewhere.
        arc_um: arc length at a path's pixel, nominal micrometres.
    """

    vessels: tuple[Vessel, ...]
    skeleton: Mask
    away_px: Float[np.ndarray, "height width"]
    nearest: Int[np.ndarray, "2 height width"]
    radius_px: Float[np.ndarray, "height width"]
    path: Int[np.ndarray, "height width"]
    arc_um: Float[np.ndarray, "height width"]


def trace(vessel: Mask, px_um: float) -> Traced:
    """Trace a mask.

    A path is a stretch of centreline between branchings, at least 5 px long. The radius is the
    distance to the nearest pixel outside less half a pixel.

    Args:
        vessel: True inside.
        px_um: nominal micrometres a pixel.
    """
    skeleton = skeletonize(vessel)
    inner = distance_transform_edt(vessel)
    away, nearest = distance_transform_edt(~skeleton, return_indices=True)
    neighbours = convolve(skeleton.astype(np.uint8), np.ones((3, 3), np.uint8), mode="constant")
    lines = skeleton & (neighbours <= 3)
    labels, count = label(lines, np.ones((3, 3)))
    radius = np.where(skeleton, np.maximum(inner - 0.5, 0.5), 0.0)
    path = np.full(vessel.shape, -1)
    arc = np.zeros(vessel.shape)
    vessels: list[Vessel] = []
    for line in _lines(labels, count):
        ordered = _in_order(line)
        if len(ordered) < SHORTEST_PX:
            continue
        y, x = ordered.T
        smooth = gaussian_filter1d(ordered[:, ::-1].astype(float), 2.0, axis=0, mode="nearest")
        wide = gaussian_filter1d(radius[y, x], 3.0, mode="nearest")
        radius[y, x], path[y, x] = wide, len(vessels)
        steps = np.linalg.norm(np.diff(smooth, axis=0), axis=1)
        arc[y, x] = np.concatenate([[0.0], np.cumsum(steps)]) * px_um
        vessels.append(Vessel(smooth * px_um, wide * px_um, "unknown", None, 0))
    return Traced(tuple(vessels), skeleton, away, nearest, radius, path, arc)


def _lines(labels: np.ndarray, count: int) -> list[np.ndarray]:
    """Return the (y, x) pixels of each label."""
    y, x = np.nonzero(labels)
    order = np.argsort(labels[y, x], kind="stable")
    ends = np.searchsorted(labels[y, x][order], np.arange(1, count + 2))
    both = np.stack([y, x], axis=1)[order]
    return [both[a:b] for a, b in pairwise(ends)]


def _in_order(line: np.ndarray) -> np.ndarray:
    """Return a path's pixels from one end to the other, nearest neighbour first."""
    left = {(int(y), int(x)) for y, x in line}
    around = ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))

    def next_to(at: tuple[int, int]) -> list[tuple[int, int]]:
        return [(at[0] + dy, at[1] + dx) for dy, dx in around if (at[0] + dy, at[1] + dx) in left]

    here: tuple[int, int] | None = min(left, key=lambda at: (len(next_to(at)), at))
    ordered = []
    while here is not None:
        ordered.append(here)
        left.remove(here)
        here = next(iter(next_to(here)), None)
    return np.array(ordered)
