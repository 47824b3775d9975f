"""Tortuosity: how vessels wind, on smooth curves through their centrelines (see `curves`).

    arc over chord  L / C − 1                        τ₁ of Hart et al. 1999
    bending         ∫ κ² ds / l                      τ₅ of Hart et al. 1999: total squared
                                                     curvature over arc length
    inflections     changes of the sense of turning / l
    twists          (n − 1) / l · Σ (Lᵢ / Cᵢ − 1)    τ of Grisan et al. 2008: over the n pieces on
                                                     which the vessel turns one way; mean over
                                                     several least turns

A vessel is a branch between two branchings or ends, of `SHORTEST_UNIT` or longer, from where it
leaves its parent's walls; L is its arc length, C the distance between its ends, κ its curvature.
Near their ends curves follow the junction, so that κ and turns are taken `END_UNIT` away from
them, over the length l that is left. A branch `RING` times as long as C is a ring that tracing
made, and left out. Over an eye: pooled = Σ of numerators / Σ of denominators; the mean weighs each
vessel by its length.

References:
    W. E. Hart, M. Goldbaum, B. Côté, P. Kube, M. R. Nelson, "Measurement and classification of
    retinal vascular tortuosity", Int. J. Med. Inform. 53 (1999), 239.
    E. Grisan, M. Foracchia, A. Ruggeri, "A novel method for the automatic grading of retinal
    vessel tortuosity", IEEE Trans. Med. Imaging 27 (2008), 310.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from retinaforge.core import Branch, Quantity, VesselKind
from retinaforge.vessels.biomarker import (
    NO_DISC,
    NO_KINDS,
    NO_SCALE,
    Biomarker,
    BiomarkerCard,
    undefined,
)
from retinaforge.vessels.curves import STEP_UNIT, smooth_curves
from retinaforge.vessels.once import once
from retinaforge.vessels.vasculature import Vasculature

SHORTEST_UNIT = 12.0
"""Shorter branches are mostly junction; their shape says nothing."""

END_UNIT = 8.0
"""Length at either end whose bends are left out."""

RING = 3.0
"""Arc over chord beyond which a branch comes back to where it began."""

LEAST_TURN_RAD = math.radians(10.0)
"""A vessel turns if it turns by this much before it turns back."""

GRISAN_TURNS_RAD = tuple(math.radians(least) for least in (6.0, 8.0, 10.0, 12.0, 14.0))
"""The same for Grisan's pieces, each tried: one turn more or less must not change an eye."""

NO_LONG_VESSEL = f"no vessel is {SHORTEST_UNIT:g}/512 of the field of view long"


@dataclass(frozen=True)
class Shapes:
    """Shape of every branch long enough to have one."""

    arc_px: Float[np.ndarray, "k"]
    chord_px: Float[np.ndarray, "k"]
    inner_px: Float[np.ndarray, "k"]
    bending_per_px: Float[np.ndarray, "k"]
    inflections: Float[np.ndarray, "k"]
    twists: Float[np.ndarray, "k"]
    kind: np.ndarray

    def only(self, kind: VesselKind | None) -> Shapes:
        """Return those of one kind; None returns all."""
        if kind is None:
            return self
        own = self.kind == kind
        return Shapes(self.arc_px[own], self.chord_px[own], self.inner_px[own],
                      self.bending_per_px[own], self.inflections[own], self.twists[own],
                      self.kind[own])  # fmt: skip

    @property
    def grisan_per_px(self) -> Float[np.ndarray, "k"]:
        """Return Grisan's τ of each vessel, in 1 / px; NaN of one too short to bend."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.inner_px > 0, self.twists / self.inner_px, np.nan)


@once
def shapes(v: Vasculature) -> Shapes:
    """Measure the curve of every branch, once."""
    long = np.flatnonzero(v.lengths_px >= SHORTEST_UNIT * v.unit_px)
    branches = [v.tree.branches[k] for k in long]
    lines = [_beyond_parent(v, branch) for branch in branches]
    curves = smooth_curves(lines, unit_px=v.unit_px)
    bends = curves.bends.away_from_ends(round(END_UNIT / STEP_UNIT))
    arc, chord = curves.lengths_px, curves.chords_px
    open_ = arc < RING * chord
    turns = bends.inflections(least_rad=LEAST_TURN_RAD).astype(float)
    twists = np.mean([curves.twists(bends, least_rad=least) for least in GRISAN_TURNS_RAD], axis=0)
    kind = np.array([branch.kind for branch in branches], dtype=object)
    return Shapes(arc[open_], chord[open_], bends.lengths_px[open_],
                  bends.squared_curvature[open_], turns[open_], twists[open_],
                  kind[open_])  # fmt: skip


def _beyond_parent(v: Vasculature, branch: Branch) -> Float[np.ndarray, "n 2"]:
    """Return a centreline from where it leaves its parent's walls; before, it is the parent's."""
    if branch.parent is None:
        return branch.points_px
    reach = min(float(v.tree.branches[branch.parent].radii_px[-1]), branch.length_px / 2)
    near = branch.points_px[: math.ceil(2 * reach) + 2]
    return branch.points_px[int(np.argmax(np.hypot(*(near - near[0]).T) >= reach)) :]


def _pooled(s: Shapes) -> float:
    return float(s.arc_px.sum() / s.chord_px.sum() - 1)


def _mean(s: Shapes) -> float:
    return float((s.arc_px * (s.arc_px / s.chord_px - 1)).sum() / s.arc_px.sum())


def _bending(s: Shapes) -> float:
    return float(s.bending_per_px.sum() / s.inner_px.sum())


def _inflections(s: Shapes) -> float:
    return float(s.inflections.sum() / s.inner_px.sum())


def _twists(s: Shapes) -> float:
    return float(s.twists.sum() / s.inner_px.sum())


def _measure(
    v: Vasculature, *, card: BiomarkerCard, kind: VesselKind | None,
    summary: Callable[[Shapes], float], power: int,
) -> Quantity:  # fmt: skip
    """Summarise the shapes of a kind; `power` is that of 1/length in the result."""
    if kind is not None and kind not in v.kind_pixels:
        return undefined(card, NO_KINDS)
    found = shapes(v).only(kind)
    if not len(found.arc_px) or (power and not found.inner_px.sum()):
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


_HART = "Hart et al. 1999 (Int. J. Med. Inform. 53, 239)"
_SOURCES = {"tortuosity_grisan": "Grisan et al. 2008 (IEEE Trans. Med. Imaging 27, 310)"}


def _biomarker(
    name: str, unit: str, summary: Callable[[Shapes], float], power: int,
    kind: VesselKind | None, words: tuple[str, str],
) -> Biomarker:  # fmt: skip
    whose = {None: "all vessels", "artery": "arteries", "vein": "veins"}[kind]
    card = BiomarkerCard(
        name=name if kind is None else f"{kind}_{name}", version=1,
        measures=f"{words[0]}, {whose}.", range="[0, inf)", direction="neither", unit=unit,
        smallest_n=1,
        reference=f"{_SOURCES.get(name, _HART)}; "
        "retinaforge.vessels.biomarkers.tortuosity",
        known_failure="A mask with breaks or false branchings has shorter vessels, which look "
        "straighter.",
        region="field of view outside the disc, vessels 12/512 of it or longer",
        definition=words[1],
    )  # fmt: skip
    return Biomarker(card, partial(_measure, card=card, kind=kind, summary=summary, power=power))


_ARC = ("How much longer vessels are than the straight way", "Σ arc length / Σ chord − 1 (τ₁)")
_MEAN = ("Arc over chord less 1, mean of vessels", "length-weighted mean of arc / chord − 1 (τ₁)")
_TAU5 = (
    "Mean squared curvature along vessels",
    "Σ ∫ κ² ds / Σ length, 8/512 of the field or more from either end (τ₅)",
)
_TURNS = ("Changes of the sense of turning along vessels",
          "changes between turns of 10° or more, each the other way / "
          "Σ length, 8/512 of the field or more from either end")  # fmt: skip
_GRISAN = ("Winding by pieces that turn one way", "Σ over vessels of (n − 1) Σ (arc / chord − 1) "
           "over the n pieces between changes of sense / Σ length, 8/512 of the field or more from "
           "either end (Grisan's τ, each vessel by its length); mean over least turns of 6° to 14°",
           )  # fmt: skip
_KINDS: tuple[VesselKind | None, ...] = (None, "artery", "vein")

TORTUOSITY: tuple[Biomarker, ...] = (
    *(_biomarker("tortuosity", "1", _pooled, 0, kind, _ARC) for kind in _KINDS),
    *(_biomarker("tortuosity_mean", "1", _mean, 0, kind, _MEAN) for kind in _KINDS),
    *(_biomarker("squared_curvature", "1/mm2", _bending, 2, kind, _TAU5) for kind in _KINDS),
    *(_biomarker("squared_curvature", "1/dd2", _bending, 2, kind, _TAU5) for kind in _KINDS),
    *(_biomarker("inflections", "1/mm", _inflections, 1, kind, _TURNS) for kind in _KINDS),
    *(_biomarker("inflections", "1/dd", _inflections, 1, kind, _TURNS) for kind in _KINDS),
    *(_biomarker("tortuosity_grisan", "1/mm", _twists, 1, kind, _GRISAN) for kind in _KINDS),
    *(_biomarker("tortuosity_grisan", "1/dd", _twists, 1, kind, _GRISAN) for kind in _KINDS),
)
