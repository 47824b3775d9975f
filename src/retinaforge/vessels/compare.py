"""Compare vessels: one catalogue of scores, each an estimate's mask against a reference's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from retinaforge.core import Quantity, Refusal
from retinaforge.vessels import compare_lines as lines
from retinaforge.vessels import compare_matching as matching
from retinaforge.vessels import compare_overlap as overlap
from retinaforge.vessels import compare_paths as paths
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

FURTHER: tuple[Comparison, ...] = (
    Comparison(matching.BETTI_MATCHING_ERROR, matching.betti_matching_error),
    Comparison(matching.BETTI_MATCHING_0_ERROR, matching.betti_matching_0_error),
    Comparison(matching.BETTI_MATCHING_1_ERROR, matching.betti_matching_1_error),
    Comparison(lines.GAPS_PER_CM, lines.gaps_per_cm),
    Comparison(paths.PATHS_CORRECT, paths.paths_correct),
    Comparison(paths.PATHS_TOO_LONG, paths.paths_too_long),
    Comparison(paths.PATHS_TOO_SHORT, paths.paths_too_short),
    Comparison(paths.PATHS_INFEASIBLE, paths.paths_infeasible),
    Comparison(lines.CENTRELINE_DISTANCE, lines.centreline_distance),
    Comparison(lines.CENTRELINE_DISTANCE_P95, lines.centreline_distance_p95),
    *lines.BY_WIDTH,
)
FURTHER_COMPARISONS = tuple(comparison.card for comparison in FURTHER)
"""Cards of scores that take longer; asked for by `catalogue=(*CATALOGUE, *FURTHER)`."""


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
    um_per_px: float | None = None,
) -> list[Quantity]:
    """Score prepared masks, so that one reference serves many estimates at little cost.

    Args:
        estimate: from `vessel_mask`.
        reference: from `vessel_mask` with the same field of view.
        catalogue: which scores.
        um_per_px: scale of the photograph, for gaps per centimetre.

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
    pair = VesselPair(estimate=estimate, reference=reference, um_per_px=um_per_px)
    return [comparison.measure(pair) for comparison in catalogue]
