"""Betti matching error: pieces and loops of two masks that are not each other's counterpart.

Both masks lie in their union U = E ∪ R. Without pieces and holes below MIN_AREA:

    pieces   a piece of E and a piece of R match, one with one, if they lie in one piece of U
    loops    a hole of E and a hole of R match if the largest piece of hole that the union leaves
             of the one is also the largest that it leaves of the other
    error  = pieces and loops, of E and of R, that have no match

Vessels are joined by 8 neighbours, holes by 4. These are the induced matchings of the inclusions
E → U ← R in homology of degree 0 and (by duality, through the background) of degree 1, which for
masks, that have one level only, are found by labelling. Persistence leaves ties among holes of
one level open; here the larger one goes first.

References:
    N. Stucki, J. C. Paetzold, S. Shit, B. Menze, U. Bauer, "Topologically faithful image
    segmentation via induced matching of persistence barcodes", ICML 2023.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int
from scipy import ndimage

from retinaforge.core import Card, Quantity
from retinaforge.vessels.compare_pair import NO_REFERENCE, VesselPair
from retinaforge.vessels.skeleton import AROUND, MIN_AREA, UNIT_FOV_PX, VesselMask, labels_of

Mask = Bool[np.ndarray, "height width"]
Labels = Int[np.ndarray, "height width"]
_ACROSS = ndimage.generate_binary_structure(2, 1)

BETTI_MATCHING_0_ERROR = Card(
    name="betti_matching_0_error",
    version=1,
    measures="pieces of vessel (8 neighbours) in either mask without a counterpart in the other; "
    f"pieces below {MIN_AREA:g} px of a field of view {UNIT_FOV_PX} px wide do not count; "
    "symmetric",
    range="[0, inf)",
    direction="lower is better",
    unit="1",
    smallest_n=1,
    reference="after Stucki et al., ICML 2023, for masks: "
    "defined in retinaforge/vessels/compare_matching.py",
    known_failure="a vessel cut k times leaves k pieces without a counterpart, however small the "
    "gaps; two pieces that overlap in a pixel are counterparts",
)
BETTI_MATCHING_1_ERROR = replace(
    BETTI_MATCHING_0_ERROR,
    name="betti_matching_1_error",
    measures="loops of vessel (holes, 4 neighbours) in either mask without a counterpart in the "
    f"other; holes below {MIN_AREA:g} px of a field of view {UNIT_FOV_PX} px wide do not count; "
    "symmetric",
    known_failure="most loops of a projection are crossings of arteries and veins; one closed gap "
    "may part a loop in two",
)
BETTI_MATCHING_ERROR = replace(
    BETTI_MATCHING_0_ERROR,
    name="betti_matching_error",
    measures="betti_matching_0_error plus betti_matching_1_error",
    known_failure="loops outnumber pieces by far, so the sum mostly says how loops fare",
)


@dataclass(frozen=True)
class Unmatched:
    """How many pieces and loops of either mask have no counterpart."""

    pieces: int
    loops: int


def unmatched(estimate: VesselMask, reference: VesselMask) -> Unmatched:
    """Count what is without a counterpart in the other mask.

    Args:
        estimate: one mask.
        reference: the other, of the same field of view.
    """
    e, r = _clean(estimate), _clean(reference)
    return Unmatched(_pieces(e, r), _loops(e, r))


def _clean(mask: VesselMask) -> Mask:
    """Return a mask without specks and with its pinholes filled."""
    smallest = MIN_AREA * mask.unit_px**2
    labels = labels_of(mask.pixels, AROUND)
    kept = np.bincount(labels.reshape(-1)) >= smallest
    kept[0] = False
    pixels = kept[labels]
    holes = _background(pixels)
    small = np.bincount(holes.reshape(-1)) < smallest
    small[:2] = False
    return pixels | small[holes][1:-1, 1:-1]


def _background(pixels: Mask) -> Labels:
    """Number the pieces of the background, one pixel of which is put around; 1 is outermost."""
    return labels_of(np.pad(~pixels, 1, constant_values=True), _ACROSS)


def _pieces(e: Mask, r: Mask) -> int:
    union = labels_of(e | r, AROUND)
    both = np.intersect1d(union[e], union[r])
    return sum(int(labels_of(mask, AROUND).max(initial=0)) for mask in (e, r)) - 2 * len(both)


def _loops(e: Mask, r: Mask) -> int:
    union = _background(e | r)
    areas = np.bincount(union.reshape(-1))
    rests, loops = [], 0
    for mask in (e, r):
        holes = _background(mask)
        loops += int(holes.max()) - 1
        rests.append(_largest_rest(holes, union, areas))
    return loops - 2 * len(rests[0] & rests[1])


def _largest_rest(holes: Labels, union: Labels, areas: Int[np.ndarray, "k"]) -> set[int]:
    """Return the largest piece of hole that the union leaves of each hole that it leaves any of."""
    first = np.zeros(len(areas), dtype=np.int64)
    first[union.reshape(-1)] = np.arange(union.size)
    of = holes.reshape(-1)[first]
    largest: dict[int, int] = {}
    for piece in range(2, len(areas)):
        hole = int(of[piece])
        if hole > 1 and (hole not in largest or areas[piece] > areas[largest[hole]]):
            largest[hole] = piece
    return set(largest.values())


def betti_matching_0_error(pair: VesselPair) -> Quantity:
    """Return the pieces without a counterpart; NaN without a reference."""
    return _error(BETTI_MATCHING_0_ERROR, pair, pieces=True, loops=False)


def betti_matching_1_error(pair: VesselPair) -> Quantity:
    """Return the loops without a counterpart; NaN without a reference."""
    return _error(BETTI_MATCHING_1_ERROR, pair, pieces=False, loops=True)


def betti_matching_error(pair: VesselPair) -> Quantity:
    """Return the pieces and loops without a counterpart; NaN without a reference."""
    return _error(BETTI_MATCHING_ERROR, pair, pieces=True, loops=True)


def _error(card: Card, pair: VesselPair, *, pieces: bool, loops: bool) -> Quantity:
    if not pair.n_reference:
        return Quantity(card, float("nan"), NO_REFERENCE)
    found = pair.shared(unmatched)
    return Quantity(card, float(pieces * found.pieces + loops * found.loops))
