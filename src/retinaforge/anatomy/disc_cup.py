"""How well an outline of disc and cup, and a fovea, agree with the truth, as challenges count it.

A map of labels: 0 outside, 1 the disc's rim, 2 the cup; the disc is rim and cup together.

    Dice         2 |A and B| / (|A| + |B|)
    diameter     the largest number of pixels in any column of the image
    vCDR         vertical diameter of the cup / vertical diameter of the disc
    fovea        Euclidean distance of two points

An answer without a disc counts with a vCDR of 0: so do REFUGE's own figures, and to leave such an
image out would reward whoever does not answer.

References:
    J. I. Orlando et al., REFUGE challenge, Medical Image Analysis 59 (2020), 101570, section 3.3;
    its published evaluation, ignaciorlando/refuge-evaluation@b8fc1a8bd1bd,
    evaluation_metrics/evaluation_metrics_for_segmentation.py (read for its rules, not copied).
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, UInt8

from retinaforge.core import Card, Quantity

OUTSIDE, RIM, CUP = 0, 1, 2
Labels = UInt8[np.ndarray, "height width"]
Mask = Bool[np.ndarray, "height width"]
Point = tuple[float, float]

REFUGE = "Orlando et al., Medical Image Analysis 59, 2020 (REFUGE); refuge-evaluation@b8fc1a8"

DISC_DICE_CARD = Card(
    name="disc_dice",
    version=1,
    measures="overlap of the optic disc (rim and cup) with the truth's, by pixels",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference=REFUGE,
    known_failure="a rim wrong by one pixel costs a small disc more than a large one",
)
CUP_DICE_CARD = Card(
    name="cup_dice",
    version=1,
    measures="overlap of the optic cup with the truth's, by pixels",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference=REFUGE,
    known_failure="very low for a small cup that is missed by little; readers differ most here",
)
VCDR_ERROR_CARD = Card(
    name="vcdr_error",
    version=1,
    measures="absolute error of the vertical cup-to-disc ratio; diameters are the largest number "
    "of pixels in a column; an answer without a disc counts as a ratio of 0",
    range="[0, inf)",
    direction="lower is better",
    unit="1",
    smallest_n=10,
    reference=REFUGE,
    known_failure="two wrong outlines may have the right ratio; holes shorten a diameter",
)
FOVEA_PX_CARD = Card(
    name="fovea_distance_px",
    version=1,
    measures="Euclidean distance of the fovea from the truth's, in pixels of the image",
    range="[0, inf)",
    direction="lower is better",
    unit="px",
    smallest_n=10,
    reference=REFUGE,
    known_failure="grows with the image's size: not to be compared between cameras",
)
FOVEA_DD_CARD = Card(
    name="fovea_distance_dd",
    version=1,
    measures="Euclidean distance of the fovea from the truth's, in vertical diameters of the "
    "truth's disc",
    range="[0, inf)",
    direction="lower is better",
    unit="DD",
    smallest_n=10,
    reference="definition, to compare cameras of other sizes; no challenge's own score",
    known_failure="a small disc makes the same distance count more",
)

DISC_CUP_CARDS = (
    DISC_DICE_CARD, CUP_DICE_CARD, VCDR_ERROR_CARD, FOVEA_PX_CARD, FOVEA_DD_CARD,
)  # fmt: skip


def overlap(card: Card, one: Mask, other: Mask) -> Quantity:
    """Return the Dice coefficient of two masks of one size; NaN where both are empty.

    Args:
        card: of what is compared, `DISC_DICE_CARD` or `CUP_DICE_CARD`.
        one: True inside.
        other: True inside.

    Returns:
        A number in [0, 1].
    """
    total = int(one.sum()) + int(other.sum())
    if total == 0:
        return Quantity(card, math.nan, "neither the truth nor the answer has any")
    return Quantity(card, 2 * int((one & other).sum()) / total)


def vertical_diameter(mask: Mask) -> int:
    """Return the largest number of pixels in any column; 0 of an empty mask."""
    return int(mask.sum(axis=0).max(initial=0))


def vertical_cup_to_disc(labels: Labels) -> float:
    """Return the vertical cup-to-disc ratio of a map of labels; NaN without a disc."""
    disc = vertical_diameter(labels >= RIM)
    return vertical_diameter(labels == CUP) / disc if disc else math.nan


def compare_disc_cup(truth: Labels, answer: Labels) -> dict[str, Quantity]:
    """Return disc and cup Dice and the error of the vertical cup-to-disc ratio.

    Args:
        truth: labels 0, 1, 2, see the module.
        answer: the same size.

    Returns:
        Quantities by their cards' names; NaN with a reason where undefined.
    """
    found = {
        "disc_dice": overlap(DISC_DICE_CARD, truth >= RIM, answer >= RIM),
        "cup_dice": overlap(CUP_DICE_CARD, truth == CUP, answer == CUP),
    }
    real, said = vertical_cup_to_disc(truth), vertical_cup_to_disc(answer)
    if math.isnan(real):
        error = Quantity(VCDR_ERROR_CARD, math.nan, "the truth has no disc")
    else:
        error = Quantity(VCDR_ERROR_CARD, abs((0.0 if math.isnan(said) else said) - real))
    return found | {"vcdr_error": error}


def compare_fovea(truth: Point, answer: Point, disc_px: int) -> dict[str, Quantity]:
    """Return the fovea's distance in pixels and in disc diameters.

    Args:
        truth: (x, y) in pixels.
        answer: (x, y) in pixels.
        disc_px: vertical diameter of the truth's disc; 0 where it is not known.

    Returns:
        Quantities by their cards' names.
    """
    distance = math.dist(truth, answer)
    in_discs = (
        Quantity(FOVEA_DD_CARD, distance / disc_px)
        if disc_px
        else Quantity(FOVEA_DD_CARD, math.nan, "the truth shows no disc to measure by")
    )
    return {"fovea_distance_px": Quantity(FOVEA_PX_CARD, distance), "fovea_distance_dd": in_discs}
