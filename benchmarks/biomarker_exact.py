"""The true value of biomarker columns, from a phantom's analytic vessels; nothing is rasterised.

Each figure follows the column's definition (region, shortest vessel, what is left out at the ends)
on the polylines that the phantom was drawn from, in micrometres of a right eye. Written without
the measuring code: only the phantoms' own geometry is used. Columns that are about a mask's area
(densities, dimensions, lacunarity, loops, avascular zone) are not here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from retinaforge.phantoms import Phantom
from retinaforge.phantoms.fundus import Vessel
from retinaforge.phantoms.truth import landmark_biomarkers, weighted_median
from retinaforge.phantoms.truth_field import Field, field_of
from retinaforge.phantoms.truth_vessels import junction_exponent, turns
from retinaforge.phantoms.truth_zones import arcade_angle_deg, hubbard, knudtson

STEP_UM = 5.0
KINDS = ("artery", "vein")
LONG, BEND_END, RIM, TREE, LOOK, FAINT, PLAIN, LEAST = 12.0, 8.0, 4.0, 24.0, 8.0, 1.0, 2.0, 3.0
"""Lengths of the columns' definitions, in the field's diameter / 512."""

Values = dict[str, float]


@dataclass(frozen=True)
class Run:
    """A vessel as far as it is in view and outside the disc: one unbroken stretch of it."""

    vessel: int
    kind: str
    points: np.ndarray
    radii: np.ndarray
    at_start: bool
    at_end: bool
    from_disc: bool

    @cached_property
    def steps(self) -> np.ndarray:
        """Return the length of every piece."""
        return np.hypot(*np.diff(self.points, axis=0).T)

    @property
    def length(self) -> float:
        """Return the arc length."""
        return float(self.steps.sum())


@dataclass(frozen=True)
class Scene:
    """A phantom's eye as one photograph shows it."""

    phantom: Phantom

    @cached_property
    def field(self) -> Field:
        """Return the camera's field."""
        return field_of(self.phantom)

    @property
    def unit(self) -> float:
        """Return the field's diameter / 512, micrometres."""
        return 2 * self.field.radius_um / 512

    @property
    def vessels(self) -> tuple[Vessel, ...]:
        """Return all vessels."""
        return self.phantom.fundus.vessels

    def off_disc(self, points: np.ndarray) -> np.ndarray:
        """Return which points lie outside the disc's ellipse."""
        layout = self.phantom.fundus.layout
        return np.hypot(*((points - layout.disc_um) / np.array(layout.disc_axes_um)).T) >= 1

    def shown(self, points: np.ndarray, by: float = 0.0) -> np.ndarray:
        """Return which points are in view, by a distance or more, and outside the disc."""
        field = self.field
        inner = replace(field, radius_um=field.radius_um - by,
                        half_width_um=field.half_width_um - by,
                        half_height_um=field.half_height_um - by)  # fmt: skip
        return inner.holds(points) & self.off_disc(points)

    @cached_property
    def runs(self) -> list[Run]:
        """Return the stretches of all vessels, parents before children."""
        found: list[Run] = []
        for index, vessel in enumerate(self.vessels):
            points, radii = dense(vessel)
            seen, off = self.shown(points), self.off_disc(points)
            edges = np.flatnonzero(np.diff(seen.astype(int), prepend=0, append=0))
            for a, b in zip(edges[::2], edges[1::2], strict=True):
                if b - a < 2:
                    continue
                begins = a > 0 and not bool(off[a - 1])
                found.append(Run(index, vessel.kind, points[a:b], radii[a:b], a == 0,
                                 b == len(points), begins))  # fmt: skip
        return found

    @cached_property
    def parents(self) -> list[int | None]:
        """Return the run that each run grows out of; None at a root."""
        last = {run.vessel: k for k, run in enumerate(self.runs) if run.at_end}
        return [
            last.get(self.vessels[run.vessel].parent) if run.at_start else None  # type: ignore[arg-type]
            for run in self.runs
        ]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Return the length of each run."""
        return np.array([run.length for run in self.runs])


def dense(vessel: Vessel) -> tuple[np.ndarray, np.ndarray]:
    """Return a vessel's points and radii, its own points and more between them."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(vessel.points_um, axis=0).T))])
    at = np.union1d(along, np.arange(0.0, along[-1], STEP_UM))
    points = np.stack([np.interp(at, along, vessel.points_um[:, k]) for k in (0, 1)], axis=1)
    return points, np.interp(at, along, vessel.radii_um)


def exact_values(phantom: Phantom) -> Values:
    """Return the true value of every column that has one in closed form; NaN where undefined."""
    scene = Scene(phantom)
    return {
        **lengths(scene), **calibres(scene), **generations(scene), **equivalents(scene),
        **shapes(scene), **branchings(scene), **counts(scene), **anatomy(scene),
    }  # fmt: skip


def _of(kind: str | None, items: Sequence[Run]) -> list[Run]:
    return [run for run in items if kind is None or run.kind == kind]


def _prefixed(kind: str | None, values: Values) -> Values:
    return {(name if kind is None else f"{kind}_{name}"): value for name, value in values.items()}


def _mean_disc(scene: Scene) -> float:
    """Return the disc's diameter as a circle."""
    return float(sum(scene.phantom.fundus.layout.disc_axes_um))


def _disc_height(scene: Scene) -> float:
    return 2 * float(scene.phantom.fundus.layout.disc_axes_um[1])


def lengths(scene: Scene) -> Values:
    """Return lengths and their densities."""
    found, across = {}, 2 * scene.field.radius_um
    for kind in (None, *KINDS):
        total = sum(run.length for run in _of(kind, scene.runs))
        name = kind or "vessel"
        found[f"{name}_length_mm"] = total / 1000
        density = total * across / scene.field.area_um2
        found["length_density" if kind is None else f"{kind}_length_density"] = density
        if kind is None:
            found["vessel_length_dd"] = total / _mean_disc(scene)
            found["vessel_length_fov"] = total / across
    return found | _zone_lengths(scene)


def _zone_lengths(scene: Scene) -> Values:
    """Return length densities of the rings round the disc and of their quadrants."""
    layout = scene.phantom.fundus.layout
    disc, radius = np.array(layout.disc_um), _mean_disc(scene) / 2
    middles = np.concatenate([(r.points[1:] + r.points[:-1]) / 2 for r in scene.runs])
    steps = np.concatenate([run.steps for run in scene.runs])
    away, side = _polar(middles - disc, -disc)
    # The same regions as even points in polar coordinates, to know how much of them is in view.
    share = np.sqrt(np.linspace(1, 25, 400)) * radius
    angle = np.radians(np.arange(0, 360, 0.5) + 0.25)
    ring, turn = np.meshgrid(share, angle)
    places = np.stack([ring * np.cos(turn), ring * np.sin(turn)], -1).reshape(-1, 2)
    seen = scene.field.holds(places + disc)
    far, where = _polar(places, -disc)
    regions = [(f"zone_{name}", low, high, None)
               for name, low, high in (("a", 1, 2), ("b", 2, 3), ("c", 2, 5))]  # fmt: skip
    regions += [(f"disc_{name}", 2, 5, name)
                for name in ("superior", "nasal", "inferior", "temporal")]  # fmt: skip
    found = {}
    for name, low, high, quadrant in regions:
        within = (far >= low * radius) & (far < high * radius)
        own = (away >= low * radius) & (away < high * radius)
        if quadrant:
            within, own = within & (where == quadrant), own & (side == quadrant)
        view = float(seen[within].mean())
        area = math.pi * (high**2 - low**2) * radius**2 / (4 if quadrant else 1) * view
        density = float(steps[own].sum()) * 2 * radius / area if view >= 0.5 else math.nan
        found[f"length_density_{name}"] = density
    return found


def _polar(steps: np.ndarray, temporal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return distance and quadrant of steps from the disc of a right eye (y down)."""
    turned = np.arctan2(steps[:, 1], steps[:, 0]) - math.atan2(temporal[1], temporal[0])
    turned = np.degrees(np.angle(np.exp(1j * turned)))
    side = np.where(turned > 0, "superior", "inferior")
    side = np.where(abs(turned) <= 45, "temporal", side)
    return np.hypot(*steps.T), np.where(abs(turned) >= 135, "nasal", side)


def _pieces(runs: Sequence[Run]) -> tuple[np.ndarray, np.ndarray]:
    """Return calibre and length of every piece of some runs."""
    if not runs:
        return np.zeros(0), np.zeros(0)
    calibre = np.concatenate([run.radii[1:] + run.radii[:-1] for run in runs])
    return calibre, np.concatenate([run.steps for run in runs])


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    return float(np.average(values, weights=weights)) if weights.sum() > 0 else math.nan


def _pair(scene: Scene, name: str, um: float) -> Values:
    return {f"{name}_um": um, f"{name}_fov512": um / scene.unit}


def calibres(scene: Scene) -> Values:
    """Return means, medians, spread and thirds, by length."""
    found: Values = {}
    for kind in (None, *KINDS):
        width, weight = _pieces(_of(kind, scene.runs))
        prefix = "" if kind is None else f"{kind}_"
        found |= _pair(scene, f"{prefix}calibre_mean", _mean(width, weight))
        found |= _pair(scene, f"{prefix}calibre_median", weighted_median(width, weight))
    found["artery_vein_calibre_ratio"] = (
        found["artery_calibre_mean_um"] / found["vein_calibre_mean_um"]
    )
    width, weight = _pieces(scene.runs)
    middle = _mean(width, weight)
    found |= _pair(scene, "calibre_sd", math.sqrt(_mean((width - middle) ** 2, weight)))
    order = np.argsort(width)
    reached = np.cumsum(weight[order]) / weight.sum()
    for k, name in enumerate(("narrowest", "middle", "widest")):
        own = order[(reached > k / 3) & (reached <= (k + 1) / 3 + 1e-9)]
        found |= _pair(scene, f"calibre_{name}_third", _mean(width[own], weight[own]))
    return found


def generations(scene: Scene) -> Values:
    """Return mean calibres between the disc, the first branching in view, and the next."""
    depth: list[int] = []
    for run, parent in zip(scene.runs, scene.parents, strict=True):
        own = 1 if run.from_disc else 0
        depth.append(own if parent is None else depth[parent] + (depth[parent] > 0))
    found: Values = {}
    for n in (1, 2, 3):
        chosen = [r for r, d in zip(scene.runs, depth, strict=True) if d and min(d, 3) == n]
        found |= _pair(scene, f"calibre_generation_{n}", _mean(*_pieces(chosen)))
    return found


def equivalents(scene: Scene) -> Values:
    """Return CRAE, CRVE, AVR and numbers of vessels of zones B and C."""
    found: Values = {}
    dd = _mean_disc(scene)
    for zone, outer in (("zone_b", 3.0), ("zone_c", 5.0)):
        widths = {kind: _across(scene, kind, 2.0, outer) for kind in KINDS}
        for kind, name in zip(KINDS, ("crae", "crve"), strict=True):
            found[f"{kind}_count_{zone}"] = float(len(widths[kind]))
            um = knudtson(widths[kind], kind)
            wide = [w for w in widths[kind] if w >= 25.0]
            found[f"{name}_knudtson_{zone}_um"] = um
            found[f"{name}_knudtson_{zone}_dd"] = um / dd
            found[f"{name}_hubbard_{zone}_um"] = hubbard(wide, kind) if len(wide) >= 4 else math.nan
        for rule in ("knudtson", "hubbard"):
            crae, crve = (found[f"{name}_{rule}_{zone}_um"] for name in ("crae", "crve"))
            found[f"avr_{rule}_{zone}"] = crae / crve
    return found


def _across(scene: Scene, kind: str, inner: float, outer: float) -> list[float]:
    """Return the calibres of vessels that cross the middle of a ring, in radii of the disc."""
    disc, radius = np.array(scene.phantom.fundus.layout.disc_um), _mean_disc(scene) / 2
    found = []
    for run in _of(kind, scene.runs):
        away = np.hypot(*(run.points - disc).T) / radius
        inside = ((away >= inner) & (away < outer)).astype(int)
        edges = np.flatnonzero(np.diff(inside, prepend=0, append=0))
        for a, b in zip(edges[::2], edges[1::2], strict=True):
            if away[a:b].min() < (inner + outer) / 2 <= away[a:b].max():
                weight = np.gradient(np.concatenate([[0.0], np.cumsum(run.steps)]))[a:b]
                found.append(weighted_median(2 * run.radii[a:b], weight))
    return found


@dataclass(frozen=True)
class _Shape:
    kind: str
    arc: float
    chord: float
    inner: float
    bending: float
    inflections: int


def shapes(scene: Scene) -> Values:
    """Return tortuosities of all vessels and of each kind."""
    found, every = {}, [shape for k in range(len(scene.runs)) if (shape := _shape(scene, k))]
    mm, dd = 1000.0, _disc_height(scene)
    for kind in (None, *KINDS):
        own = [shape for shape in every if kind is None or shape.kind == kind]
        arc, chord = (np.array([getattr(s, name) for s in own]) for name in ("arc", "chord"))
        inner = sum(shape.inner for shape in own) or math.nan
        bent = sum(shape.bending for shape in own) / inner
        turned = sum(shape.inflections for shape in own) / inner
        found |= _prefixed(kind, {
            "tortuosity": float(arc.sum() / chord.sum() - 1) if own else math.nan,
            "tortuosity_mean": _mean(arc / chord - 1, arc),
            "squared_curvature_per_mm2": bent * mm**2, "squared_curvature_per_dd2": bent * dd**2,
            "inflections_per_mm": turned * mm, "inflections_per_dd": turned * dd,
        })  # fmt: skip
    return found


def _shape(scene: Scene, k: int) -> _Shape | None:
    """Measure a run from where it leaves its parent's walls; None if it is too short."""
    run, parent, points = scene.runs[k], scene.parents[k], scene.runs[k].points
    if run.length < LONG * scene.unit:
        return None
    if parent is not None:
        reach = min(float(scene.runs[parent].radii[-1]), run.length / 2)
        points = points[int(np.argmax(np.hypot(*(points - points[0]).T) >= reach)) :]
    steps = np.hypot(*np.diff(points, axis=0).T)
    along = np.cumsum(steps)
    end = BEND_END * scene.unit
    bends, span = turns(points), (steps[1:] + steps[:-1]) / 2
    kept = (along[:-1] >= end) & (along[:-1] <= along[-1] - end)
    # Points between the vessel's own lie on straight pieces: the whole turn is at its own points,
    # and is spread over the pieces on either side of them.
    at = np.flatnonzero(abs(bends) > 1e-9)
    gap = np.gradient(along[at]) if len(at) > 1 else np.ones(len(at))
    bending = float((bends[at] ** 2 / gap)[kept[at]].sum())
    chord = float(np.hypot(*(points[-1] - points[0])))
    return _Shape(run.kind, float(steps.sum()), chord, float(span[kept].sum()), bending,
                  _inflections(bends[kept]))  # fmt: skip


def _inflections(bends: np.ndarray) -> int:
    """Count changes between turns of 10 degrees or more, each the other way."""
    turned: list[float] = []
    for bend in bends[abs(bends) > 1e-9].tolist():
        if turned and (turned[-1] > 0) == (bend > 0):
            turned[-1] += bend
        else:
            turned.append(bend)
    kept = [turn for turn in turned if abs(turn) >= math.radians(10)]
    return sum(a * b < 0 for a, b in pairwise(kept))


@dataclass(frozen=True)
class _Fork:
    kind: str
    parent: float
    wide: float
    narrow: float
    between: float
    wide_turn: float
    narrow_turn: float
    plain: float


def branchings(scene: Scene) -> Values:
    """Return angles and ratios of calibres."""
    forks = _forks(scene)
    found: Values = {}
    for kind in (None, *KINDS):
        own = [fork for fork in forks if kind is None or fork.kind == kind]
        found |= _prefixed(kind, _fork_values(own))
    return found


def _fork_values(own: list[_Fork]) -> Values:
    r0, r1, r2, plain = (np.array([getattr(f, name) for f in own], float)
                         for name in ("parent", "wide", "narrow", "plain"))  # fmt: skip
    unequal = plain * ((1 - r2 / r1) / 0.2).clip(0, 1)
    each = [junction_exponent(f.parent, f.wide, f.narrow) for f in own]
    k = np.array([math.nan if value > 20 else value for value in each])
    solved = np.isfinite(k) & (plain > 0)

    def angle(name: str, weights: np.ndarray) -> float:
        values = np.array([getattr(fork, name) for fork in own], float)
        known = np.isfinite(values) & (weights > 0)
        return _mean(values[known], weights[known]) if known.sum() >= 3 else math.nan

    def ratio(values: np.ndarray, weights: np.ndarray) -> float:
        return _mean(values, weights) if (weights > 0).sum() >= 3 else math.nan

    area = plain * r0**2
    harmonic = _mean(1 / k[solved], plain[solved]) if solved.sum() >= 3 else math.nan
    return {
        "branching_angle_deg": angle("between", np.ones(len(own))),
        "wider_child_angle_deg": angle("wide_turn", unequal),
        "narrower_child_angle_deg": angle("narrow_turn", unequal),
        "branching_asymmetry": ratio(r2 / r1, plain),
        "branching_area_ratio": ratio((r1**2 + r2**2) / r0**2, area),
        "junction_exponent": 1 / harmonic,
        "junction_exponent_solvable": ratio(np.isfinite(k).astype(float), plain),
        "murray_ratio": ratio(np.cbrt(r1**3 + r2**3) / r0, area),
    }


def _forks(scene: Scene) -> list[_Fork]:
    below: dict[int, list[int]] = {}
    for k, parent in enumerate(scene.parents):
        if parent is not None:
            below.setdefault(parent, []).append(k)
    found = []
    for parent, pair in below.items():
        if len(pair) != 2:
            continue
        trunk = scene.runs[parent]
        one, two = sorted((scene.runs[k] for k in pair), key=lambda run: -run.radii[0])
        skip = float(trunk.radii[-1])
        coming = -_course(trunk.points[::-1], skip, scene.unit)
        legs = [_course(run.points, skip, scene.unit) for run in (one, two)]
        wide, narrow = (_angle(coming, leg) for leg in legs)
        apart = wide - narrow
        away = math.copysign(1.0, apart) if math.isfinite(apart) else math.nan
        plain = min(max((2 * float(two.radii[0]) / scene.unit - FAINT) / (PLAIN - FAINT), 0.0), 1.0)
        found.append(_Fork(trunk.kind, skip, float(one.radii[0]), float(two.radii[0]),
                           abs(_angle(*legs)), away * wide, -away * narrow, plain))  # fmt: skip
    return found


def _course(points: np.ndarray, skip: float, unit: float) -> np.ndarray:
    """Return the step from `skip` along a line to LOOK beyond that, or its end; NaN if short."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    ends = np.array([skip, min(skip + LOOK * unit, along[-1])])
    if ends[1] - ends[0] < LEAST * unit:
        return np.full(2, math.nan)
    x, y = (np.interp(ends, along, points[:, axis]) for axis in (0, 1))
    return np.array([x[1] - x[0], y[1] - y[0]])


def _angle(u: np.ndarray, v: np.ndarray) -> float:
    return math.degrees(math.atan2(u[0] * v[1] - u[1] * v[0], float(u @ v)))


def counts(scene: Scene) -> Values:
    """Return numbers of branchings, ends, trees, roots and crossings."""
    runs, parents = scene.runs, scene.parents
    having = {parent for parent in parents if parent is not None}
    hung = scene.lengths.copy()
    for k in range(len(runs) - 1, -1, -1):
        if (parent := parents[k]) is not None:
            hung[parent] += hung[k]
    root = [p is None and hung[k] >= TREE * scene.unit for k, p in enumerate(parents)]
    children = np.bincount([p for p in parents if p is not None], minlength=len(runs))
    last = np.array([run.points[-1] for run in runs])
    inside = scene.shown(last, RIM * scene.unit)
    tests: dict[str, Callable[[int], int]] = {
        "bifurcations": lambda k: max(int(children[k]) - 1, 0),
        "ends": lambda k: int(k not in having and runs[k].at_end and bool(inside[k])),
        "trees": lambda k: int(root[k]),
        "roots_at_disc": lambda k: int(root[k] and runs[k].from_disc),
    }
    found: Values = {}
    for kind in (None, *KINDS):
        own = [k for k, run in enumerate(runs) if kind is None or run.kind == kind]
        found |= _prefixed(kind, {n: float(sum(map(test, own))) for n, test in tests.items()})
    points = np.array([c.point_um for c in scene.phantom.fundus.crossings]).reshape(-1, 2)
    found["artery_vein_crossings"] = found["crossings"] = float(scene.shown(points).sum())
    total = float(scene.lengths.sum())
    for name in ("bifurcations", "ends", "crossings"):
        found[f"{name}_per_mm"] = found[name] / total * 1000
        found[f"{name}_per_dd"] = found[name] / total * _disc_height(scene)
    return found


def anatomy(scene: Scene) -> Values:
    """Return what disc, cup and fovea measure, and the arcades' angles."""
    layout, px_um = scene.phantom.fundus.layout, scene.phantom.px_um
    known = landmark_biomarkers(layout)
    found = {
        name: known[name]
        for name in ("disc_area_mm2", "rim_area_mm2", "vertical_cup_to_disc", "disc_fovea_um",
                     "horizontal_cup_to_disc", "area_cup_to_disc", "disc_fovea_dd")
    }  # fmt: skip
    for name in ("disc_height", "disc_width", "cup_height", "cup_width"):
        found |= {f"{name}_um": known[f"{name}_um"], f"{name}_px": known[f"{name}_um"] / px_um}
    x, y = layout.disc_um
    found["disc_fovea_px"] = known["disc_fovea_um"] / px_um
    found["disc_fovea_angle_deg"] = math.degrees(math.atan2(-y, abs(x)))
    for kind in KINDS:
        angle = arcade_angle_deg(scene.vessels, layout, kind)
        found[f"{kind}_temporal_arcade_angle_deg"] = angle
    return found
