"""How wide vessels are, each piece of centreline counting as much as it is long.

mean = Σ lᵢ cᵢ / Σ lᵢ,   sd² = Σ lᵢ (cᵢ − mean)² / Σ lᵢ,   median: half of the length is narrower

over the pieces i of all centrelines outside the disc, of length l and calibre c. Classes of width
are thirds of the length: the narrowest third, the middle one, the widest. In micrometres where the
scale is known; always in units of the field of view's diameter / 512.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from jaxtyping import Bool, Float

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
from retinaforge.vessels.centrelines import (
    known,
    weighted_mean,
    weighted_quantiles,
    weighted_sd,
)
from retinaforge.vessels.vasculature import KINDS, Vasculature

Array = Float[np.ndarray, "n"]
Chosen = Bool[np.ndarray, "n"]
Summary = Callable[[Array, Array], float]

NO_WIDTH = "no vessel of this class has a wall in view"
NO_ROOT = "no vessel begins at the disc's margin"
GENERATIONS = ("1", "2", "3")

_CARD = BiomarkerCard(
    name="", version=1, measures="", range="(0, inf)", direction="neither", unit="um",
    smallest_n=1, reference="calibre: retinaforge.vessels.chords",
    known_failure="A mask's threshold and its blur widen or narrow all vessels alike; thin vessels "
    "that a mask lacks raise the mean.",
    region="field of view, outside the disc", definition="",
)  # fmt: skip


def _median(calibres: Array, lengths: Array) -> float:
    return weighted_quantiles(calibres, lengths, shares=(0.5,))[0]


def _third(calibres: Array, lengths: Array, *, third: int) -> float:
    """Return the mean calibre of the first, second or last third of the length, by calibre.

    A piece that reaches over the border counts in both thirds, by its share in each.
    """
    order = np.argsort(calibres, kind="stable")
    reached = np.concatenate([[0.0], np.cumsum(lengths[order])])
    low, high = np.array([third, third + 1]) * reached[-1] / 3
    share = np.clip(reached[1:], low, high) - np.clip(reached[:-1], low, high)
    return weighted_mean(calibres[order], share)


def _all(v: Vasculature) -> Chosen | str:
    return np.ones(len(v.centrelines.pieces.branch), bool)


def _kind(v: Vasculature, *, kind: VesselKind) -> Chosen | str:
    if kind not in v.kind_pixels:
        return NO_KINDS
    return v.of_kind(kind)[v.centrelines.pieces.branch]


def _generation(v: Vasculature, *, generation: str) -> Chosen | str:
    """Choose the branches that so many branchings part from a vessel that leaves the disc."""
    if v.landmarks.disc_centre_px is None or v.landmarks.disc_axes_px is None:
        return NO_DISC
    if not v.from_disc.any():
        return NO_ROOT
    nth = np.minimum(v.generations + 1, len(GENERATIONS))
    return (v.from_disc & (nth == int(generation)))[v.centrelines.pieces.branch]


def _measure(
    v: Vasculature, *, card: BiomarkerCard, choose: Callable[[Vasculature], Chosen | str],
    summary: Summary,
) -> Quantity:  # fmt: skip
    um = v.landmarks.um_per_px
    if card.unit == "um" and um is None:
        return undefined(card, NO_SCALE)
    chosen = choose(v)
    if isinstance(chosen, str):
        return undefined(card, chosen)
    own = known(v.centrelines.pieces, chosen)
    if not own.any():
        return undefined(card, NO_VESSEL if not v.pixels.any() else NO_WIDTH)
    pieces = v.centrelines.pieces
    value = summary(pieces.calibres_px[own], pieces.lengths_px[own])
    return Quantity(card, value * um if card.unit == "um" and um else value / v.unit_px)


def _ratio(v: Vasculature, *, card: BiomarkerCard) -> Quantity:
    pieces, means = v.centrelines.pieces, []
    for kind in KINDS:
        chosen = _kind(v, kind=kind)
        if isinstance(chosen, str):
            return undefined(card, chosen)
        own = known(pieces, chosen)
        if not own.any():
            return undefined(card, f"no {kind} whose width shows")
        means.append(weighted_mean(pieces.calibres_px[own], pieces.lengths_px[own]))
    return Quantity(card, means[0] / means[1])


def _pair(
    name: str, words: str, choose: Callable[[Vasculature], Chosen | str], summary: Summary
) -> list[Biomarker]:
    """Return a summary in micrometres and in units of the field of view."""
    cards = [
        replace(_CARD, name=f"{name}_{suffix}", unit=unit, measures=f"{words}.",
                definition=f"{words[0].lower()}{words[1:]}, each piece by its length")
        for suffix, unit in (("um", "um"), ("fov512", "fov/512"))
    ]  # fmt: skip
    return [
        Biomarker(card, partial(_measure, card=card, choose=choose, summary=summary))
        for card in cards
    ]


def _by_kind(kind: VesselKind) -> list[Biomarker]:
    choose, them = partial(_kind, kind=kind), "arteries" if kind == "artery" else "veins"
    return [
        *_pair(f"{kind}_calibre_mean", f"Mean calibre of {them}", choose, weighted_mean),
        *_pair(f"{kind}_calibre_median", f"Median calibre of {them}", choose, _median),
    ]


def _by_third(name: str, words: str, third: int) -> list[Biomarker]:
    summary = partial(_third, third=third)
    return _pair(f"calibre_{name}_third", f"Mean calibre of the {words} of length", _all, summary)


def _by_generation(generation: str, words: str) -> list[Biomarker]:
    choose = partial(_generation, generation=generation)
    name = f"calibre_generation_{generation}"
    return _pair(name, f"Mean calibre of {words}", choose, weighted_mean)


_RATIO = replace(
    _CARD, name="artery_vein_calibre_ratio", unit="1",
    measures="How wide arteries are for the veins.",
    definition="mean calibre of arteries / mean calibre of veins, each piece by its length",
)  # fmt: skip

CALIBRE: tuple[Biomarker, ...] = (
    *_pair("calibre_mean", "Mean calibre of all vessels", _all, weighted_mean),
    *_pair("calibre_median", "Median calibre of all vessels", _all, _median),
    *_pair("calibre_sd", "Standard deviation of the calibre of all vessels", _all, weighted_sd),
    *_by_kind("artery"),
    *_by_kind("vein"),
    Biomarker(_RATIO, partial(_ratio, card=_RATIO)),
    *_by_third("narrowest", "narrowest third", 0),
    *_by_third("middle", "middle third", 1),
    *_by_third("widest", "widest third", 2),
    *_by_generation("1", "vessels from the disc to their first branching"),
    *_by_generation("2", "vessels between first and second branching"),
    *_by_generation("3", "vessels beyond their second branching"),
)
