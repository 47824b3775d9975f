"""Topology: vessels broken in two, pieces, loops.

Broken paths are found in `compare_breaks.py`.

Betti numbers. β₀ = pieces of vessel (8-neighbours), β₁ = pieces of background (4-neighbours) that
vessels enclose, each at least MIN_AREA; what lies outside the field of view is one background.
"""

from __future__ import annotations

from dataclasses import replace

from retinaforge.core import Card, Quantity
from retinaforge.vessels.compare_pair import (
    NO_REFERENCE,
    NOTHING_FOUND,
    VesselPair,
    fraction,
)
from retinaforge.vessels.skeleton import MIN_AREA, UNIT_FOV_PX

BROKEN_PATHS = Card(
    name="broken_paths",
    version=1,
    measures="number of interruptions of the reference's vessels in the estimate",
    range="[0, inf)",
    direction="lower is better",
    unit="1",
    smallest_n=1,
    reference="defined in retinaforge/vessels/compare_breaks.py",
    known_failure="a vessel lost as a whole is not broken, so an estimate that keeps only wide "
    "vessels looks good; read beside recall_thin. A native-scale count: more for larger images",
)
BROKEN_PATHS_PER_1000_PX = replace(
    BROKEN_PATHS,
    name="broken_paths_per_1000_px",
    measures="broken_paths per 1000 native centreline pixels of the reference",
    unit="1/1000 px",
)
BETTI_0_ERROR = Card(
    name="betti_0_error",
    version=1,
    measures="|β₀(estimate) − β₀(reference)|: difference in the number of separate vessel pieces; "
    f"pieces below {MIN_AREA:g} px of a field of view {UNIT_FOV_PX} px wide do not count; "
    "symmetric",
    range="[0, inf)",
    direction="lower is better",
    unit="1",
    smallest_n=1,
    reference="Hu et al., Topology-Preserving Deep Image Segmentation, NeurIPS 2019, on whole "
    "images",
    known_failure="numbers, not places: one piece lost and another one made cancel; human masks "
    "leave vessels unconnected at will",
)
BETTI_1_ERROR = replace(
    BETTI_0_ERROR,
    name="betti_1_error",
    measures="|β₁(estimate) − β₁(reference)|: difference in the number of loops that vessels "
    f"enclose; holes below {MIN_AREA:g} px of a field of view {UNIT_FOV_PX} px wide do not count; "
    "symmetric",
    known_failure="numbers, not places; loops in a projection are mostly crossings of arteries "
    "and veins, and one closed gap may add one",
)


def broken_paths(pair: VesselPair) -> Quantity:
    """Return the number of breaks; NaN without a reference or where nothing was found."""
    return _per(BROKEN_PATHS, pair, 1.0)


def broken_paths_per_1000_px(pair: VesselPair) -> Quantity:
    """Return the number of breaks per 1000 centreline pixels of the reference."""
    return _per(BROKEN_PATHS_PER_1000_PX, pair, len(pair.reference.points) / 1000)


def betti_0_error(pair: VesselPair) -> Quantity:
    """Return |β₀(estimate) − β₀(reference)|; NaN without a reference."""
    return _betti_error(BETTI_0_ERROR, pair, 0)


def betti_1_error(pair: VesselPair) -> Quantity:
    """Return |β₁(estimate) − β₁(reference)|; NaN without a reference."""
    return _betti_error(BETTI_1_ERROR, pair, 1)


def _per(card: Card, pair: VesselPair, whole: float) -> Quantity:
    if pair.n_reference and not pair.covered.any():
        return Quantity(card, float("nan"), NOTHING_FOUND)
    total = int(pair.breaks.counts.sum()) if pair.n_reference else 0
    return fraction(card, total, whole if pair.n_reference else 0, reason=NO_REFERENCE)


def _betti_error(card: Card, pair: VesselPair, order: int) -> Quantity:
    if not pair.n_reference:
        return Quantity(card, float("nan"), NO_REFERENCE)
    ours, theirs = pair.estimate.betti_numbers[order], pair.reference.betti_numbers[order]
    return Quantity(card, float(abs(ours - theirs)))
