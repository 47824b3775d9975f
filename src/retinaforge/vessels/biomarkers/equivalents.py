"""Central retinal equivalents: the calibre of one trunk that would part into a zone's vessels.

The widest vessel is joined with the narrowest, the next widest with the next narrowest, and so on
until one is left; an odd one is carried to the next round. With a the narrower, b the wider:

    Knudtson   arteries  W = 0.88 √(a² + b²)                              the six widest vessels
               veins     W = 0.95 √(a² + b²)
    Hubbard    arteries  W = √(0.87 a² + 1.01 b² − 0.22 a b − 10.76)      all of 25 µm and more
               veins     W = √(0.72 a² + 0.91 b² + 450.05)

Hubbard's constants are micrometres squared: without a scale there is no such number. A vessel of a
zone is a branch that crosses its middle circle; its calibre is the median over its centreline
within the zone, once for each time that it passes through.

References:
    M. D. Knudtson et al., "Revised formulas for summarizing retinal vessel diameters",
    Curr Eye Res 27, 143 (2003).
    L. D. Hubbard et al., "Methods for evaluation of retinal microvascular abnormalities
    associated with hypertension/sclerosis in the ARIC study", Ophthalmology 106, 2269 (1999).
    Constants and order of a, b compared with aim-lab/PVBM, PVBM/CentralRetinalAnalysis.py
    (commit 4b8c739), and with AutoMorph's. Other code has 450.02, which is below 0.001 µm off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float

from retinaforge.core import Quantity, VesselKind
from retinaforge.vessels.biomarker import (
    NO_DISC,
    NO_KINDS,
    NO_SCALE,
    Biomarker,
    BiomarkerCard,
    undefined,
)
from retinaforge.vessels.biomarkers.regions import SMALLEST_VIEW, ZONES, Region
from retinaforge.vessels.vasculature import Vasculature
from retinaforge.vessels.zones import disc_radius_px

SIX = 6
FEWEST_HUBBARD = 4
SMALLEST_HUBBARD_UM = 25.0
PLURAL: dict[VesselKind, str] = {"artery": "arteries", "vein": "veins"}
KNUDTSON: dict[VesselKind, float] = {"artery": 0.88, "vein": 0.95}
Calibres = Float[np.ndarray, "n"]


@dataclass(frozen=True)
class Trunk:
    """The equivalent of one kind in one zone.

    Attributes:
        unit_px: what the card's unit is, in pixels.
        rule: takes calibres in that unit and a kind.
        fewest: number of vessels below which there is none.
    """

    unit_px: float
    rule: Callable[[Sequence[float], VesselKind], float]
    fewest: int


def join_to_trunk(calibres: Sequence[float], join: Callable[[float, float], float]) -> float:
    """Join the widest with the narrowest until one is left.

    Args:
        calibres: one or more, in any order.
        join: takes (narrower, wider), returns the calibre of the trunk that parts into them.
    """
    left = sorted(calibres)
    while len(left) > 1:
        half = len(left) // 2
        pairs = [join(left[k], left[-1 - k]) for k in range(half)]
        left = sorted(pairs + left[half : len(left) - half])
    return left[0]


def knudtson(calibres: Sequence[float], kind: VesselKind) -> float:
    """Return the equivalent of the six widest, in their unit; NaN of fewer than six."""
    if len(calibres) < SIX:
        return math.nan
    factor = KNUDTSON[kind]
    return join_to_trunk(sorted(calibres)[-SIX:], lambda a, b: factor * math.hypot(a, b))


def hubbard(calibres_um: Sequence[float], kind: VesselKind) -> float:
    """Return the equivalent of all vessels of 25 µm and more; NaN of fewer than four such."""
    wide = [c for c in calibres_um if c >= SMALLEST_HUBBARD_UM]
    if len(wide) < FEWEST_HUBBARD:
        return math.nan
    return join_to_trunk(wide, _join_arteries if kind == "artery" else _join_veins)


def _join_arteries(a: float, b: float) -> float:
    return math.sqrt(0.87 * a * a + 1.01 * b * b - 0.22 * a * b - 10.76)


def _join_veins(a: float, b: float) -> float:
    return math.sqrt(0.72 * a * a + 0.91 * b * b + 450.05)


def _vessels(v: Vasculature, kind: VesselKind, zone: Region) -> Calibres | str:
    """Return the calibres in pixels, or why there are none."""
    if kind not in v.kind_pixels:
        return NO_KINDS
    if (tally := v.disc_zones) is None:
        return NO_DISC
    areas = tally.grid.areas_px
    if zone.total(areas * tally.visible) < SMALLEST_VIEW * zone.total(areas):
        return f"less than half of the region is in view ({zone.words})"
    return v.zone_calibres_px[kind, zone.name]


def _count(v: Vasculature, *, card: BiomarkerCard, kind: VesselKind, zone: Region) -> Quantity:
    found = _vessels(v, kind, zone)
    return undefined(card, found) if isinstance(found, str) else Quantity(card, float(len(found)))


def _trunk(v: Vasculature, rule: str, unit: str) -> Trunk | str:
    """Return how an equivalent is reckoned, or why it cannot be."""
    radius, um = disc_radius_px(v.landmarks), v.landmarks.um_per_px
    if unit == "dd":
        return NO_DISC if radius is None else Trunk(2 * radius, knudtson, SIX)
    if rule == "hubbard":
        return NO_SCALE if um is None else Trunk(1 / um, hubbard, FEWEST_HUBBARD)
    return NO_SCALE if um is None else Trunk(1 / um, knudtson, SIX)


def _equivalent(
    v: Vasculature, *, card: BiomarkerCard, kind: VesselKind, zone: Region, rule: str, unit: str
) -> Quantity:
    trunk = _trunk(v, rule, unit)
    if isinstance(trunk, str):
        return undefined(card, trunk)
    found = _vessels(v, kind, zone)
    if isinstance(found, str):
        return undefined(card, found)
    value = trunk.rule((found / trunk.unit_px).tolist(), kind)
    if math.isnan(value):
        size = f" of {SMALLEST_HUBBARD_UM:g} µm" if trunk.rule is hubbard else ""
        return undefined(card, f"fewer than {trunk.fewest} {PLURAL[kind]}{size} cross {zone.words}")
    return Quantity(card, value)


def _ratio(v: Vasculature, *, card: BiomarkerCard, zone: Region, rule: str, unit: str) -> Quantity:
    crae, crve = (
        _equivalent(v, card=card, kind=kind, zone=zone, rule=rule, unit=unit)
        for kind in ("artery", "vein")
    )
    for one in (crae, crve):
        if one.reason:
            return undefined(card, one.reason)
    return Quantity(card, crae.value / crve.value)


_CARD = BiomarkerCard(
    name="", version=1, measures="", range="(0, inf)", direction="neither", unit="um",
    smallest_n=SIX, reference="M. D. Knudtson et al., Curr Eye Res 27, 143 (2003)",
    known_failure="A mask that is too wide or too narrow shifts it by as much; an artery named "
    "vein, or a vessel broken at the middle of the zone, changes which vessels are summed up.",
    region="", definition="",
)  # fmt: skip
_HUBBARD = replace(
    _CARD, smallest_n=FEWEST_HUBBARD,
    reference="L. D. Hubbard et al., Ophthalmology 106, 2269 (1999)",
    known_failure="Grows with the number of vessels that are measured (Knudtson 2003). "
    f"{_CARD.known_failure}",
)  # fmt: skip
_RULES = {
    "knudtson": (_CARD, "of the six widest {kinds}, W = {factor} √(a² + b²)"),
    "hubbard": (_HUBBARD, "of all {kinds} of 25 µm and more, by Hubbard's formula"),
}
_TRUNKS: tuple[tuple[str, VesselKind], ...] = (("crae", "artery"), ("crve", "vein"))


def _equivalents(zone: Region, rule: str, unit: str) -> list[Biomarker]:
    base, words = _RULES[rule]
    found = []
    for name, kind in _TRUNKS:
        card = replace(
            base, name=f"{name}_{rule}_{zone.name}_{unit}", unit=unit, region=zone.words,
            measures=f"Calibre of the one {kind} that would part into those of {zone.words}.",
            definition="equivalent calibre "
            + words.format(kinds=PLURAL[kind], factor=KNUDTSON[kind])
            + "; a vessel's calibre is the median over its centreline in the zone",
        )  # fmt: skip
        measure = partial(_equivalent, card=card, kind=kind, zone=zone, rule=rule, unit=unit)
        found.append(Biomarker(card, measure))
    return found


def _ratios(zone: Region, rule: str, unit: str) -> Biomarker:
    card = replace(
        _RULES[rule][0], name=f"avr_{rule}_{zone.name}", unit="1", region=zone.words,
        measures=f"How wide arteries are for the veins in {zone.words}.",
        definition=f"CRAE / CRVE ({rule}) of the zone",
    )  # fmt: skip
    return Biomarker(card, partial(_ratio, card=card, zone=zone, rule=rule, unit=unit))


def _counts(zone: Region) -> list[Biomarker]:
    found = []
    for kind in KNUDTSON:
        card = replace(
            _CARD, name=f"{kind}_count_{zone.name}", unit="1", range="[0, inf)", smallest_n=1,
            region=zone.words, measures=f"Number of {PLURAL[kind]} that pass through {zone.words}.",
            definition=f"{PLURAL[kind]} that cross the zone's middle circle, once for each passage",
            reference="retinaforge.vessels.biomarkers.equivalents",
        )  # fmt: skip
        found.append(Biomarker(card, partial(_count, card=card, kind=kind, zone=zone)))
    return found


def _of_zone(zone: Region) -> list[Biomarker]:
    return [
        *_equivalents(zone, "knudtson", "um"),
        *_equivalents(zone, "knudtson", "dd"),
        _ratios(zone, "knudtson", "dd"),
        *_equivalents(zone, "hubbard", "um"),
        _ratios(zone, "hubbard", "um"),
        *_counts(zone),
    ]


EQUIVALENTS: tuple[Biomarker, ...] = (*_of_zone(ZONES[1]), *_of_zone(ZONES[2]))
