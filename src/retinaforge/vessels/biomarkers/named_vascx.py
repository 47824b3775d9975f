"""Biomarkers as VascX defines them, under its names, so that results can be read side by side.

By kind, over segments (from one branching to the next or to an end, outside the disc):

    vd               share of the field of view that the kind's vessels cover
    diam md, lw      calibres of segments: median; mean by length
    tort md, lw      length / chord of segments (those above 1.5 left out): median; mean by length
    curv lw          mean |κ| of segments times the distance from disc to fovea, mean by length
    bifurcations     branchings into two or three
    bifangle         mean angle at branchings, between the points 20 pixels along two segments;
                     angles above 135° left out
    cre full         Knudtson's of the six widest segments that cross a circle round the disc, mean
                     over five circles of 1 to 1.5 disc diameters from its centre
    temporal angle   at the disc, between the widest pair of vessels that cross a circle on the
                     fovea's side, 75° to 200° apart; median over five circles of 0.67 to 0.79 of
                     the distance from disc to fovea

Of all vessels:

    sparsity mean    mean distance to the nearest centreline, over the distance from disc to fovea;
                     without vessels, disc, fovea (a sixth of that distance round it), and places
                     that lie nearer to the border of the view

VascX counts in pixels of a field of view 1024 across: so do the limits here (tortuosity of
segments of 25 pixels, calibres of 10). Medians are those of `medians`, which do not jump.

Left out: the median curvature (a median of few noisy values, 3 % off in an eye drawn twice as
large); what depends on its own resolving of segments to vessels (tortuosity of vessels, nasal
and temporal equivalents), its region grids, the largest sparsity (one peak a patch between
vessels, so that one gap in a vessel changes it), and what needs the photograph (sharpness).

References:
    J. D. Vargas Quiros et al., "retinalysis-vascx: An explainable software toolbox for the
    extraction of retinal vascular biomarkers", arXiv:2602.08580 (2026). Definitions as in its
    documentation and in retinalysis-vascx 1.4.0 (AGPL; read, not copied).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from retinaforge.core import Quantity, VesselKind
from retinaforge.vessels.biomarker import (
    NO_DISC,
    NO_FOVEA,
    NO_KINDS,
    NO_VESSEL,
    Biomarker,
    BiomarkerCard,
    undefined,
)
from retinaforge.vessels.biomarkers.equivalents import KNUDTSON, PLURAL, SIX, join_to_trunk
from retinaforge.vessels.centrelines import weighted_mean
from retinaforge.vessels.curves import smooth_curves
from retinaforge.vessels.medians import smooth_median
from retinaforge.vessels.once import once
from retinaforge.vessels.vasculature import KINDS, Vasculature
from retinaforge.vessels.zones import disc_radius_px

FRAME_PX = 1024.0
"""Width of the field of view in the pictures that VascX's limits were chosen on."""

TORTUOUS_STEPS, WIDE_STEPS, ANGLE_STEPS = 24.0, 10.0, 20.0
STRAIGHTEST, WIDEST_ANGLE_DEG, FEWEST_ANGLES, FEWEST_SEGMENTS = 1.5, 135.0, 3, 5
CIRCLES_DD = (1.0, 1.125, 1.25, 1.375, 1.5)
FEWEST_CIRCLES, FEWEST_CROSSINGS = 2, 4
CIRCLES_FOVEA = tuple(2 / 3 + 0.03 * k for k in range(5))
PAIR_DEG = (75.0, 200.0)
FOVEA_SHARE = 1 / 6
CELLS = 256
"""Cells across the field of view, in each of which the distance to a vessel is taken once."""

NO_SEGMENT = f"fewer than {FEWEST_SEGMENTS} segments are long enough"
NO_ANGLE = f"fewer than {FEWEST_ANGLES} branchings with segments long enough"
NO_CIRCLE = "fewer than two circles round the disc lie in view and are crossed by four segments"
NO_PAIR = "no circle on the fovea's side lies in view and is crossed by a pair of arcades"


@dataclass(frozen=True)
class Segments:
    """All branches of the trees: VascX's segments.

    Attributes:
        kind: of each.
        calibres_px: median along each.
        lengths_px: length of each.
        steps_px: how many rows or columns each passes, whichever are more.
        tortuosity: length / chord of a smooth curve; NaN of those too short or above 1.5.
        curvature_per_px: mean |κ|; NaN of those too short.
    """

    kind: np.ndarray
    calibres_px: Float[np.ndarray, "n"]
    lengths_px: Float[np.ndarray, "n"]
    steps_px: Float[np.ndarray, "n"]
    tortuosity: Float[np.ndarray, "n"]
    curvature_per_px: Float[np.ndarray, "n"]


def _px(v: Vasculature) -> float:
    """Return how many pixels one of VascX's is."""
    return 2 * v.fov.radius_px / FRAME_PX


@once
def segments(v: Vasculature) -> Segments:
    """Measure every branch, once."""
    lines, many = v.centrelines, len(v.tree.branches)
    joined = np.flatnonzero(lines.branch[1:] == lines.branch[:-1])
    moved = np.abs(lines.points_px[joined + 1] - lines.points_px[joined])
    steps = np.bincount(lines.branch[joined], moved.max(axis=1, initial=0), many)
    long = np.flatnonzero(steps >= TORTUOUS_STEPS * _px(v))
    curves = smooth_curves([v.tree.branches[k].points_px for k in long], unit_px=v.unit_px)
    bends = curves.bends
    tortuosity, curvature = np.full(many, np.nan), np.full(many, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = curves.lengths_px / curves.chords_px
        turned = np.bincount(bends.owner, np.abs(bends.turn_rad), bends.count)
        curvature[long] = turned / bends.lengths_px
    tortuosity[long] = np.where(ratio <= STRAIGHTEST, ratio, np.nan)
    kind = np.array([branch.kind for branch in v.tree.branches], dtype=object)
    return Segments(kind, v.calibres_px, v.lengths_px, steps, tortuosity, curvature)


@dataclass(frozen=True)
class Crossing:
    """Branches that cross a circle once or an odd number of times: which, and first where."""

    branch: np.ndarray
    points_px: Float[np.ndarray, "n 2"]


def _crossing(v: Vasculature, radius_px: float) -> Crossing:
    lines = v.centrelines
    centre = np.array(v.landmarks.disc_centre_px)
    inside = np.hypot(*(lines.points_px - centre).T) <= radius_px
    same = lines.branch[1:] == lines.branch[:-1]
    at = np.flatnonzero((inside[1:] != inside[:-1]) & same)
    branch, first, times = np.unique(lines.branch[at], return_index=True, return_counts=True)
    odd = times % 2 == 1
    return Crossing(branch[odd], lines.points_px[at[first[odd]]])


def _in_view(v: Vasculature, radius_px: float, towards: np.ndarray | None = None) -> bool:
    """Whether a circle round the disc, or the half of it on one side, lies in the field."""
    turn = (np.arange(96) + 0.5) * 2 * np.pi / 96
    way = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    if towards is not None:
        way = way[way @ towards >= 0]
    x, y = np.rint(np.array(v.landmarks.disc_centre_px) + radius_px * way).astype(int).T
    height, width = v.fov.mask.shape
    if x.min() < 0 or y.min() < 0 or x.max() >= width or y.max() >= height:
        return False
    return bool(v.fov.mask[y, x].all())


def _to_fovea(v: Vasculature) -> tuple[Float[np.ndarray, "2"], float] | str:
    """Return the direction from the disc to the fovea and its distance, or what is not known."""
    if v.landmarks.disc_centre_px is None or disc_radius_px(v.landmarks) is None:
        return NO_DISC
    if v.landmarks.fovea_px is None:
        return NO_FOVEA
    off = np.array(v.landmarks.fovea_px) - np.array(v.landmarks.disc_centre_px)
    far = math.hypot(*off.tolist())
    return (off / far, far) if far else NO_FOVEA


def _cover(v: Vasculature, kind: VesselKind) -> float | str:
    return float(np.count_nonzero(v.kind_pixels[kind]) / np.count_nonzero(v.fov.mask))


def _calibre(v: Vasculature, kind: VesselKind, *, by_length: bool) -> float | str:
    s = segments(v)
    own = (s.kind == kind) & (s.steps_px >= WIDE_STEPS * _px(v)) & np.isfinite(s.calibres_px)
    return _summary(s.calibres_px[own], s.lengths_px[own], by_length=by_length)


def _tortuosity(v: Vasculature, kind: VesselKind, *, by_length: bool) -> float | str:
    s = segments(v)
    own = (s.kind == kind) & np.isfinite(s.tortuosity)
    return _summary(s.tortuosity[own], s.lengths_px[own], by_length=by_length)


def _curvature(v: Vasculature, kind: VesselKind) -> float | str:
    way = _to_fovea(v)
    if isinstance(way, str):
        return way
    s = segments(v)
    own = (s.kind == kind) & np.isfinite(s.curvature_per_px)
    return _summary(s.curvature_per_px[own] * way[1], s.lengths_px[own], by_length=True)


def _summary(
    values: Float[np.ndarray, "n"], lengths: Float[np.ndarray, "n"], *, by_length: bool
) -> float | str:
    if len(values) < FEWEST_SEGMENTS:
        return NO_SEGMENT
    return weighted_mean(values, lengths) if by_length else smooth_median(values)


def _parted(v: Vasculature, kind: VesselKind) -> list[int]:
    """Return the branches of a kind that part into two or three."""
    own = v.of_kind(kind)
    return [k for k, below in enumerate(v.children) if own[k] and 2 <= len(below) <= 3]


def _bifurcations(v: Vasculature, kind: VesselKind) -> float | str:
    return float(len(_parted(v, kind)))


def _bifurcation_angle(v: Vasculature, kind: VesselKind) -> float | str:
    reach, lengths = ANGLE_STEPS * _px(v), v.lengths_px
    found: list[float] = []
    for k in _parted(v, kind):
        below = sorted(v.children[k], key=lambda one: -lengths[one])[:2]
        if min(lengths[below]) > reach:
            place = v.tree.branches[k].points_px[-1]
            one, two = (_point_at(v.tree.branches[b].points_px, reach) - place for b in below)
            found.append(_between_deg(one, two))
    kept = [angle for angle in found if angle <= WIDEST_ANGLE_DEG]
    return float(np.mean(kept)) if len(kept) >= FEWEST_ANGLES else NO_ANGLE


def _point_at(line: Float[np.ndarray, "n 2"], length_px: float) -> Float[np.ndarray, "2"]:
    near = line[: math.ceil(3 * length_px) + 2]
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(near, axis=0).T))])
    return np.array([np.interp(length_px, along, near[:, axis]) for axis in (0, 1)])


def _between_deg(one: Float[np.ndarray, "2"], two: Float[np.ndarray, "2"]) -> float:
    cross, dot = float(one[0] * two[1] - one[1] * two[0]), float(one @ two)
    return abs(math.degrees(math.atan2(cross, dot)))


def _equivalent(v: Vasculature, kind: VesselKind) -> float | str:
    radius = disc_radius_px(v.landmarks)
    if radius is None or v.landmarks.disc_centre_px is None:
        return NO_DISC
    s, factor, found = segments(v), KNUDTSON[kind], list[float]()
    for share in CIRCLES_DD:
        if not _in_view(v, (2 * share + 0.2) * radius):
            continue
        calibres = s.calibres_px[crossed := _crossing(v, 2 * share * radius).branch]
        widest = np.sort(calibres[(s.kind[crossed] == kind) & np.isfinite(calibres)])[-SIX:]
        if len(widest) >= FEWEST_CROSSINGS:
            found.append(join_to_trunk(widest.tolist(), lambda a, b: factor * math.hypot(a, b)))
    return float(np.mean(found)) if len(found) >= FEWEST_CIRCLES else NO_CIRCLE


def _temporal_angle(v: Vasculature, kind: VesselKind) -> float | str:
    way = _to_fovea(v)
    if isinstance(way, str):
        return way
    (towards, far), centre = way, np.array(v.landmarks.disc_centre_px)
    nasal = centre - towards * (disc_radius_px(v.landmarks) or 0.0)
    s, found = segments(v), list[float]()
    for share in CIRCLES_FOVEA:
        if not _in_view(v, share * far, towards):
            continue
        met = _crossing(v, share * far)
        calibres = s.calibres_px[met.branch]
        own = (s.kind[met.branch] == kind) & ((met.points_px - nasal) @ towards > 0)
        own &= np.isfinite(calibres)
        pair = _widest_pair(met.points_px[own] - centre, calibres[own])
        if pair is not None:
            found.append(pair)
    return smooth_median(np.array(found)) if found else NO_PAIR


def _widest_pair(
    places: Float[np.ndarray, "n 2"], calibres: Float[np.ndarray, "n"]
) -> float | None:
    """Return the angle between the two widest vessels that lie far enough apart."""
    pairs = [
        (float(calibres[i] + calibres[j]), angle)
        for i, j in combinations(range(len(places)), 2)
        if PAIR_DEG[0] < (angle := _between_deg(places[i], places[j])) < PAIR_DEG[1]
    ]
    return max(pairs)[1] if pairs else None


def _sparsity(v: Vasculature) -> float | str:
    way = _to_fovea(v)
    if isinstance(way, str):
        return way
    if not len(v.centrelines.points_px):
        return NO_VESSEL
    cell = 2 * v.fov.radius_px / CELLS
    across = (np.arange(CELLS) - (CELLS - 1) / 2) * cell
    x, y = across[None, :] + v.fov.centre_px[0], across[:, None] + v.fov.centre_px[1]
    seen, vessel = (_sampled(mask, x, y) for mask in (v.fov.mask, v.pixels))
    near = _distance_px(v, cell, (x, y))
    rim = np.asarray(ndimage.distance_transform_edt(np.pad(seen, 1)))[1:-1, 1:-1] * cell
    (fx, fy), (dx, dy) = v.landmarks.fovea_px or (0, 0), v.landmarks.disc_centre_px or (0, 0)
    free = seen & ~vessel & (rim >= near)
    free &= np.hypot(x - fx, y - fy) > FOVEA_SHARE * way[1]
    free &= np.hypot(x - dx, y - dy) > (disc_radius_px(v.landmarks) or 0.0)
    return float(near[free].mean() / way[1]) if free.any() else NO_VESSEL


def _sampled(
    mask: Bool[np.ndarray, "height width"], x: np.ndarray, y: np.ndarray
) -> Bool[np.ndarray, "n n"]:
    """Return a mask at the middles of cells; False outside it."""
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    framed = (row >= 0) & (row < mask.shape[0]) & (column >= 0) & (column < mask.shape[1])
    return framed & mask[row.clip(0, mask.shape[0] - 1), column.clip(0, mask.shape[1] - 1)]


def _distance_px(
    v: Vasculature, cell: float, middles: tuple[np.ndarray, np.ndarray]
) -> Float[np.ndarray, "n n"]:
    """Return how far it is from the middle of each cell to a centreline point of the nearest cell
    that holds one."""
    points = v.centrelines.points_px
    at = np.floor((points - v.fov.centre_px) / cell + CELLS / 2).astype(int).clip(0, CELLS - 1)
    holds = np.zeros((CELLS, CELLS, 2))
    empty = np.ones((CELLS, CELLS), dtype=bool)
    empty[at[:, 1], at[:, 0]] = False
    holds[at[:, 1], at[:, 0]] = points
    row, column = np.asarray(
        ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
    )
    held = holds[row, column]
    return np.hypot(held[..., 0] - middles[0], held[..., 1] - middles[1])


def _measure(
    v: Vasculature, *, card: BiomarkerCard, kind: VesselKind,
    work: Callable[[Vasculature, VesselKind], float | str],
) -> Quantity:  # fmt: skip
    found = work(v, kind) if kind in v.kind_pixels else NO_KINDS
    return undefined(card, found) if isinstance(found, str) else Quantity(card, found)


def _measure_all(v: Vasculature, *, card: BiomarkerCard) -> Quantity:
    found = _sparsity(v)
    return undefined(card, found) if isinstance(found, str) else Quantity(card, found)


@dataclass(frozen=True)
class _Column:
    """What a column is made of."""

    name: str
    unit: str
    range: str
    smallest_n: int
    measures: str
    definition: str
    work: Callable[[Vasculature, VesselKind], float | str]


def _twice(name: str, unit: str, range_: str, what: str, of: str, work: Callable[..., float | str]
           ) -> tuple[_Column, _Column]:  # fmt: skip
    return (
        _Column(f"{name}_md", unit, range_, FEWEST_SEGMENTS, f"{what}, {{kinds}}, median",
                f"median over segments of {of}", partial(work, by_length=False)),
        _Column(f"{name}_lw", unit, range_, FEWEST_SEGMENTS, f"{what}, {{kinds}}, mean by length",
                f"mean over segments, by length, of {of}", partial(work, by_length=True)),
    )  # fmt: skip


_COLUMNS = (
    _Column("vd", "1", "[0, 1]", 1, "Share of the field that {kinds} cover",
            "vessel pixels / pixels of the field of view", _cover),
    *_twice("diam", "px", "(0, inf)", "Calibre of segments",
            "the median calibre along the segment, 10/1024 of the field or longer", _calibre),
    *_twice("tort", "1", "[1, 1.5]", "Length over chord of segments",
            "length / chord of a smooth curve, 25/1024 of the field or longer, up to 1.5",
            _tortuosity),
    _Column("curv_lw", "1", "[0, inf)", FEWEST_SEGMENTS,
            "Curvature of segments, {kinds}, mean by length",
            "mean over segments, by length, of mean |κ| × distance from disc to fovea, 25/1024 of "
            "the field or longer", _curvature),
    _Column("bifurcation_count", "1", "[0, inf)", 1, "Bifurcations of {kinds}",
            "branchings into two or three", _bifurcations),
    _Column("bifangle", "deg", "[0, 135]", FEWEST_ANGLES, "Angle at bifurcations, {kinds}, mean",
            "mean angle between the points 20/1024 of the field along two segments, up to 135°",
            _bifurcation_angle),
    _Column("cre_full", "px", "(0, inf)", FEWEST_CROSSINGS,
            "Calibre of the one vessel that would part into {kinds} round the disc",
            "Knudtson's of the six widest that cross a circle, or of four or five, mean of five "
            "circles 1 to 1.5 disc diameters from the disc's centre", _equivalent),
    _Column("temporal_angle", "deg", "[75, 180]", 1, "Angle between the temporal arcades, {kinds}",
            "at the disc, between the widest two 75° or more apart; median of five circles 0.67 to "
            "0.79 of the distance from disc to fovea", _temporal_angle),
)  # fmt: skip


def _card(name: str, column: _Column, kinds: str) -> BiomarkerCard:
    return BiomarkerCard(
        name=f"vascx:{name}", version=1, measures=f"{column.measures.format(kinds=kinds)}.",
        range=column.range, direction="neither", unit=column.unit, smallest_n=column.smallest_n,
        reference="retinalysis-vascx 1.4.0 (Vargas Quiros et al., arXiv:2602.08580)",
        known_failure="Segments end at every branching that a mask shows, false ones too. "
        "Agreement with VascX on real masks: docs/reference/biomarker-peers.md.",
        region="field of view outside the disc", definition=column.definition,
    )  # fmt: skip


def _by_kind(column: _Column, kind: VesselKind) -> Biomarker:
    card = _card(f"{kind}_{column.name}", column, PLURAL[kind])
    return Biomarker(card, partial(_measure, card=card, kind=kind, work=column.work))


_SPARSITY = _card(
    "sparsity_mean",
    _Column("", "1", "[0, inf)", 1, "Distance to the nearest vessel, mean",
            "mean distance to the nearest centreline / distance from disc to fovea; without "
            "vessels, disc, fovea and what lies nearer to the border of the view", _bifurcations),
    "",
)  # fmt: skip

NAMED_VASCX: tuple[Biomarker, ...] = (
    *(_by_kind(column, kind) for column in _COLUMNS for kind in KINDS),
    Biomarker(_SPARSITY, partial(_measure_all, card=_SPARSITY)),
)
