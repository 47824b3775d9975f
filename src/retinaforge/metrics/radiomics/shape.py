"""Shape of the mask: a polygon through the midpoints between pixels inside and outside.

FRD v0 has these nine features. Inside one round field of view they say little about the image.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import ConvexHull, distance

from retinaforge.metrics.radiomics.grey import Region


def shape_features(mask: Region) -> dict[str, float]:
    """Return the nine features of a mask's shape.

    Args:
        mask: at least three pixels, not all in one line.

    Returns:
        Values by name; lengths in px, areas in px².

    References:
        PyRadiomics 3.1, shape2D; Lorensen and Cline, SIGGRAPH 1987 for the polygon.
    """
    area, perimeter = _polygon(np.pad(mask, 1))
    minor, major = _axes(mask)
    return {
        "Elongation": minor / major,
        "MajorAxisLength": major,
        "MaximumDiameter": _diameter(np.pad(mask, 1)),
        "MeshSurface": area,
        "MinorAxisLength": minor,
        "Perimeter": perimeter,
        "PerimeterSurfaceRatio": perimeter / area,
        "PixelSurface": float(mask.sum()),
        "Sphericity": 2 * math.sqrt(math.pi * area) / perimeter,
    }


def _polygon(mask: Region) -> tuple[float, float]:
    """Return area and perimeter from the 2 x 2 squares: a corner cuts 1/8, an edge 1/2.

    Two corners across a square count as two cut corners, so that the outside is connected there.
    """
    corners = [mask[:-1, :-1], mask[:-1, 1:], mask[1:, 1:], mask[1:, :-1]]
    a, b, c, d = (corner.view(np.uint8) for corner in corners)
    number = a + b + c + d
    _, one, two, three, four = np.bincount(number.reshape(-1), minlength=5).tolist()
    diagonal = int(np.count_nonzero((number == 2) & (a == c)))
    two -= diagonal
    area = one / 8 + two / 2 + three * 7 / 8 + four + diagonal / 4
    return float(area), float((one + three + 2 * diagonal) * math.sqrt(0.5) + two)


def _axes(mask: Region) -> tuple[float, float]:
    # Moments from the sums of rows and columns, about the middle of the image.
    height, width = mask.shape
    y, x = np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    down, across = mask.sum(axis=1), mask.sum(axis=0)
    pixels = down.sum()
    mean_y, mean_x = float(down @ y) / pixels, float(across @ x) / pixels
    both = float(y @ (mask @ x)) / pixels - mean_y * mean_x
    yy, xx = float(down @ y**2) / pixels - mean_y**2, float(across @ x**2) / pixels - mean_x**2
    spread = np.linalg.eigvalsh(np.array([[yy, both], [both, xx]]))
    minor, major = 4 * np.sqrt(np.clip(spread, 0, None))
    return float(minor), float(major)


def _diameter(mask: Region) -> float:
    beside, below = mask[:, 1:] != mask[:, :-1], mask[1:] != mask[:-1]
    edges = ((np.argwhere(beside), np.array([0, 0.5])), (np.argwhere(below), np.array([0.5, 0])))
    points = np.concatenate([edge + half for edge, half in edges])
    return float(distance.pdist(points[ConvexHull(points).vertices]).max())
