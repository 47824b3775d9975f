"""Damage the vessels of a fundus exactly, in micrometres, before they are painted.

A vessel is a polyline; what is removed is an interval of its arc length. Round caps of the stumps
reach one radius into a gap, so a clear gap g needs a cut of g + r1 + r2 on the centreline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from retinaforge.phantoms.fundus import Crossing, Fundus, Point, Vessel

STUMP_UM = 80.0
"""Shortest piece left between two gaps, or between a gap and a branching."""

Span = tuple[float, float]


@dataclass(frozen=True)
class Cut:
    """A gap: where its middle lies, how long its clear part is, and in which vessel."""

    point_um: Point
    clear_um: float
    vessel: int
    span_um: Span


def arc_um(vessel: Vessel) -> np.ndarray:
    """Return the arc length from the vessel's start at each of its points, micrometres."""
    steps = np.linalg.norm(np.diff(vessel.points_um, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def at_arc(vessel: Vessel, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return points (n, 2) and radii (n,) at arc lengths."""
    arc, p = arc_um(vessel), vessel.points_um
    points = np.stack([np.interp(s, arc, p[:, 0]), np.interp(s, arc, p[:, 1])], axis=1)
    return points, np.interp(s, arc, vessel.radii_um)


def scaled(fundus: Fundus, factor: float) -> Fundus:
    """Return the fundus with every vessel's calibre multiplied by `factor`."""
    vessels = tuple(replace(v, radii_um=v.radii_um * factor) for v in fundus.vessels)
    return replace(fundus, vessels=vessels)


def straightened(fundus: Fundus, share: float) -> Fundus:
    """Return the fundus with each vessel moved to its chord by `share`: p' = (1 - s) p + s c.

    c is the point of the chord at the same share of the arc length; branchings stay where they
    are, or follow the vessel that they lie on.
    """
    moved: list[Vessel] = []
    for vessel in fundus.vessels:
        p = vessel.points_um.copy()
        start = p[0] if vessel.parent is None else _followed(
            fundus.vessels[vessel.parent], moved[vessel.parent], p[0]
        )  # fmt: skip
        along = arc_um(vessel) / arc_um(vessel)[-1]
        p += (1 - along)[:, None] * (start - p[0])
        chord = p[0] + along[:, None] * (p[-1] - p[0])
        moved.append(replace(vessel, points_um=(1 - share) * p + share * chord))
    vessels = tuple(moved)
    return replace(fundus, vessels=vessels, crossings=_moved_crossings(fundus, vessels))


def _followed(before: Vessel, after: Vessel, point: np.ndarray) -> np.ndarray:
    """Return where a point beside a vessel goes when the vessel moves."""
    nearest = int(np.argmin(np.linalg.norm(before.points_um - point, axis=1)))
    return point + after.points_um[nearest] - before.points_um[nearest]


def _moved_crossings(fundus: Fundus, vessels: tuple[Vessel, ...]) -> tuple[Crossing, ...]:
    """Move each crossing to where its two vessels now are nearest, if they still meet."""
    moved = []
    for crossing in fundus.crossings:
        a, v = (vessels[i].points_um for i in (crossing.artery, crossing.vein))
        found = _meeting(a, v, np.array(crossing.point_um))
        if found is not None:
            point, angle = found
            moved.append(replace(crossing, point_um=point, angle_deg=angle))
    return tuple(moved)


def _meeting(a: np.ndarray, b: np.ndarray, near: np.ndarray) -> tuple[Point, float] | None:
    """Return point and acute angle of the two polylines' intersection nearest to `near`."""
    p, r = a[:-1, None], np.diff(a, axis=0)[:, None]
    q, s = b[None, :-1], np.diff(b, axis=0)[None]
    cross = r[..., 0] * s[..., 1] - r[..., 1] * s[..., 0]
    safe = np.where(np.abs(cross) < 1e-9, np.nan, cross)
    d = q - p
    t = (d[..., 0] * s[..., 1] - d[..., 1] * s[..., 0]) / safe
    u = (d[..., 0] * r[..., 1] - d[..., 1] * r[..., 0]) / safe
    i, j = np.nonzero((t >= 0) & (t <= 1) & (u >= 0) & (u <= 1))
    if not len(i):
        return None
    points = p[i, 0] + t[i, j][:, None] * r[i, 0]
    best = int(np.argmin(np.linalg.norm(points - near, axis=1)))
    one, two = r[i[best], 0], s[0, j[best]]
    cosine = abs(one @ two) / (np.linalg.norm(one) * np.linalg.norm(two))
    x, y = points[best]
    return (float(x), float(y)), float(np.degrees(np.arccos(min(cosine, 1.0))))


def without(fundus: Fundus, spans: dict[int, list[Span]]) -> Fundus:
    """Return the fundus without intervals of arc length of some vessels.

    What lies beyond a gap becomes a root of its own (parent None); a branch stays with the piece
    that it springs from, and crossings stay where both vessels are left.
    """
    new: list[Vessel] = []
    pieces: list[list[int]] = []
    for index, vessel in enumerate(fundus.vessels):
        own = []
        for number, (first, last) in enumerate(_kept(vessel, sorted(spans.get(index, [])))):
            parent = None
            if number == 0 and first == 0.0 and vessel.parent is not None:
                parent = _piece_at(new, pieces[vessel.parent], vessel.points_um[0])
            own.append(len(new))
            new.append(_part(vessel, first, last, parent))
        pieces.append(own)
    return replace(fundus, vessels=tuple(new), crossings=_kept_crossings(fundus, new, pieces))


def _kept(vessel: Vessel, spans: list[Span]) -> list[Span]:
    """Return the intervals of arc length between the removed ones."""
    edges = [0.0, *(edge for span in spans for edge in span), float(arc_um(vessel)[-1])]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(first, last) for first, last in pairs if last - first > 1e-6]


def _part(vessel: Vessel, first: float, last: float, parent: int | None) -> Vessel:
    arc = arc_um(vessel)
    s = np.concatenate([[first], arc[(arc > first) & (arc < last)], [last]])
    points, radii = at_arc(vessel, s)
    return replace(vessel, points_um=points, radii_um=radii, parent=parent)


def _piece_at(vessels: list[Vessel], pieces: list[int], point: np.ndarray) -> int | None:
    """Return the piece whose centreline passes within a radius of a point, None if none does."""
    for index in pieces:
        if _reaches(vessels[index], point):
            return index
    return None


def _reaches(vessel: Vessel, point: np.ndarray) -> bool:
    p = vessel.points_um
    step = np.diff(p, axis=0)
    long = np.maximum((step**2).sum(axis=1), 1e-12)
    t = np.clip(((point - p[:-1]) * step).sum(axis=1) / long, 0, 1)
    away = np.linalg.norm(p[:-1] + t[:, None] * step - point, axis=1)
    return bool(away.min() <= vessel.radii_um[int(np.argmin(away))] + 1.0)


def _kept_crossings(
    fundus: Fundus, vessels: list[Vessel], pieces: list[list[int]]
) -> tuple[Crossing, ...]:
    kept = []
    for crossing in fundus.crossings:
        point = np.array(crossing.point_um)
        artery = _piece_at(vessels, pieces[crossing.artery], point)
        vein = _piece_at(vessels, pieces[crossing.vein], point)
        if artery is not None and vein is not None:
            kept.append(replace(crossing, artery=artery, vein=vein))
    return tuple(kept)


def narrow_spans(vessel: Vessel, below_um: float) -> list[Span]:
    """Return the intervals of arc length where the calibre is below `below_um`."""
    arc, width = arc_um(vessel), 2 * vessel.radii_um - below_um
    turns = np.flatnonzero((width[:-1] < 0) != (width[1:] < 0))
    at = arc[turns] - width[turns] * np.diff(arc)[turns] / np.diff(width)[turns]
    edges = np.concatenate([[0.0] if width[0] < 0 else [], at, arc[-1:] if width[-1] < 0 else []])
    return [(float(a), float(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def swapped(fundus: Fundus, share: float, *, rng: np.random.Generator) -> tuple[Fundus, list[int]]:
    """Return the fundus with whole vessels of `share` of the length painted as the other kind."""
    length = np.array([arc_um(v)[-1] for v in fundus.vessels])
    order = rng.permutation(len(length))
    reached = np.cumsum(length[order]) - length[order] / 2
    chosen = sorted(int(i) for i in order[reached <= share * length.sum()])
    other = {"artery": "vein", "vein": "artery", "unknown": "unknown"}
    vessels = tuple(
        replace(v, kind=other[v.kind]) if i in set(chosen) else v
        for i, v in enumerate(fundus.vessels)
    )
    return replace(
        fundus, vessels=vessels, crossings=_swapped_crossings(fundus, set(chosen))
    ), chosen


def _swapped_crossings(fundus: Fundus, chosen: set[int]) -> tuple[Crossing, ...]:
    """Keep crossings of two kinds; where both changed, the other one now lies on top by name."""
    kept = []
    for c in fundus.crossings:
        if (c.artery in chosen) == (c.vein in chosen):
            both = c.artery in chosen
            kept.append(
                replace(c, artery=c.vein, vein=c.artery,
                        over="vein" if c.over == "artery" else "artery") if both else c
            )  # fmt: skip
    return tuple(kept)
