"""The truth about each vessel and each branching, from the analytic tree.

References:
    W. E. Hart et al., "Measurement and classification of retinal vascular tortuosity",
    Int J Med Inform 53, 239 (1999): arc over chord, total squared curvature.
    C. D. Murray, PNAS 12, 207 (1926): r0^k = r1^k + r2^k.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from retinaforge.core import VesselKind
from retinaforge.phantoms.fundus import Point, Vessel
from retinaforge.phantoms.truth_field import Field

LEG_UM = 90.0
"""A branch's direction is taken from its first point to the point this far along it."""


@dataclass(frozen=True)
class VesselRow:
    """One vessel between two branchings or ends.

    Attributes:
        index: number of the vessel in its fundus.
        kind: artery or vein.
        parent: index of the vessel it grew from.
        generation: branchings between it and the root.
        length_um: whole length.
        length_in_field_um: length within the field of view.
        area_in_field_um2: integral of the calibre over the length within the field.
        chord_um: distance between its ends.
        tortuosity: length over chord, 1 or more.
        squared_curvature_per_mm: integral of the squared curvature over the length.
        inflections: changes of the sense of turning.
        calibre_um: mean calibre over the length.
        start_calibre_um: calibre at its first point.
        end_calibre_um: calibre at its last point.
    """

    index: int
    kind: VesselKind
    parent: int | None
    generation: int
    length_um: float
    length_in_field_um: float
    area_in_field_um2: float
    chord_um: float
    tortuosity: float
    squared_curvature_per_mm: float
    inflections: int
    calibre_um: float
    start_calibre_um: float
    end_calibre_um: float


def vessel_row(index: int, vessel: Vessel, field: Field) -> VesselRow:
    """Measure one vessel on its own polyline, every figure exact for it."""
    points, calibre = vessel.points_um, 2 * vessel.radii_um
    pieces = np.hypot(*np.diff(points, axis=0).T)
    inside = pieces * field.shares(points)
    middle = (calibre[:-1] + calibre[1:]) / 2
    length, chord = float(pieces.sum()), math.dist(points[0], points[-1])
    bends = turns(points)
    return VesselRow(
        index=index,
        kind=vessel.kind,
        parent=vessel.parent,
        generation=vessel.generation,
        length_um=length,
        length_in_field_um=float(inside.sum()),
        area_in_field_um2=float((inside * middle).sum()),
        chord_um=chord,
        tortuosity=length / chord if chord > 0 else math.nan,
        squared_curvature_per_mm=1000 * float((2 * bends**2 / (pieces[:-1] + pieces[1:])).sum()),
        inflections=inflections(bends),
        calibre_um=float((pieces * middle).sum() / length),
        start_calibre_um=float(calibre[0]),
        end_calibre_um=float(calibre[-1]),
    )


def turns(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "m"]:
    """Return the angle in radians by which a polyline turns at each inner point, signed."""
    step = np.diff(points, axis=0)
    u, v = step[:-1], step[1:]
    return np.arctan2(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0], (u * v).sum(axis=1))


def inflections(bends: Float[np.ndarray, "n"]) -> int:
    """Count how often a vessel's sense of turning changes; turns below a millionth are none."""
    senses = np.sign(bends[abs(bends) > 1e-6])
    return int((senses[1:] != senses[:-1]).sum())


@dataclass(frozen=True)
class Branching:
    """One vessel that parts into two.

    Attributes:
        kind: artery or vein.
        parent: index of the vessel that parts.
        point_um: where.
        in_field: whether the field of view shows it.
        angle_deg: between the two branches, over their first 90 um.
        area_ratio: (r1^2 + r2^2) / r0^2.
        diameter_ratio: narrower over wider branch, 0-1.
        junction_exponent: k of r0^k = r1^k + r2^k; NaN where a branch is as wide as its parent.
    """

    kind: VesselKind
    parent: int
    point_um: Point
    in_field: bool
    angle_deg: float
    area_ratio: float
    diameter_ratio: float
    junction_exponent: float


def branchings(vessels: Sequence[Vessel], field: Field) -> tuple[Branching, ...]:
    """Return all branchings in order of the parents; the trunk's, in the disc, is one of them."""
    children: dict[int, list[Vessel]] = {}
    for vessel in vessels:
        if vessel.parent is not None:
            children.setdefault(vessel.parent, []).append(vessel)
    found = []
    for parent, pair in sorted(children.items()):
        if len(pair) != 2:
            continue
        r0 = float(vessels[parent].radii_um[-1])
        r1, r2 = sorted((float(v.radii_um[0]) for v in pair), reverse=True)
        node = vessels[parent].points_um[-1]
        found.append(
            Branching(
                kind=vessels[parent].kind,
                parent=parent,
                point_um=(float(node[0]), float(node[1])),
                in_field=bool(field.holds(node[None])[0]),
                angle_deg=angle_between(leg(pair[0]), leg(pair[1])),
                area_ratio=(r1**2 + r2**2) / r0**2,
                diameter_ratio=r2 / r1,
                junction_exponent=junction_exponent(r0, r1, r2),
            )
        )
    return tuple(found)


def leg(vessel: Vessel) -> Float[np.ndarray, "2"]:
    """Return the step from a vessel's first point to the point LEG_UM along it, or its last."""
    p = vessel.points_um
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(p, axis=0).T))])
    return np.array([np.interp(LEG_UM, along, p[:, k]) for k in (0, 1)]) - p[0]


def angle_between(u: Float[np.ndarray, "2"], v: Float[np.ndarray, "2"]) -> float:
    """Return the angle between two directions, 0-180 degrees."""
    return math.degrees(abs(math.atan2(u[0] * v[1] - u[1] * v[0], float(u @ v))))


def junction_exponent(r0: float, r1: float, r2: float) -> float:
    """Solve r0^k = r1^k + r2^k for k by bisection; NaN unless both branches are narrower.

    (r1/r0)^k + (r2/r0)^k falls from 2 at k = 0 to 0, so there is exactly one solution.
    """
    x, y = r1 / r0, r2 / r0
    if not (0 < x < 1 and 0 < y < 1):
        return math.nan
    low, high = 0.0, 1.0
    while x**high + y**high > 1:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if x**middle + y**middle > 1 else (low, middle)
    return (low + high) / 2
