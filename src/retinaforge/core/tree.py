"""A vessel tree: centrelines with radii, whoever made it (a phantom, a tracer, a person)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

VesselKind = Literal["artery", "vein", "unknown"]


@dataclass(frozen=True)
class Branch:
    """One vessel segment between two branching points or ends.

    Attributes:
        points_px: centreline, (x, y) in pixels, shape (n, 2), from the disc outwards.
        radii_px: half the calibre at each point, in pixels, shape (n,).
        kind: artery, vein or unknown.
        parent: index of the branch it grew from in the tree; None at a root.
    """

    points_px: Float[np.ndarray, "n 2"]
    radii_px: Float[np.ndarray, "n"]
    kind: VesselKind = "unknown"
    parent: int | None = None

    @property
    def length_px(self) -> float:
        """Return the length along the centreline, in pixels."""
        return float(np.linalg.norm(np.diff(self.points_px, axis=0), axis=1).sum())


@dataclass(frozen=True)
class VesselTree:
    """All branches of one eye, parents before children."""

    branches: tuple[Branch, ...]

    def of_kind(self, kind: VesselKind) -> tuple[Branch, ...]:
        """Return the branches of one kind."""
        return tuple(branch for branch in self.branches if branch.kind == kind)
