"""One eye's vessels, ready to be measured: masks, trees and landmarks in one hand.

Arteries and veins that are told apart are traced each on its own: two vessels of one kind do not
cross, so that their trees need no guess at crossings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from retinaforge.core import Branch, Fov, Landmarks, VesselKind, VesselTree
from retinaforge.vessels.centrelines import Centrelines, centrelines_of
from retinaforge.vessels.medians import medians
from retinaforge.vessels.skeleton import UNIT_FOV_PX, require_masks
from retinaforge.vessels.trees import TracedTree, grow_tree
from retinaforge.vessels.upright import trace_upright
from retinaforge.vessels.zones import (
    ZONE_RINGS,
    Cells,
    Grid,
    Tally,
    crossings_of,
    disc_grid,
    macula_grid,
)

Mask = Bool[np.ndarray, "height width"]
KINDS: tuple[VesselKind, ...] = ("artery", "vein")


@dataclass(frozen=True)
class Vasculature:
    """The vessels of one photograph; built by `read_vasculature`.

    Attributes:
        pixels: True on vessels inside the field of view.
        fov: the field of view.
        landmarks: disc, cup, fovea and scale, as far as they are known.
        kind_pixels: masks of arteries and veins; empty where they are not told apart.
        traced: one traced tree for each kind, or for "unknown" alone.
        lesions: a mask for each kind of lesion that was looked for; None where nobody looked.
    """

    pixels: Mask
    fov: Fov
    landmarks: Landmarks
    kind_pixels: dict[VesselKind, Mask]
    traced: dict[VesselKind, TracedTree]
    lesions: Mapping[str, Mask] | None = None

    @cached_property
    def unit_px(self) -> float:
        """Return the diameter of the camera's circle / 512, in pixels."""
        return 2.0 * self.fov.radius_px / UNIT_FOV_PX

    @cached_property
    def tree(self) -> VesselTree:
        """Return all branches; arteries first where kinds are known, parents before children."""
        branches: list[Branch] = []
        for traced in self.traced.values():
            first = len(branches)
            for b in traced.tree.branches:
                parent = None if b.parent is None else b.parent + first
                branches.append(Branch(b.points_px, b.radii_px, b.kind, parent))
        return VesselTree(tuple(branches))

    @cached_property
    def centrelines(self) -> Centrelines:
        """Return the points of all branches of `tree` in one array."""
        return centrelines_of(self.tree)

    @cached_property
    def lengths_px(self) -> Float[np.ndarray, "n"]:
        """Return the length of each branch of `tree`."""
        pieces = self.centrelines.pieces
        return np.bincount(pieces.branch, pieces.lengths_px, len(self.tree.branches))

    @cached_property
    def calibres_px(self) -> Float[np.ndarray, "n"]:
        """Return the median calibre of each branch of `tree`."""
        return 2 * medians([b.radii_px for b in self.tree.branches])

    @cached_property
    def generations(self) -> Int[np.ndarray, "n"]:
        """Return how many branchings lie between each branch and its root."""
        depth: list[int] = []
        for branch in self.tree.branches:
            depth.append(0 if branch.parent is None else depth[branch.parent] + 1)
        return np.array(depth, dtype=int)

    @cached_property
    def from_disc(self) -> Bool[np.ndarray, "n"]:
        """Return which branches of `tree` lead back to a root at the disc's margin."""
        begins = np.concatenate([traced.at_disc for traced in self.traced.values()]).tolist()
        back: list[bool] = []
        for begin, branch in zip(begins, self.tree.branches, strict=True):
            back.append(begin if branch.parent is None else back[branch.parent])
        return np.array(back, dtype=bool)

    @cached_property
    def children(self) -> list[list[int]]:
        """Return the children of each branch of `tree`."""
        below: list[list[int]] = [[] for _ in self.tree.branches]
        for k, branch in enumerate(self.tree.branches):
            if branch.parent is not None:
                below[branch.parent].append(k)
        return below

    def of_kind(self, kind: VesselKind) -> Bool[np.ndarray, "n"]:
        """Return which branches of `tree` are of a kind."""
        return np.array([branch.kind == kind for branch in self.tree.branches], dtype=bool)

    @cached_property
    def disc_zones(self) -> Tally | None:
        """Return how much vessel lies in the zones round the disc; None where it is not known."""
        grid = disc_grid(self.landmarks)
        return None if grid is None else self._tally(grid)

    @cached_property
    def macula_zones(self) -> Tally | None:
        """Return how much vessel lies in the ETDRS grid; None where it cannot be laid."""
        grid = macula_grid(self.landmarks)
        return None if grid is None else self._tally(grid)

    @cached_property
    def zone_calibres_px(self) -> dict[tuple[str, str], Float[np.ndarray, "n"]]:
        """Return the calibres of each kind's vessels by zone round the disc: (kind, "zone_b")."""
        grid = disc_grid(self.landmarks)
        if grid is None:
            return {}
        return {
            (kind, zone): crossings_of(grid, rings, self.centrelines, self.of_kind(kind))
            for kind in self.kind_pixels
            for zone, rings in ZONE_RINGS.items()
        }

    def _tally(self, grid: Grid) -> Tally:
        pieces = self.centrelines.pieces
        x, y = pieces.middles_px.T
        pixels = {"all": _count_pixels(grid, self.pixels)}
        lengths = {"all": grid.count(x, y, pieces.lengths_px)}
        for kind, mask in self.kind_pixels.items():
            own = self.of_kind(kind)[pieces.branch]
            pixels[kind] = _count_pixels(grid, mask)
            lengths[kind] = grid.count(x, y, pieces.lengths_px * own)
        return Tally(grid, grid.visible(self.fov.mask), pixels, lengths)


def _count_pixels(grid: Grid, mask: Mask) -> Cells:
    row, column = np.divmod(np.flatnonzero(mask), mask.shape[1])
    return grid.count(column.astype(float), row.astype(float))


def read_vasculature(
    pixels: Mask,
    fov: Fov,
    landmarks: Landmarks | None = None,
    *,
    artery: Mask | None = None,
    vein: Mask | None = None,
    lesions: Mapping[str, Mask] | None = None,
) -> Vasculature:
    """Trace a vessel mask.

    Args:
        pixels: True on vessels, shape (height, width).
        fov: of the same photograph.
        landmarks: what is known of disc, fovea and scale.
        artery: True on arteries; give both kinds or neither.
        vein: True on veins.
        lesions: True on lesions, by kind; leave out the kinds that nobody looked for.

    Raises:
        Refusal: if masks are not boolean images of the field of view's shape.
    """
    known = landmarks or Landmarks()
    kinds = {} if artery is None or vein is None else {"artery": artery, "vein": vein}
    require_masks(fov.mask, pixels, *kinds.values(), *(lesions or {}).values())
    inside: dict[VesselKind, Mask] = {kind: mask & fov.mask for kind, mask in kinds.items()}  # type: ignore[misc]
    sources: dict[VesselKind, Mask] = inside or {"unknown": pixels & fov.mask}
    traced: dict[VesselKind, TracedTree] = {
        kind: grow_tree(trace_upright(mask, fov.mask), known, kind=kind)
        for kind, mask in sources.items()
    }
    return Vasculature(pixels & fov.mask, fov, known, inside, traced, lesions)
