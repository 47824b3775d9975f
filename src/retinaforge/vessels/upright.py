"""Trace a mask the same way however the picture lies.

Thinning looks at pixels in an order, so that the centreline of a vessel an even number of pixels
wide falls to one side, and bumps of its wall to one branch or none. A mask is therefore mirrored
and transposed before it is traced so that its vessels' centre of mass lies right of the middle,
below it, and further right than below; the graph is laid back. A mirrored or turned eye is traced
from the very same array.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.vessels.graph import VesselGraph, trace_graph

Mask = Bool[np.ndarray, "height width"]


@dataclass(frozen=True)
class Lay:
    """How a picture is laid: mirrored across, mirrored down, then transposed.

    Attributes:
        across: whether left and right change places.
        down: whether top and bottom do.
        transposed: whether rows and columns do, after that.
        size_px: (width, height) of the picture as it came.
    """

    across: bool
    down: bool
    transposed: bool
    size_px: tuple[int, int]

    def lay(self, mask: Mask) -> Mask:
        """Return a mask so laid."""
        laid = mask[:: -1 if self.down else 1, :: -1 if self.across else 1]
        return np.ascontiguousarray(laid.T if self.transposed else laid)

    def back(self, points_px: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Return where points (x, y) of the laid picture lie in the picture as it came."""
        points = points_px[:, ::-1].copy() if self.transposed else points_px.copy()
        for axis, mirrored in enumerate((self.across, self.down)):
            if mirrored:
                points[:, axis] = self.size_px[axis] - 1 - points[:, axis]
        return points


def lay_of(mask: Mask) -> Lay:
    """Return how to lay a mask so that its centre of mass is right of the middle and below it.

    Moments are whole numbers, so that no rounding decides.
    """
    height, width = mask.shape
    x = int(mask.sum(axis=0) @ (2 * np.arange(width) - (width - 1)))
    y = int(mask.sum(axis=1) @ (2 * np.arange(height) - (height - 1)))
    return Lay(x < 0, y < 0, abs(y) > abs(x), (width, height))


def trace_upright(pixels: Mask, fov_mask: Mask) -> VesselGraph:
    """Trace the vessels of a mask, as `trace_graph` does, whichever way it lies.

    Args:
        pixels: True on vessels.
        fov_mask: True inside the field of view, same shape.
    """
    lay = lay_of(pixels)
    graph = trace_graph(lay.lay(pixels), lay.lay(fov_mask))
    segments = tuple(replace(part, points_px=lay.back(part.points_px)) for part in graph.segments)
    return replace(graph, nodes_px=lay.back(graph.nodes_px), segments=segments)
