"""Counts: bifurcations, crossings, ends, trees and loops, and how dense they are.

bifurcations  Σ over branches of (children − 1): a vessel that parts into three counts twice,
              as it would if it did so in two steps
crossings     places where centrelines of arteries and of veins intersect; where kinds are not
              known, nodes through which two vessels go straight on
ends          branches without children that end inside the field of view
trees         roots, with the tree that hangs on them long enough not to be a speck
loops         holes of the mask, which is the cycle rank of its graph
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from retinaforge.core import Quantity, VesselKind
from retinaforge.vessels.av_crossings import artery_vein_crossings
from retinaforge.vessels.biomarker import (
    NO_DISC,
    NO_KINDS,
    NO_SCALE,
    NO_VESSEL,
    Biomarker,
    BiomarkerCard,
    undefined,
)
from retinaforge.vessels.once import once
from retinaforge.vessels.skeleton import MIN_AREA, labels_of
from retinaforge.vessels.vasculature import Vasculature

RIM_UNIT = 4.0
"""A vessel that ends nearer to the border of the field of view than this goes on beyond it."""

TREE_UNIT = 24.0
"""Trees shorter than this, all branches together, are specks."""

_ACROSS = ndimage.generate_binary_structure(2, 1)
_AROUND = np.array([(math.cos(t), math.sin(t)) for t in np.arange(16) * math.pi / 8])


def _parted(v: Vasculature) -> Float[np.ndarray, "n"]:
    """Return, for each branch, how many bifurcations it makes."""
    return np.array([max(len(below) - 1, 0) for below in v.children], dtype=float)


def _ended(v: Vasculature) -> Bool[np.ndarray, "n"]:
    """Return which branches end inside the field of view."""
    last = np.array([branch.points_px[-1] for branch in v.tree.branches]).reshape(-1, 2)
    leaf = np.array([not below for below in v.children], dtype=bool)
    return leaf & inside(v, last, RIM_UNIT * v.unit_px)


def inside(v: Vasculature, points: Float[np.ndarray, "n 2"], by_px: float) -> Bool[np.ndarray, "n"]:
    """Return which points lie in the field of view by at least a distance."""
    round_it = points[:, None] + by_px * _AROUND
    column, row = np.rint(round_it).astype(int).transpose(2, 0, 1)
    height, width = v.fov.mask.shape
    framed = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    held = v.fov.mask[row.clip(0, height - 1), column.clip(0, width - 1)]
    return (framed & held).all(axis=1)


def _rooted(v: Vasculature) -> Bool[np.ndarray, "n"]:
    """Return which branches are the root of a tree that is no speck."""
    below = v.lengths_px.copy()
    for k in range(len(below) - 1, -1, -1):
        parent = v.tree.branches[k].parent
        if parent is not None:
            below[parent] += below[k]
    root = np.array([branch.parent is None for branch in v.tree.branches], dtype=bool)
    return root & (below >= TREE_UNIT * v.unit_px)


def _at_disc(v: Vasculature) -> Bool[np.ndarray, "n"]:
    """Return which branches begin at the disc's margin and are no specks."""
    at_disc = np.concatenate([traced.at_disc for traced in v.traced.values()])
    return at_disc & _rooted(v)


@once
def loops(v: Vasculature) -> int:
    """Return how many holes of the mask are larger than noise."""
    background = labels_of(np.pad(~v.pixels, 1, constant_values=True), _ACROSS)
    area = np.bincount(background.reshape(-1))[1:]
    # Padding makes the surroundings piece 1.
    return int((area[1:] >= MIN_AREA * v.unit_px**2).sum())


def _branches(
    v: Vasculature, *, card: BiomarkerCard, kind: VesselKind | None,
    which: Callable[[Vasculature], np.ndarray],
) -> Quantity:  # fmt: skip
    if kind is not None and kind not in v.kind_pixels:
        return undefined(card, NO_KINDS)
    marked = which(v)
    return Quantity(card, float(marked.sum() if kind is None else marked[v.of_kind(kind)].sum()))


def _disc_branches(v: Vasculature, *, card: BiomarkerCard, kind: VesselKind | None) -> Quantity:
    if v.landmarks.disc_radius_px is None:
        return undefined(card, NO_DISC)
    return _branches(v, card=card, kind=kind, which=_at_disc)


def _crossings(v: Vasculature, *, card: BiomarkerCard) -> Quantity:
    if v.kind_pixels:
        return Quantity(card, float(len(artery_vein_crossings(v))))
    return Quantity(card, float(sum(len(traced.crossings_px) for traced in v.traced.values())))


def _artery_vein(v: Vasculature, *, card: BiomarkerCard) -> Quantity:
    if not v.kind_pixels:
        return undefined(card, NO_KINDS)
    return _crossings(v, card=card)


def _loops(v: Vasculature, *, card: BiomarkerCard) -> Quantity:
    return Quantity(card, float(loops(v)))


def _density(v: Vasculature, *, card: BiomarkerCard, count: Biomarker) -> Quantity:
    """Divide a count by the length of all vessels, in mm or disc diameters."""
    um_per_px, radius = v.landmarks.um_per_px, v.landmarks.disc_radius_px
    px = None if um_per_px is None else 1000 / um_per_px
    if card.unit == "1/dd":
        px = None if radius is None else 2 * radius
    if px is None:
        return undefined(card, NO_DISC if card.unit == "1/dd" else NO_SCALE)
    if not v.lengths_px.sum():
        return undefined(card, NO_VESSEL)
    return Quantity(card, count.measure(v).value / float(v.lengths_px.sum()) * px)


_KINDS: tuple[VesselKind | None, ...] = (None, "artery", "vein")
_REGION = "field of view outside the disc"
_FAILS = "Falls with thin vessels that a mask misses; rises where a mask breaks vessels."


def _card(name: str, measures: str, definition: str, unit: str = "1") -> BiomarkerCard:
    return BiomarkerCard(
        name=name, version=1, measures=measures, range="[0, inf)", direction="neither", unit=unit,
        smallest_n=1, reference="retinaforge.vessels.biomarkers.counts", known_failure=_FAILS,
        region=_REGION, definition=definition,
    )  # fmt: skip


def _of_branches(
    name: str, what: str, definition: str, which: Callable[[Vasculature], np.ndarray]
) -> tuple[Biomarker, ...]:
    found: list[Biomarker] = []
    for kind in _KINDS:
        prefix = "" if kind is None else f"{kind}_"
        whose = {None: "", "artery": " of arteries", "vein": " of veins"}[kind]
        card = _card(prefix + name, f"{what}{whose}.", definition)
        found.append(Biomarker(card, partial(_branches, card=card, kind=kind, which=which)))
    return tuple(found)


def _of_disc(kind: VesselKind | None) -> Biomarker:
    prefix, whose = ("", "Vessels") if kind is None else (f"{kind}_", {"artery": "Arteries",
                     "vein": "Veins"}.get(kind, ""))  # fmt: skip
    card = _card(f"{prefix}roots_at_disc", f"{whose} that leave the disc.",
                 "roots at the disc's margin, trees of 24/512 of the field or more")  # fmt: skip
    return Biomarker(card, partial(_disc_branches, card=card, kind=kind))


def _dense(count: Biomarker, unit: str) -> Biomarker:
    word = {"1/mm": "millimetre", "1/dd": "disc diameter"}[unit]
    card = _card(count.card.name, f"{count.card.measures[:-1]} for every {word} of vessel.",
                 f"{count.card.name} / length of all vessels", unit)  # fmt: skip
    return Biomarker(card, partial(_density, card=card, count=count))


_BIFURCATIONS = _of_branches("bifurcations", "Bifurcations",
                             "sum over branches of children − 1", _parted)  # fmt: skip
_ENDS = _of_branches("ends", "Ends", "branches without children whose end lies 4/512 of the field "
                     "or more inside it", _ended)  # fmt: skip
_TREES = _of_branches("trees", "Trees", "roots whose branches are 24/512 of the field long or "
                      "more together", _rooted)  # fmt: skip
_CROSSINGS_CARD = _card(
    "crossings", "Crossings of vessels.",
    "intersections of arteries' with veins' centrelines; where kinds are not known, nodes "
    "through which two vessels go straight on",
)  # fmt: skip
_CROSSINGS = Biomarker(_CROSSINGS_CARD, partial(_crossings, card=_CROSSINGS_CARD))
_AV_CARD = _card("artery_vein_crossings", "Crossings of an artery with a vein.",
                 "intersections of arteries' with veins' centrelines; those less than 4/512 of "
                 "the field apart are one")  # fmt: skip
_AV = Biomarker(_AV_CARD, partial(_artery_vein, card=_AV_CARD))
_LOOPS_CARD = _card("loops", "Loops of vessel.", "enclosed holes of the mask of 10 or more units "
                    "squared (unit: field of view / 512)")  # fmt: skip
_LOOPS = Biomarker(_LOOPS_CARD, partial(_loops, card=_LOOPS_CARD))

COUNTS: tuple[Biomarker, ...] = (
    *_BIFURCATIONS,
    *_ENDS,
    *_TREES,
    *(_of_disc(kind) for kind in _KINDS),
    _CROSSINGS,
    _AV,
    _LOOPS,
    *(_dense(count, unit) for count in (_BIFURCATIONS[0], _ENDS[0], _CROSSINGS)
      for unit in ("1/mm", "1/dd")),
)  # fmt: skip
