"""Grow an artery tree and a vein tree from the disc, in micrometres.

Each kind is one tree: a trunk in the disc splits into an upper and a lower half, each half into a
temporal and a nasal arcade, and every vessel goes on to branch by Murray's law until its branches
would be too narrow. Temporal arcades pursue a curve u = a v^2.5 that opens towards the fovea (u
temporal, v vertical distance from the disc; Oloumi et al. 2012 measured parabolas). Wide vessels
grow first; a vessel that would come too close to one of its own kind narrows and ends.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from retinaforge.core import VesselKind
from retinaforge.phantoms.fundus import FIELD_RADIUS_UM, Layout, Point, Vessel
from retinaforge.phantoms.guides import Guide, arcade, heading_of, nasal, straight, towards
from retinaforge.phantoms.murray import branching_angles, child_radii
from retinaforge.phantoms.params import VesselParams

STEP_UM = 90.0
GAP_UM = 45.0
SIGHT_UM = 330.0
COMPANION_UM = 200.0
COMPANION_FROM_UM = 16.0
TAPER_POINTS = 5


Wall = tuple[float, float, float]
"""Clear distance to the nearest vessel of one's own kind, and where (x, y) it lies."""


@dataclass
class Segment:
    """One vessel between two branchings while it grows, in micrometres."""

    points: list[Point]
    radii: list[float]
    kind: VesselKind
    parent: int | None


@dataclass(order=True)
class Tip:
    """A branch waiting to be grown; the widest goes first."""

    priority: tuple[float, int]
    start: Point = field(compare=False)
    heading: float = field(compare=False)
    radius: float = field(compare=False)
    parent: int | None = field(compare=False)
    guide: Guide = field(compare=False)
    role: str = field(compare=False)


class Occupied:
    """Points of one kind grown so far, asked for the nearest one; buffers double when full."""

    def __init__(self) -> None:
        self.table, self.count = np.empty((3, 1024)), 0

    def add(self, point: Point, radius: float) -> None:
        if self.count == self.table.shape[1]:
            self.table = np.concatenate([self.table, np.empty_like(self.table)], axis=1)
        self.table[:, self.count] = (*point, radius)
        self.count += 1

    def nearest(self, point: Point, upto: int, origin: Point, apart: float) -> Wall:
        """Return (clear distance, x, y) of the nearest wall, ignoring `apart` round `origin`."""
        x, y, r = self.table[:, :upto]
        near = (np.abs(x - point[0]) < SIGHT_UM) & (np.abs(y - point[1]) < SIGHT_UM)
        if not near.any():
            return math.inf, 0.0, 0.0
        x, y, r = x[near], y[near], r[near]
        clear = np.hypot(x - point[0], y - point[1]) - r
        clear[np.hypot(x - origin[0], y - origin[1]) < apart] = math.inf
        best = int(np.argmin(clear))
        return float(clear[best]), float(x[best]), float(y[best])


class Grower:
    """Grows one kind's tree; holds the queue of tips and what is occupied."""

    def __init__(
        self,
        kind: VesselKind,
        layout: Layout,
        params: VesselParams,
        *,
        others: Occupied | None,
        rng: np.random.Generator,
    ) -> None:
        self.kind, self.layout, self.params, self.rng = kind, layout, params, rng
        self.segments: list[Segment] = []
        self.queue: list[Tip] = []
        self.occupied = Occupied()
        self.smallest = params.smallest_um / 2
        self.others = others

    def grow(self) -> list[Segment]:
        """Grow until no tip is left; parents stand before children."""
        self._plant()
        while self.queue:
            self._extend(heapq.heappop(self.queue))
        return self.segments

    def _plant(self) -> None:
        wide = 1.0 if self.kind == "artery" else 1 / self.params.artery_vein_ratio
        temporal = self.params.artery_um / 2 * wide * self.rng.uniform(0.92, 1.08)
        k = self.params.murray_exponent
        trunk = temporal * (2 * (1 + NASAL_RATIO**k)) ** (1 / k)
        dx, dy = self.rng.uniform(-110, 110, 2)
        # The artery enters nasal of the vein.
        shift = 140.0 if self.kind == "artery" else 20.0
        start = (self.layout.disc_um[0] + shift + dx, self.layout.disc_um[1] + dy)
        heading = self.rng.choice([0.0, math.pi]) + self.rng.normal(0, 0.2)
        self._push(start, heading, trunk, parent=None, guide=straight(), role="trunk")

    def _push(
        self, start: Point, heading: float, radius: float, *, parent: int | None, guide: Guide,
        role: str,
    ) -> None:  # fmt: skip
        tip = Tip((-radius, len(self.segments) * 2 + len(self.queue)), start, heading, radius,
                  parent, guide, role)  # fmt: skip
        heapq.heappush(self.queue, tip)

    def _length(self, tip: Tip) -> float:
        if tip.role == "trunk":
            return STEP_UM
        if tip.role == "half":
            return float(self.rng.uniform(220, 480))
        if tip.role == "arcade":
            return float(self.rng.uniform(350, 950)) * self.params.spacing
        return float(self.rng.uniform(350, 1250)) * self.params.spacing

    def _extend(self, tip: Tip) -> None:
        """Walk one segment to its next branching (or its end) and queue the branches."""
        index = len(self.segments)
        segment = Segment([tip.start], [tip.radius], self.kind, tip.parent)
        self.segments.append(segment)
        before = self.occupied.count
        apart = 0.0 if tip.parent is None else 4.0 * tip.radius + 140.0
        heading, bend, left = tip.heading, 0.0, self._length(tip)
        wall = self.occupied.nearest(tip.start, before, tip.start, apart)
        ends = 2 * tip.radius**self.params.murray_exponent
        terminal = ends < (2 * self.smallest) ** self.params.murray_exponent
        if terminal:
            left += float(self.rng.uniform(400, 1500))
        while True:
            here = segment.points[-1]
            first = len(segment.points) == 1
            if not first:  # The first step keeps Murray's angle exactly.
                bend = 0.8 * bend + self.rng.normal(0, 0.042) * self.params.tortuosity
                heading = self._steer(tip, here, heading + bend, wall)
            new = (here[0] + STEP_UM * math.cos(heading), here[1] + STEP_UM * math.sin(heading))
            if self._leaves(new) or self._avascular(new):
                if first:
                    segment.points.append(self._shortened(here, new))
                    segment.radii.append(tip.radius)
                elif not self._leaves(new):
                    self._taper(segment)
                break
            wall = self.occupied.nearest(new, before, tip.start, apart)
            blocked = tip.role in FREE and wall[0] < tip.radius + GAP_UM
            if blocked and not first:
                self._taper(segment)
                break
            segment.points.append(new)
            segment.radii.append(tip.radius)
            left -= STEP_UM
            if left <= 0:
                if terminal:
                    self._taper(segment)
                    break
                if self._branch(tip, index, new, heading, before):
                    break
                left = 2 * STEP_UM
        for point, radius in zip(segment.points, segment.radii, strict=True):
            self.occupied.add(point, radius)

    def _steer(self, tip: Tip, here: Point, heading: float, wall: Wall) -> float:
        gx, gy, pull = tip.guide(here)
        hx, hy = math.cos(heading), math.sin(heading)
        hx, hy = hx + pull * gx, hy + pull * gy
        clear, ox, oy = wall
        if clear < SIGHT_UM:
            away = heading_of(ox, oy, here)
            push = 0.22 * (1 - max(clear, 0.0) / SIGHT_UM) ** 2
            hx, hy = hx + push * math.cos(away), hy + push * math.sin(away)
        if self.others is not None and tip.radius > COMPANION_FROM_UM:
            # The other kind may be crossed, but not followed on top of it.
            clear, ox, oy = self.others.nearest(here, self.others.count, here, -1.0)
            if clear < COMPANION_UM:
                away = heading_of(ox, oy, here)
                push = 0.16 * (1 - max(clear, 0.0) / COMPANION_UM)
                hx, hy = hx + push * math.cos(away), hy + push * math.sin(away)
        return math.atan2(hy, hx)

    def _leaves(self, point: Point) -> bool:
        dx, dy = self.layout.disc_um
        return math.hypot(point[0] - dx / 2, point[1] - dy / 2) > FIELD_RADIUS_UM

    def _shortened(self, here: Point, new: Point) -> Point:
        """Return a point on the way to `new` where a vessel may be; `here` is one."""
        while self._leaves(new) or self._avascular(new):
            new = ((here[0] + new[0]) / 2, (here[1] + new[1]) / 2)
        return new

    def _avascular(self, point: Point) -> bool:
        return math.hypot(*point) < self.layout.faz_radius_um

    def _taper(self, segment: Segment) -> None:
        """Narrow the last points to the smallest calibre, as vessels fade, not stop."""
        n = min(TAPER_POINTS, len(segment.radii) - 1)
        for i in range(n):
            share = (i + 1) / n
            segment.radii[i - n] += share * (self.smallest - segment.radii[i - n])

    def _branch(self, tip: Tip, index: int, at: Point, heading: float, before: int) -> bool:
        if tip.role == "trunk":
            return self._split_trunk(tip, index, at, heading)
        if tip.role == "half":
            return self._split_half(tip, index, at, heading)
        radii = self._radii(tip)
        first = 1 if self.rng.random() < 0.5 else -1
        for side in (first, -first):
            main, twig = branching_angles(tip.radius, *radii)
            angle = heading + side * twig
            probe = (at[0] + 330 * math.cos(angle), at[1] + 330 * math.sin(angle))
            if self._room_at(probe, at, tip.radius, before, radii[1]):
                self._push(at, heading - side * main, radii[0], parent=index, guide=tip.guide,
                           role=tip.role)  # fmt: skip
                self._push(at, angle, radii[1], parent=index,
                           guide=self._side_guide(at, angle), role="free")  # fmt: skip
                return True
        return False

    def _room_at(self, probe: Point, at: Point, width: float, before: int, radius: float) -> bool:
        if self._leaves(probe) or math.hypot(*probe) < 1.5 * self.layout.faz_radius_um:
            return False
        clear, _, _ = self.occupied.nearest(probe, before, at, 2 * width)
        return clear > radius + 2 * GAP_UM

    def _radii(self, tip: Tip) -> tuple[float, float]:
        """Draw a ratio; a side branch too narrow to draw is widened to the smallest calibre."""
        k = self.params.murray_exponent
        # The arcades keep their width: what leaves them is narrower than what leaves a twig.
        mean = self.params.asymmetry * (0.75 if tip.role == "arcade" else 1.15)
        ratio = float(np.clip(self.rng.normal(mean, 0.15), 0.25, 1.0))
        needed = (tip.radius / self.smallest) ** k - 1
        least = 1.0 if needed <= 1 else needed ** (-1 / k)
        return child_radii(tip.radius, max(ratio, least), exponent=k)

    def _side_guide(self, at: Point, angle: float) -> Guide:
        """Send a side branch to the macula if it starts that way, else to the periphery."""
        inward = -(at[0] * math.cos(angle) + at[1] * math.sin(angle)) > 0
        macular = at[0] < self.layout.disc_um[0] - 300 and math.hypot(*at) < 5200
        if inward and macular:
            turn, far = self.rng.uniform(0, 2 * math.pi), self.rng.uniform(200, 1700)
            return towards((far * math.cos(turn), far * math.sin(turn)), 0.08)
        dx, dy = self.layout.disc_um
        out = math.atan2(at[1] - 0.6 * dy, at[0] - 0.6 * dx) + self.rng.normal(0, 0.35)
        return straight(out, 0.07)

    def _split_trunk(self, tip: Tip, index: int, at: Point, heading: float) -> bool:
        r1, r2 = child_radii(tip.radius, 1.0, exponent=self.params.murray_exponent)
        t1, t2 = branching_angles(tip.radius, r1, r2)
        up = 1 if math.cos(heading) < 0 else -1
        for radius, angle, vertical in ((r1, up * t1, -1), (r2, -up * t2, 1)):
            lean = self.rng.normal(0, 0.25)
            guide = straight(vertical * math.pi / 2 + lean, 0.6)
            self._push(at, heading + angle, radius, parent=index, guide=guide, role="half")
        return True

    def _split_half(self, tip: Tip, index: int, at: Point, heading: float) -> bool:
        r1, r2 = child_radii(tip.radius, NASAL_RATIO, exponent=self.params.murray_exponent)
        t1, t2 = branching_angles(tip.radius, r1, r2)
        vertical = -1 if at[1] < self.segments[index].points[0][1] else 1
        high = self.layout.arcade_um[0 if vertical < 0 else 1] * self.rng.uniform(0.97, 1.03)
        # Artery and vein of an arcade run side by side, the artery mostly outside.
        high *= 1.06 if self.kind == "artery" else 0.93
        # Temporal is to the left: counter-clockwise on the screen for a vessel going up.
        self._push(at, heading + vertical * t1, r1, parent=index,
                   guide=arcade(self.layout.disc_um, high, vertical), role="arcade")  # fmt: skip
        self._push(at, heading - vertical * t2, r2, parent=index,
                   guide=nasal(vertical, rng=self.rng), role="arcade")  # fmt: skip
        return True


NASAL_RATIO = 0.8
FREE = ("free", "arcade")


def grow_trees(
    layout: Layout, params: VesselParams, *, rng: np.random.Generator
) -> tuple[Vessel, ...]:
    """Grow both trees; arteries first, each parent before its branches."""
    grower = Grower("artery", layout, params, others=None, rng=rng)
    arteries = grower.grow()
    veins = Grower("vein", layout, params, others=grower.occupied, rng=rng).grow()
    for segment in veins:
        if segment.parent is not None:
            segment.parent += len(arteries)
    vessels: list[Vessel] = []
    for segment in (*arteries, *veins):
        points, radii = smooth(np.array(segment.points), np.array(segment.radii))
        up = segment.parent
        generation = 0 if up is None else vessels[up].generation + 1
        vessels.append(Vessel(points, radii, segment.kind, up, generation))
    return tuple(vessels)


def smooth(
    points: Float[np.ndarray, "n 2"], radii: Float[np.ndarray, "n"], *, pieces: int = 2
) -> tuple[Float[np.ndarray, "m 2"], Float[np.ndarray, "m"]]:
    """Return a Catmull-Rom curve through the points, so that large sizes show no corners."""
    p = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    p0, p1, p2, p3 = (p[i : len(p) - 3 + i, None, :] for i in range(4))
    t = (np.arange(pieces) / pieces)[None, :, None]
    curve = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
        + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )  # fmt: skip
    places = np.arange((len(points) - 1) * pieces + 1) / pieces
    return (
        np.concatenate([curve.reshape(-1, 2), points[-1:]]),
        np.interp(places, np.arange(len(points)), radii),
    )
