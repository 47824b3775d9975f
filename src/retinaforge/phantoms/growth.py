"""Grow an artery tree and a vein tree from the disc, in micrometres.

Each kind is one tree: a trunk in the disc splits into an upper and a lower half, each half into a
temporal and a nasal vessel, and every vessel goes on to branch by Murray's law until its branches
would be too narrow. Temporal arcades pursue a curve u = a v^2.5 that opens towards the fovea (u
temporal, v vertical distance from the disc; Oloumi et al. 2012 measured parabolas). Wide vessels
grow first. The first steps of both branches are taken when they leave their parent, so that each
has its place; whatever would touch a vessel of its own kind is not grown.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field, replace

import numpy as np

from retinaforge.core import VesselKind
from retinaforge.phantoms.fundus import FIELD_RADIUS_UM, Layout, Point
from retinaforge.phantoms.guides import Guide, arcade, heading_of, outwards, straight, towards
from retinaforge.phantoms.murray import branching_angles, child_radii
from retinaforge.phantoms.occupancy import SIGHT_UM, Near, Occupied
from retinaforge.phantoms.params import VesselParams

STEP_UM = 90.0
WAVE_LAST, WAVE_BEFORE, WAVE_STEP, WAVE_LARGEST = 1.375, 0.7225, 0.13, 0.5
"""Winding: w_t = 1.375 w_(t-1) - 0.7225 w_(t-2) + e_t swings about once in 900 um and 18 degrees
(root mean square) to either side; most arc over chord as in HRF and LES-AV."""
LARGEST_TURN = {"arcade": 2.2}
USUAL_TURN = 0.8
"""How far, in radians, a vessel may turn from the direction in which it left its parent; less than
half a circle to both sides together, so that none winds into a loop."""
STUB_STEPS = 3
COMPANION_UM = 200.0
TAPER_POINTS = 6
NASAL_RATIO = 0.92
SMALLEST_VEIN = 1.2
"""Smallest vein over smallest artery: the wider trees would else be far denser than the other."""

LENGTHS_UM = {
    ("trunk", 0): (STEP_UM, STEP_UM),
    ("half", 0): (220.0, 480.0),
    ("arcade", 0): (200.0, 700.0),
    ("arcade", 1): (450.0, 1250.0),
    ("nasal", 0): (150.0, 600.0),
    ("nasal", 1): (700.0, 1700.0),
    ("free", 0): (550.0, 1400.0),
    ("free", 1): (500.0, 1300.0),
}
"""Between two branchings, by role and whether one went before; set by eye beside HRF and CHASE."""
SHARES = {
    "arcade": (0.65, 1.15, 0.72, 1.15, 0.72, 1.15, 0.72, 0.95),
    "nasal": (1.4, 1.1, 0.75),
    "free": (0.85,),
}
"""Of the mean ratio of radii, branching by branching: arcades and nasal vessels part into two of
about one width where they have left the disc, later narrow twigs leave them."""
WIDE_BRANCHES = {1: -1, 3: 1, 5: -1}
"""Which branches of an arcade are wide, and whether they leave to the macula (1) or away (-1)."""
NEAR_DISC_UM, NEAR_FOVEA_UM, MACULA_UM = 4000.0, 3000.0, 5000.0
LONGEST_OVERLAP, LONGEST_MAIN_OVERLAP = 4, 7
"""Steps that a twig, and a main vessel, may lie on one of the other kind; then it ends."""


@dataclass
class Segment:
    """One vessel between two branchings while it grows, in micrometres.

    Attributes:
        points: knots, STEP_UM apart.
        radii: at the knots.
        parent: index of the vessel it left.
        kin: itself, its parent and its sibling, which it may touch near its first knot.
    """

    points: list[Point]
    radii: list[float]
    parent: int | None
    kin: tuple[int, ...]


@dataclass(order=True)
class Tip:
    """A vessel waiting to be grown on; the widest goes first."""

    priority: tuple[float, int]
    index: int = field(compare=False)
    course: float = field(compare=False)
    radius: float = field(compare=False)
    guide: Guide = field(compare=False)
    role: str = field(compare=False)
    order: int = field(compare=False)
    turned: float = field(compare=False, default=0.0)
    wave: tuple[float, float] = field(compare=False, default=(0.0, 0.0))
    overlap: int = field(compare=False, default=0)

    @property
    def heading(self) -> float:
        """Return the direction of its last step: its course and how far it swings from it."""
        return self.course + self.wave[0]

    def steer(self, heading: float) -> None:
        """Take a new course, unless it leads too far from where the vessel set out."""
        turn = math.remainder(heading - self.course, 2 * math.pi)
        after = self.turned + turn
        if abs(after) > LARGEST_TURN.get(self.role, USUAL_TURN) and abs(after) > abs(self.turned):
            return
        self.course, self.turned = self.course + turn, after

    def swing(self, kick: float) -> None:
        """Go on winding."""
        swung = WAVE_LAST * self.wave[0] - WAVE_BEFORE * self.wave[1] + WAVE_STEP * kick
        self.wave = (min(WAVE_LARGEST, max(-WAVE_LARGEST, swung)), self.wave[0])


def apart_um(radius: float) -> float:
    """Return how far from a branching of a vessel of this radius its kin may touch."""
    return 4.0 * radius + 140.0


class Grower:
    """Grows one kind's tree; holds the queue of tips and what is occupied.

    Args:
        kind: artery or vein.
        layout: of the eye.
        params: this eye's, not the population's.
        outer: whether this kind's (upper, lower) arcade runs outside the other kind's.
        others: what the other kind occupies; None for the first.
        rng: consumed in the order of growth.
    """

    def __init__(
        self,
        kind: VesselKind,
        layout: Layout,
        params: VesselParams,
        *,
        outer: tuple[bool, bool],
        others: Occupied | None,
        rng: np.random.Generator,
    ) -> None:
        self.outer = outer
        self.kind, self.layout, self.params, self.rng = kind, layout, params, rng
        self.segments: list[Segment] = []
        self.queue: list[Tip] = []
        self.middle = (layout.disc_um[0] / 2, layout.disc_um[1] / 2)
        self.occupied = Occupied(self.middle)
        self.smallest = params.smallest_um / 2 * (1.0 if kind == "artery" else SMALLEST_VEIN)
        self.others = others

    def grow(self) -> list[Segment]:
        """Grow until no tip is left; parents stand before children."""
        self._plant()
        while self.queue:
            self._extend(heapq.heappop(self.queue))
        return self.segments

    def _plant(self) -> None:
        wide = 1.0 if self.kind == "artery" else 1 / self.params.artery_vein_ratio
        temporal = self.params.artery_um / 2 * wide
        k = self.params.murray_exponent
        trunk = temporal * (2 * (1 + NASAL_RATIO**k)) ** (1 / k)
        dx, dy = self.rng.uniform(-110, 110, 2)
        # The artery enters nasal of the vein.
        shift = 140.0 if self.kind == "artery" else 20.0
        start = (self.layout.disc_um[0] + shift + dx, self.layout.disc_um[1] + dy)
        heading = self.rng.choice([0.0, math.pi]) + self.rng.normal(0, 0.2)
        self.segments.append(Segment([start], [trunk], None, (0,)))
        self.queue.append(Tip((-trunk, 0), 0, heading, trunk, straight(), "trunk", 0))

    def _length(self, tip: Tip) -> float:
        """Draw the length to the next branching; long near the disc, short in the macula."""
        low, high = LENGTHS_UM[(tip.role, min(tip.order, 1))]
        length = float(self.rng.uniform(low, high))
        if tip.role == "free":
            at = self.segments[tip.index].points[0]
            if math.dist(at, self.layout.disc_um) < NEAR_DISC_UM:
                length *= 1.8
            elif math.hypot(*at) > NEAR_FOVEA_UM:
                length *= 0.65
        if tip.role == "arcade" and self.segments[tip.index].points[0][0] < 0:
            length *= 0.6
        return length if tip.role in ("trunk", "half") else length * self.params.spacing

    def _last_um(self, at: Point) -> tuple[float, float]:
        """Return how much longer a vessel without branches is; those to the fovea get there."""
        return (1200.0, 3200.0) if math.hypot(*at) < MACULA_UM else (300.0, 1500.0)

    def _extend(self, tip: Tip) -> None:
        """Walk one vessel to its next branching (or its end) and queue the branches."""
        segment = self.segments[tip.index]
        left = self._length(tip) - STEP_UM * (len(segment.points) - 1)
        ends = 2 * tip.radius**self.params.murray_exponent
        terminal = ends < (2 * self.smallest) ** self.params.murray_exponent
        if terminal:
            left += float(self.rng.uniform(*self._last_um(segment.points[0])))
        known = len(segment.points)
        while True:
            steps = max(2, math.ceil(left / STEP_UM))
            ended = self._walk(segment, tip, steps)
            ended |= self._cut(segment, tip.radius, known)
            self._occupy(segment, tip.index, known)
            known = len(segment.points)
            if ended or terminal:
                self._taper(segment)
                return
            if self._branch(tip, segment):
                return
            left = 2 * STEP_UM

    def _walk(self, segment: Segment, tip: Tip, steps: int) -> bool:
        """Take steps; return whether the vessel must end here."""
        wind = self.params.tortuosity * min(1.2, max(0.8, (24.0 / tip.radius) ** 0.5))
        drift = 0.0
        for far, kick in self.rng.normal(0, wind, (steps, 2)).tolist():
            drift = 0.92 * drift + 0.006 * far
            here = segment.points[-1]
            gx, gy, pull = tip.guide(here)
            if pull == 0 and tip.role == "free":
                # It has reached what it was sent to.
                return True
            along = tip.course + drift
            pulled = (math.cos(along) + pull * gx, math.sin(along) + pull * gy)
            heading, on_other = self._steer(tip, segment, here, pulled)
            tip.steer(heading)
            tip.swing(kick)
            new = _step(here, tip.heading)
            tip.overlap = max(tip.overlap + (1 if on_other else -1), 0)
            longest = LONGEST_OVERLAP if tip.role == "free" else LONGEST_MAIN_OVERLAP
            if not self._allowed(new) or tip.overlap > longest:
                return True
            segment.points.append(new)
            segment.radii.append(tip.radius)
        return False

    def _cut(self, segment: Segment, radius: float, known: int) -> bool:
        """Take back the knots that touch a vessel of the same kind, and all after them."""
        if len(segment.points) == known:
            return False
        knots = np.array(segment.points[known - 1 :])
        between = (knots[:-1] + knots[1:]) / 2
        fine = np.stack([between, knots[1:]], axis=1).reshape(-1, 2)
        kept = self._free_of_touch(fine, radius, segment) // 2
        if kept == len(knots) - 1:
            return False
        del segment.points[known + kept :], segment.radii[known + kept :]
        return True

    def _free_of_touch(self, fine: np.ndarray, radius: float, segment: Segment) -> int:
        start = segment.points[0]
        up = radius if segment.parent is None else self.segments[segment.parent].radii[-1]
        near_node = np.hypot(*(fine - start).T) < apart_um(up)
        x, y = (fine - self.layout.disc_um).T
        half_width, half_height = self.layout.disc_axes_um
        free = np.hypot(x / half_width, y / half_height) < 1
        return self.occupied.first_blocked(fine, radius, free, segment.kin, near_node)

    def _occupy(self, segment: Segment, index: int, known: int) -> None:
        knots = np.array(segment.points[known - 1 :])
        between = (knots[:-1] + knots[1:]) / 2
        points = np.concatenate([knots if known == 1 else knots[1:], between])
        if len(points):
            self.occupied.add(points, segment.radii[-1], index)

    def _steer(self, tip: Tip, segment: Segment, here: Point, pulled: Point) -> tuple[float, bool]:
        """Return the new heading, and whether a vessel of the other kind lies right here."""
        hx, hy = pulled
        near = self.occupied.near(*here)
        kin = near[3] == segment.kin[0] or (
            near[3] in segment.kin and math.dist(here, segment.points[0]) < apart_um(tip.radius)
        )
        if not kin:
            hx, hy = _pushed(hx, hy, here, near, 0.25 if tip.role == "free" else 0.1, SIGHT_UM)
        if self.others is None:
            return math.atan2(hy, hx), False
        # The other kind may be crossed, but not followed on top of it.
        other = self.others.near(*here)
        strength = 0.18 if tip.role == "free" else 0.4
        hx, hy = _pushed(hx, hy, here, other, strength, COMPANION_UM)
        # The map knows walls to within about half a cell.
        return math.atan2(hy, hx), other[0] < 20.0 and not self._on_disc(here)

    def _on_disc(self, point: Point) -> bool:
        return math.dist(point, self.layout.disc_um) < 1.2 * self.layout.disc_axes_um[1]

    def _allowed(self, point: Point) -> bool:
        if math.hypot(*point) < self.layout.faz_radius_um:
            return False
        return math.dist(point, self.middle) < FIELD_RADIUS_UM

    def _taper(self, segment: Segment) -> None:
        """Narrow the last points to the smallest calibre, as vessels fade, not stop."""
        n = min(TAPER_POINTS, len(segment.radii) - 1)
        for i in range(n):
            share = (i + 1) / n
            segment.radii[i - n] += share * (self.smallest - segment.radii[i - n])

    def _branch(self, tip: Tip, segment: Segment) -> bool:
        at = segment.points[-1]
        if tip.role == "trunk":
            return self._split_trunk(tip)
        if tip.role == "half":
            return self._split_half(tip, at)
        radii = self._radii(tip)
        main, twig = self._angles(tip, radii)
        first = self._first_side(tip, at)
        sides = (first, -first)
        if tip.role != "arcade" and abs(tip.turned) > USUAL_TURN / 2:
            # It has turned far enough: the branch goes on that way, the vessel turns back.
            sides = (1 if tip.turned > 0 else -1,)
        for side in sides:
            angle = tip.heading + side * twig
            going_on = replace(
                tip, course=tip.course - side * main, turned=tip.turned - side * main,
                radius=radii[0], order=tip.order + 1,
            )  # fmt: skip
            off = Tip((0, 0), 0, angle, radii[1], self._side_guide(tip, at, angle), "free", 0)
            if self._sprout(tip, (going_on, off)):
                return True
        return False

    def _angles(self, tip: Tip, radii: tuple[float, float]) -> tuple[float, float]:
        """Return the branches' angles: Murray's, and this eye's and this branching's own share."""
        main, twig = branching_angles(tip.radius, *radii)
        sd = math.radians(self.params.angle_sd_deg)
        shift = math.radians(self.params.angle_shift_deg) + sd * self.rng.normal(0, 0.87)
        return main + sd * self.rng.normal(0, 0.5), max(twig + shift, 0.35)

    def _first_side(self, tip: Tip, at: Point) -> int:
        """Choose a side: from an arcade's root to the macula, else where there is more room."""
        macula = 0
        if tip.role == "arcade":
            to = heading_of(*at, (min(at[0], 0.0), 0.0))
            macula = 1 if math.sin(to - tip.heading) > 0 else -1
            if tip.order in WIDE_BRANCHES | {0: 1}:
                return macula * WIDE_BRANCHES.get(tip.order, 1)
        room = []
        for side in (1, -1):
            probe = self.occupied.near(*_step(at, tip.heading + side * 1.2, 500.0))
            room.append(min(probe[0], SIGHT_UM) + self.rng.uniform(0, 300) + 40 * side * macula)
        return 1 if room[0] > room[1] else -1

    def _sprout(self, tip: Tip, branches: tuple[Tip, Tip]) -> bool:
        """Take the first steps of both branches if both have room, and queue them."""
        at = self.segments[tip.index].points[-1]
        count = len(self.segments)
        stubs = []
        for number, new in enumerate(branches):
            new.index, new.priority = count + number, (-new.radius, count + number)
            kin = (new.index, tip.index, count, count + 1)
            own = Segment([at], [new.radius], tip.index, kin)
            own.points.append(_step(at, new.heading))
            own.radii.append(new.radius)
            stopped = not self._allowed(own.points[-1])
            if not stopped and new.role == "free":
                stopped = self._walk(own, new, STUB_STEPS - 1)
            if stopped or self._cut(own, new.radius, 1):
                return False
            stubs.append(own)
        for own, new in zip(stubs, branches, strict=True):
            self.segments.append(own)
            self._occupy(own, new.index, 1)
            heapq.heappush(self.queue, new)
        return True

    def _radii(self, tip: Tip) -> tuple[float, float]:
        """Draw a ratio; a side branch too narrow to draw is widened to the smallest calibre."""
        k = self.params.murray_exponent
        shares = SHARES[tip.role]
        share = shares[min(tip.order, len(shares) - 1)]
        ratio = float(np.clip(self.rng.normal(self.params.asymmetry * share, 0.18), 0.25, 1.0))
        needed = (tip.radius / self.smallest) ** k - 1
        least = 1.0 if needed <= 1 else needed ** (-1 / k)
        return child_radii(tip.radius, max(ratio, least), exponent=k)

    def _side_guide(self, tip: Tip, at: Point, angle: float) -> Guide:
        """Send a side branch to the macula if it starts that way, else to the periphery."""
        disc = self.layout.disc_um
        away = math.hypot(*at)
        inward = -(at[0] * math.cos(angle) + at[1] * math.sin(angle)) > 0
        if inward and at[0] < disc[0] - 300 and away < 5200:
            if tip.role == "arcade" and tip.order in WIDE_BRANCHES:
                # It accompanies the arcade on the macula's side and supplies its temporal part.
                return towards((-6500.0, self.rng.uniform(0.1, 0.5) * at[1]), 0.12)
            if at[0] < -1200:
                # Beyond the fovea they meet the raphe, where upper and lower vessels end.
                end = (at[0] - self.rng.uniform(-400, 1800), 0.06 * at[1])
                return towards(end, 0.1)
            # Like a spoke: it ends on its own side of the fovea.
            bearing = math.atan2(at[1], at[0]) + self.rng.normal(0, 0.3)
            far = min(self.layout.faz_radius_um + 200 + self.rng.exponential(500), 0.7 * away)
            return towards((far * math.cos(bearing), far * math.sin(bearing)), 0.12)
        root = (0.75 * disc[0], 0.75 * disc[1]) if at[0] < disc[0] else disc
        return outwards(root, 0.09, turned=self.rng.normal(0, 0.3))

    def _split_trunk(self, tip: Tip) -> bool:
        r1, r2 = child_radii(tip.radius, 1.0, exponent=self.params.murray_exponent)
        t1, t2 = branching_angles(tip.radius, r1, r2)
        up = 1 if math.cos(tip.heading) < 0 else -1
        halves = []
        for radius, angle, vertical in ((r1, up * t1, -1), (r2, -up * t2, 1)):
            guide = straight(vertical * math.pi / 2 + self.rng.normal(0, 0.25), 0.6)
            halves.append(Tip((0, 0), 0, tip.heading + angle, radius, guide, "half", 0))
        return self._sprout(tip, (halves[0], halves[1]))

    def _split_half(self, tip: Tip, at: Point) -> bool:
        r1, r2 = child_radii(tip.radius, NASAL_RATIO, exponent=self.params.murray_exponent)
        t1, t2 = branching_angles(tip.radius, r1, r2)
        vertical = -1 if math.sin(tip.heading) < 0 else 1
        high = self.layout.arcade_um[0 if vertical < 0 else 1]
        # Artery and vein of an arcade run side by side.
        outer = self.outer[0 if vertical < 0 else 1]
        high *= self.rng.uniform(1.03, 1.14) if outer else self.rng.uniform(0.87, 0.97)
        past = self.rng.uniform(-0.2, 0.3)
        curve = arcade(self.layout.disc_um, high, vertical, past=past)
        nasal = straight(vertical * math.radians(self.rng.uniform(30, 70)), 0.1)
        # Temporal is to the left: counter-clockwise on the screen for a vessel going up.
        return self._sprout(tip, (
            Tip((0, 0), 0, tip.heading + vertical * t1, r1, curve, "arcade", 0),
            Tip((0, 0), 0, tip.heading - vertical * t2, r2, nasal, "nasal", 0),
        ))  # fmt: skip


def _step(here: Point, heading: float, far: float = STEP_UM) -> Point:
    return here[0] + far * math.cos(heading), here[1] + far * math.sin(heading)


def _pushed(
    hx: float, hy: float, here: Point, near: Near, strength: float, sight: float
) -> tuple[float, float]:
    """Turn a heading away from what is near: (1 - clear/sight)^2 times the strength."""
    clear, x, y, _ = near
    if clear >= sight:
        return hx, hy
    far = max(math.hypot(here[0] - x, here[1] - y), 1.0)
    push = strength * (1 - max(clear, 0.0) / sight) ** 2
    return hx + push * (here[0] - x) / far, hy + push * (here[1] - y) / far
