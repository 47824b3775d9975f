"""Biomarkers as PVBM defines them, under its names, so that results can be read side by side.

    area         vessel pixels
    D₀, D₁, D₂   slope of Σ over boxes of −p ln p (q = 1) or ln Σ p^q / (1 − q) against −ln ε, over
                 20 box sides ε from 5 pixels to 0.6 of the picture's shorter side in even steps;
                 boxes filled by less than 1 % or more than 98 % are left out

PVBM lays one grid from the picture's upper left corner (`optimize=False`), so that its numbers
change when the eye is mirrored; here each is the mean over grids laid from the four corners. The
picture is the whole frame, its border included.

References:
    J. Fhima, J. Van Eijgen, I. Stalmans, Y. Men, M. Freiman, J. A. Behar, "PVBM: a Python
    Vasculature Biomarker toolbox based on retinal blood vessel segmentation", ECCV Workshops
    2022; definitions as in PVBM 3.0.1.8 (MIT), `MultifractalVBMs`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Int

from retinaforge.core import Quantity
from retinaforge.vessels.biomarker import NO_VESSEL, Biomarker, BiomarkerCard, undefined
from retinaforge.vessels.once import once
from retinaforge.vessels.vasculature import Vasculature

SIDES, SMALLEST_PX, LARGEST_SHARE = 20, 5, 0.6
EMPTY, FULL = 0.01, 0.98
Sums = Int[np.ndarray, "height+1 width+1"]


@dataclass(frozen=True)
class Multifractal:
    """What `MultifractalVBMs.compute_multifractals` returns, by its names."""

    d0: float
    d1: float
    d2: float


@once
def multifractal(v: Vasculature) -> Multifractal | None:
    """Return the mean over the four corners; None where no box holds enough vessel."""
    total = sums_above_left(v.pixels)
    found = [
        one
        for below in (False, True)
        for right in (False, True)
        if (one := _from_corner(total, below=below, right=right)) is not None
    ]
    return Multifractal(*np.mean(found, axis=0).tolist()) if found else None


def from_corner(
    mask: Bool[np.ndarray, "height width"], *, below: bool = False, right: bool = False
) -> Float[np.ndarray, "3"] | None:
    """Return D₀, D₁, D₂ with the grid laid from one corner.

    The upper left one, as PVBM lays it, if it is neither below nor on the right.
    """
    return _from_corner(sums_above_left(mask), below=below, right=right)


def sums_above_left(mask: Bool[np.ndarray, "height width"]) -> Sums:
    """Return how many True pixels lie above and left of each corner of the pixels."""
    height, width = mask.shape
    total = np.zeros((height + 1, width + 1), np.int32 if mask.size < 2**31 else np.int64)
    np.cumsum(mask, axis=0, out=total[1:, 1:])
    np.cumsum(total[1:, 1:], axis=1, out=total[1:, 1:])
    return total


def _from_corner(total: Sums, *, below: bool, right: bool) -> Float[np.ndarray, "3"] | None:
    short = min(total.shape) - 1
    sides = np.linspace(SMALLEST_PX, int(LARGEST_SHARE * short), SIDES).astype(int)
    rows: list[tuple[float, ...]] = []
    for side in sides.tolist():
        p = _shares(total, side, (below, right))
        if p is None:
            return None
        rows.append((math.log(len(p)), float(-(p * np.log(p)).sum()), -math.log((p * p).sum())))
    return -np.polyfit(np.log(sides), np.array(rows), 1)[0]


def _shares(total: Sums, side: int, from_end: tuple[bool, bool]) -> Float[np.ndarray, "k"] | None:
    """Return the share of vessel in each box that is neither near empty nor near full."""
    cuts: list[Int[np.ndarray, "k"]] = []
    for size, end in zip(total.shape, from_end, strict=True):
        cut = np.append(np.arange(0, size - 1, side), size - 1)
        cuts.append(size - 1 - cut[::-1] if end else cut)
    mass = np.diff(np.diff(total[np.ix_(*cuts)], axis=0), axis=1).reshape(-1)
    for low, high in ((EMPTY, FULL), (0.001, 1.0)):
        kept = mass[(mass >= low * side**2) & (mass <= high * side**2)]
        if kept.sum():
            return kept[kept > 0] / kept.sum()
    return None


def _measure(v: Vasculature, *, card: BiomarkerCard, field: str) -> Quantity:
    found = multifractal(v) if min(v.pixels.shape) >= 2 * SMALLEST_PX else None
    if found is None:
        return undefined(card, NO_VESSEL)
    return Quantity(card, float(getattr(found, field)))


def _area(v: Vasculature, *, card: BiomarkerCard) -> Quantity:
    return Quantity(card, float(np.count_nonzero(v.pixels)))


def _card(name: str, unit: str, range_: str, measures: str, definition: str) -> BiomarkerCard:
    return BiomarkerCard(
        name=f"pvbm:{name}", version=1, measures=measures, range=range_, direction="neither",
        unit=unit, smallest_n=1, reference="PVBM 3.0.1.8 (Fhima et al., ECCV Workshops 2022)",
        known_failure="Boxes are laid from the frame's corner and begin at 5 pixels: its border "
        "changes the numbers, and twice the pixels take 3 % from a dimension.",
        region="whole frame", definition=definition,
    )  # fmt: skip


_AREA = _card("area", "px2", "[0, inf)", "Vessel pixels (PVBM's area).", "count of vessel pixels")
_GRID = "20 box sides from 5 px to 0.6 of the frame, mean over grids laid from the four corners"
_CARDS = {
    "d0": _card("d0", "1", "[0, 3]", "Capacity dimension (PVBM's D0).", f"q = 0; {_GRID}"),
    "d1": _card("d1", "1", "[0, 3]", "Entropy dimension (PVBM's D1).", f"q = 1; {_GRID}"),
    "d2": _card("d2", "1", "[0, 3]", "Correlation dimension (PVBM's D2).", f"q = 2; {_GRID}"),
}  # fmt: skip

NAMED_PVBM: tuple[Biomarker, ...] = (
    Biomarker(_AREA, partial(_area, card=_AREA)),
    *(Biomarker(card, partial(_measure, card=card, field=field)) for field, card in _CARDS.items()),
)
