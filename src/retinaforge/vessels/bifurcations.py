"""Bifurcations: where a vessel parts into two, with the calibres and directions of all three.

Directions are those of chords along the centrelines from the parent's radius beyond the node, where
a child has left its parent's walls, over a fixed length; radii are means over the same stretches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core import VesselKind
from retinaforge.vessels.once import once
from retinaforge.vessels.vasculature import Vasculature

LOOK_UNIT = 8.0
"""A direction or a radius is taken over this length, in units of the field of view / 512."""

LEAST_UNIT = 3.0
"""A stretch shorter than this has no direction."""

HIGHEST_EXPONENT = 20.0
"""A junction that would need a higher exponent has a child as wide as its parent."""


@dataclass(frozen=True)
class Bifurcations:
    """One entry a bifurcation; built by `bifurcations`. NaN where a branch is too short to tell.

    Attributes:
        parent_px: radius of the parent.
        wide_px: radius of the wider child.
        narrow_px: radius of the narrower child.
        between_rad: angle between the children.
        wide_turn_rad: angle between the parent's course and the wider child's, positive away from
            the narrower one.
        narrow_turn_rad: the same for the narrower child, positive away from the wider one.
        kind: of the parent.
    """

    parent_px: Float[np.ndarray, "n"]
    wide_px: Float[np.ndarray, "n"]
    narrow_px: Float[np.ndarray, "n"]
    between_rad: Float[np.ndarray, "n"]
    wide_turn_rad: Float[np.ndarray, "n"]
    narrow_turn_rad: Float[np.ndarray, "n"]
    kind: np.ndarray

    def only(self, kind: VesselKind | None) -> Bifurcations:
        """Return those of one kind; None returns all."""
        if kind is None:
            return self
        own: Bool[np.ndarray, "n"] = self.kind == kind
        return Bifurcations(
            self.parent_px[own], self.wide_px[own], self.narrow_px[own], self.between_rad[own],
            self.wide_turn_rad[own], self.narrow_turn_rad[own], self.kind[own],
        )  # fmt: skip


@once
def bifurcations(v: Vasculature) -> Bifurcations:
    """Measure every branch with two children, once."""
    rows: list[tuple[float, ...]] = []
    kinds: list[VesselKind] = []
    branches = v.tree.branches
    for parent, children in enumerate(v.children):
        if len(children) != 2:
            continue
        trunk = branches[parent]
        reach = float(trunk.radii_px[-1])
        skip = reach if math.isfinite(reach) else 0.0
        r0, coming = _stretch(trunk.points_px[::-1], trunk.radii_px[::-1], skip, v.unit_px)
        pair = [
            _stretch(branches[k].points_px, branches[k].radii_px, skip, v.unit_px) for k in children
        ]
        onwards = (-coming[0], -coming[1])
        # Of two as wide as each other, the one that turns less counts as the wider.
        pair.sort(key=lambda child: (-round(child[0], 6), abs(_turn(onwards, child[1]))))
        (r1, one), (r2, two) = pair
        wide, narrow = _turn(onwards, one), _turn(onwards, two)
        # A side that is not known has no sign: copysign of NaN would make one up.
        apart = wide - narrow
        away = math.copysign(1.0, apart) if math.isfinite(apart) else math.nan
        rows.append((r0, r1, r2, abs(_turn(one, two)), away * wide, -away * narrow))
        kinds.append(trunk.kind)
    columns = np.array(rows, dtype=float).reshape(-1, 6).T
    columns[:3][columns[:3] <= 0] = np.nan
    return Bifurcations(*columns, kind=np.array(kinds, dtype=object))


def _stretch(
    line: Float[np.ndarray, "n 2"], radii: Float[np.ndarray, "n"], skip_px: float, unit_px: float
) -> tuple[float, tuple[float, float]]:
    """Return mean radius and direction from `skip_px` beyond a line's first point onwards."""
    # Points are about a pixel apart: no more of them are needed, however long the vessel.
    near = line[: math.ceil(2 * (skip_px + LOOK_UNIT * unit_px)) + 3]
    along = np.cumsum(np.hypot(*np.diff(near, axis=0).T))
    first = int(np.searchsorted(along, skip_px)) + 1
    last = min(int(np.searchsorted(along, skip_px + LOOK_UNIT * unit_px)) + 1, len(near) - 1)
    if first >= last or along[last - 1] - along[first - 1] < LEAST_UNIT * unit_px:
        return float(radii[: last + 1].mean()), (math.nan, math.nan)
    dx, dy = (near[last] - near[first]).tolist()
    return float(radii[first : last + 1].mean()), (dx, dy)


def _turn(one: tuple[float, float], two: tuple[float, float]) -> float:
    """Return the signed angle from one direction to another."""
    cross, dot = one[0] * two[1] - one[1] * two[0], one[0] * two[0] + one[1] * two[1]
    return math.atan2(cross, dot)


def junction_exponents(
    parent: Float[np.ndarray, "n"], wide: Float[np.ndarray, "n"], narrow: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n"]:
    """Solve r₀ᵏ = r₁ᵏ + r₂ᵏ for k.

    (r₁/r₀)ᵏ + (r₂/r₀)ᵏ falls from 2 at k = 0 to 0 if both children are narrower than the parent,
    so that there is exactly one solution; it is found by bisection.

    Returns:
        k in (0, `HIGHEST_EXPONENT`); NaN where a child is as wide as the parent, or nearly.
    """
    x, y = wide / parent, narrow / parent
    solvable = (x < 1) & (y < 1)
    x, y = np.where(solvable, x, 0.5), np.where(solvable, y, 0.5)
    solvable &= x**HIGHEST_EXPONENT + y**HIGHEST_EXPONENT <= 1
    low, high = np.zeros_like(x), np.full_like(x, HIGHEST_EXPONENT)
    for _ in range(50):
        middle = (low + high) / 2
        above = x**middle + y**middle > 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.where(solvable, (low + high) / 2, np.nan)
