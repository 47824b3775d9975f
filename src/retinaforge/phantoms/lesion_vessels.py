"""Lesions that are vessels: new ones, intraretinal abnormalities, and beaded stretches of veins."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.spatial import ConvexHull

from retinaforge.phantoms.fundus import Layout, Lesion, LesionKind, Point, Vessel
from retinaforge.phantoms.lesion_shapes import ribbon
from retinaforge.phantoms.lesion_sites import quadrant, seen

Path = Float[np.ndarray, "n 2"]
BEAD_DEPTH = 0.3
"""How far beads swell and shrink the calibre, as a share of it."""
BEAD_LENGTH = 2.6
"""Distance from bead to bead, in calibres."""
BEAD_STEP_UM = 12.0


def wander(
    start: Point, heading_rad: float, length_um: float, *, curl: float, rng: np.random.Generator
) -> Path:
    """Walk with a heading that winds: steps of 25 um, turning by an AR(1) noise of size `curl`."""
    steps = max(3, int(length_um / 25))
    turns = rng.normal(0, curl, steps)
    for i in range(1, steps):
        turns[i] += 0.82 * turns[i - 1]
    heading = heading_rad + np.cumsum(turns)
    walk = np.cumsum(25.0 * np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)
    return np.concatenate([[start], np.asarray(start) + walk])


def new_vessels(
    centre: Point, reach_um: float, *, onset: float, rng: np.random.Generator
) -> Lesion:
    """Return a frond of fine winding vessels that fan out from a place and bend back in loops."""
    paths: list[Path] = []
    for _ in range(int(np.clip(reach_um / 32, 9, 30))):
        stem = paths[int(rng.integers(len(paths)))] if paths and rng.uniform() < 0.65 else None
        start = centre if stem is None else stem[int(rng.integers(len(stem) // 4, len(stem)))]
        outward = math.atan2(start[1] - centre[1], start[0] - centre[0])
        spread = rng.uniform(-math.pi, math.pi) if stem is None else rng.normal(0, 0.9)
        heading = outward + spread
        length = reach_um * rng.uniform(0.35, 0.9)
        paths.append(wander(tuple(start), heading, length, curl=0.13, rng=rng))
    radii = tuple(np.linspace(rng.uniform(8, 14), 5.0, len(p)) for p in paths)
    return _of_vessels("neovascularisation", tuple(paths), radii, onset=onset, rng=rng)


def irma(centre: Point, *, onset: float, rng: np.random.Generator) -> Lesion:
    """Return shunt vessels within the retina: a few crooked, branching, wider than capillaries."""
    heading = rng.uniform(0, 2 * math.pi)
    trunk = wander(centre, heading, rng.uniform(450, 900), curl=0.17, rng=rng)
    paths = [trunk]
    for _ in range(int(rng.integers(2, 5))):
        at = trunk[int(rng.integers(2, len(trunk)))]
        side = heading + rng.choice([-1, 1]) * rng.uniform(0.6, 1.5)
        paths.append(
            wander((float(at[0]), float(at[1])), side, rng.uniform(150, 450), curl=0.2, rng=rng)
        )
    width = rng.uniform(10, 14)
    radii = tuple(np.full(len(p), width) * rng.uniform(0.75, 1.1, len(p)) for p in paths)
    return _of_vessels("irma", tuple(paths), radii, onset=onset, rng=rng)


def _of_vessels(
    kind: LesionKind, paths: tuple[Path, ...], radii: tuple[np.ndarray, ...], *, onset: float,
    rng: np.random.Generator,
) -> Lesion:  # fmt: skip
    points = np.concatenate(paths)
    outline = points[ConvexHull(points).vertices]
    middle = (outline.min(0) + outline.max(0)) / 2
    return Lesion(
        kind=kind,
        centre_um=(float(middle[0]), float(middle[1])),
        outline_um=outline,
        strength=float(rng.uniform(0.8, 1.2)),
        seed=int(rng.integers(2**31)),
        onset_years=onset,
        points_um=paths,
        radii_um=radii,
    )


def beadable(vessels: tuple[Vessel, ...], layout: Layout) -> tuple[list[int], ...]:
    """Return, by quadrant, the veins that are long, wide and in view; the most visible first."""
    good: tuple[list[tuple[float, int]], ...] = ([], [], [], [])
    for index, v in enumerate(vessels):
        if v.kind != "vein" or len(v.points_um) < 4 or v.radii_um.mean() < 22:
            continue
        x, y = map(float, v.points_um[len(v.points_um) // 2])
        length = float(np.hypot(*np.diff(v.points_um, axis=0).T).sum())
        away = math.hypot(x - layout.disc_um[0], y - layout.disc_um[1])
        far = away > 1.4 * layout.disc_axes_um[1] and seen(np.array([[x, y]]), layout)[0]
        if length >= 350 and far:
            size = float(v.radii_um.mean()) * min(length, 1200.0)
            good[quadrant((x, y), layout)].append((-size, index))
    return tuple([index for _, index in sorted(found)] for found in good)


def beading(vessel: Vessel, *, onset: float, rng: np.random.Generator) -> Lesion:
    """Return a vein's stretch with beads, r(s) (1 + d w(s) sin(2 pi s / l)), w 0 at both ends."""
    p, r = vessel.points_um, vessel.radii_um
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(p, axis=0), axis=1))])
    s = np.union1d(np.arange(0.0, along[-1], BEAD_STEP_UM), along)
    fine = np.stack([np.interp(s, along, p[:, 0]), np.interp(s, along, p[:, 1])], axis=1)
    plain = np.interp(s, along, r)
    period = BEAD_LENGTH * 2 * float(r.mean()) * rng.uniform(0.85, 1.15)
    window = np.sqrt(np.clip(np.sin(math.pi * s / along[-1]), 0, 1))
    wave = np.sin(2 * math.pi * s / period + rng.uniform(0, 2 * math.pi))
    radii = plain * (1 + BEAD_DEPTH * window * wave)
    middle = fine[len(fine) // 2]
    return Lesion(
        kind="venous_beading",
        centre_um=(float(middle[0]), float(middle[1])),
        outline_um=ribbon(fine, radii),
        onset_years=onset,
        points_um=(fine,),
        radii_um=(radii,),
    )


def bead(vessels: tuple[Vessel, ...], lesions: tuple[Lesion, ...]) -> tuple[Vessel, ...]:
    """Return the vessels with the beads of the lesions in their radii; centrelines stay in place.

    Args:
        vessels: both trees; a beaded vein keeps its ends, its parent and its course.
        lesions: only `venous_beading` counts; each knows its stretch of vein.
    """
    beads = {
        (tuple(b.points_um[0][0]), tuple(b.points_um[0][-1])): b
        for b in lesions
        if b.kind == "venous_beading"
    }

    def beaded(v: Vessel) -> Vessel:
        found = beads.get((tuple(v.points_um[0]), tuple(v.points_um[-1])))
        if found is None or v.kind != "vein":
            return v
        return replace(v, points_um=found.points_um[0], radii_um=found.radii_um[0])

    return tuple(map(beaded, vessels)) if beads else vessels
