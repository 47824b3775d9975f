"""Where arteries and veins cross, exactly, and which of the two lies on top.

Two pieces a + t u and b + s v (0 <= t, s < 1) cross at t = (b - a) x v / (u x v) and
s = (b - a) x u / (u x v). A grid leaves only pieces that lie close to each other to be tried.

References:
    J. Zhao et al., "Arteriovenous crossing patterns in branch retinal vein occlusion",
    Ophthalmology 100, 423 (1993): the artery lies before the vein at nearly all occluded
    crossings and at the majority of others; 0.7 is set within that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from retinaforge.core import VesselKind
from retinaforge.phantoms.fundus import Crossing, Vessel

ARTERY_OVER = 0.7


def find_crossings(vessels: Sequence[Vessel], *, rng: np.random.Generator) -> tuple[Crossing, ...]:
    """Return every crossing of an artery's centreline with a vein's, in a fixed order.

    Args:
        vessels: centrelines in micrometres.
        rng: one draw a crossing, in order of artery and of place along it.
    """
    artery_start, artery_step, artery = _pieces(vessels, "artery")
    vein_start, vein_step, vein = _pieces(vessels, "vein")
    i, j = close_pairs(artery_start, artery_step, vein_start, vein_step)
    u, v, between = artery_step[i], vein_step[j], vein_start[j] - artery_start[i]
    area = _cross(u, v)
    with np.errstate(divide="ignore", invalid="ignore"):
        t, s = _cross(between, v) / area, _cross(between, u) / area
    meets = np.flatnonzero((area != 0) & (t >= 0) & (t < 1) & (s >= 0) & (s < 1))
    meets = meets[np.lexsort((t[meets], i[meets]))]
    points = artery_start[i[meets]] + t[meets, None] * u[meets]
    angles = np.degrees(np.arctan2(abs(area[meets]), abs((u[meets] * v[meets]).sum(axis=1))))
    over = rng.random(len(meets)) < ARTERY_OVER
    return tuple(
        Crossing((float(x), float(y)), int(a), int(b), "artery" if up else "vein", float(angle))
        for (x, y), a, b, up, angle in zip(
            points, artery[i[meets]], vein[j[meets]], over, angles, strict=True
        )
    )


def close_pairs(
    start_a: Float[np.ndarray, "n 2"], step_a: Float[np.ndarray, "n 2"],
    start_b: Float[np.ndarray, "m 2"], step_b: Float[np.ndarray, "m 2"],
) -> tuple[Int[np.ndarray, "k"], Int[np.ndarray, "k"]]:  # fmt: skip
    """Return index pairs of all pieces that can meet (and some that do not).

    Middles of pieces that meet lie within half the sum of the longest lengths, so they lie in the
    same or in neighbouring cells of a grid of that width.
    """
    if not len(start_a) or not len(start_b):
        return np.empty(0, int), np.empty(0, int)
    longest = [float(np.hypot(*step.T).max()) for step in (step_a, step_b)]
    width = max(sum(longest) / 2, 1e-9)
    middles = [start_a + step_a / 2, start_b + step_b / 2]
    low = np.minimum(middles[0].min(axis=0), middles[1].min(axis=0))
    cell_a, cell_b = (np.floor((m - low) / width).astype(int) + 1 for m in middles)
    rows = max(cell_a[:, 1].max(), cell_b[:, 1].max()) + 2
    key_a, key_b = (c[:, 0] * rows + c[:, 1] for c in (cell_a, cell_b))
    order = np.argsort(key_b, kind="stable")
    ranked = key_b[order]
    # A column's three cells have consecutive keys: one search finds them all.
    found_a, found_b = [], []
    for column in (-rows, 0, rows):
        first = np.searchsorted(ranked, key_a + column - 1, "left")
        many = np.searchsorted(ranked, key_a + column + 1, "right") - first
        found_a.append(np.repeat(np.arange(len(key_a)), many))
        within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        found_b.append(order[np.repeat(first, many) + within])
    return np.concatenate(found_a), np.concatenate(found_b)


def _pieces(
    vessels: Sequence[Vessel], kind: VesselKind
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"], Int[np.ndarray, "n"]]:
    """Return starts, steps and vessel numbers of all pieces of one kind."""
    own = [(index, v.points_um) for index, v in enumerate(vessels) if v.kind == kind]
    if not own:
        return np.empty((0, 2)), np.empty((0, 2)), np.empty(0, int)
    return (
        np.concatenate([p[:-1] for _, p in own]),
        np.concatenate([np.diff(p, axis=0) for _, p in own]),
        np.concatenate([np.full(len(p) - 1, index) for index, p in own]),
    )


def _cross(u: Float[np.ndarray, "n 2"], v: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n"]:
    return u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
