"""Branching: angles and calibres where a vessel parts into two (see `bifurcations`).

    angle             between the two children; of each child to the parent's course
    asymmetry         r₂ / r₁                                r₁ ≥ r₂ the children, r₀ the parent
    area ratio        (r₁² + r₂²) / r₀²
    junction exponent k of r₀ᵏ = r₁ᵏ + r₂ᵏ                   (3 by Murray)
    Murray ratio      (r₁³ + r₂³)^⅓ / r₀                     (1 where the cube law holds)

Where a vessel parts into more than two, nothing is measured. A calibre of one pixel tells no
ratio: where calibres matter, a bifurcation counts nothing where the narrower child is `FAINT_UNIT`
wide, fully from `PLAIN_UNIT` on, and by a share in between; and where it matters which child is
the wider one, it counts nothing where both are as wide, fully where the narrower is
1 − `UNEQUAL` as wide. The exponent is summed up as its harmonic mean, in which one near a child as
wide as its parent, where k grows without bound, weighs little.

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

FAINT_UNIT, PLAIN_UNIT = 1.0, 2.0
"""Calibres of a child from which it counts, and counts fully; units of the field of view / 512."""

NO_BIFURCATION = f"fewer than {SMALLEST_N} bifurcations of which this can be told"


UNEQUAL = 0.2
"""Difference between children, relative to the wider one, from which a bifurcation counts fully."""

_WIDE_ENOUGH = f", children wider than {FAINT_UNIT:g}/512 of it"


@dataclass(frozen=True)
class _Column:
    """What a column is made of: a value for each bifurcation, and how they are summed up."""

    name: str
    unit: str
    range: str
    measures: str
    definition: str
    each: Callable[[Bifurcations], Float[np.ndarray, "n"]]
    summary: Callable[[Float[np.ndarray, "n"], Float[np.ndarray, "n"]], float]
    weigh: Callable[[Bifurcations, float], Float[np.ndarray, "n"]]
    version: int = 1


def _alike(b: Bifurcations, unit_px: float) -> Float[np.ndarray, "n"]:
    return np.ones(len(b.parent_px))


def _plain(b: Bifurcations, unit_px: float) -> Float[np.ndarray, "n"]:
    units = 2 * b.narrow_px / unit_px
    return np.nan_to_num((units - FAINT_UNIT) / (PLAIN_UNIT - FAINT_UNIT)).clip(0, 1)


def _by_area(b: Bifurcations, unit_px: float) -> Float[np.ndarray, "n"]:
    """Weigh each by its parent's cross-section: means of ratios become ratios of sums, in which
    a parent read as too thin counts for little."""
    return _plain(b, unit_px) * np.nan_to_num(b.parent_px) ** 2


def _unequal(b: Bifurcations, unit_px: float) -> Float[np.ndarray, "n"]:
    return _plain(b, unit_px) * np.nan_to_num((1 - _asymmetry(b)) / UNEQUAL).clip(0, 1)


def _mean(values: Float[np.ndarray, "n"], weights: Float[np.ndarray, "n"]) -> float:
    return float(np.average(values, weights=weights))


def _harmonic_mean(values: Float[np.ndarray, "n"], weights: Float[np.ndarray, "n"]) -> float:
    return float(1 / np.average(1 / values, weights=weights))


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
    found = bifurcations(v).only(kind)
    values = column.each(found)
    weights = np.isfinite(values) * column.weigh(found, v.unit_px)
    known = weights > 0
    if known.sum() < SMALLEST_N:
        return undefined(card, NO_BIFURCATION)
    return Quantity(card, column.summary(values[known], weights[known]))


def _biomarker(column: _Column, kind: VesselKind | None) -> Biomarker:
    whose = {None: "all vessels", "artery": "arteries", "vein": "veins"}[kind]
    card = BiomarkerCard(
        name=column.name if kind is None else f"{kind}_{column.name}", version=column.version,
        measures=f"{column.measures}, {whose}.", range=column.range, direction="neither",
        unit=column.unit, smallest_n=SMALLEST_N,
        reference="Murray 1926 (PNAS 12, 207); retinaforge.vessels.biomarkers.branching",
        known_failure="Where arteries and veins are not told apart, a crossing at a sharp angle "
        "can pass for two bifurcations; calibres of one or two pixels round to few values.",
        region="field of view outside the disc" + ("" if column.weigh is _alike else _WIDE_ENOUGH),
        definition=column.definition,
    )  # fmt: skip
    return Biomarker(card, partial(_measure, card=card, kind=kind, column=column))


_ANGLE = _Column("branching_angle", "deg", "[0, 180]", "Angle between the two children, mean",
                 "mean angle between the children's courses over 8/512 of the field, from the "
                 "parent's radius beyond the node", _between, _mean, _alike)  # fmt: skip
_WIDE = _Column("wider_child_angle", "deg", "[-180, 180]",
                "Angle by which the wider child leaves its parent's course, mean",
                "mean angle between the parent's and the wider child's courses, positive "
                 "away from the narrower child",
                _wide_turn, _mean, _unequal, version=2)  # fmt: skip
_NARROW = _Column("narrower_child_angle", "deg", "[-180, 180]",
                  "Angle by which the narrower child leaves its parent's course, mean",
                  "mean angle between the parent's and the narrower child's courses, positive "
                  "away from the wider child",
                  _narrow_turn, _mean, _unequal, version=2)  # fmt: skip
_ASYMMETRY = _Column("branching_asymmetry", "1", "[0, 1]",
                     "Calibre of the narrower child over the wider one's, mean",
                     "mean of r₂ / r₁", _asymmetry, _mean, _plain)  # fmt: skip
_AREA = _Column("branching_area_ratio", "1", "[0, inf)",
                "Cross-section of both children over the parent's",
                "Σ (r₁² + r₂²) / Σ r₀²", _area_ratio, _mean, _by_area)  # fmt: skip
_EXPONENT = _Column("junction_exponent", "1", "[0, 20]", "Junction exponent, harmonic mean",
                    "harmonic mean of k in r₀ᵏ = r₁ᵏ + r₂ᵏ, solved for each bifurcation; those "
                    "without a solution are left out",
                    _exponent, _harmonic_mean, _plain)  # fmt: skip
_SOLVABLE = _Column("junction_exponent_solvable", "1", "[0, 1]",
                    "Share of bifurcations that have a junction exponent",
                    "share in which both children are narrower than the parent, and k is 20 or "
                    "less", _solvable, _mean, _plain)  # fmt: skip
_MURRAY = _Column("murray_ratio", "1", "[0, inf)",
                  "Calibre that Murray's cube law asks of the parent over the one it has, mean",
                  "mean of (r₁³ + r₂³)^⅓ / r₀, weighed by r₀²",
                  _murray_ratio, _mean, _by_area)  # fmt: skip

_KINDS: tuple[VesselKind, ...] = ("artery", "vein")
_OF_ALL = (_ANGLE, _WIDE, _NARROW, _ASYMMETRY, _AREA, _EXPONENT, _SOLVABLE, _MURRAY)
_BY_KIND = (_ANGLE, _ASYMMETRY, _AREA, _MURRAY)

BRANCHING: tuple[Biomarker, ...] = (
    *(_biomarker(column, None) for column in _OF_ALL),
    *(_biomarker(column, kind) for column in _BY_KIND for kind in _KINDS),
)
