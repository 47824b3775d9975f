"""Both trees of an eye: one eye's own parameters, arteries before veins, smooth in the end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from retinaforge.core import VesselKind
from retinaforge.phantoms.curves import smooth, vary
from retinaforge.phantoms.fundus import Layout, Vessel
from retinaforge.phantoms.growth import Grower, Segment, apart_um
from retinaforge.phantoms.occupancy import GAP_UM
from retinaforge.phantoms.params import VesselParams

ARTERY_OUTSIDE = 0.65
"""Share of arcades whose artery runs outside its vein; set by eye beside HRF."""


def one_eyes(params: VesselParams, *, rng: np.random.Generator) -> VesselParams:
    """Draw one eye's parameters round the population's means.

    The spreads are set so that densities and calibres range as in HRF, CHASE_DB1 and DRIVE.
    """
    calibre, ratio, wind, spacing = np.exp(rng.normal(0, (0.07, 0.05, 0.25, 0.1)))
    shift = params.angle_shift_deg + 0.25 * params.angle_sd_deg * rng.normal()
    return replace(
        params,
        artery_um=float(np.clip(params.artery_um * calibre, 40, 250)),
        artery_vein_ratio=float(np.clip(params.artery_vein_ratio * ratio, 0.4, 1.0)),
        tortuosity=float(np.clip(params.tortuosity * wind, 0, 4)),
        spacing=float(np.clip(params.spacing * spacing, 0.4, 4)),
        asymmetry=float(np.clip(params.asymmetry + rng.normal(0, 0.06), 0.2, 1.0)),
        angle_shift_deg=float(np.clip(shift, -20, 20)),
    )


def grow_trees(
    layout: Layout, params: VesselParams, *, rng: np.random.Generator
) -> tuple[Vessel, ...]:
    """Grow both trees; arteries first, each parent before its branches."""
    own = one_eyes(params, rng=rng)
    up, down = (bool(draw < ARTERY_OUTSIDE) for draw in rng.random(2))
    grower = Grower("artery", layout, own, outer=(up, down), others=None, rng=rng)
    arteries = grower.grow()
    veins = Grower("vein", layout, own, outer=(not up, not down), others=grower.occupied, rng=rng)
    return _both(arteries, veins.grow(), rng=rng)


def _both(
    arteries: list[Segment], veins: list[Segment], *, rng: np.random.Generator
) -> tuple[Vessel, ...]:
    first = _finished(arteries, "artery", offset=0, rng=rng)
    return (*first, *_finished(veins, "vein", offset=len(first), rng=rng))


def _finished(
    segments: list[Segment], kind: VesselKind, *, offset: int, rng: np.random.Generator
) -> list[Vessel]:
    """Return smooth vessels of wavering calibre; parents are counted over both kinds."""
    vessels: list[Vessel] = []
    for segment in _without_touching_twins(segments):
        points, radii = smooth(np.array(segment.points), np.array(segment.radii))
        up = segment.parent
        generation = 0 if up is None else vessels[up].generation + 1
        parent = None if up is None else up + offset
        vessels.append(Vessel(points, vary(radii, rng=rng), kind, parent, generation))
    return vessels


def _without_touching_twins(segments: list[Segment]) -> list[Segment]:
    """Leave out pairs of stubs that end beside each other: they left one branching side by side.

    The first steps of two branches are taken at once, before either can see the other; all later
    ones keep their distance. Where both end there, the vessel ends at its branching instead.
    """
    branched = {segment.parent for segment in segments}
    stubs: dict[int, list[int]] = {}
    for index, segment in enumerate(segments):
        if segment.parent is not None and index not in branched:
            stubs.setdefault(segment.parent, []).append(index)
    gone: set[int] = set()
    for parent, pair in stubs.items():
        if len(pair) == 2 and _touch(segments[parent], segments[pair[0]], segments[pair[1]]):
            gone.update(pair)
    kept = [index for index in range(len(segments)) if index not in gone]
    number = {index: k for k, index in enumerate(kept)}
    return [
        replace(segments[k], parent=None if (up := segments[k].parent) is None else number[up])
        for k in kept
    ]


def _touch(parent: Segment, one: Segment, other: Segment) -> bool:
    """Return whether two branches come within 3/4 of `GAP_UM` beyond where branches may."""
    apart, lines = apart_um(parent.radii[-1]), []
    for branch in (one, other):
        points, radii = smooth(np.array(branch.points), np.array(branch.radii))
        away = np.hypot(*(points - points[0]).T)
        fine = np.linspace(0, away[-1], max(2, int(away[-1] / 10)))
        x, y, r = (np.interp(fine, away, v) for v in (points[:, 0], points[:, 1], radii))
        lines.append(np.stack([x, y, r])[:, fine >= 0.9 * apart])
    (xa, ya, ra), (xb, yb, rb) = lines
    if not len(xa) or not len(xb):
        return False
    gap = np.hypot(xa[:, None] - xb, ya[:, None] - yb) - ra[:, None] - rb
    return bool(gap.min() < 0.75 * GAP_UM)
