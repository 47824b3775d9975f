"""Arteries taken for veins, and veins for arteries, along the reference's vessels.

At every centreline point p of the reference's arteries and veins, away from where they overlap:

    rightly named   the estimate shows p's kind there and not the other
    wrongly named   it shows the other kind and not p's
    unnamed         it shows neither or both

    kinds right     = rightly / (rightly + wrongly named)

so that a vessel that was not found counts as unnamed, not as wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core import Card, Quantity
from retinaforge.vessels.compare_lines import WIDTHS
from retinaforge.vessels.compare_pair import fraction
from retinaforge.vessels.compare_width import THIN_BELOW, WIDE_FROM
from retinaforge.vessels.skeleton import UNIT_FOV_PX, fov_box, require_masks, vessel_mask

Mask = Bool[np.ndarray, "height width"]
NO_POINT = "the reference shows no such vessel inside the field of view"
NONE_NAMED = "the estimate names no point of such a vessel"

KINDS_RIGHT = Card(
    name="kinds_right",
    version=1,
    measures="share of the reference's artery and vein centreline that the estimate names rightly, "
    "of what it names at all",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=1,
    reference="accuracy along the centreline, as is common for artery and vein maps (e.g. Morano "
    "et al., 2024); defined in retinaforge/vessels/compare_kinds.py",
    known_failure="says nothing of what was not found: read beside kinds_unnamed; long vessels "
    "outvote short ones",
)
KINDS_UNNAMED = replace(
    KINDS_RIGHT,
    name="kinds_unnamed",
    measures="share of the reference's artery and vein centreline where the estimate shows neither "
    "kind or both",
    direction="lower is better",
    known_failure="vessels missed and kinds left open count alike",
)
ARTERIES_AS_VEINS = replace(
    KINDS_RIGHT,
    name="arteries_as_veins",
    measures="share of the reference's artery centreline that the estimate takes for vein, of what "
    "it names at all",
    direction="lower is better",
)
VEINS_AS_ARTERIES = replace(
    ARTERIES_AS_VEINS,
    name="veins_as_arteries",
    measures="share of the reference's vein centreline that the estimate takes for artery, of what "
    "it names at all",
)


@dataclass(frozen=True)
class KindsPair:
    """What the estimate shows at each centreline point of the reference's arteries and veins.

    Attributes:
        is_artery: the point's true kind.
        calibres: local calibre, in units of the field of view's longer side / 512.
        own: whether the estimate shows that kind there.
        other: whether it shows the other one.
    """

    is_artery: Bool[np.ndarray, "n"]
    calibres: Float[np.ndarray, "n"]
    own: Bool[np.ndarray, "n"]
    other: Bool[np.ndarray, "n"]

    @cached_property
    def named(self) -> Bool[np.ndarray, "n"]:
        """Return where the estimate shows one kind only."""
        return self.own != self.other


@dataclass(frozen=True)
class KindComparison:
    """One score: its card, and the function that fills it."""

    card: Card
    measure: Callable[[KindsPair], Quantity]


def compare_kinds(
    estimate: tuple[Mask, Mask], reference: tuple[Mask, Mask], fov_mask: Mask
) -> list[Quantity]:
    """Score an estimate's arteries and veins against a reference's.

    Args:
        estimate: (artery, vein), each True on its vessels; both where they cross, or one.
        reference: the same.
        fov_mask: True inside the field of view.

    Returns:
        One quantity for each card of `KIND_COMPARISONS`; NaN with a reason if undefined.

    Raises:
        Refusal: if a mask is not boolean, shapes differ, or the field of view is empty.
    """
    require_masks(fov_mask, *estimate, *reference)
    pair = _look(estimate, reference, fov_mask)
    return [comparison.measure(pair) for comparison in KIND_CATALOGUE]


def _look(estimate: tuple[Mask, Mask], reference: tuple[Mask, Mask], fov_mask: Mask) -> KindsPair:
    """Sample the estimate along the reference's centrelines."""
    box = fov_box(fov_mask)
    parts = []
    for k in (0, 1):
        mask = vessel_mask(reference[k], fov_mask)
        places = tuple(mask.points.T)
        alone = ~reference[1 - k][box][places]
        own, other = (estimate[j][box][places][alone] for j in (k, 1 - k))
        calibres = mask.calibres_px[alone] / mask.unit_px
        parts.append((np.full(len(own), k == 0), calibres, own, other))
    return KindsPair(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _share(
    card: Card, pair: KindsPair, part: Bool[np.ndarray, "n"], members: Bool[np.ndarray, "n"]
) -> Quantity:
    """Return the share of part among the named members."""
    reason = NONE_NAMED if members.any() else NO_POINT
    named = members & pair.named
    return fraction(card, int((part & named).sum()), int(named.sum()), reason=reason)


def kinds_right(pair: KindsPair) -> Quantity:
    """Return rightly / named; NaN where nothing is named."""
    return _share(KINDS_RIGHT, pair, pair.own, np.ones_like(pair.own))


def kinds_unnamed(pair: KindsPair) -> Quantity:
    """Return unnamed / all; NaN without a reference."""
    return fraction(KINDS_UNNAMED, int((~pair.named).sum()), len(pair.named), reason=NO_POINT)


def arteries_as_veins(pair: KindsPair) -> Quantity:
    """Return the share of named artery points that are named vein."""
    return _share(ARTERIES_AS_VEINS, pair, pair.other, pair.is_artery)


def veins_as_arteries(pair: KindsPair) -> Quantity:
    """Return the share of named vein points that are named artery."""
    return _share(VEINS_AS_ARTERIES, pair, pair.other, ~pair.is_artery)


def _by_width(width: str) -> KindComparison:
    low, high = WIDTHS[width]
    words = {"thin": f"below {THIN_BELOW:g}", "wide": f"of {WIDE_FROM:g} or more",
             "medium": f"from {THIN_BELOW:g} to below {WIDE_FROM:g}"}[width]  # fmt: skip
    measures = f"{KINDS_RIGHT.measures}; calibre {words} px of a field {UNIT_FOV_PX} px wide"
    card = replace(KINDS_RIGHT, name=f"kinds_right_{width}", measures=measures)

    def measure(pair: KindsPair) -> Quantity:
        members = (pair.calibres >= low) & (pair.calibres < high)
        return _share(card, pair, pair.own, members)

    return KindComparison(card, measure)


KIND_CATALOGUE = (
    KindComparison(KINDS_RIGHT, kinds_right),
    *(_by_width(width) for width in WIDTHS),
    KindComparison(ARTERIES_AS_VEINS, arteries_as_veins),
    KindComparison(VEINS_AS_ARTERIES, veins_as_arteries),
    KindComparison(KINDS_UNNAMED, kinds_unnamed),
)
KIND_COMPARISONS = tuple(comparison.card for comparison in KIND_CATALOGUE)
"""The cards, in the order in which `compare_kinds` answers."""
