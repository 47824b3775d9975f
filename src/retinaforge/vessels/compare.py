"""Compare vessels: one catalogue of scores, each an estimate's mask against a reference's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from retinaforge.core import Quantity, Refusal
from retinaforge.vessels import compare_overlap as overlap
from retinaforge.vessels import compare_topology as topology
from retinaforge.vessels import compare_width as width
from retinaforge.vessels.compare_pair import Comparison, VesselPair
from retinaforge.vessels.skeleton import VesselMask, vessel_mask

CATALOGUE: tuple[Comparison, ...] = (
    Comparison(overlap.DICE, overlap.dice),
    Comparison(overlap.CLDICE, overlap.cldice),
    Comparison(overlap.SENSITIVITY, overlap.sensitivity),
    Comparison(overlap.PRECISION, overlap.precision),
    Comparison(width.RECALL_THIN, width.recall_thin),
    Comparison(width.RECALL_MEDIUM, width.recall_medium),
    Comparison(width.RECALL_WIDE, width.recall_wide),
    Comparison(topology.BROKEN_PATHS, topology.broken_paths),
    Comparison(topology.BROKEN_PATHS_PER_1000_PX, topology.broken_paths_per_1000_px),
    Comparison(topology.BETTI_0_ERROR, topology.betti_0_error),
    Comparison(topology.BETTI_1_ERROR, topology.betti_1_error),
    Comparison(width.CALIBRE_ERROR, width.calibre_error),
    Comparison(width.CALIBRE_BIAS, width.calibre_bias),
)
COMPARISONS = tuple(comparison.card for comparison in CATALOGUE)
"""The cards, in the order in which `compare_vessels` answers."""


def compare_vessels(
    estimate: Bool[np.ndarray, "height width"],
    reference: Bool[np.ndarray, "height width"],
    fov_mask: Bool[np.ndarray, "height width"],
) -> list[Quantity]:
    """Score an estimated vessel mask against a reference inside the field of view.

    Args:
        estimate: True on vessels, at the photograph's native scale, shape (height, width).
        reference: True on vessels, same shape.
        fov_mask: True inside the field of view, same shape.

    Returns:
        One quantity for each card of `COMPARISONS`, in its order; NaN with a reason if undefined.

    Raises:
        Refusal: if a mask is not boolean, shapes differ, or the field of view is empty.

    Example:
        >>> vessel = np.zeros((64, 64), bool); vessel[30:34] = True
        >>> compare_vessels(vessel, vessel, np.ones((64, 64), bool))[0].value
        1.0
    """
    return compare_masks(vessel_mask(estimate, fov_mask), vessel_mask(reference, fov_mask))


def compare_masks(
    estimate: VesselMask,
    reference: VesselMask,
    *,
    catalogue: Sequence[Comparison] = CATALOGUE,
) -> list[Quantity]:
    """Score prepared masks, so that one reference serves many estimates at little cost.

    Args:
        estimate: from `vessel_mask`.
        reference: from `vessel_mask` with the same field of view.
        catalogue: which scores.

    Returns:
        One quantity for each entry of the catalogue, in its order.

    Raises:
        Refusal: if the two were cut from different fields of view.
    """
    if not np.array_equal(estimate.fov, reference.fov):
        raise Refusal(
            "two masks of one field of view",
            f"fields of view of shape {estimate.fov.shape} and {reference.fov.shape} that differ",
            "build both with vessel_mask and the same fov_mask",
        )
    pair = VesselPair(estimate=estimate, reference=reference)
    return [comparison.measure(pair) for comparison in catalogue]
