"""Overlap of vessel areas and centrelines.

With E the estimate's pixels, R the reference's, S(·) the one-pixel-wide centreline:

    dice        = 2 |E ∩ R| / (|E| + |R|)
    sensitivity = |E ∩ R| / |R|            precision = |E ∩ R| / |E|
    T_sens      = |S(R) ∩ E| / |S(R)|      T_prec    = |S(E) ∩ R| / |S(E)|
    cldice      = 2 T_prec T_sens / (T_prec + T_sens)          (Shit et al. 2021, eqs. 1 and 2)
    auc         = P(p(vessel) > p(background)) + ½ P(p(vessel) = p(background))
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core import Card, Quantity, Refusal
from retinaforge.vessels.compare_pair import (
    NO_ESTIMATE,
    NO_REFERENCE,
    VesselPair,
    fraction,
)
from retinaforge.vessels.skeleton import require_masks

NOTHING = "neither the estimate nor the reference shows a vessel inside the field of view"

DICE = Card(
    name="dice",
    version=1,
    measures="agreement of vessel pixels inside the field of view; symmetric",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=1,
    reference="Dice, Ecology 26 (1945); Zou et al., Acad. Radiol. 11 (2004)",
    known_failure="wide vessels outvote thin ones; a one-pixel shift of the wall costs a lot; "
    "two humans reach only 0.77 to 0.79",
)
CLDICE = Card(
    name="cldice",
    version=1,
    measures="agreement of centrelines with the other mask's vessels; symmetric",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=1,
    reference="Shit et al., clDice, CVPR 2021, eqs. 1 and 2, with skimage's skeletonize "
    "(Zhang and Suen 1984) as hard skeleton",
    known_failure="short cuts hardly cost anything (see broken_paths); specks and rough walls add "
    "spurs to the centreline; turning the image by 90° moves the centreline of vessels of even "
    "width by a pixel, and with it the third digit",
)
SENSITIVITY = Card(
    name="sensitivity",
    version=1,
    measures="fraction of the reference's vessel pixels that the estimate holds",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=1,
    reference="recall, by area; Staal et al., TMI 2004",
    known_failure="an estimate that is vessel everywhere gets 1; read beside precision",
)
PRECISION = Card(
    name="precision",
    version=1,
    measures="fraction of the estimate's vessel pixels that the reference holds",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=1,
    reference="positive predictive value, by area",
    known_failure="counts true vessels that a human left out as errors; rises when an estimate "
    "keeps only what is certain",
)
AUC = Card(
    name="auc",
    version=1,
    measures="how well a vessel probability ranks vessel above background pixels",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=1,
    reference="area under the ROC curve by ranks (Mann and Whitney 1947), ties count one half",
    known_failure="nine in ten pixels are easy background, so values crowd above 0.95 and thin "
    "vessels hardly move it",
)


def dice(pair: VesselPair) -> Quantity:
    """Return 2 |E ∩ R| / (|E| + |R|); NaN where both are empty."""
    return fraction(DICE, 2 * pair.n_both, pair.n_estimate + pair.n_reference, reason=NOTHING)


def sensitivity(pair: VesselPair) -> Quantity:
    """Return |E ∩ R| / |R|; NaN without a reference."""
    return fraction(SENSITIVITY, pair.n_both, pair.n_reference, reason=NO_REFERENCE)


def precision(pair: VesselPair) -> Quantity:
    """Return |E ∩ R| / |E|; NaN without an estimate."""
    return fraction(PRECISION, pair.n_both, pair.n_estimate, reason=NO_ESTIMATE)


def cldice(pair: VesselPair) -> Quantity:
    """Return the harmonic mean of T_prec and T_sens; NaN where both masks are empty.

    Where one mask is empty its own T is 0/0, but the other is 0, and so is any harmonic mean
    with it.
    """
    if not pair.n_estimate and not pair.n_reference:
        return Quantity(CLDICE, float("nan"), NOTHING)
    if not pair.n_estimate or not pair.n_reference:
        return Quantity(CLDICE, 0.0)
    rows, columns = pair.estimate.points.T
    t_prec = float(np.mean(pair.reference.pixels[rows, columns]))
    t_sens = float(np.mean(pair.covered))
    both = t_prec + t_sens
    return Quantity(CLDICE, 2 * t_prec * t_sens / both if both else 0.0)


def auc(
    probability: Float[np.ndarray, "height width"],
    reference: Bool[np.ndarray, "height width"],
    fov_mask: Bool[np.ndarray, "height width"],
) -> Quantity:
    """Return the area under the ROC curve inside the field of view.

    AUC = (1 / n₁n₀) Σ over vessel pixels of (background pixels below + ½ background pixels equal)

    Args:
        probability: vessel probability, any monotone scale, shape (height, width).
        reference: True on vessels, same shape.
        fov_mask: True inside the field of view, same shape.

    Returns:
        The area, unit 1; NaN where the field of view is all vessel or all background.

    Raises:
        Refusal: if shapes differ or a probability inside the field of view is NaN.
    """
    require_masks(fov_mask, reference)
    if probability.shape != fov_mask.shape or np.isnan(probability[fov_mask]).any():
        raise Refusal(
            f"a probability without NaN for each pixel of shape {fov_mask.shape}",
            f"shape {probability.shape} with {int(np.isnan(probability).sum())} NaN",
            "take Judge.probability of the same photograph",
        )
    vessel = np.sort(probability[reference & fov_mask])
    background = np.sort(probability[~reference & fov_mask])
    below, upto = (np.searchsorted(background, vessel, side=side) for side in ("left", "right"))
    won = float(below.sum(dtype=np.float64) + upto.sum(dtype=np.float64)) / 2
    reason = "the field of view holds only vessel or only background pixels"
    return fraction(AUC, won, len(vessel) * len(background), reason=reason)
