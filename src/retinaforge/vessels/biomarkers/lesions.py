"""Diabetic lesions by kind: how many, how large, how near to the fovea.

    count       pieces of the kind's mask inside the field of view, pixels that touch at a corner
                belonging together
    to fovea    distance from the fovea to the nearest edge of a piece, 0 where it lies on one
    within 1 dd pieces of which any part lies at most a disc diameter from the fovea

The masks are whoever drew them: a person, a phantom, a network. A kind that nobody looked for is
undefined; one that was looked for and not found counts 0 and has no distance. A disc diameter (dd)
is the vertical one, a disc area (da) that of the disc's ellipse.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core import Landmarks, Quantity
from retinaforge.vessels.biomarker import (
    NO_DISC,
    NO_FOVEA,
    NO_SCALE,
    Biomarker,
    BiomarkerCard,
    undefined,
)
from retinaforge.vessels.biomarkers.regions import SMALLEST_VIEW
from retinaforge.vessels.once import once
from retinaforge.vessels.skeleton import labels_of
from retinaforge.vessels.vasculature import Vasculature
from retinaforge.vessels.zones import Grid, macula_grid

LESION_KINDS = ("microaneurysm", "haemorrhage", "hard_exudate", "soft_exudate")
NOT_LOOKED = "nobody looked for lesions of this kind"
NO_LESION = "there is no lesion of this kind"
NO_VIEW = "less than half of the region is in view"

Answer = float | str


@dataclass(frozen=True)
class Pieces:
    """What a kind's mask shows.

    Attributes:
        area_px: pixels of all pieces.
        away_px: of each piece, how far its nearest edge is from the fovea; NaN where that is not
            known.
        macula_px: pixels inside the ETDRS grid; None where it cannot be laid.
    """

    area_px: int
    away_px: Float[np.ndarray, "n"]
    macula_px: float | None


@once
def pieces_of(v: Vasculature) -> dict[str, Pieces]:
    """Return the pieces of every kind that was looked for."""
    grid = macula_grid(v.landmarks)
    return {
        kind: _pieces(mask & v.fov.mask, v.landmarks, grid)
        for kind, mask in (v.lesions or {}).items()
    }


def _pieces(mask: Bool[np.ndarray, "height width"], marks: Landmarks, grid: Grid | None) -> Pieces:
    labels = labels_of(mask, np.ones((3, 3), dtype=bool))
    count = int(labels.max(initial=0))
    row, column = np.nonzero(mask)
    away = np.full(count, np.nan)
    if marks.fovea_px is not None and count:
        x, y = column - marks.fovea_px[0], row - marks.fovea_px[1]
        # A pixel reaches half its side beyond its centre; the fovea's own pixel lies on it.
        edge = np.where(np.maximum(np.abs(x), np.abs(y)) <= 0.5, 0.0, np.hypot(x, y) - 0.5)
        away = np.full(count, np.inf)
        np.minimum.at(away, labels[row, column] - 1, edge.clip(0.0))
    inside = None if grid is None else float(grid.count(column * 1.0, row * 1.0).sum())
    return Pieces(len(row), away, inside)


def _count(v: Vasculature, p: Pieces) -> Answer:
    return float(len(p.away_px))


def _share(v: Vasculature, p: Pieces) -> Answer:
    return p.area_px / float(v.fov.mask.sum())


def _disc_areas(v: Vasculature, p: Pieces) -> Answer:
    axes = v.landmarks.disc_axes_px
    return NO_DISC if axes is None else p.area_px / (math.pi * axes[0] * axes[1])


def _area_mm2(v: Vasculature, p: Pieces) -> Answer:
    um_per_px = v.landmarks.um_per_px
    return NO_SCALE if um_per_px is None else p.area_px * (um_per_px / 1000) ** 2


def _within(v: Vasculature, p: Pieces) -> Answer:
    radius, fovea = v.landmarks.disc_radius_px, v.landmarks.fovea_px
    if fovea is None or radius is None:
        return NO_FOVEA if fovea is None else NO_DISC
    circle = Grid(fovea, (0.0, 2 * radius), (1.0, 0.0), (0.0, -1.0), sided=False)
    if circle.visible(v.fov.mask).mean() < SMALLEST_VIEW:
        return NO_VIEW
    return float((p.away_px <= 2 * radius).sum())


def _macular_share(v: Vasculature, p: Pieces) -> Answer:
    grid = macula_grid(v.landmarks)
    if grid is None or p.macula_px is None:
        return NO_FOVEA if v.landmarks.fovea_px is None else f"{NO_SCALE}, nor is the disc"
    seen = float((grid.areas_px * grid.visible(v.fov.mask)).sum())
    if seen < SMALLEST_VIEW * float(grid.areas_px.sum()):
        return NO_VIEW
    return min(p.macula_px / seen, 1.0)


def _nearest_px(v: Vasculature, p: Pieces) -> Answer:
    if v.landmarks.fovea_px is None:
        return NO_FOVEA
    return float(p.away_px.min()) if len(p.away_px) else NO_LESION


def _nearest_dd(v: Vasculature, p: Pieces) -> Answer:
    px, radius = _nearest_px(v, p), v.landmarks.disc_radius_px
    if isinstance(px, str):
        return px
    return NO_DISC if radius is None else px / (2 * radius)


def _nearest_um(v: Vasculature, p: Pieces) -> Answer:
    px, um_per_px = _nearest_px(v, p), v.landmarks.um_per_px
    if isinstance(px, str):
        return px
    return NO_SCALE if um_per_px is None else px * um_per_px


def _measure(
    v: Vasculature, *, card: BiomarkerCard, kind: str, of: Callable[[Vasculature, Pieces], Answer]
) -> Quantity:
    found = pieces_of(v).get(kind)
    answer = NOT_LOOKED if found is None else of(v, found)
    return undefined(card, answer) if isinstance(answer, str) else Quantity(card, answer)


@dataclass(frozen=True)
class _Column:
    """What is measured of each kind; `{}` in the texts stands for the kind."""

    name: str
    unit: str
    measures: str
    definition: str
    of: Callable[[Vasculature, Pieces], Answer]
    region: str = "field of view"
    range: str = "[0, inf)"


_MACULA = "ETDRS grid, circle of 6 mm round the fovea"
_NEAR = "circle of one disc diameter round the fovea"
_EDGE = "distance from the fovea to the nearest edge of a piece, 0 where it lies on one"
_COLUMNS = (
    _Column("{}_count", "1", "Number of {}s.",
            "8-connected pieces of the mask inside the field of view", _count),
    _Column("{}_area_density", "1", "Share of the field of view that is {}.",
            "pixels of the mask / pixels of the field of view", _share, range="[0, 1]"),
    _Column("{}_area", "da", "Area of all {}s in disc areas.",
            "pixels of the mask / (π × product of the disc's half axes)", _disc_areas),
    _Column("{}_area", "mm2", "Area of all {}s.", "pixels of the mask × (mm a pixel)²", _area_mm2),
    _Column("{}_count_within_1dd", "1", "Number of {}s near the fovea.",
            "pieces of which any part lies within one vertical disc diameter of the fovea; needs "
            "half of that circle in view", _within, _NEAR),
    _Column("{}_area_density_macula", "1", "Share of the macula that is {}.",
            "pixels of the mask in the region / pixels of its visible part; needs half of it in "
            "view; without a scale the disc's diameter counts as 1.85 mm", _macular_share, _MACULA,
            "[0, 1]"),
    _Column("{}_to_fovea", "dd", "Distance of the nearest {} from the fovea.",
            f"{_EDGE} / the disc's vertical diameter", _nearest_dd, "field of view and fovea"),
    _Column("{}_to_fovea", "um", "Distance of the nearest {} from the fovea.",
            _EDGE, _nearest_um, "field of view and fovea"),
)  # fmt: skip


def _biomarker(kind: str, column: _Column) -> Biomarker:
    card = BiomarkerCard(
        name=column.name.format(kind), version=1,
        measures=column.measures.format(kind.replace("_", " ")), range=column.range,
        direction="neither", unit=column.unit, smallest_n=1,
        reference="retinaforge.vessels.biomarkers.lesions",
        known_failure="As good as the masks, and networks miss small lesions. Lesions that touch "
        "count as one (exudates in a ring), a flame drawn in streaks as several.",
        region=column.region, definition=column.definition,
    )  # fmt: skip
    return Biomarker(card, partial(_measure, card=card, kind=kind, of=column.of))


LESIONS: tuple[Biomarker, ...] = tuple(
    _biomarker(kind, column) for kind in LESION_KINDS for column in _COLUMNS
)
