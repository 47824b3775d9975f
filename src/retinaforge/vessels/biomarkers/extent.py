"""How much vessel there is: area, length, density, over all vessels and by kind.

area density   = vessel pixels in the field of view / its pixels
length density = Σ branch lengths / area of the field of view
"""

from __future__ import annotations

from functools import partial

import numpy as np

from retinaforge.core import Quantity, VesselKind
from retinaforge.vessels.biomarker import (
    NO_KINDS,
    NO_SCALE,
    NO_VESSEL,
    Biomarker,
    BiomarkerCard,
    undefined,
)
from retinaforge.vessels.vasculature import Vasculature


def _card(name: str, measures: str, unit: str, definition: str) -> BiomarkerCard:
    return BiomarkerCard(
        name=name, version=1, measures=measures, range="[0, inf)", direction="neither", unit=unit,
        smallest_n=1, reference="retinaforge.vessels.biomarkers.extent",
        known_failure="Falls with blur and low contrast, which hide thin vessels.",
        region="field of view", definition=definition,
    )  # fmt: skip


def _area_density(v: Vasculature, *, card: BiomarkerCard) -> Quantity:
    return Quantity(card, float(v.pixels.sum() / v.fov.mask.sum()))


def _kind_density(v: Vasculature, *, card: BiomarkerCard, kind: VesselKind) -> Quantity:
    if kind not in v.kind_pixels:
        return undefined(card, NO_KINDS)
    return Quantity(card, float(v.kind_pixels[kind].sum() / v.fov.mask.sum()))


def _length(v: Vasculature, *, card: BiomarkerCard) -> Quantity:
    if v.landmarks.um_per_px is None:
        return undefined(card, NO_SCALE)
    return Quantity(card, float(v.lengths_px.sum() * v.landmarks.um_per_px / 1000))


def _length_density(v: Vasculature, *, card: BiomarkerCard) -> Quantity:
    if not len(v.lengths_px):
        return undefined(card, NO_VESSEL)
    diameter = 2 * v.fov.radius_px
    return Quantity(card, float(v.lengths_px.sum() * diameter / np.count_nonzero(v.fov.mask)))


_DENSITY = _card("area_density", "Share of the field of view that is vessel.", "1",
                 "vessel pixels / pixels of the field of view")  # fmt: skip
_ARTERY = _card("artery_area_density", "Share of the field of view that is artery.", "1",
                "artery pixels / pixels of the field of view")  # fmt: skip
_VEIN = _card("vein_area_density", "Share of the field of view that is vein.", "1",
              "vein pixels / pixels of the field of view")  # fmt: skip
_LENGTH = _card("vessel_length", "Length of all vessels outside the disc.", "mm",
                "sum of the centrelines' arc lengths")  # fmt: skip
_LENGTH_DENSITY = _card(
    "length_density", "Length of vessel for the size of the field of view.", "1",
    "sum of arc lengths × diameter of the camera's circle / area of the field of view",
)  # fmt: skip

EXTENT: tuple[Biomarker, ...] = (
    Biomarker(_DENSITY, partial(_area_density, card=_DENSITY)),
    Biomarker(_ARTERY, partial(_kind_density, card=_ARTERY, kind="artery")),
    Biomarker(_VEIN, partial(_kind_density, card=_VEIN, kind="vein")),
    Biomarker(_LENGTH, partial(_length, card=_LENGTH)),
    Biomarker(_LENGTH_DENSITY, partial(_length_density, card=_LENGTH_DENSITY)),
)
