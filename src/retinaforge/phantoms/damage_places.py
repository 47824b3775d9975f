"""Choose where in a tree gaps and floating vessels go: in view, clear of every other vessel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy.spatial import cKDTree

from retinaforge.phantoms.damage_tree import STUMP_UM, Cut, arc_um, at_arc
from retinaforge.phantoms.fundus import Point, Vessel

IN_VIEW = 0.95
"""Share of the field's radius within which damage is planted."""
SAMPLE_UM = 20.0
APART_UM = 60.0
TRIES = 400


@dataclass(frozen=True)
class View:
    """What a picture shows: the field and, where it is known, the disc, in micrometres.

    Attributes:
        centre_um: of the field.
        radius_um: of the field.
        mask: True where the picture shows retina.
        px_um: micrometres a pixel of the mask.
        origin_um: where the mask's first pixel lies.
        disc_um: centre of the disc.
        disc_radius_um: its larger half axis.
    """

    centre_um: Point
    radius_um: float
    mask: Bool[np.ndarray, "height width"]
    px_um: float
    origin_um: Point
    disc_um: Point
    disc_radius_um: float

    def in_field(self, points: np.ndarray) -> np.ndarray:
        """Tell of each point whether the picture shows it."""
        column, row = np.rint((points - np.array(self.origin_um)) / self.px_um).astype(int).T
        height, width = self.mask.shape
        framed = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        return framed & self.mask[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]

    def shows(self, points: np.ndarray, *, off_disc: float) -> bool:
        """Tell whether points lie well within the field and `off_disc` radii off the disc."""
        rim = (1 - IN_VIEW) * self.radius_um * np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])
        away = np.linalg.norm(points - np.array(self.disc_um), axis=1).min()
        return bool(
            away > off_disc * self.disc_radius_um
            and np.linalg.norm(points - np.array(self.centre_um), axis=1).max()
            <= IN_VIEW * self.radius_um
            and all(self.in_field(points + step).all() for step in rim)
        )


class Walls:
    """Every point of a tree with its radius, asked for the clear distance to a place."""

    def __init__(self, vessels: tuple[Vessel, ...]) -> None:
        samples = [
            at_arc(v, np.linspace(0, arc_um(v)[-1], int(arc_um(v)[-1] / SAMPLE_UM) + 2))
            for v in vessels
        ]
        self.points = np.concatenate([p for p, _ in samples])
        self.radii = np.concatenate([r for _, r in samples])
        self.owner = np.repeat(np.arange(len(samples)), [len(r) for _, r in samples])
        self.tree = cKDTree(self.points)

    def clear_um(self, points: np.ndarray, *, ignore: int | None = None) -> float:
        """Return the distance from points to the nearest wall, ignoring one vessel's own."""
        best = math.inf
        for point in points:
            near = np.array(self.tree.query_ball_point(point, 400.0), dtype=int)
            near = near[self.owner[near] != ignore] if ignore is not None else near
            if len(near):
                away = np.linalg.norm(self.points[near] - point, axis=1) - self.radii[near]
                best = min(best, float(away.min()))
        return best

    def visible_um(self, view: View) -> float:
        """Return the length of vessel inside the camera's field, micrometres."""
        same = self.owner[1:] == self.owner[:-1]
        middle = (self.points[1:] + self.points[:-1]) / 2
        inside = view.in_field(middle)
        steps = np.linalg.norm(np.diff(self.points, axis=0), axis=1)
        return float(steps[same & inside].sum())


def gap_places(
    vessels: tuple[Vessel, ...], view: View, *, per_cm: float, gap_um: float,
    rng: np.random.Generator,
) -> tuple[list[Cut], int]:  # fmt: skip
    """Choose gaps in the vessels in view; return them and how many were wanted.

    Args:
        vessels: the tree.
        view: only what lies within 0.95 of the field's radius and off the disc is broken.
        per_cm: gaps a centimetre of vessel in the field.
        gap_um: clear length of each.
        rng: consumed by the choice alone.
    """
    walls = Walls(vessels)
    wanted = max(1, round(per_cm * walls.visible_um(view) / 1e4))
    taken: dict[int, list[Cut]] = {}
    cuts: list[Cut] = []
    for index, s in _candidates(vessels, gap_um, rng=rng):
        if len(cuts) == wanted:
            break
        cut = _gap_at(vessels[index], index, s, gap_um)
        own = taken.setdefault(index, [])
        if _fits(cut, view, own) and _is_clear(cut, vessels[index], walls):
            own.append(cut)
            cuts.append(cut)
    return cuts, wanted


def _candidates(
    vessels: tuple[Vessel, ...], gap_um: float, *, rng: np.random.Generator
) -> list[tuple[int, float]]:
    """List places every 20 um where a gap leaves both ends of its vessel, in random order."""
    found = []
    for index, vessel in enumerate(vessels):
        margin = gap_um / 2 + STUMP_UM + 2 * float(vessel.radii_um.max())
        long = arc_um(vessel)[-1]
        found += [(index, float(s)) for s in np.arange(margin, long - margin, SAMPLE_UM)]
    return [found[i] for i in rng.permutation(len(found))]


def _gap_at(vessel: Vessel, index: int, s: float, gap_um: float) -> Cut:
    """Return the cut round arc length s whose clear part between the caps is gap_um long."""
    (x, y), half = at_arc(vessel, np.array([s]))[0][0], gap_um / 2
    r1, r2 = at_arc(vessel, np.array([s - half, s + half]))[1]
    return Cut((float(x), float(y)), gap_um, index, (s - half - float(r1), s + half + float(r2)))


def _fits(cut: Cut, view: View, own: list[Cut]) -> bool:
    """Tell whether a gap is in view, off the disc and apart from its vessel's other gaps."""
    (first, last), far = cut.span_um, STUMP_UM
    return view.shows(np.array([cut.point_um]), off_disc=1.15) and all(
        last + far < o.span_um[0] or first - far > o.span_um[1] for o in own
    )


def _is_clear(cut: Cut, vessel: Vessel, walls: Walls) -> bool:
    """Tell whether no other vessel lies across or beside the gap and would fill it."""
    first, last = cut.span_um
    points, radii = at_arc(vessel, np.linspace(first, last, int((last - first) / 25) + 2))
    return walls.clear_um(points, ignore=cut.vessel) > float(radii.max())


def floating_places(
    vessels: tuple[Vessel, ...], view: View, *, segments: int, length_um: float,
    calibre_um: float, rng: np.random.Generator,
) -> list[Vessel]:  # fmt: skip
    """Return up to `segments` gently curved vessels that touch nothing, in view."""
    added: list[Vessel] = []
    walls = Walls(vessels)
    for number in range(TRIES * segments):
        if len(added) == segments:
            break
        points, radius = _curved(view, length_um, rng=rng), calibre_um / 2
        if view.shows(points, off_disc=1.3) and walls.clear_um(points) > radius + APART_UM:
            kind = "artery" if number % 2 else "vein"
            added.append(Vessel(points, np.full(len(points), radius), kind, None, 0, shade=0.0))
            walls = Walls((*vessels, *added))
    return added


def _curved(view: View, length_um: float, *, rng: np.random.Generator) -> np.ndarray:
    """Draw a curve of a given length at a random place of the field."""
    n = max(8, round(length_um / 45))
    turn, far = rng.uniform(0, 2 * math.pi), view.radius_um * 0.9 * math.sqrt(rng.uniform())
    heading = rng.uniform(0, 2 * math.pi) + rng.normal(0, 0.5) * np.linspace(-0.5, 0.5, n)
    heading += np.cumsum(rng.normal(0, 0.05, n))
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * length_um / n
    line = np.concatenate([[(0.0, 0.0)], np.cumsum(steps, axis=0)])
    middle = np.array(view.centre_um) + far * np.array([math.cos(turn), math.sin(turn)])
    return line - line.mean(axis=0) + middle
