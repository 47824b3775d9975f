"""How well traced trees match the exact trees of phantoms.

A phantom's own mask is traced (nothing is segmented), once without kinds and once with arteries
and veins apart. Only what lies inside the field of view and outside the disc counts. Every point
of a traced centreline belongs to the nearest true vessel (of its kind, where that is known).

    centreline_px  distance from traced points to true centrelines, vessels of 3 px and more
    radius_px      traced minus true radius at the same points
    length_found   share of the true length within 2 px or a radius of a traced centreline
    branchings     traced over true number; crossings the same
    connectivity   share of true pairs of parent and child, both at least 10 px long in view and
                   at least half traced, for which the traced tree goes from one into the other
    pairs_found    the same share of all pairs that long, traced or not

Run: OMP_NUM_THREADS=1 python benchmarks/tracing_accuracy.py [--json FILE] [--count 12]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from retinaforge.core import Branch, Landmarks, VesselKind
from retinaforge.phantoms import Phantom, draw
from retinaforge.vessels.av_crossings import artery_vein_crossings
from retinaforge.vessels.vasculature import Vasculature, read_vasculature

WIDE_PX, LONG_PX, NEAR_PX = 3.0, 10.0, 2.0
STEP_PX = 0.5
NUMBERS = ("centreline_px", "centreline_p95_px", "radius_px", "radius_abs_px", "length_found",
           "branchings", "crossings", "connectivity", "pairs_found")  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """The true vessels in view and outside the disc, sampled every half pixel."""

    phantom: Phantom

    @cached_property
    def landmarks(self) -> Landmarks:
        """Return disc and fovea in pixels."""
        p = self.phantom
        w, h = p.fundus.layout.disc_axes_um
        return Landmarks(eye=p.photograph.eye, disc_centre_px=p.disc_centre_px,
                         disc_axes_px=(w / p.px_um, h / p.px_um), fovea_px=p.fovea_px,
                         um_per_px=p.px_um)  # fmt: skip

    def shown(self, points: np.ndarray) -> np.ndarray:
        """Return which points lie inside the field of view and outside the disc."""
        mask, (x, y) = self.phantom.fov.mask, np.rint(points).astype(int).T
        height, width = mask.shape
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        seen = mask[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] & inside
        off = (points - np.array(self.landmarks.disc_centre_px)) / self.landmarks.disc_axes_px
        return seen & (np.hypot(*off.T) > 1)

    @cached_property
    def samples(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return points, radii and vessel numbers."""
        parts = [dense(branch) for branch in self.phantom.tree.branches]
        number = np.repeat(np.arange(len(parts)), [len(points) for points, _ in parts])
        points = np.concatenate([points for points, _ in parts])
        radii = np.concatenate([radii for _, radii in parts])
        keep = self.shown(points)
        return points[keep], radii[keep], number[keep]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Return the length in view of every vessel."""
        return STEP_PX * np.bincount(self.samples[2], minlength=len(self.phantom.tree.branches))

    @cached_property
    def branchings(self) -> np.ndarray:
        """Return the places where a vessel parts."""
        tree = self.phantom.tree.branches
        parents = sorted({b.parent for b in tree if b.parent is not None})
        points = np.array([tree[k].points_px[-1] for k in parents]).reshape(-1, 2)
        return points[self.shown(points)]

    @cached_property
    def crossings(self) -> np.ndarray:
        """Return the places where an artery and a vein cross."""
        p = self.phantom
        points = p.frame.to_px(np.array([c.point_um for c in p.fundus.crossings]).reshape(-1, 2))
        if p.photograph.eye == "OS":
            points[:, 0] = p.vessel.shape[1] - 1 - points[:, 0]
        return points[self.shown(points)]


def dense(branch: Branch) -> tuple[np.ndarray, np.ndarray]:
    """Return points and radii of a vessel every half pixel."""
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(branch.points_px, axis=0).T))])
    at = np.arange(STEP_PX / 2, along[-1], STEP_PX)
    points = np.stack([np.interp(at, along, branch.points_px[:, k]) for k in (0, 1)], 1)
    return points, np.interp(at, along, branch.radii_px)


def nearest(truth: Truth, points: np.ndarray, kind: VesselKind) -> tuple[np.ndarray, np.ndarray]:
    """Return distance and index of the nearest true sample, of one kind where it is known."""
    where, _, number = truth.samples
    own = np.arange(len(number))
    if kind != "unknown":
        kinds = np.array([b.kind == kind for b in truth.phantom.tree.branches])
        own = own[kinds[number]]
    distance, at = KDTree(where[own]).query(points)
    return distance, own[at]


def runs(labels: np.ndarray, steps: np.ndarray, widths: np.ndarray) -> list[tuple[int, float]]:
    """Return (vessel, length) along a branch without runs shorter than the branch is wide."""
    edges = np.flatnonzero(np.diff(labels, prepend=-2))
    lengths, wide = np.add.reduceat(steps, edges), np.maximum.reduceat(widths, edges)
    keep = (labels[edges] >= 0) & (lengths >= np.maximum(wide, 4.0))
    return list(zip(labels[edges][keep].tolist(), lengths[keep].tolist(), strict=True))


def follow(truth: Truth, eye: Vasculature) -> tuple[set[tuple[int, int]], np.ndarray]:
    """Return which true vessel the tree goes from into which, and each one's traced length."""
    _, radii, number = truth.samples
    went: set[tuple[int, int]] = set()
    traced = np.zeros(len(truth.phantom.tree.branches))
    last: list[int | None] = []
    for branch in eye.tree.branches:
        p = branch.points_px
        away, at = nearest(truth, p, branch.kind)
        label = np.where(away <= np.maximum(radii[at], NEAR_PX), number[at], -1)
        steps = np.gradient(np.concatenate([[0], np.cumsum(np.hypot(*np.diff(p, axis=0).T))]))
        before = None if branch.parent is None else last[branch.parent]
        for vessel, length in runs(label, steps, 2 * branch.radii_px):
            if before is not None and before != vessel:
                went.add((before, vessel))
            traced[vessel] += length
            before = vessel
        last.append(before)
    return went, traced


def measure(phantom: Phantom, *, kinds: bool) -> dict[str, float]:
    """Trace one phantom's mask and return every number."""
    truth = Truth(phantom)
    apart = {"artery": phantom.artery, "vein": phantom.vein} if kinds else {}
    eye = read_vasculature(phantom.vessel, phantom.fov, truth.landmarks, **apart)
    where, radii, number = truth.samples
    off, swell, covered = [], [], np.zeros(len(number), bool)
    for kind in eye.traced:
        own = [b for b in eye.tree.branches if b.kind == kind]
        points = np.concatenate([b.points_px for b in own])
        traced = np.concatenate([b.radii_px for b in own])
        away, at = nearest(truth, points, kind)
        wide = (2 * radii[at] >= WIDE_PX) & truth.shown(points)
        off.append(away[wide])
        swell.append((traced - radii[at])[wide])
        mine = np.array([b.kind == kind for b in phantom.tree.branches])[number] | (not kinds)
        back = KDTree(points).query(where[mine])[0]
        covered[np.flatnonzero(mine)[back <= np.maximum(radii[mine], NEAR_PX)]] = True
    off, swell = np.concatenate(off), np.concatenate(swell)
    went, found = follow(truth, eye)
    tree = phantom.tree.branches
    long = truth.lengths >= LONG_PX
    starts = truth.shown(np.array([b.points_px[0] for b in tree]))
    pairs = [(b.parent, k) for k, b in enumerate(tree)
             if b.parent is not None and long[k] and long[b.parent] and starts[k]]  # fmt: skip
    half = found >= truth.lengths / 2
    known = [pair for pair in pairs if half[pair[0]] and half[pair[1]]]
    parents = {b.parent for b in eye.tree.branches if b.parent is not None}
    crossed = len(artery_vein_crossings(eye) if kinds else eye.traced["unknown"].crossings_px)
    return {
        "centreline_px": float(np.median(off)),
        "centreline_p95_px": float(np.quantile(off, 0.95)),
        "radius_px": float(np.median(swell)),
        "radius_abs_px": float(np.median(np.abs(swell))),
        "length_found": float(covered.mean()),
        "branchings": len(parents) / len(truth.branchings),
        "crossings": crossed / max(len(truth.crossings), 1),
        "connectivity": sum(pair in went for pair in known) / len(known),
        "pairs_found": sum(pair in went for pair in pairs) / len(pairs),
    }


def summary(rows: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    """Return median, least and greatest of every number."""
    table = np.array([[row[name] for name in NUMBERS] for row in rows])
    worth = np.stack([np.median(table, 0), table.min(0), table.max(0)], 1)
    return {
        name: [round(v, 4) for v in row.tolist()] for name, row in zip(NUMBERS, worth, strict=True)
    }


def main() -> None:
    """Trace phantoms, print medians and ranges, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--count", type=int, default=12, help="phantoms, seeds 0, 1, ...")
    parser.add_argument("--size", type=int, default=1024, help="side of the picture, pixels")
    options = parser.parse_args()
    rows: dict[str, list[dict[str, float]]] = {"kinds unknown": [], "kinds known": []}
    for seed in range(options.count):
        phantom = draw(seed, size_px=options.size)
        for name, kinds in zip(rows, (False, True), strict=True):
            rows[name].append(measure(phantom, kinds=kinds))
    result = {name: summary(own) for name, own in rows.items()}
    print(f"{options.count} phantoms of {options.size} px: median (least to greatest)")
    for name in NUMBERS:
        cells = [f"{m:8.3f} ({a:.3f} to {b:.3f})" for m, a, b in (r[name] for r in result.values())]
        print(f"{name:18s}" + "   ".join(f"{cell:30s}" for cell in cells))
    print(" " * 18 + "   ".join(f"{name:30s}" for name in result))
    if options.json:
        told = {"count": options.count, "size_px": options.size, "median_least_greatest": result}
        options.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
