"""Draw a vessel tree into pixels: distance to the wall, optical depth, light reflex.

Every centreline is cut into pieces about as long as the vessel's radius; each piece paints a small
patch, and a pixel keeps the largest value over all. Pixel centres lie at whole coordinates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import erf

from retinaforge.core import Branch

SMALLEST_RADIUS_PX = 0.5
"""Vessels narrower than a pixel are one pixel wide in masks, so that no vessel falls apart."""

PATCH_PIXELS = 200_000


@dataclass(frozen=True)
class VesselLayer:
    """One kind of vessel, rendered.

    Attributes:
        depth_px: how far inside the nearest wall a pixel's centre lies (negative outside), px;
            the mask is depth_px >= 0.
        absorption: optical depth relative to a vessel of 150 um calibre, shape of the image.
        reflex: strength of the light reflex along the axis, 0-1.
    """

    depth_px: Float[np.ndarray, "height width"]
    absorption: Float[np.ndarray, "height width"]
    reflex: Float[np.ndarray, "height width"]


def render_vessels(
    branches: Iterable[Branch], *, size_px: int, px_um: float, blur_px: float
) -> VesselLayer:
    """Render branches into a square image.

    Args:
        branches: centrelines and radii in pixels of this image.
        size_px: side of the image.
        px_um: micrometres a pixel.
        blur_px: standard deviation of the optics' and sensor's blur, pixels.
    """
    starts, ends, radii = _pieces(branches)
    depth = np.full(size_px * size_px, -np.inf, dtype=np.float32)
    nearest = np.zeros((2, size_px * size_px), dtype=np.float32)
    half = np.linalg.norm(ends - starts, axis=1) / 2
    wall = np.maximum(radii, SMALLEST_RADIUS_PX)
    reach = np.ceil(wall + half + 2.5 * blur_px + 0.5).astype(int)
    for chosen, size in _batches(reach):
        flat, distance, radius = _patches(
            starts[chosen], ends[chosen], radii[chosen], size, size_px
        )
        inside = np.maximum(radius, SMALLEST_RADIUS_PX) - distance
        np.maximum.at(depth, flat, inside)
        wins = inside == depth[flat]
        nearest[:, flat[wins]] = distance[wins], radius[wins]
    near = np.flatnonzero(np.isfinite(depth))
    distance, radius = nearest[:, near]
    absorption, reflex = (np.zeros(size_px * size_px, dtype=np.float32) for _ in range(2))
    thick = np.sqrt(2 * radius * px_um / 150.0)
    absorption[near] = thick * bar_profile(distance, radius, blur_px)
    reflex[near] = bar_profile(distance, 0.28 * radius, blur_px)
    shape = (size_px, size_px)
    return VesselLayer(depth.reshape(shape), absorption.reshape(shape), reflex.reshape(shape))


def bar_profile(
    distance: Float[np.ndarray, "n"], radius: Float[np.ndarray, "n"], blur_px: float
) -> Float[np.ndarray, "n"]:
    """Return a bar's profile after Gaussian blur: (erf((r-d)/bs) + erf((r+d)/bs)) / 2, s = √2."""
    scale = np.float32(1 / (np.sqrt(2) * blur_px))
    return (erf((radius - distance) * scale) + erf((radius + distance) * scale)) / 2


def _batches(reach: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """Yield pieces of one reach, as many at a time as keep their patches within the cache."""
    for size in np.unique(reach):
        chosen = np.flatnonzero(reach == size)
        many = max(1, PATCH_PIXELS // (2 * int(size) + 1) ** 2)
        for first in range(0, len(chosen), many):
            yield chosen[first : first + many], int(size)


def _pieces(branches: Iterable[Branch]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut centrelines into pieces of a pixel or a radius: starts, ends (n, 2), radii (n,)."""
    starts, ends, radii = [], [], []
    for branch in branches:
        p, r = branch.points_px, branch.radii_px
        along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(p, axis=0), axis=1))])
        # Keeping the polyline's own corners keeps the drawing on the exact centreline.
        longest = max(1.0, float(r.min()))
        at = np.union1d(np.linspace(0, along[-1], int(along[-1] / longest) + 2), along)
        x, y = np.interp(at, along, p[:, 0]), np.interp(at, along, p[:, 1])
        width = np.interp(at, along, r)
        fine = np.stack([x, y], axis=1)
        starts.append(fine[:-1])
        ends.append(fine[1:])
        radii.append((width[:-1] + width[1:]) / 2)
    if not starts:
        return np.empty((0, 2)), np.empty((0, 2)), np.empty(0)
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(radii)


def _patches(
    starts: np.ndarray, ends: np.ndarray, radii: np.ndarray, reach: int, size_px: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return flat pixel index, distance to the piece and its radius for every patch pixel."""
    centre = np.rint((starts + ends) / 2).astype(int)
    offset = np.arange(-reach, reach + 1)
    oy, ox = (grid.ravel() for grid in np.meshgrid(offset, offset, indexing="ij"))
    x, y = centre[:, :1] + ox, centre[:, 1:] + oy
    inside = (x >= 0) & (y >= 0) & (x < size_px) & (y < size_px)
    dx, dy = (ends - starts)[:, :1], (ends - starts)[:, 1:]
    px, py = x - starts[:, :1], y - starts[:, 1:]
    along = np.clip((px * dx + py * dy) / np.maximum(dx**2 + dy**2, 1e-12), 0, 1)
    distance = np.hypot(px - along * dx, py - along * dy)
    radius = np.broadcast_to(radii[:, None], x.shape)
    return (
        (y * size_px + x)[inside],
        distance[inside].astype(np.float32),
        radius[inside].astype(np.float32),
    )
