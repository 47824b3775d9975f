"""Branching: angles and calibres where a vessel parts into two (see `bifurcations`).

    angle             between the two children; of each child to the parent's course
    asymmetry         r₂ / r₁                                r₁ ≥ r₂ the children, r₀ the parent
    area ratio        (r₁² + r₂²) / r₀²
    junction exponent k of r₀ᵏ = r₁ᵏ + r₂ᵏ                   (3 by Murray)
    Murray ratio      (r₁³ + r₂³)^⅓ / r₀                     (1 where the cube law holds)

Where a vessel parts into more than two, nothing is measured.

References:
    C. D. Murray, Proc. Natl. Acad. Sci. USA 12 (1926), 207; J. Gen. Physiol. 9 (1926), 835.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from retinaforge.core import Quantity, VesselKind
from retinaforge.vessels.bifurcations import Bifurcations, bifurcations, junction_exponents
from retinaforge.vessels.biomarker import NO_KINDS, Biomarker, BiomarkerCard, undefined
from retinaforge.vessels.vasculature import Vasculature

SMALLEST_N = 3
NO_BIFURCATION = f"fewer than {SMALLEST_N} bifurcations of which this can be told"


@dataclass(frozen=True)
class _Column:
    """What a column is made of: a value for each bifurcation, and how they are summed up."""

    name: str
    unit: str
    range: str
    measures: str
    definition: str
    each: Callable[[Bifurcations], Float[np.ndarray, "n"]]
    summary: Callable[[Float[np.ndarray, "n"]], float]


def _mean(values: Float[np.ndarray, "n"]) -> float:
    return float(values.mean())


def _median(values: Float[np.ndarray, "n"]) -> float:
    return float(np.median(values))


def _between(b: Bifurcations) -> Float[np.ndarray, "n"]:
    return np.degrees(b.between_rad)


def _wide_turn(b: Bifurcations) -> Float[np.ndarray, "n"]:
    return np.degrees(b.wide_turn_rad)


def _narrow_turn(b: Bifurcations) -> Float[np.ndarray, "n"]:
    return np.degrees(b.narrow_turn_rad)


def _asymmetry(b: Bifurcations) -> Float[np.ndarray, "n"]:
    return b.narrow_px / b.wide_px


def _area_ratio(b: Bifurcations) -> Float[np.ndarray, "n"]:
    return (b.wide_px**2 + b.narrow_px**2) / b.parent_px**2


def _exponent(b: Bifurcations) -> Float[np.ndarray, "n"]:
    return junction_exponents(b.parent_px, b.wide_px, b.narrow_px)


def _solvable(b: Bifurcations) -> Float[np.ndarray, "n"]:
    share = np.isfinite(_exponent(b)).astype(float)
    return np.where(np.isfinite(b.parent_px + b.wide_px + b.narrow_px), share, np.nan)


def _murray_ratio(b: Bifurcations) -> Float[np.ndarray, "n"]:
    return np.cbrt(b.wide_px**3 + b.narrow_px**3) / b.parent_px


def _measure(
    v: Vasculature, *, card: BiomarkerCard, kind: VesselKind | None, column: _Column
) -> Quantity:
    if kind is not None and kind not in v.kind_pixels:
        return undefined(card, NO_KINDS)
    values = column.each(bifurcations(v).only(kind))
    values = values[np.isfinite(values)]
    if len(values) < SMALLEST_N:
        return undefined(card, NO_BIFURCATION)
    return Quantity(card, column.summary(values))


def _biomarker(column: _Column, kind: VesselKind | None) -> Biomarker:
    whose = {None: "all vessels", "artery": "arteries", "vein": "veins"}[kind]
    card = BiomarkerCard(
        name=column.name if kind is None else f"{kind}_{column.name}", version=1,
        measures=f"{column.measures}, {whose}.", range=column.range, direction="neither",
        unit=column.unit, smallest_n=SMALLEST_N,
        reference="Murray 1926 (PNAS 12, 207); retinaforge.vessels.biomarkers.branching",
        known_failure="Where arteries and veins are not told apart, a crossing at a sharp angle "
        "can pass for two bifurcations; calibres of one or two pixels round to few values.",
        region="field of view outside the disc", definition=column.definition,
    )  # fmt: skip
    return Biomarker(card, partial(_measure, card=card, kind=kind, column=column))


_ANGLE = _Column("branching_angle", "deg", "[0, 180]", "Angle between the two children, mean",
                 "mean angle between the children's courses over 8/512 of the field, from the "
                 "parent's radius beyond the node", _between, _mean)  # fmt: skip
_WIDE = _Column("wider_child_angle", "deg", "[0, 180]",
                "Angle by which the wider child leaves its parent's course, mean",
                "mean angle between the parent's and the wider child's courses",
                _wide_turn, _mean)  # fmt: skip
_NARROW = _Column("narrower_child_angle", "deg", "[0, 180]",
                  "Angle by which the narrower child leaves its parent's course, mean",
                  "mean angle between the parent's and the narrower child's courses",
                  _narrow_turn, _mean)  # fmt: skip
_ASYMMETRY = _Column("branching_asymmetry", "1", "[0, 1]",
                     "Calibre of the narrower child over the wider one's, mean",
                     "mean of r₂ / r₁", _asymmetry, _mean)  # fmt: skip
_AREA = _Column("branching_area_ratio", "1", "[0, inf)",
                "Cross-section of both children over the parent's, median",
                "median of (r₁² + r₂²) / r₀²", _area_ratio, _median)  # fmt: skip
_EXPONENT = _Column("junction_exponent", "1", "[0, 20]", "Junction exponent, median",
                    "median of k in r₀ᵏ = r₁ᵏ + r₂ᵏ, solved for each bifurcation; those without "
                    "a solution are left out", _exponent, _median)  # fmt: skip
_SOLVABLE = _Column("junction_exponent_solvable", "1", "[0, 1]",
                    "Share of bifurcations that have a junction exponent",
                    "share in which both children are narrower than the parent, and k is 20 or "
                    "less", _solvable, _mean)  # fmt: skip
_MURRAY = _Column("murray_ratio", "1", "[0, inf)",
                  "Calibre that Murray's cube law asks of the parent over the one it has, median",
                  "median of (r₁³ + r₂³)^⅓ / r₀", _murray_ratio, _median)  # fmt: skip

_KINDS: tuple[VesselKind | None, ...] = (None, "artery", "vein")
_COLUMNS = (_ANGLE, _WIDE, _NARROW, _ASYMMETRY, _AREA, _EXPONENT, _SOLVABLE,
            _MURRAY)  # fmt: skip

BRANCHING: tuple[Biomarker, ...] = tuple(
    _biomarker(column, kind) for column in _COLUMNS for kind in _KINDS
)
