"""Biomarkers of vessel trees as PVBM defines them (`GeometricalVBMs`, `CREVBMs`), by its names.

PVBM walks over skeletons pixel by pixel: a step counts 1 along rows and columns and √2 across
them. What such a chain measures of a smooth line is

    ∫ max(|x'|, |y'|) + (√2 − 1) min(|x'|, |y'|) ds,

0 to 8 % more than its length, by its direction. That is the length here, taken on our centrelines,
which do not depend on how the picture lies. A vessel goes from one branching to the next or to
its end; with Lᵢ its length and Cᵢ its chord,

    length                Σ Lᵢ
    tortuosity index      Σ Lᵢ / Σ Cᵢ
    median tortuosity     median of Lᵢ / Cᵢ
    branching angle       median angle at a branching between the points 30 steps along two vessels
    start, end, inter     trees, ends and branchings
    CRAE, CRVE            Knudtson's, of the calibres in zone B of the six widest, or of all where
                          there are fewer; a calibre is the median of its stretch (PVBM: mean)

PVBM counts in pixels of its authors' pictures, whose field of view is 1444 pixels across: so do
the limits here (vessels of 10 steps, trees of 50, that come within 100 pixels of the disc).
Medians are those of `medians`, which do not jump.

Left out: Hubbard's equivalents, into which PVBM puts pixels where the formula asks for micrometres
(`crae_hubbard_…_um` has them). Not taken over: the order in which neighbours are visited, which
turns 63° into 103° when an eye is mirrored; calibres in whole pixels without the one in the
middle, which are 40 % low across the pixels' rows; -1 for failure.

References:
    J. Fhima et al., "PVBM: a Python Vasculature Biomarker toolbox based on retinal blood vessel
    segmentation", ECCV Workshops 2022; definitions as in PVBM 3.0.1.8 (MIT).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from retinaforge.core import Branch, Quantity, VesselKind
from retinaforge.vessels.biomarker import (
    NO_DISC,
    NO_KINDS,
    Biomarker,
    BiomarkerCard,
    undefined,
)
from retinaforge.vessels.biomarkers.equivalents import KNUDTSON, PLURAL, SIX, join_to_trunk
from retinaforge.vessels.biomarkers.regions import SMALLEST_VIEW, ZONES
from retinaforge.vessels.medians import smooth_median
from retinaforge.vessels.once import once
from retinaforge.vessels.vasculature import KINDS, Vasculature
from retinaforge.vessels.zones import disc_radius_px

FRAME_PX = 1444.0
"""Width of the field of view in the pictures that PVBM's limits were chosen on."""

LEAST_STEPS, LEAST_TREE_STEPS, ANGLE_STEPS, REACH_PX = 10.0, 50.0, 30.0, 100.0

NO_TREE = "no vessel tree of 50/1444 of the field of view comes near the disc"
NO_ANGLE = "no branching with two vessels of 30/1444 of the field of view"
NO_CROSSING = "no {} crosses zone B"

Vector = tuple[float, float]


@dataclass(frozen=True)
class Walk:
    """What a walk over one kind's trees finds.

    Attributes:
        lengths_px: of the vessels between branchings.
        chords_px: of the same.
        angles_deg: one a pair of neighbours at a branching.
        starts: number of trees.
        ends: number of ends.
        inter: number of branchings.
    """

    lengths_px: Float[np.ndarray, "n"]
    chords_px: Float[np.ndarray, "n"]
    angles_deg: Float[np.ndarray, "m"]
    starts: int
    ends: int
    inter: int


@dataclass(frozen=True)
class _Steps:
    """Each branch as PVBM's chain: its length, its number of steps, and the vessel it is part of.

    Attributes:
        chain_px: length.
        steps: number of steps in pixels.
        origin_px: where the vessel begins that ends with this branch.
        before_px: length of that vessel before this branch.
        before: its steps before this branch.
    """

    chain_px: Float[np.ndarray, "n"]
    steps: Float[np.ndarray, "n"]
    origin_px: Float[np.ndarray, "n 2"]
    before_px: Float[np.ndarray, "n"]
    before: Float[np.ndarray, "n"]


@once
def _steps(v: Vasculature) -> _Steps:
    """Measure branches, and join those too short to be a vessel to what follows them."""
    lines, many = v.centrelines, len(v.tree.branches)
    joined = np.flatnonzero(lines.branch[1:] == lines.branch[:-1])
    moved = np.abs(lines.points_px[joined + 1] - lines.points_px[joined])
    far, near = moved.max(axis=1, initial=0), moved.min(axis=1, initial=np.inf)
    own = lines.branch[joined]
    chain = np.bincount(own, far + (math.sqrt(2) - 1) * near, many)
    steps = np.bincount(own, far, many)
    origin, before_px, before = np.zeros((many, 2)), np.zeros(many), np.zeros(many)
    least = LEAST_STEPS * _px(v)
    for k, branch in enumerate(v.tree.branches):
        p = branch.parent
        if p is None or before[p] + steps[p] >= least:
            origin[k] = branch.points_px[0]
        else:
            origin[k], before_px[k] = origin[p], before_px[p] + chain[p]
            before[k] = before[p] + steps[p]
    return _Steps(chain, steps, origin, before_px, before)


def _px(v: Vasculature) -> float:
    """Return how many pixels one of PVBM's is."""
    return 2 * v.fov.radius_px / FRAME_PX


def walk(v: Vasculature, kind: VesselKind) -> Walk:
    """Walk over the trees of one kind that come near the disc; there must be one."""
    s, px = _steps(v), _px(v)
    ends = np.array([b.points_px[-1] for b in v.tree.branches]).reshape(-1, 2)
    root = _roots(v)
    own = v.of_kind(kind) & np.isin(root, _near_disc(v, root))
    leaf = np.array([not below for below in v.children], dtype=bool)
    whole = own & (s.before + s.steps >= LEAST_STEPS * px)
    return Walk(
        (s.before_px + s.chain_px)[whole],
        np.hypot(*(ends - s.origin_px)[whole].T),
        np.array([a for k in np.flatnonzero(whole & ~leaf) for a in _angles(v, s, int(k))]),
        len(np.unique(root[own])),
        int((whole & leaf).sum()),
        int((whole & ~leaf).sum()),
    )


def _roots(v: Vasculature) -> Int[np.ndarray, "n"]:
    """Return the root of each branch's tree."""
    root: list[int] = []
    for k, branch in enumerate(v.tree.branches):
        root.append(k if branch.parent is None else root[branch.parent])
    return np.array(root, dtype=int)


def _near_disc(v: Vasculature, root: Int[np.ndarray, "n"]) -> Int[np.ndarray, "m"]:
    """Return the roots of trees that are long enough and come near the disc."""
    lines = v.centrelines
    off = lines.points_px - np.array(v.landmarks.disc_centre_px)
    reach = (disc_radius_px(v.landmarks) or 0.0) + REACH_PX * _px(v)
    near = np.unique(root[lines.branch[np.hypot(*off.T) < reach]])
    long = np.bincount(root, _steps(v).steps, len(root)) >= LEAST_TREE_STEPS * _px(v)
    return near[long[near]]


def _angles(v: Vasculature, s: _Steps, parent: int) -> list[float]:
    """Return the angles between neighbours among the vessels that leave a branching."""
    reach, place = ANGLE_STEPS * _px(v), v.tree.branches[parent].points_px[-1]
    below = v.children[parent]
    if not 2 <= len(below) <= 3 or any(s.steps[k] < reach for k in below):
        return []
    courses = [_point_at(v.tree.branches[k], reach) - place for k in below]
    every = sorted(_between(courses[i], courses[j]) for i in range(len(below)) for j in range(i))
    return every[: len(below) - 1]


def _point_at(branch: Branch, steps: float) -> Float[np.ndarray, "2"]:
    """Return the point so many steps along a branch."""
    near = branch.points_px[: math.ceil(4 * steps) + 2]
    at = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(near, axis=0)).max(axis=1))])
    return np.array([np.interp(steps, at, near[:, axis]) for axis in (0, 1)])


def _between(one: Float[np.ndarray, "2"], two: Float[np.ndarray, "2"]) -> float:
    cross, dot = float(one[0] * two[1] - one[1] * two[0]), float(one @ two)
    return abs(math.degrees(math.atan2(cross, dot)))


@once
def _walks(v: Vasculature) -> dict[VesselKind, Walk]:
    return {kind: walk(v, kind) for kind in v.kind_pixels}


def _measure(
    v: Vasculature, *, card: BiomarkerCard, kind: VesselKind, summary: Callable[[Walk], float]
) -> Quantity:
    if kind not in v.kind_pixels:
        return undefined(card, NO_KINDS)
    if disc_radius_px(v.landmarks) is None or v.landmarks.disc_centre_px is None:
        return undefined(card, NO_DISC)
    found = _walks(v)[kind]
    if not len(found.lengths_px):
        return undefined(card, NO_TREE)
    value = summary(found)
    return undefined(card, NO_ANGLE) if math.isnan(value) else Quantity(card, value)


def _equivalent(v: Vasculature, *, card: BiomarkerCard, kind: VesselKind) -> Quantity:
    if kind not in v.kind_pixels:
        return undefined(card, NO_KINDS)
    zone = ZONES[1]
    if (tally := v.disc_zones) is None:
        return undefined(card, NO_DISC)
    areas = tally.grid.areas_px
    if zone.total(areas * tally.visible) < SMALLEST_VIEW * zone.total(areas):
        return undefined(card, f"less than half of the region is in view ({zone.words})")
    widest = np.sort(v.zone_calibres_px[kind, zone.name])[-SIX:].tolist()
    if not widest:
        return undefined(card, NO_CROSSING.format(kind))
    factor = KNUDTSON[kind]
    return Quantity(card, join_to_trunk(widest, lambda a, b: factor * math.hypot(a, b)))


def _length(w: Walk) -> float:
    return float(w.lengths_px.sum())


def _index(w: Walk) -> float:
    return float(w.lengths_px.sum() / w.chords_px.sum())


def _median_tortuosity(w: Walk) -> float:
    open_ended = w.chords_px > 0  # a piece that comes back to its beginning has no chord
    ratios = w.lengths_px[open_ended] / w.chords_px[open_ended]
    return smooth_median(ratios) if len(ratios) else math.nan


def _angle(w: Walk) -> float:
    return smooth_median(w.angles_deg) if len(w.angles_deg) else math.nan


def _starts(w: Walk) -> float:
    return float(w.starts)


def _ends(w: Walk) -> float:
    return float(w.ends)


def _inter(w: Walk) -> float:
    return float(w.inter)


@dataclass(frozen=True)
class _Column:
    """What a column of a walk is made of."""

    name: str
    unit: str
    range: str
    measures: str
    definition: str
    summary: Callable[[Walk], float]


_COLUMNS = (
    _Column("length", "px", "[0, inf)", "Length of {kinds} (PVBM's OVLEN)", "Σ Lᵢ", _length),
    _Column("tortuosity_index", "1", "[1, inf)", "Length over chord of {kinds} (PVBM's TI)",
            "Σ Lᵢ / Σ Cᵢ", _index),
    _Column("median_tortuosity", "1", "[1, inf)",
            "Length over chord of {kinds}, median (PVBM's medTOR)", "median of Lᵢ / Cᵢ",
            _median_tortuosity),
    _Column("branching_angle", "deg", "[0, 180]",
            "Angle between vessels that part, {kinds}, median (PVBM's medianba)",
            "median angle at a branching between the points 30/1444 of the field along two vessels",
            _angle),
    _Column("start_count", "1", "[0, inf)", "Trees of {kinds} (PVBM's startp)",
            "trees of 50/1444 of the field or more that come within 100/1444 of it of the disc",
            _starts),
    _Column("end_count", "1", "[0, inf)", "Ends of {kinds} (PVBM's endp)",
            "ends of vessels of 10/1444 of the field or more", _ends),
    _Column("inter_count", "1", "[0, inf)", "Branchings of {kinds} (PVBM's interp)",
            "branchings 10/1444 of the field or more beyond the one before", _inter),
)  # fmt: skip
_CHAIN = "a length counts 1 along the picture's rows and columns, √2 across them"
_REGION = "outside the disc; trees that come within 100/1444 of the field of view of it"


def _columns(column: _Column, kind: VesselKind) -> Biomarker:
    chain = f"; {_CHAIN}" if "Lᵢ" in column.definition else ""
    card = BiomarkerCard(
        name=f"pvbm:{kind}_{column.name}", version=1, range=column.range, direction="neither",
        measures=f"{column.measures.format(kinds=PLURAL[kind])}.", unit=column.unit, smallest_n=1,
        reference="PVBM 3.0.1.8 (Fhima et al., ECCV Workshops 2022), GeometricalVBMs",
        known_failure="Trees that do not come near the disc are left out; a length depends on its "
        "direction. Agreement with PVBM on real masks: docs/reference/biomarker-peers.md.",
        region=_REGION, definition=column.definition + chain,
    )  # fmt: skip
    return Biomarker(card, partial(_measure, card=card, kind=kind, summary=column.summary))


def _trunk(kind: VesselKind) -> Biomarker:
    name = {"artery": "crae", "vein": "crve"}.get(kind, "")
    card = BiomarkerCard(
        name=f"pvbm:{name}_knudtson", version=1, range="(0, inf)", direction="neither",
        measures=f"Calibre of the one {kind} that would part into those of {ZONES[1].words} "
        f"(PVBM's {name}k).", unit="px", smallest_n=1,
        reference="PVBM 3.0.1.8 (Fhima et al., ECCV Workshops 2022), CREVBMs",
        known_failure="Fewer than six vessels give a number too, and a smaller one. PVBM's own "
        "calibres are whole pixels: docs/reference/biomarker-peers.md.",
        region=ZONES[1].words,
        definition=f"of the six widest {PLURAL[kind]}, or all if fewer, W = {KNUDTSON[kind]} "
        "√(a² + b²); a vessel's calibre is the median over its centreline in the zone",
    )  # fmt: skip
    return Biomarker(card, partial(_equivalent, card=card, kind=kind))


NAMED_PVBM_GEOMETRY: tuple[Biomarker, ...] = (
    *(_columns(column, kind) for column in _COLUMNS for kind in KINDS),
    *(_trunk(kind) for kind in KINDS),
)
