"""How much vessel there is in the field of view: area, length, density; over all and by kind.

area density   = vessel pixels in the field of view / its pixels
length         = Σ arc lengths of branches outside the disc
length density = length × diameter of the camera's circle / area of the field of view
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from retinaforge.core import Quantity, VesselKind
from retinaforge.vessels.biomarker import (
    NO_DISC,
    NO_KINDS,
    NO_SCALE,
    NO_VESSEL,
    Biomarker,
    BiomarkerCard,
    undefined,
)
from retinaforge.vessels.vasculature import KINDS, Vasculature
from retinaforge.vessels.zones import disc_radius_px

_AREA = BiomarkerCard(
    name="area_density", version=1, measures="Share of the field of view that is vessel.",
    range="[0, 1]", direction="neither", unit="1", smallest_n=1,
    reference="retinaforge.vessels.biomarkers.extent",
    known_failure="Falls with blur and low contrast, which hide thin vessels; a field of 30° round "
    "the macula has not the density of one of 60°.",
    region="field of view", definition="vessel pixels / pixels of the field of view",
)  # fmt: skip
_LENGTH = replace(
    _AREA, name="vessel_length", measures="Length of all vessels outside the disc.",
    range="[0, inf)", unit="mm", definition="sum of the centrelines' arc lengths outside the disc",
    known_failure="Falls with blur and low contrast, which hide thin vessels; grows with the field "
    "of view.",
)  # fmt: skip
_LENGTH_DD = replace(
    _LENGTH, name="vessel_length_dd", unit="dd",
    definition=f"{_LENGTH.definition}, / the disc's diameter (mean of width and height)",
)  # fmt: skip
_LENGTH_FOV = replace(
    _LENGTH, name="vessel_length_fov", unit="fov",
    definition=f"{_LENGTH.definition}, / diameter of the camera's circle",
)  # fmt: skip
_LENGTH_DENSITY = replace(
    _AREA, name="length_density", range="[0, inf)",
    measures="Length of vessel for the size of the field of view.",
    definition="sum of arc lengths × diameter of the camera's circle / area of the field of view",
)  # fmt: skip


def _absent(v: Vasculature, kind: VesselKind | None) -> str:
    """Return why nothing of a kind can be measured; empty if it can."""
    if kind is None:
        return "" if v.pixels.any() else NO_VESSEL
    if kind not in v.kind_pixels:
        return NO_KINDS
    return "" if v.kind_pixels[kind].any() else f"no {kind} inside the field of view"


def _length_px(v: Vasculature, kind: VesselKind | None) -> float:
    return float(v.lengths_px.sum() if kind is None else v.lengths_px[v.of_kind(kind)].sum())


def _area_density(v: Vasculature, *, card: BiomarkerCard, kind: VesselKind | None) -> Quantity:
    if reason := _absent(v, kind):
        return undefined(card, reason)
    mask = v.pixels if kind is None else v.kind_pixels[kind]
    return Quantity(card, np.count_nonzero(mask) / np.count_nonzero(v.fov.mask))


def _length(v: Vasculature, *, card: BiomarkerCard, kind: VesselKind | None) -> Quantity:
    """Return the length in the card's unit: mm, disc diameters or diameters of the field."""
    if reason := _absent(v, kind):
        return undefined(card, reason)
    um, radius = v.landmarks.um_per_px, disc_radius_px(v.landmarks)
    if card.unit == "mm" and um is None:
        return undefined(card, NO_SCALE)
    if card.unit == "dd" and radius is None:
        return undefined(card, NO_DISC)
    unit_px = {"mm": 1000 / um if um else 0.0, "dd": 2 * (radius or 0.0)}
    return Quantity(card, _length_px(v, kind) / unit_px.get(card.unit, 2 * v.fov.radius_px))


def _length_density(v: Vasculature, *, card: BiomarkerCard, kind: VesselKind | None) -> Quantity:
    if reason := _absent(v, kind):
        return undefined(card, reason)
    diameter = 2 * v.fov.radius_px
    return Quantity(card, _length_px(v, kind) * diameter / np.count_nonzero(v.fov.mask))


def _of(card: BiomarkerCard, kind: VesselKind) -> BiomarkerCard:
    """Return the card of the same for arteries or veins alone."""
    them = "arteries" if kind == "artery" else "veins"
    return replace(
        card, name=f"{kind}_{card.name.removeprefix('vessel_')}",
        measures=card.measures.replace("vessels", them).replace("vessel", kind),
        definition=card.definition.replace("vessel pixels", f"{kind} pixels")
        .replace("arc lengths", f"{kind} arc lengths"),
    )  # fmt: skip


def _each(card: BiomarkerCard, measure: partial[Quantity]) -> list[Biomarker]:
    """Return the biomarker over all vessels and by kind."""
    cards = [(card, None), *((_of(card, kind), kind) for kind in KINDS)]
    return [Biomarker(own, partial(measure, card=own, kind=kind)) for own, kind in cards]


EXTENT: tuple[Biomarker, ...] = (
    *_each(_AREA, partial(_area_density)),
    *_each(_LENGTH, partial(_length)),
    Biomarker(_LENGTH_DD, partial(_length, card=_LENGTH_DD, kind=None)),
    Biomarker(_LENGTH_FOV, partial(_length, card=_LENGTH_FOV, kind=None)),
    *_each(_LENGTH_DENSITY, partial(_length_density)),
)
