"""Fractal dimensions and lacunarity: how vessels fill the field of view (see `boxes`).

Box (D₀), information (D₁) and correlation (D₂) dimension of the centrelines (mass = length) and of
the mask (mass = area), over boxes of 8 to 64 units of the field of view / 512; lacunarity
Λ = E[m²] / E[m]² of the mask in gliding boxes, 1 where vessel is spread evenly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from retinaforge.core import Quantity, VesselKind
from retinaforge.vessels.biomarker import NO_KINDS, NO_VESSEL, Biomarker, BiomarkerCard, undefined
from retinaforge.vessels.boxes import (
    CELL_UNIT,
    Raster,
    dimensions,
    lacunarity,
    raster_of_mask,
    raster_of_middles,
    raster_of_points,
)
from retinaforge.vessels.once import once
from retinaforge.vessels.vasculature import Vasculature

LEAST_UNIT = 0.5
"""A box with less centreline than this (units), or less area (units squared), counts as empty."""

LACUNARITY_UNITS = (16, 64)
"""Sides of the gliding boxes of lacunarity, units."""


@dataclass(frozen=True)
class _Dimensions:
    box: float
    information: float
    correlation: float


def _centreline_raster(v: Vasculature, kind: VesselKind | None) -> Raster:
    pieces = v.centrelines.pieces
    own = slice(None) if kind is None else v.of_kind(kind)[pieces.branch]
    mass = pieces.lengths_px[own] / v.unit_px
    return raster_of_points(pieces.middles_px[own], mass, centre=v.fov.centre_px, unit=v.unit_px)


def _of_centrelines(v: Vasculature, kind: VesselKind | None) -> _Dimensions:
    return _Dimensions(*dimensions(_centreline_raster(v, kind), least=LEAST_UNIT))


@once
def all_centrelines(v: Vasculature) -> _Dimensions:
    """Return the dimensions of all centrelines."""
    return _of_centrelines(v, None)


@once
def artery_centrelines(v: Vasculature) -> _Dimensions:
    """Return the dimensions of the arteries' centrelines."""
    return _of_centrelines(v, "artery")


@once
def vein_centrelines(v: Vasculature) -> _Dimensions:
    """Return the dimensions of the veins' centrelines."""
    return _of_centrelines(v, "vein")


@once
def mask_raster(v: Vasculature) -> Raster:
    """Return the share of vessel in each cell."""
    return raster_of_mask(v.pixels, centre=v.fov.centre_px, unit=v.unit_px)


@once
def mask_dimensions(v: Vasculature) -> _Dimensions:
    """Return the dimensions of the mask."""
    return _Dimensions(*dimensions(mask_raster(v), least=LEAST_UNIT / CELL_UNIT**2))


@once
def field_raster(v: Vasculature) -> Raster:
    """Return 1 for each cell whose middle lies in the field of view."""
    return raster_of_middles(v.fov.mask, centre=v.fov.centre_px, unit=v.unit_px)


def _dimension(
    v: Vasculature, *, card: BiomarkerCard, kind: VesselKind | None, order: str,
    of: Callable[[Vasculature], _Dimensions],
) -> Quantity:  # fmt: skip
    if kind is not None and kind not in v.kind_pixels:
        return undefined(card, NO_KINDS)
    value = float(getattr(of(v), order))
    return undefined(card, NO_VESSEL) if math.isnan(value) else Quantity(card, value)


def _lacunarity(v: Vasculature, *, card: BiomarkerCard, units: int) -> Quantity:
    value = lacunarity(mask_raster(v), field_raster(v), side=round(units / CELL_UNIT))
    return undefined(card, NO_VESSEL) if math.isnan(value) else Quantity(card, value)


def _card(name: str, measures: str, range_: str, definition: str) -> BiomarkerCard:
    return BiomarkerCard(
        name=name, version=1, measures=measures, range=range_, direction="neither", unit="1",
        smallest_n=1,
        reference="Hentschel and Procaccia 1983 (Physica D 8, 435); Allain and Cloitre 1991 "
        "(Phys. Rev. A 44, 3552); retinaforge.vessels.boxes",
        known_failure="Falls with every thin vessel that a mask misses; over so few scales it is "
        "a measure of filling, not proof of a fractal, and D₁ can come out above D₀.",
        region="field of view", definition=definition,
    )  # fmt: skip


_ORDERS = {
    "box": "slope of ln N(s) over ln(E/s + 1)",
    "information": "slope of the entropy of box masses over ln(E/s + 1/2)",
    "correlation": "slope of −ln Σ p² over ln(E/s + 1/3)",
}
_SCALES = "boxes of 8 to 64 units of the field of view / 512, every position of the grid"


def _centreline_biomarker(
    order: str, kind: VesselKind | None, of: Callable[[Vasculature], _Dimensions]
) -> Biomarker:
    prefix = "" if kind is None else f"{kind}_"
    whose = {None: "all", "artery": "the arteries'", "vein": "the veins'"}[kind]
    card = _card(f"{prefix}{order}_dimension", f"{order.capitalize()} dimension of {whose} "
                 "centrelines.", "[0, 2.2]", f"{_ORDERS[order]}; {_SCALES}")  # fmt: skip
    return Biomarker(card, partial(_dimension, card=card, kind=kind, order=order, of=of))


def _mask_biomarker(order: str) -> Biomarker:
    card = _card(f"mask_{order}_dimension", f"{order.capitalize()} dimension of the vessel mask.",
                 "[0, 2.2]", f"{_ORDERS[order]}; {_SCALES}")  # fmt: skip
    of = mask_dimensions
    return Biomarker(card, partial(_dimension, card=card, kind=None, order=order, of=of))


def _lacunarity_biomarker(units: int) -> Biomarker:
    card = _card(f"lacunarity_{units}", f"Unevenness of vessel in boxes of {units}/512 of the "
                 "field of view.", "[1, inf)", "E[m²] / E[m]² over gliding boxes inside the field "
                 "of view, m the mask's area in a box")  # fmt: skip
    return Biomarker(card, partial(_lacunarity, card=card, units=units))


FRACTAL: tuple[Biomarker, ...] = (
    *(_centreline_biomarker(order, None, all_centrelines) for order in _ORDERS),
    *(_centreline_biomarker(order, "artery", artery_centrelines) for order in _ORDERS),
    *(_centreline_biomarker(order, "vein", vein_centrelines) for order in _ORDERS),
    *(_mask_biomarker(order) for order in _ORDERS),
    *(_lacunarity_biomarker(units) for units in LACUNARITY_UNITS),
)
