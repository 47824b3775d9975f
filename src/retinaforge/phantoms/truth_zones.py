"""Central retinal equivalents and arcade angles: what is measured on circles round the disc.

Zone B is the ring from 0.5 to 1 disc diameter beyond the disc's margin; the disc counts as a
circle of the mean of its half axes.

References:
    M. D. Knudtson et al., "Revised formulas for summarizing retinal vessel diameters",
    Curr Eye Res 27, 143 (2003).
    L. D. Hubbard et al., "Methods for evaluation of retinal microvascular abnormalities
    associated with hypertension/sclerosis in the ARIC study", Ophthalmology 106, 2269 (1999).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from retinaforge.core import VesselKind
from retinaforge.phantoms.fundus import Layout, Vessel
from retinaforge.phantoms.truth_field import Field, chord

SIX = 6
KNUDTSON = {"artery": 0.88, "vein": 0.95}


@dataclass(frozen=True)
class ZoneCalibre:
    """A vessel that crosses the middle of zone B.

    Attributes:
        index: number of the vessel in its fundus.
        kind: artery or vein.
        calibre_um: mean calibre over its length within zone B and the field.
    """

    index: int
    kind: VesselKind
    calibre_um: float


def zone_calibres(
    vessels: Sequence[Vessel], layout: Layout, field: Field
) -> tuple[ZoneCalibre, ...]:
    """Return the vessels that cross the circle 0.75 disc diameters beyond the margin, in view.

    Where a vessel parts within the zone, the circle decides whether it counts once or as two.
    """
    disc, radius = np.array(layout.disc_um), sum(layout.disc_axes_um) / 2
    found = []
    for index, vessel in enumerate(vessels):
        points, calibre = vessel.points_um, 2 * vessel.radii_um
        from_disc = np.hypot(*(points - disc).T)
        beyond = from_disc > 2.5 * radius
        crosses = beyond[1:] != beyond[:-1]
        if not (crosses & (field.shares(points) == 1)).any():
            continue
        start, step = points[:-1] - disc, np.diff(points, axis=0)
        (outer_low, outer_high), (inner_low, inner_high) = (
            chord(start, step, share * radius) for share in (3.0, 2.0)
        )
        share = np.maximum((outer_high - outer_low) - (inner_high - inner_low), 0)
        weight = np.hypot(*step.T) * share * (field.shares(points) > 0)
        mean = float((weight * (calibre[:-1] + calibre[1:]) / 2).sum() / weight.sum())
        found.append(ZoneCalibre(index, vessel.kind, mean))
    return tuple(found)


def equivalent(calibres: Sequence[float], join: Callable[[float, float], float]) -> float:
    """Join the widest with the narrowest, the next with the next, until one is left.

    An odd one in the middle is carried to the next round.

    Args:
        calibres: in micrometres, in any order; none gives NaN.
        join: takes (narrower, wider), returns the calibre of the trunk that parts into them.
    """
    left = sorted(calibres)
    while len(left) > 1:
        pairs = [join(left[i], left[-1 - i]) for i in range(len(left) // 2)]
        odd = [left[len(left) // 2]] if len(left) % 2 else []
        left = sorted(pairs + odd)
    return left[0] if left else math.nan


def knudtson(calibres: Sequence[float], kind: VesselKind) -> float:
    """Return CRAE or CRVE of the six widest vessels: W = c sqrt(w1^2 + w2^2), c 0.88 or 0.95.

    Returns:
        Micrometres; NaN where there are fewer than six.
    """
    widest = sorted(calibres)[-SIX:]
    if len(widest) < SIX:
        return math.nan
    return equivalent(widest, lambda a, b: KNUDTSON[kind] * math.hypot(a, b))


def hubbard(calibres: Sequence[float], kind: VesselKind) -> float:
    """Return CRAE or CRVE of all vessels of 25 um and more, calibres in micrometres.

    Arteries: W = sqrt(0.87 a^2 + 1.01 b^2 - 0.22 a b - 10.76);
    veins: W = sqrt(0.72 a^2 + 0.91 b^2 + 450.05); a the narrower, b the wider.
    """
    wide = [calibre for calibre in calibres if calibre >= 25.0]
    if kind == "artery":
        return equivalent(
            wide, lambda a, b: math.sqrt(0.87 * a**2 + 1.01 * b**2 - 0.22 * a * b - 10.76)
        )
    return equivalent(wide, lambda a, b: math.sqrt(0.72 * a**2 + 0.91 * b**2 + 450.05))


def arcade_angle_deg(vessels: Sequence[Vessel], layout: Layout, kind: VesselKind) -> float:
    """Return the angle that the temporal arcades of one kind open towards the fovea, 0-360.

    Seen from the disc's centre, between the widest vessel that crosses a circle of one disc
    diameter (the vertical one) in the upper temporal quadrant and the widest in the lower.

    Returns:
        Degrees; NaN where a quadrant has none.
    """
    disc, radius = np.array(layout.disc_um), 2 * layout.disc_axes_um[1]
    fovea = math.atan2(-disc[1], -disc[0])
    widest = {-1: (0.0, math.nan), 1: (0.0, math.nan)}
    for vessel in vessels:
        if vessel.kind != kind:
            continue
        from_disc = np.hypot(*(vessel.points_um - disc).T)
        for i in np.flatnonzero((from_disc[:-1] < radius) & (from_disc[1:] >= radius)):
            t = (radius - from_disc[i]) / (from_disc[i + 1] - from_disc[i])
            x, y = (1 - t) * vessel.points_um[i] + t * vessel.points_um[i + 1] - disc
            turned = math.remainder(math.atan2(y, x) - fovea, 2 * math.pi)
            side = -1 if turned < 0 else 1
            if abs(turned) < math.radians(100) and vessel.radii_um[i] > widest[side][0]:
                widest[side] = (float(vessel.radii_um[i]), abs(turned))
    return math.degrees(widest[-1][1] + widest[1][1])
