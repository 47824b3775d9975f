"""Biomarkers: named numbers of one eye's vessels, each with a card and a reason when missing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from retinaforge.core import Card, Quantity
from retinaforge.vessels.retest import Retest, retest_of
from retinaforge.vessels.vasculature import Vasculature

UNIT_SUFFIX = {"1": "", "px": "_px", "um": "_um", "deg": "_deg", "dd": "_dd", "da": "_da",
               "%": "_percent", "fov/512": "_fov512", "1/mm": "_per_mm", "1/mm2": "_per_mm2",
               "1/dd": "_per_dd", "1/dd2": "_per_dd2"}  # fmt: skip
NO_SCALE = "micrometres a pixel are not known"
NO_DISC = "the optic disc is not known"
NO_FOVEA = "the fovea is not known"
NO_EYE = "whether it is a right or a left eye is not known"
NO_KINDS = "arteries and veins are not told apart"
NO_VESSEL = "no vessel inside the field of view"


@dataclass(frozen=True)
class BiomarkerCard(Card):
    """A card of a biomarker.

    Attributes:
        region: where it is measured, e.g. "field of view", "zone B".
        definition: the formula in words.
        side: the column's partner for the mirrored eye, for columns that name a side; else "".
    """

    region: str
    definition: str
    side: str = ""

    @property
    def column(self) -> str:
        """Return the name of the table's column: the biomarker's name with its unit."""
        suffix = UNIT_SUFFIX.get(self.unit, "_" + self.unit.replace("/", "_per_"))
        name = self.name.replace(":", "_")
        return name if name.endswith(suffix) else name + suffix

    @property
    def retest(self) -> Retest:
        """Return how well two photographs of the same eye agree, as was measured on phantoms."""
        return retest_of(self.column, self.version)

    @property
    def retest_icc(self) -> float | None:
        """Return ICC(A,1) of two photographs of the same eye; None where it was not measured."""
        return self.retest.icc

    def as_dict(self) -> dict[str, Any]:
        """Return the card as plain data for JSON, with what was measured of it."""
        found = self.retest
        return {**super().as_dict(), "retest_icc": found.icc, "retest_low": found.low,
                "retest_high": found.high, "retest_n": found.n, "retest": str(found)}  # fmt: skip


@dataclass(frozen=True)
class Biomarker:
    """One column: what it is, and the function that fills it."""

    card: BiomarkerCard
    measure: Callable[[Vasculature], Quantity]


def undefined(card: BiomarkerCard, reason: str) -> Quantity:
    """Return NaN with its reason."""
    return Quantity(card, math.nan, reason)
