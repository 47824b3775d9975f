"""Where the centrelines lie, how often vessels are broken, how calibres differ by width.

With the sub-pixel centrelines C_E and C_R (points as in `skeleton`) and d(p, C) the distance from
a point to the nearest of a centreline:

    centreline distance  = (mean over C_R of d(p, C_E) + mean over C_E of d(q, C_R)) / 2
    95th percentile      = the larger of the two directions' 95th percentiles
    gaps per cm          = breaks (as in `compare_breaks`) / length of the reference's vessels
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from retinaforge.core import Card, Quantity
from retinaforge.vessels.compare_pair import (
    NO_ESTIMATE,
    NO_REFERENCE,
    NOTHING_FOUND,
    Comparison,
    VesselPair,
    fraction,
)
from retinaforge.vessels.compare_topology import BROKEN_PATHS
from retinaforge.vessels.compare_width import CALIBRE_BIAS, CALIBRE_ERROR, THIN_BELOW, WIDE_FROM
from retinaforge.vessels.graph import trace_graph
from retinaforge.vessels.skeleton import UNIT_FOV_PX, VesselMask

UM_PER_CM = 10_000.0
NO_SCALE = "micrometres a pixel are not known"
WIDTHS = {"thin": (0.0, THIN_BELOW), "medium": (THIN_BELOW, WIDE_FROM), "wide": (WIDE_FROM, np.inf)}
_WORDS = {"thin": f"below {THIN_BELOW:g}", "medium": f"from {THIN_BELOW:g} to below {WIDE_FROM:g}",
          "wide": f"of {WIDE_FROM:g} or more"}  # fmt: skip

CENTRELINE_DISTANCE = Card(
    name="centreline_distance",
    version=1,
    measures="mean distance between the two centrelines, half from either side; symmetric",
    range="[0, inf)",
    direction="lower is better",
    unit="px",
    smallest_n=1,
    reference="average symmetric distance of lines; sub-pixel centreline of "
    "retinaforge/vessels/skeleton.py",
    known_failure="vessels that only one mask shows count with their distance to the next vessel, "
    "so this mixes shift with loss; native pixels: more for larger images",
)
CENTRELINE_DISTANCE_P95 = replace(
    CENTRELINE_DISTANCE,
    name="centreline_distance_p95",
    measures="95th percentile of the distance to the other centreline, the larger of the two "
    "directions; symmetric",
    reference="95 % Hausdorff distance of lines",
    known_failure="5 % of vessel lost far from any other decide it",
)
GAPS_PER_CM = replace(
    BROKEN_PATHS,
    name="gaps_per_cm",
    measures="broken_paths per centimetre of the reference's vessels (length of the traced "
    "sub-pixel centreline)",
    unit="1/cm",
    known_failure="needs the scale of the photograph; a vessel lost as a whole is not broken; "
    "retina is taken as flat",
)


def _card(card: Card, width: str) -> Card:
    where = f"reference's calibre {_WORDS[width]} px of a field of view {UNIT_FOV_PX} px wide"
    name = card.name.replace("calibre_", f"calibre_{width}_")
    return replace(card, name=name, measures=f"{card.measures}; {where}")


def _distances(
    estimate: VesselMask, reference: VesselMask
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "m"]]:
    """Return each reference point's distance to the estimate's centreline, and the reverse."""
    there, back = KDTree(estimate.centres), KDTree(reference.centres)
    return there.query(reference.centres)[0], back.query(estimate.centres)[0]


def centreline_distance(pair: VesselPair) -> Quantity:
    """Return the mean symmetric distance, in px; NaN where either has no vessel."""
    return _distance(CENTRELINE_DISTANCE, pair, lambda a, b: float(a.mean() + b.mean()) / 2)


def centreline_distance_p95(pair: VesselPair) -> Quantity:
    """Return the 95th percentile of the distance, in px; NaN where either has no vessel."""
    return _distance(
        CENTRELINE_DISTANCE_P95,
        pair,
        lambda a, b: float(max(np.quantile(a, 0.95), np.quantile(b, 0.95))),
    )


def _distance(
    card: Card, pair: VesselPair,
    of: Callable[[Float[np.ndarray, "n"], Float[np.ndarray, "m"]], float],
) -> Quantity:  # fmt: skip
    if not pair.n_reference or not pair.n_estimate:
        return Quantity(card, float("nan"), NO_ESTIMATE if pair.n_reference else NO_REFERENCE)
    return Quantity(card, of(*pair.shared(_distances)))


def gaps_per_cm(pair: VesselPair) -> Quantity:
    """Return breaks per centimetre; NaN without scale, reference or anything found."""
    if pair.um_per_px is None:
        return Quantity(GAPS_PER_CM, float("nan"), NO_SCALE)
    if not pair.n_reference:
        return Quantity(GAPS_PER_CM, float("nan"), NO_REFERENCE)
    if not pair.covered.any():
        return Quantity(GAPS_PER_CM, float("nan"), NOTHING_FOUND)
    graph = trace_graph(pair.reference.pixels, pair.reference.fov)
    length_cm = sum(s.length_px for s in graph.segments) * pair.um_per_px / UM_PER_CM
    return fraction(GAPS_PER_CM, int(pair.breaks.counts.sum()), length_cm, reason=NO_REFERENCE)


def _by_width(card: Card, width: str, of: np.ufunc) -> Comparison:
    """Return the mean calibre change of one width class as a score."""
    own, (low, high) = _card(card, width), WIDTHS[width]

    def measure(pair: VesselPair) -> Quantity:
        if not pair.n_reference:
            return Quantity(own, float("nan"), NO_REFERENCE)
        calibres = pair.calibres_px / pair.reference.unit_px
        members = (calibres[:, 1] >= low) & (calibres[:, 1] < high)
        if not members.any():
            return Quantity(own, float("nan"), "no vessel of this width was found")
        return Quantity(own, float(np.mean(of(pair.calibre_changes_px[members]))))

    return Comparison(own, measure)


BY_WIDTH = tuple(
    _by_width(card, width, of)
    for card, of in ((CALIBRE_ERROR, np.abs), (CALIBRE_BIAS, np.positive))
    for width in WIDTHS
)
