"""Recall by vessel width, and calibre error.

Both look at the reference's centreline points p, with calibre c(p) as in `skeleton.py`:

    recall of a class = |{p in class, E(p)}| / |{p in class}|
    calibre error     = mean |c_E(q) − c_R(p)|,   calibre bias = mean (c_E(q) − c_R(p))

over points p that the estimate E covers, q being its nearest own centreline point.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from retinaforge.core import Card, Quantity
from retinaforge.vessels.compare_pair import (
    NO_REFERENCE,
    NOTHING_FOUND,
    VesselPair,
    fraction,
)
from retinaforge.vessels.skeleton import UNIT_FOV_PX

THIN_BELOW, WIDE_FROM = 2.0, 4.0
"""Borders between the width classes, in pixels of a field of view 512 pixels wide."""

_SCALE = f"px of a field of view {UNIT_FOV_PX} px wide"

RECALL_THIN = Card(
    name="recall_thin",
    version=1,
    measures="fraction of the reference's centreline points that are vessel in the estimate, "
    f"where the reference's calibre is below {THIN_BELOW:g} {_SCALE}",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=1,
    reference="topology sensitivity of Shit et al., CVPR 2021, eq. 1, split by calibre",
    known_failure="no tolerance: a thin vessel found one pixel beside its place counts as missed; "
    "classes follow the field of view's width, so 30° and 60° cameras differ in micrometres",
)
RECALL_MEDIUM = replace(
    RECALL_THIN,
    name="recall_medium",
    measures=RECALL_THIN.measures.replace(
        f"below {THIN_BELOW:g}", f"from {THIN_BELOW:g} to below {WIDE_FROM:g}"
    ),
)
RECALL_WIDE = replace(
    RECALL_THIN,
    name="recall_wide",
    measures=RECALL_THIN.measures.replace(f"below {THIN_BELOW:g}", f"{WIDE_FROM:g} or more"),
)
CALIBRE_ERROR = Card(
    name="calibre_error",
    version=1,
    measures="mean absolute difference of local calibre along the reference's centreline, where "
    "the estimate covers it, in native pixels",
    range="[0, inf)",
    direction="lower is better",
    unit="px",
    smallest_n=1,
    reference="calibre from both walls, defined in retinaforge/vessels/skeleton.py",
    known_failure="looks only at vessels that were found; reads oblique vessels up to 5 % too "
    "thin in both masks; merging with a parallel vessel reads as thickening",
)
CALIBRE_BIAS = replace(
    CALIBRE_ERROR,
    name="calibre_bias",
    measures="mean signed difference of local calibre, estimate minus reference, as in "
    "calibre_error: above 0 thickened, below 0 thinned",
    range="(-inf, inf)",
    direction="neither",
    known_failure=CALIBRE_ERROR.known_failure + "; thinning here and thickening there cancel",
)


def recall_thin(pair: VesselPair) -> Quantity:
    """Return the recall of thin vessels; NaN where the reference has none."""
    return _recall(RECALL_THIN, pair, 0.0, THIN_BELOW)


def recall_medium(pair: VesselPair) -> Quantity:
    """Return the recall of medium vessels; NaN where the reference has none."""
    return _recall(RECALL_MEDIUM, pair, THIN_BELOW, WIDE_FROM)


def recall_wide(pair: VesselPair) -> Quantity:
    """Return the recall of wide vessels; NaN where the reference has none."""
    return _recall(RECALL_WIDE, pair, WIDE_FROM, np.inf)


def calibre_error(pair: VesselPair) -> Quantity:
    """Return the mean absolute calibre change, in px; NaN where nothing was found."""
    return _mean(CALIBRE_ERROR, pair, np.abs)


def calibre_bias(pair: VesselPair) -> Quantity:
    """Return the mean signed calibre change, in px; NaN where nothing was found."""
    return _mean(CALIBRE_BIAS, pair, np.positive)


def _recall(card: Card, pair: VesselPair, low: float, high: float) -> Quantity:
    calibres = pair.reference.calibres_px / pair.reference.unit_px
    members = (calibres >= low) & (calibres < high)
    reason = "the reference shows no vessel of this width" if pair.n_reference else NO_REFERENCE
    return fraction(card, int((members & pair.covered).sum()), int(members.sum()), reason=reason)


def _mean(card: Card, pair: VesselPair, of: np.ufunc) -> Quantity:
    if not pair.n_reference:
        return Quantity(card, float("nan"), NO_REFERENCE)
    if not pair.covered.any() or not len(pair.calibre_changes_px):
        return Quantity(card, float("nan"), NOTHING_FOUND)
    return Quantity(card, float(np.mean(of(pair.calibre_changes_px))))
