"""Where an estimate interrupts the vessels of its reference.

Take the runs of neighbouring centreline points of the reference that the estimate does not
cover. Around a run's points lie discs as large as the reference's vessel there plus the
tolerance; the estimate inside them falls into pieces. The covered centreline points at the run's
ends lie on k of these pieces, and the run counts k − 1 breaks: 1 for a cut through a vessel, 2
for a lost fork, 0 for a lost end, for a vessel lost as a whole (recall sees those), and for a
vessel that runs beside its place without interruption.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from retinaforge.vessels.skeleton import AROUND, VesselMask, labels_of


@dataclass(frozen=True)
class Breaks:
    """Broken runs of the reference's centreline.

    Attributes:
        points: (row, column) of each run's middle, in the field of view's bounding box.
        counts: how often each run counts (k − 1).
    """

    points: Int[np.ndarray, "m 2"]
    counts: Int[np.ndarray, "m"]


def find_breaks(estimate: VesselMask, reference: VesselMask, *, tolerance_px: int) -> Breaks:
    """Find where the estimate interrupts the reference's vessels.

    Args:
        estimate: the mask under test.
        reference: whose vessels ought to be there.
        tolerance_px: how far beside the reference's walls a way round still counts.

    Returns:
        The broken runs; none where the estimate covers all of the centreline or nothing of it.
    """
    covered = estimate.pixels[tuple(reference.points.T)]
    missed, found = reference.points[~covered], reference.points[covered]
    if not len(missed) or not len(found):
        return Breaks(points=np.zeros((0, 2), int), counts=np.zeros(0, int))
    radii = np.nan_to_num(reference.calibres_px[~covered]) / 2
    discs = _discs(missed, np.ceil(radii).astype(int) + tolerance_px, estimate.fov.shape)
    pieces = labels_of(discs & estimate.pixels, AROUND)
    runs = _label_points(missed, estimate.fov.shape)
    ends = np.zeros_like(pieces)
    ends[tuple(found.T)] = pieces[tuple(found.T)]
    touched = np.unique(_touching(missed, runs, ends), axis=0)
    count = np.bincount(touched[:, 0], minlength=int(runs.max()) + 1) - 1
    broken = np.flatnonzero(count > 0)
    return Breaks(points=_middles(missed, runs, broken), counts=count[broken])


def _discs(
    centres: Int[np.ndarray, "n 2"], radii_px: Int[np.ndarray, "n"], shape: tuple[int, ...]
) -> Bool[np.ndarray, "height width"]:
    """Draw filled discs, those of one radius at a time."""
    margin = int(radii_px.max())
    canvas = np.zeros((shape[0] + 2 * margin, shape[1] + 2 * margin), bool)
    flat, stride = canvas.reshape(-1), canvas.shape[1]
    for radius in np.unique(radii_px):
        step = np.arange(-radius, radius + 1)
        rows, columns = np.nonzero(step[:, None] ** 2 + step**2 <= radius**2)
        offsets = (rows - radius) * stride + columns - radius
        middle = (centres[radii_px == radius] + margin) @ np.array([stride, 1])
        flat[(middle[:, None] + offsets).reshape(-1)] = True
    return canvas[margin : margin + shape[0], margin : margin + shape[1]]


def _label_points(
    points: Int[np.ndarray, "n 2"], shape: tuple[int, ...]
) -> Int[np.ndarray, "height width"]:
    """Label runs of neighbouring points on an image."""
    canvas = np.zeros(shape, bool)
    canvas[tuple(points.T)] = True
    return labels_of(canvas, AROUND)


def _touching(
    points: Int[np.ndarray, "n 2"],
    runs: Int[np.ndarray, "height width"],
    ends: Int[np.ndarray, "height width"],
) -> Int[np.ndarray, "k 2"]:
    """Return (run, piece) for each covered neighbour of each missed point."""
    around = np.pad(ends, 1)
    mine = runs[tuple(points.T)]
    rows, columns = points[:, :1], points[:, 1:]
    met = around[rows + np.repeat(np.arange(3), 3), columns + np.tile(np.arange(3), 3)]
    pairs = np.stack([np.broadcast_to(mine[:, None], met.shape), met], axis=-1).reshape(-1, 2)
    return pairs[pairs[:, 1] > 0]


def _middles(
    points: Int[np.ndarray, "n 2"],
    runs: Int[np.ndarray, "height width"],
    wanted: Int[np.ndarray, "m"],
) -> Int[np.ndarray, "m 2"]:
    """Return the point of each wanted run that lies nearest to the run's mean."""
    mine = runs[tuple(points.T)]
    members = [points[mine == run] for run in wanted]
    nearest = [np.argmin(((run - run.mean(0)) ** 2).sum(1)) for run in members]
    middles = [run[i] for run, i in zip(members, nearest, strict=True)]
    return np.array(middles, dtype=int).reshape(-1, 2)
