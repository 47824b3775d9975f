"""Tortuosity: how vessels wind, on smooth curves through their centrelines (see `curves`).

    arc over chord  L / C − 1                        τ₁ of Hart et al. 1999
    bending         ∫ κ² ds / L                      τ₅ of Hart et al. 1999: total squared
                                                     curvature over arc length
    inflections     changes of the sense of turning / L

A vessel is a branch between two branchings or ends, of `SHORTEST_UNIT` or longer; L is its arc
length, C the distance between its ends, κ its curvature. Over an eye: pooled = Σ of numerators /
Σ of denominators; the mean weighs each vessel by its length.

References:
    W. E. Hart, M. Goldbaum, B. Côté, P. Kube, M. R. Nelson, "Measurement and classification of
    retinal vascular tortuosity", Int. J. Med. Inform. 53 (1999), 239.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
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
from retinaforge.vessels.curves import smooth_curves
from retinaforge.vessels.once import once
from retinaforge.vessels.vasculature import Vasculature

SHORTEST_UNIT = 12.0
"""Shorter branches are mostly junction; their shape says nothing."""

LEAST_TURN_RAD = math.radians(10.0)
"""A vessel turns if it turns by this much before it turns back."""

NO_LONG_VESSEL = f"no vessel is {SHORTEST_UNIT:g}/512 of the field of view long"


@dataclass(frozen=True)
class Shapes:
    """Shape of every branch long enough to have one."""

    arc_px: Float[np.ndarray, "k"]
    chord_px: Float[np.ndarray, "k"]
    bending_per_px2: Float[np.ndarray, "k"]
    inflections: Float[np.ndarray, "k"]
    kind: np.ndarray

    def only(self, kind: VesselKind | None) -> Shapes:
        """Return those of one kind; None returns all."""
        if kind is None:
            return self
        own = self.kind == kind
        return Shapes(self.arc_px[own], self.chord_px[own], self.bending_per_px2[own],
                      self.inflections[own], self.kind[own])  # fmt: skip


@once
def shapes(v: Vasculature) -> Shapes:
    """Measure the curve of every branch, once."""
    long = np.flatnonzero(v.lengths_px >= SHORTEST_UNIT * v.unit_px)
    branches = [v.tree.branches[k] for k in long]
    curves = smooth_curves([branch.points_px for branch in branches], unit_px=v.unit_px)
    bends = curves.bends
    return Shapes(
        curves.lengths_px, curves.chords_px, bends.squared_curvature_per_px2,
        bends.inflections(least_rad=LEAST_TURN_RAD).astype(float),
        np.array([branch.kind for branch in branches], dtype=object),
    )  # fmt: skip


def _pooled(s: Shapes) -> float:
    return float(s.arc_px.sum() / s.chord_px.sum() - 1)


def _mean(s: Shapes) -> float:
    ringless = s.chord_px > 0
    arc, chord = s.arc_px[ringless], s.chord_px[ringless]
    return float((arc * (arc / chord - 1)).sum() / arc.sum())


def _bending(s: Shapes) -> float:
    return float((s.bending_per_px2 * s.arc_px).sum() / s.arc_px.sum())


def _inflections(s: Shapes) -> float:
    return float(s.inflections.sum() / s.arc_px.sum())


def _measure(
    v: Vasculature, *, card: BiomarkerCard, kind: VesselKind | None,
    summary: Callable[[Shapes], float], power: int,
) -> Quantity:  # fmt: skip
    """Summarise the shapes of a kind; `power` is that of 1/length in the result."""
    if kind is not None and kind not in v.kind_pixels:
        return undefined(card, NO_KINDS)
    found = shapes(v).only(kind)
    if not found.arc_px.sum() or not found.chord_px.sum():
        return undefined(card, NO_LONG_VESSEL)
    px = _px_per_length(v, card.unit)
    if isinstance(px, str):
        return undefined(card, px)
    return Quantity(card, summary(found) * px**power)


def _px_per_length(v: Vasculature, unit: str) -> float | str:
    """Return how many pixels make the length that a unit counts in; else why not."""
    if unit.startswith("1/mm"):
        um_per_px = v.landmarks.um_per_px
        return NO_SCALE if um_per_px is None else 1000 / um_per_px
    if unit.startswith("1/dd"):
        radius = v.landmarks.disc_radius_px
        return NO_DISC if radius is None else 2 * radius
    return 1.0


def _biomarker(
    name: str, unit: str, summary: Callable[[Shapes], float], power: int,
    kind: VesselKind | None, words: tuple[str, str],
) -> Biomarker:  # fmt: skip
    whose = {None: "all vessels", "artery": "arteries", "vein": "veins"}[kind]
    card = BiomarkerCard(
        name=name if kind is None else f"{kind}_{name}", version=1,
        measures=f"{words[0]}, {whose}.", range="[0, inf)", direction="neither", unit=unit,
        smallest_n=1,
        reference="Hart et al. 1999 (Int. J. Med. Inform. 53, 239); "
        "retinaforge.vessels.biomarkers.tortuosity",
        known_failure="A mask with breaks or false branchings has shorter vessels, which look "
        "straighter.",
        region="field of view outside the disc", definition=words[1],
    )  # fmt: skip
    return Biomarker(card, partial(_measure, card=card, kind=kind, summary=summary, power=power))


_ARC = ("How much longer vessels are than the straight way", "Σ arc length / Σ chord − 1 (τ₁)")
_MEAN = ("Arc over chord less 1, mean of vessels", "length-weighted mean of arc / chord − 1 (τ₁)")
_TAU5 = ("Mean squared curvature along vessels", "Σ ∫ κ² ds / Σ arc length (τ₅)")
_TURNS = ("Changes of the sense of turning along vessels",
          "changes between turns of 10° or more, each the other way / Σ arc length")  # fmt: skip
_KINDS: tuple[VesselKind | None, ...] = (None, "artery", "vein")

TORTUOSITY: tuple[Biomarker, ...] = (
    *(_biomarker("tortuosity", "1", _pooled, 0, kind, _ARC) for kind in _KINDS),
    *(_biomarker("tortuosity_mean", "1", _mean, 0, kind, _MEAN) for kind in _KINDS),
    *(_biomarker("squared_curvature", "1/mm2", _bending, 2, kind, _TAU5) for kind in _KINDS),
    *(_biomarker("squared_curvature", "1/dd2", _bending, 2, kind, _TAU5) for kind in _KINDS),
    *(_biomarker("inflections", "1/mm", _inflections, 1, kind, _TURNS) for kind in _KINDS),
    *(_biomarker("inflections", "1/dd", _inflections, 1, kind, _TURNS) for kind in _KINDS),
)
