"""Cut vessels at the disc's margin: inside it they lie on one another and no mask parts them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core.landmarks import Landmarks
from retinaforge.vessels.graph import Segment, VesselGraph


@dataclass(frozen=True)
class OutsideDisc:
    """What lies outside the disc, and the nodes that the cut made at its margin."""

    graph: VesselGraph
    margin: tuple[int, ...]


def inside_disc(points_px: Float[np.ndarray, "n 2"], landmarks: Landmarks) -> Bool[np.ndarray, "n"]:
    """Return which points lie in the disc's ellipse; none where the disc is not known."""
    if landmarks.disc_centre_px is None or landmarks.disc_axes_px is None:
        return np.zeros(len(points_px), bool)
    share = (points_px - np.array(landmarks.disc_centre_px)) / np.array(landmarks.disc_axes_px)
    return np.hypot(*share.T) < 1


def cut_at_disc(graph: VesselGraph, landmarks: Landmarks) -> OutsideDisc:
    """Return the parts of segments outside the disc."""
    if landmarks.disc_centre_px is None or not graph.segments:
        return OutsideDisc(graph, ())
    nodes, margin, segments = [graph.nodes_px], [], []
    every = np.concatenate([segment.points_px for segment in graph.segments])
    ends_at = np.cumsum([len(segment.points_px) for segment in graph.segments])[:-1]
    shares = np.split(~inside_disc(every, landmarks), ends_at)
    for segment, outside in zip(graph.segments, shares, strict=True):
        if outside.all():
            segments.append(segment)
            continue
        edges = np.flatnonzero(np.diff(outside.astype(np.int8), prepend=0, append=0))
        for first, beyond in zip(edges[::2], edges[1::2], strict=True):
            if beyond - first < 2:
                continue
            ends = []
            for k, whole, own in ((first, 0, segment.start), (beyond - 1, -1, segment.end)):
                if k == (0 if whole == 0 else len(outside) - 1):
                    ends.append(own)
                else:
                    ends.append(len(graph.nodes_px) + len(margin))
                    margin.append(ends[-1])
                    nodes.append(segment.points_px[[k]])
            part = slice(first, beyond)
            segments.append(Segment(segment.points_px[part], segment.radii_px[part], *ends))
    return OutsideDisc(
        VesselGraph(np.concatenate(nodes), tuple(segments), graph.unit_px), tuple(margin)
    )
