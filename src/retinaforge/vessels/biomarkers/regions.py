"""How much vessel there is in each zone: rings round the disc, the ETDRS grid, their quadrants.

area density   = vessel pixels in the region / area of its visible part
length density = Σ arc lengths in the region × disc diameter / area of its visible part

A region of which less than half is in view is not measured. What lies on the disc counts for
neither zones nor quadrants round it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

from retinaforge.core import Quantity
from retinaforge.vessels.biomarker import (
    NO_DISC,
    NO_EYE,
    NO_FOVEA,
    NO_KINDS,
    NO_SCALE,
    NO_VESSEL,
    Biomarker,
    BiomarkerCard,
    undefined,
)
from retinaforge.vessels.vasculature import KINDS, Vasculature
from retinaforge.vessels.zones import QUADRANTS, ZONE_RINGS, Cells, Tally, disc_radius_px

SMALLEST_VIEW = 0.5
"""Share of a region that must be in view."""


@dataclass(frozen=True)
class Region:
    """Some rings of a grid, whole or one quadrant of them.

    Attributes:
        name: as in the column.
        words: as in the card.
        rings: numbers of the rings.
        quadrant: number of the quadrant; None for all four.
    """

    name: str
    words: str
    rings: slice
    quadrant: int | None = None

    def total(self, cells: Cells) -> float:
        """Return the sum over the region."""
        own = cells[self.rings]
        return float(own.sum() if self.quadrant is None else own[:, self.quadrant].sum())


ZONES = (
    Region("zone_a", "zone A, 0–0.5 disc diameters from the disc's margin", ZONE_RINGS["zone_a"]),
    Region("zone_b", "zone B, 0.5–1.0 disc diameters from the disc's margin", ZONE_RINGS["zone_b"]),
    Region("zone_c", "zone C, 0.5–2.0 disc diameters from the disc's margin", ZONE_RINGS["zone_c"]),
)
DISC_QUADRANTS = tuple(
    Region(f"disc_{name}", f"{name} quadrant of zone C", ZONE_RINGS["zone_c"], k)
    for k, name in enumerate(QUADRANTS)
)
MACULA = (
    Region("macula_centre", "ETDRS grid, central circle of 1 mm", slice(0, 1)),
    Region("macula_inner", "ETDRS grid, ring from 1 to 3 mm", slice(1, 2)),
    Region("macula_outer", "ETDRS grid, ring from 3 to 6 mm", slice(2, 3)),
)
MACULA_QUADRANTS = tuple(
    Region(f"{ring.name}_{name}", f"{ring.words}, {name} quadrant", ring.rings, k)
    for ring, (k, name) in product(MACULA[1:], enumerate(QUADRANTS))
)

_CARD = BiomarkerCard(
    name="area_density", version=1, measures="", range="[0, 1]", direction="neither", unit="1",
    smallest_n=1, reference="retinaforge.vessels.zones", region="",
    known_failure="Falls with blur and low contrast, which hide thin vessels. A wrong disc or "
    "fovea moves the region.",
    definition="vessel pixels in the region / pixels of its visible part; needs half of it in view",
)  # fmt: skip


def _density(tally: Tally, card: BiomarkerCard, *, region: Region, among: dict[str, Cells],
             kind: str, per_px: float) -> Quantity:  # fmt: skip
    """Return what lies in a region over its visible area, times `per_px`."""
    if region.quadrant is not None and not tally.grid.sided:
        return undefined(card, NO_EYE)
    if kind not in among:
        return undefined(card, NO_KINDS)
    areas = tally.grid.areas_px
    seen = region.total(areas * tally.visible)
    if seen < SMALLEST_VIEW * region.total(areas):
        return undefined(card, f"less than half of the region is in view ({region.words})")
    value = region.total(among[kind]) * per_px / seen
    # Pixels are counted against an exact area: a filled region comes out a little above 1.
    return Quantity(card, min(value, 1.0) if card.range == "[0, 1]" else value)


def _round_disc(
    v: Vasculature, *, card: BiomarkerCard, region: Region, kind: str = "all"
) -> Quantity:
    if not v.pixels.any():
        return undefined(card, NO_VESSEL)
    if (tally := v.disc_zones) is None:
        return undefined(card, NO_DISC)
    return _density(tally, card, region=region, among=tally.pixels, kind=kind, per_px=1.0)


def _length_round_disc(v: Vasculature, *, card: BiomarkerCard, region: Region) -> Quantity:
    if not v.pixels.any():
        return undefined(card, NO_VESSEL)
    tally, radius = v.disc_zones, disc_radius_px(v.landmarks)
    if tally is None or radius is None:
        return undefined(card, NO_DISC)
    return _density(
        tally, card, region=region, among=tally.lengths_px, kind="all", per_px=2 * radius
    )


def _in_macula(v: Vasculature, *, card: BiomarkerCard, region: Region) -> Quantity:
    if not v.pixels.any():
        return undefined(card, NO_VESSEL)
    if (tally := v.macula_zones) is None:
        missing = NO_FOVEA if v.landmarks.fovea_px is None else f"{NO_SCALE}, nor is the disc"
        return undefined(card, missing)
    return _density(tally, card, region=region, among=tally.pixels, kind="all", per_px=1.0)


def _area_cards(regions: Sequence[Region], kind: str = "all") -> list[BiomarkerCard]:
    what, prefix = ("vessel", "") if kind == "all" else (kind, f"{kind}_")
    return [
        replace(
            _CARD, name=f"{prefix}area_density_{region.name}", region=region.words,
            measures=f"Share of a region that is {what}: {region.words}.",
            definition=_CARD.definition.replace("vessel", what),
        )
        for region in regions
    ]  # fmt: skip


def _areas(regions: Sequence[Region], kind: str = "all") -> list[Biomarker]:
    return [
        Biomarker(card, partial(_round_disc, card=card, region=region, kind=kind))
        for card, region in zip(_area_cards(regions, kind), regions, strict=True)
    ]


def _lengths(regions: Sequence[Region]) -> list[Biomarker]:
    definition = "sum of arc lengths × disc diameter / area of the region's visible part"
    cards = [
        replace(
            _CARD, name=f"length_density_{region.name}", region=region.words, range="[0, inf)",
            measures=f"Length of vessel for the size of a region: {region.words}.",
            definition=f"{definition}; needs half of it in view",
        )
        for region in regions
    ]  # fmt: skip
    return [
        Biomarker(card, partial(_length_round_disc, card=card, region=region))
        for card, region in zip(cards, regions, strict=True)
    ]


def _macular(regions: Sequence[Region]) -> list[Biomarker]:
    note = "; without a scale the disc's diameter counts as 1.85 mm"
    cards = [replace(c, definition=c.definition + note) for c in _area_cards(regions)]
    return [
        Biomarker(card, partial(_in_macula, card=card, region=region))
        for card, region in zip(cards, regions, strict=True)
    ]


REGIONS: tuple[Biomarker, ...] = (
    *_areas(ZONES),
    *_areas(ZONES[1:], KINDS[0]),
    *_areas(ZONES[1:], KINDS[1]),
    *_lengths(ZONES),
    *_areas(DISC_QUADRANTS),
    *_lengths(DISC_QUADRANTS),
    *_macular((*MACULA, *MACULA_QUADRANTS)),
)
