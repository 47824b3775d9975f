"""Measures of one eye's vessel and disc masks, whoever drew them; `phantom_realism` compares.

The centreline is cut into segments at its junctions; junctions nearer to each other than a
vessel's width are one (so that a crossing is no pair of bifurcations), spurs shorter than that go.
Lengths in mm and µm take a field of view in degrees at 288 µm a degree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from retinaforge.phantoms.params import UM_PER_DEG
from retinaforge.vessels import vessel_mask
from retinaforge.vessels.skeleton import VesselMask

THIN_UM = 60.0
Mask = Bool[np.ndarray, "height width"]

FEATURES = {
    "density": "vessel pixels in the field, %",
    "length": "centreline, mm per mm²",
    "dimension": "fractal dimension of the centreline (box counting)",
    "calibre_mean": "mean calibre, µm",
    "calibre_median": "median calibre, µm",
    "calibre_p95": "95th percentile of the calibre, µm",
    "calibre_field": "mean calibre, % of the field's diameter",
    "widest": "99th percentile of the calibre, µm",
    "thin": f"centreline below {THIN_UM:g} µm, %",
    "bifurcations": "bifurcations per cm of centreline",
    "angle": "angle between daughters, degrees (mean of an eye)",
    "angle_spread": "its standard deviation within an eye, degrees",
    "tortuosity": "arc over chord - 1 of segments of 1 mm and more, % (length-weighted)",
    "gap": "radius of the largest vessel-free circle in the field, mm",
    "av_ratio": "artery over vein: mean of the upper quarter of calibres",
}
OF_VESSELS = tuple(FEATURES)
FEATURES |= {
    "disc_diameter": "disc diameter, % of the field's diameter",
    "disc_side": "disc centre beside the field's middle, % of its diameter",
    "disc_below": "disc centre below the field's middle, % of its diameter",
}


@dataclass
class Segment:
    """A piece of centreline between two nodes or ends; `nodes` holds 0 for a free end."""

    path: Float[np.ndarray, "n 2"]
    nodes: list[int]

    @property
    def length(self) -> float:
        """Return its length in pixels, smoothed against the staircase of pixels."""
        return path_length(self.path)


def path_length(path: Float[np.ndarray, "n 2"]) -> float:
    """Return the length of a path of pixels after a running mean of five."""
    smooth = ndimage.uniform_filter1d(path, 5, axis=0, mode="nearest") if len(path) > 5 else path
    return float(np.linalg.norm(np.diff(smooth, axis=0), axis=1).sum())


def _walk(points: Int[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Put a thin piece's pixels in order, from one end to the other."""
    left = {tuple(p) for p in points.tolist()}
    around = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b]

    def near(p: tuple[int, int]) -> list[tuple[int, int]]:
        return [(p[0] + a, p[1] + b) for a, b in around if (p[0] + a, p[1] + b) in left]

    at = next((p for p in sorted(left) if len(near(p)) <= 1), min(left))
    path = [at]
    left.discard(at)
    while candidates := near(at):
        at = min(candidates, key=lambda q: abs(q[0] - at[0]) + abs(q[1] - at[1]))
        left.discard(at)
        path.append(at)
    return np.array(path, dtype=float)


def segments_of(skeleton: Mask, widest_px: float) -> list[Segment]:
    """Cut a centreline at its junctions; junctions nearer than a vessel's width are one.

    Args:
        skeleton: one pixel wide.
        widest_px: ends shorter than this are spurs and go; links shorter join their nodes.
    """
    around = ndimage.convolve(skeleton.astype(np.uint8), np.ones((3, 3), np.uint8), mode="constant")
    junction = ndimage.binary_dilation(skeleton & (around >= 4), np.ones((3, 3)))
    nodes, _ = ndimage.label(junction, np.ones((3, 3)))
    reach = ndimage.grey_dilation(nodes, (3, 3))
    pieces, _ = ndimage.label(skeleton & ~junction, np.ones((3, 3)))
    found = []
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        inside = np.argwhere(pieces[box] == number) + np.array([box[0].start, box[1].start])
        path = _walk(inside)
        ends = [tuple(path[0].astype(int)), tuple(path[-1].astype(int))]
        found.append(Segment(path, [int(reach[end]) for end in ends]))
    joined: dict[int, int] = {}

    def root(node: int) -> int:
        while node in joined:
            node = joined[node]
        return node

    kept = []
    for segment in found:
        a, b = segment.nodes
        if segment.length >= widest_px or not (a or b):
            kept.append(segment)
        elif a and b and root(a) != root(b):
            joined[root(a)] = root(b)
    for segment in kept:
        segment.nodes = [root(node) for node in segment.nodes]
    return kept


def bifurcations_of(segments: list[Segment], reach_px: float) -> tuple[int, list[float]]:
    """Return how many nodes have three segments, and the daughters' angles at those, degrees.

    The daughters are the two directions nearest to each other, over `reach_px`.
    """
    ends: dict[int, list[np.ndarray]] = {}
    for segment in segments:
        for node, path in zip(segment.nodes, (segment.path, segment.path[::-1]), strict=True):
            if node:
                ends.setdefault(node, []).append(path)
    count, angles = 0, []
    for paths in ends.values():
        if len(paths) != 3:
            continue
        count += 1
        if min(len(path) for path in paths) < reach_px:
            continue
        ways = [path[int(reach_px) - 1] - path[0] for path in paths]
        ways = [way / np.linalg.norm(way) for way in ways]
        cosines = [float(np.clip(a @ b, -1, 1)) for a, b in combinations(ways, 2)]
        angles.append(math.degrees(math.acos(max(cosines))))
    return count, angles


def tortuosity(segments: list[Segment], shortest_px: float) -> float:
    """Return the length-weighted mean of arc over chord, less 1, in %."""
    arcs, ratios = [], []
    for segment in segments:
        arc, chord = segment.length, float(np.linalg.norm(segment.path[-1] - segment.path[0]))
        if arc >= shortest_px and chord > arc / 4:
            arcs.append(arc)
            ratios.append(arc / chord - 1)
    return 100 * float(np.average(ratios, weights=arcs)) if arcs else float("nan")


def box_dimension(points: Int[np.ndarray, "n 2"], diameter_px: float) -> float:
    """Return minus the slope of log(boxes met) over log(side), sides 1/128 to 1/8 of the FOV."""
    sides = diameter_px / np.array([128, 96, 64, 48, 32, 24, 16, 12, 8])
    boxes = [len(np.unique(points // side, axis=0)) for side in sides]
    return float(-np.polyfit(np.log(sides), np.log(boxes), 1)[0])


def largest_gap(mask: Mask, fov: Mask) -> float:
    """Return the radius of the largest circle in the field that meets no vessel, pixels."""
    free = np.pad(fov & ~mask, 1)
    return float(ndimage.distance_transform_edt(free).max())


def measure(vessels: VesselMask, *, diameter_px: float, fov_deg: float) -> dict[str, float]:
    """Return the features of one eye's vessel mask; see `FEATURES`."""
    um = fov_deg * UM_PER_DEG / diameter_px
    widths = vessels.calibres_px * um
    widths = widths[np.isfinite(widths)]
    skeleton = np.zeros_like(vessels.pixels)
    skeleton[tuple(vessels.points.T)] = True
    segments = segments_of(skeleton, float(np.percentile(widths, 95)) / um)
    length_um = sum(segment.length for segment in segments) * um
    reach_px = max(6.0, 150.0 / um)
    count, angles = bifurcations_of(segments, reach_px)
    area_mm2 = vessels.fov.sum() * (um / 1000) ** 2
    return {
        "density": 100 * vessels.pixels.sum() / vessels.fov.sum(),
        "length": length_um / 1000 / area_mm2,
        "dimension": box_dimension(vessels.points, diameter_px),
        "calibre_mean": float(widths.mean()),
        "calibre_median": float(np.median(widths)),
        "calibre_p95": float(np.percentile(widths, 95)),
        "calibre_field": 100 * float(widths.mean()) / (um * diameter_px),
        "widest": float(np.percentile(widths, 99)),
        "thin": 100 * float((widths < THIN_UM).mean()),
        "bifurcations": count / (length_um / 1e4),
        "angle": float(np.mean(angles)) if angles else float("nan"),
        "angle_spread": float(np.std(angles)) if angles else float("nan"),
        "tortuosity": tortuosity(segments, 1000 / um),
        "gap": largest_gap(vessels.pixels, vessels.fov) * um / 1000,
    }


def upper_quarter(mask: Mask, fov: Mask) -> float:
    """Return the mean of the upper quarter of the calibres, pixels."""
    widths = vessel_mask(mask, fov).calibres_px
    widths = widths[np.isfinite(widths)]
    return float(widths[widths >= np.percentile(widths, 75)].mean())


def disc_place(disc: Mask, fov: Mask, *, diameter_px: float) -> dict[str, float]:
    """Return the disc's size and place in the field."""
    rows, columns = np.nonzero(disc)
    middle = [(axis.min() + axis.max()) / 2 for axis in np.nonzero(fov)]
    return {
        "disc_diameter": 100 * 2 * math.sqrt(disc.sum() / math.pi) / diameter_px,
        "disc_side": 100 * abs(columns.mean() - middle[1]) / diameter_px,
        "disc_below": 100 * (rows.mean() - middle[0]) / diameter_px,
    }
