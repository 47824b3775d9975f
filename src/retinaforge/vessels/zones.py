"""Zones of the retina: rings round the disc or the fovea, and quadrants.

Round the disc, from its margin outwards, in disc diameters (mean of width and height):

    A 0–0.5      B 0.5–1.0      C 0.5–2.0 (it holds B)

The disc counts as a circle, so that zones do not depend on how the photograph lies. Round the
fovea: the grid of the Early Treatment Diabetic Retinopathy Study (ETDRS), circles 1, 3 and 6 mm
across; where no scale is known, a disc diameter counts as 1.85 mm.

Quadrants are 90° wide. Temporal points from the disc to the fovea where both are known, else along
the picture's rows; superior is then given by which eye it is. So they hold for a photograph that
is turned or mirrored, as long as its landmarks and its eye are.

References:
    Zones A and B, 1850 µm for a disc: L. D. Hubbard et al., Ophthalmology 106, 2269 (1999).
    Zone C: C. Y. Cheung et al., "A new method to measure peripheral retinal vascular caliber over
    an extended area", Microcirculation 17, 495 (2010).
    Grid: ETDRS report number 7, Ophthalmology 98 (5 suppl), 741 (1991).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from retinaforge.core import Landmarks
from retinaforge.vessels.centrelines import Centrelines

DISC_UM = 1850.0
"""Diameter of a disc where no scale is known."""

ZONE_RADII = (1.0, 2.0, 3.0, 5.0)
"""Circles round the disc, in its radii: zone A, zone B, and the rest of zone C lie between."""

ZONE_RINGS = {"zone_a": slice(0, 1), "zone_b": slice(1, 2), "zone_c": slice(1, 3)}
"""Which rings make up each zone."""

GRID_UM = (0.0, 500.0, 1500.0, 3000.0)
"""Radii of the circles round the fovea: centre, inner ring, outer ring."""

QUADRANTS = ("superior", "nasal", "inferior", "temporal")
SAMPLES = 24
"""Rings and angles, in each cell of a grid, at which it is asked whether the cell is in view."""

Vector = tuple[float, float]
Cells = Float[np.ndarray, "rings 4"]


@dataclass(frozen=True)
class Grid:
    """Circles round one centre, and four quadrants.

    Attributes:
        centre_px: (x, y).
        radii_px: of the circles, the smallest first.
        temporal: unit vector (x, y) towards the temporal side.
        superior: unit vector at a right angle to it.
        sided: whether it is known which quadrant is which; if not, only rings mean anything.
    """

    centre_px: Vector
    radii_px: tuple[float, ...]
    temporal: Vector
    superior: Vector
    sided: bool

    @property
    def rings(self) -> int:
        """Return the number of rings."""
        return len(self.radii_px) - 1

    def cells(
        self, x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]
    ) -> Int[np.ndarray, "n"]:  # fmt: skip
        """Return 4 × ring + quadrant of every point; -1 outside all rings."""
        dx, dy = x - self.centre_px[0], y - self.centre_px[1]
        squared = dx * dx + dy * dy
        ring = np.full(len(dx), -1, dtype=np.int64)
        for radius in self.radii_px:
            ring += squared >= radius * radius
        along = dx * self.temporal[0] + dy * self.temporal[1]
        up = dx * self.superior[0] + dy * self.superior[1]
        sideways = np.abs(along) >= np.abs(up)
        quadrant = np.where(sideways, 1 + 2 * (along > 0), 2 * (up <= 0))
        inside = (ring >= 0) & (ring < self.rings)
        return np.where(inside, 4 * ring + quadrant, -1)

    def count(
        self, x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"],
        weights: Float[np.ndarray, "n"] | None = None,
    ) -> Cells:  # fmt: skip
        """Return the number of points, or the sum of their weights, in each ring and quadrant."""
        cells = self.cells(x, y)
        found = np.bincount(cells + 1, weights, minlength=4 * self.rings + 1)[1:]
        return found.astype(float).reshape(self.rings, 4)

    @property
    def areas_px(self) -> Cells:
        """Return the area of each ring's quadrant, in pixels squared."""
        rings = np.diff(np.square(self.radii_px)) * math.pi / 4
        return np.repeat(rings[:, None], 4, axis=1)

    def visible(self, fov_mask: Bool[np.ndarray, "height width"]) -> Cells:
        """Return which share (0-1) of each ring's quadrant lies in the field of view.

        Asked at points that lie evenly in the quadrant, so that a mirrored or turned picture gives
        the same.
        """
        share, sector = (np.arange(SAMPLES) + 0.5) / SAMPLES, np.arange(4)
        low, high = np.square(self.radii_px[:-1])[:, None], np.square(self.radii_px[1:])[:, None]
        radius = np.sqrt(low + share * (high - low))[:, None, :, None]
        # Superior, nasal, inferior, temporal: a quarter turn each, from superior on.
        angle = (np.pi / 2 * sector[:, None] + np.pi / 2 * (share - 0.5))[:, None, :]
        u, w = -np.sin(angle) * radius, np.cos(angle) * radius
        x = self.centre_px[0] + u * self.temporal[0] + w * self.superior[0]
        y = self.centre_px[1] + u * self.temporal[1] + w * self.superior[1]
        column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
        height, width = fov_mask.shape
        framed = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        inside = fov_mask[np.where(framed, row, 0), np.where(framed, column, 0)] & framed
        return inside.mean(axis=(2, 3))


@dataclass(frozen=True)
class Tally:
    """What of a field of view, and how much vessel, lies in each ring and quadrant of a grid.

    Attributes:
        grid: where.
        visible: share in view.
        pixels: vessel pixels; under "all", and by kind where known.
        lengths_px: lengths of centrelines, under the same keys.
    """

    grid: Grid
    visible: Cells
    pixels: dict[str, Cells]
    lengths_px: dict[str, Cells]


def disc_radius_px(landmarks: Landmarks) -> float | None:
    """Return the radius of the disc as a circle: the mean of its half width and half height."""
    axes = landmarks.disc_axes_px
    return None if axes is None else (axes[0] + axes[1]) / 2


def disc_grid(landmarks: Landmarks) -> Grid | None:
    """Return the circles of zones A, B and C; None where the disc is not known."""
    radius = disc_radius_px(landmarks)
    if radius is None or landmarks.disc_centre_px is None:
        return None
    temporal, superior = sides(landmarks)
    radii = tuple(radius * share for share in ZONE_RADII)
    return Grid(landmarks.disc_centre_px, radii, temporal, superior, landmarks.eye is not None)


def macula_grid(landmarks: Landmarks) -> Grid | None:
    """Return the ETDRS grid; None without the fovea, or with neither a scale nor the disc."""
    radius, um_per_px = disc_radius_px(landmarks), landmarks.um_per_px
    if um_per_px is None and radius is not None:
        um_per_px = DISC_UM / (2 * radius)
    if um_per_px is None or landmarks.fovea_px is None:
        return None
    temporal, superior = sides(landmarks)
    radii = tuple(um / um_per_px for um in GRID_UM)
    return Grid(landmarks.fovea_px, radii, temporal, superior, landmarks.eye is not None)


def sides(landmarks: Landmarks) -> tuple[Vector, Vector]:
    """Return the unit vectors (x, y) that point to the temporal and the superior side.

    Where the eye is not known it counts as a right one: rings need a frame, whichever it is.
    """
    left = landmarks.eye == "OS"
    temporal = (1.0 if left else -1.0, 0.0)
    if landmarks.disc_centre_px is not None and landmarks.fovea_px is not None:
        dx = landmarks.fovea_px[0] - landmarks.disc_centre_px[0]
        dy = landmarks.fovea_px[1] - landmarks.disc_centre_px[1]
        far = math.hypot(dx, dy)
        temporal = (dx / far, dy / far) if far > 0 else temporal
    x, y = temporal
    return temporal, ((y, -x) if left else (-y, x))


def crossings_of(
    grid: Grid, rings: slice, lines: Centrelines, own: Bool[np.ndarray, "n"]
) -> Float[np.ndarray, "m"]:
    """Return the calibres of the vessels that cross the middle circle of some rings.

    A vessel's calibre is the median over its stretch within the rings, once for each stretch; one
    that parts before the middle circle counts as its branches, else once.

    Args:
        grid: centre and radii.
        rings: which of its rings.
        lines: centrelines of all branches.
        own: which branches count.

    Returns:
        Pixels, the narrowest first.
    """
    inner, outer = grid.radii_px[rings.start], grid.radii_px[rings.stop]
    away = np.hypot(*(lines.points_px - np.array(grid.centre_px)).T)
    inside = own[lines.branch] & np.isfinite(lines.radii_px) & (away >= inner) & (away < outer)
    found = []
    for stretch in stretches(inside, lines.branch):
        if away[stretch].min() < (inner + outer) / 2 <= away[stretch].max():
            found.append(2 * float(np.median(lines.radii_px[stretch])))
    return np.sort(np.array(found, dtype=float))


def stretches(inside: Bool[np.ndarray, "n"], branch: Int[np.ndarray, "n"]) -> list[slice]:
    """Clip centrelines to a zone: return its stretches of successive points of one branch.

    Args:
        inside: which points lie in the zone.
        branch: number of the branch that each point belongs to; a branch's points are successive.
    """
    label = np.where(inside, branch, -1)
    edges = np.flatnonzero(np.diff(label, prepend=-1, append=-1))
    starts, ends = edges[:-1], edges[1:]
    return [slice(a, b) for a, b in zip(starts, ends, strict=True) if label[a] >= 0]
