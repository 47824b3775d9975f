"""One name for what belongs together: artery or vein along the traced trees.

    minimise  Σ_i -E_i s_i / 2 + β Σ_(i parent of j) [s_i ≠ s_j],   s = +1 artery, -1 vein

over pieces i of the branches, E_i the evidence summed over the piece's length, in units of the
field of view / 512. On trees the minimum is found exactly in two passes (max-product). Evidence can
outvote the tree, since a tree may have been joined wrongly at a crossing.

References:
    The two passes are G. D. Forney, "The Viterbi algorithm", Proc. IEEE 61 (1973), on trees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from retinaforge.core import Fov, Landmarks
from retinaforge.vessels.skeleton import UNIT_FOV_PX
from retinaforge.vessels.trees import TracedTree, grow_tree
from retinaforge.vessels.upright import trace_upright

PIECE_UNIT = 12.0
"""Length of the pieces that are named."""

SWITCH_ALONG, SWITCH_AT_BRANCHING = 60.0, 25.0
"""What a change of name costs along a branch and from a branch to its child: evidence × length."""

MOST_EVIDENCE = 4.0
"""A pixel's evidence counts no more than this, so that a short sure stretch cannot outvote all."""

Mask = Bool[np.ndarray, "height width"]


@dataclass(frozen=True)
class _Pieces:
    """Pieces of branches, parents before children.

    Attributes:
        points_px: centreline points (x, y) of all pieces.
        radii_px: radius at each.
        piece: which piece each point lies on.
        parent: each piece's parent, -1 for roots.
        switch: cost of another name than the parent's.
    """

    points_px: Float[np.ndarray, "n 2"]
    radii_px: Float[np.ndarray, "n"]
    piece: Int[np.ndarray, "n"]
    parent: Int[np.ndarray, "m"]
    switch: Float[np.ndarray, "m"]


def _cut(traced: TracedTree, length_px: float) -> _Pieces:
    """Cut every branch into pieces of about `length_px`."""
    points, radii, piece = [], [], []
    parent: list[int] = []
    switch: list[float] = []
    last_of: list[int] = []
    for branch in traced.tree.branches:
        steps = np.hypot(*np.diff(branch.points_px, axis=0).T)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        count = max(1, round(along[-1] / length_px))
        own = np.minimum((along / max(along[-1], 1e-9) * count).astype(int), count - 1)
        first = len(parent)
        parent.append(-1 if branch.parent is None else last_of[branch.parent])
        switch.append(SWITCH_AT_BRANCHING)
        parent.extend(range(first, first + count - 1))
        switch.extend([SWITCH_ALONG] * (count - 1))
        last_of.append(first + count - 1)
        points.append(branch.points_px)
        radii.append(branch.radii_px)
        piece.append(own + first)
    return _Pieces(
        np.concatenate(points), np.concatenate(radii), np.concatenate(piece),
        np.array(parent), np.array(switch),
    )  # fmt: skip


def most_likely(
    evidence: Float[np.ndarray, "m"], parent: Int[np.ndarray, "m"], switch: Float[np.ndarray, "m"]
) -> Bool[np.ndarray, "m"]:
    """Return True for artery on each piece of a forest, minimising the cost above exactly.

    Args:
        evidence: E_i, positive for arteries.
        parent: index of each piece's parent, smaller than its own; -1 for roots.
        switch: β of each piece against its parent.
    """
    # gain[i] = best score of i's subtree as artery minus as vein; a child passes on at most β.
    gain, above, beta = evidence.astype(float).tolist(), parent.tolist(), switch.tolist()
    for i in range(len(gain) - 1, -1, -1):
        if above[i] >= 0:
            gain[above[i]] += min(max(gain[i], -beta[i]), beta[i])
    artery: list[bool] = []
    for i in range(len(gain)):
        pull = 0.0 if above[i] < 0 else (beta[i] if artery[above[i]] else -beta[i])
        artery.append(gain[i] + pull > 0)
    return np.array(artery, dtype=bool)


def name_along_tree(
    evidence: Float[np.ndarray, "height width"],
    vessels: Mask,
    fov: Fov,
    *,
    landmarks: Landmarks | None = None,
) -> Mask:
    """Return True on arteries, names being smoothed along the traced trees.

    Args:
        evidence: positive for arteries, a difference of log-odds.
        vessels: True on vessels.
        fov: of the same photograph.
        landmarks: the disc, where it is known.
    """
    traced = grow_tree(trace_upright(vessels, fov.mask), landmarks or Landmarks())
    rows, columns = np.nonzero(vessels & fov.mask)
    artery = np.zeros_like(vessels)
    sure = np.clip(evidence[rows, columns], -MOST_EVIDENCE, MOST_EVIDENCE).astype(float)
    if not traced.tree.branches:
        artery[rows, columns] = sure > 0
        return artery
    unit_px = 2.0 * fov.radius_px / UNIT_FOV_PX
    pieces = _cut(traced, PIECE_UNIT * unit_px)
    _, nearest = KDTree(pieces.points_px).query(np.column_stack([columns, rows]).astype(float))
    # A pixel stands for 1 / width of length.
    widths = np.maximum(1.0, 2.0 * pieces.radii_px[nearest]) * unit_px
    own = pieces.piece[nearest]
    summed = np.bincount(own, sure / widths, minlength=len(pieces.parent))
    artery[rows, columns] = most_likely(summed, pieces.parent, pieces.switch)[own]
    return artery
