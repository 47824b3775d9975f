"""Anatomy: disc, cup, rim, where the fovea lies, its avascular zone, the temporal arcades.

    disc–fovea angle  atan2(y_f − y_d, |x_f − x_d|): positive where the fovea lies below the disc,
                      in right eyes as in left ones
    avascular zone    largest circle without vessel that holds the fovea, its centre within half a
                      disc diameter of it; at most two disc diameters across
    temporal arcade   angle at the disc's centre, open to the fovea, between the widest vessel on
                      either side of the line to the fovea that crosses a circle of one disc
                      diameter round the disc's centre

A disc diameter (dd) is the vertical one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from retinaforge.core import Landmarks, Quantity, VesselKind
from retinaforge.vessels.biomarker import (
    NO_DISC,
    NO_FOVEA,
    NO_KINDS,
    NO_SCALE,
    Biomarker,
    BiomarkerCard,
    undefined,
)
from retinaforge.vessels.once import once
from retinaforge.vessels.vasculature import Vasculature

NO_CUP = "the cup is not known"
CUP_BEYOND = "the cup is larger than the disc"
NO_ARCADE = "no vessel crosses the circle round the disc on one side of the line to the fovea"
NO_ZONE = "the fovea lies outside the field of view or on a vessel"

ZONE_DD = 0.5
"""How far the centre of the avascular zone may lie from the fovea."""

TEMPORAL_RAD = math.radians(100.0)
"""A vessel belongs to the temporal arcades if it leaves within this angle of the fovea's side."""


def _size(
    v: Vasculature, *, card: BiomarkerCard, of: Callable[[Landmarks], float | str], power: int
) -> Quantity:
    """Return a length (power 1) or area (power 2) of landmarks, brought to the card's unit."""
    px = of(v.landmarks)
    if isinstance(px, str):
        return undefined(card, px)
    return _in_unit(v, card, px, power)


def _in_unit(v: Vasculature, card: BiomarkerCard, px: float, power: int) -> Quantity:
    radius, um_per_px = v.landmarks.disc_radius_px, v.landmarks.um_per_px
    if card.unit == "dd":
        return undefined(card, NO_DISC) if radius is None else Quantity(card, px / (2 * radius))
    if card.unit in ("um", "mm2"):
        if um_per_px is None:
            return undefined(card, NO_SCALE)
        return Quantity(card, px * (um_per_px if power == 1 else (um_per_px / 1000) ** 2))
    return Quantity(card, px)


def _disc_height(marks: Landmarks) -> float | str:
    return NO_DISC if marks.disc_axes_px is None else 2 * marks.disc_axes_px[1]


def _disc_width(marks: Landmarks) -> float | str:
    return NO_DISC if marks.disc_axes_px is None else 2 * marks.disc_axes_px[0]


def _cup_height(marks: Landmarks) -> float | str:
    return NO_CUP if marks.cup_axes_px is None else 2 * marks.cup_axes_px[1]


def _cup_width(marks: Landmarks) -> float | str:
    return NO_CUP if marks.cup_axes_px is None else 2 * marks.cup_axes_px[0]


def _disc_area(marks: Landmarks) -> float | str:
    axes = marks.disc_axes_px
    return NO_DISC if axes is None else math.pi * axes[0] * axes[1]


def _cup_area(marks: Landmarks) -> float | str:
    axes = marks.cup_axes_px
    return NO_CUP if axes is None else math.pi * axes[0] * axes[1]


def _rim_area(marks: Landmarks) -> float | str:
    disc, cup = _disc_area(marks), _cup_area(marks)
    if isinstance(disc, str):
        return disc
    if isinstance(cup, str):
        return cup
    rim: float = disc - cup
    return rim if rim >= 0 else CUP_BEYOND


def _ratio(
    v: Vasculature, *, card: BiomarkerCard, above: Callable[[Landmarks], float | str],
    below: Callable[[Landmarks], float | str],
) -> Quantity:  # fmt: skip
    cup, disc = above(v.landmarks), below(v.landmarks)
    for part in (disc, cup):
        if isinstance(part, str):
            return undefined(card, part)
    share = float(cup) / float(disc)
    return Quantity(card, share) if share <= 1 else undefined(card, CUP_BEYOND)


def _to_fovea(marks: Landmarks) -> Float[np.ndarray, "2"] | str:
    """Return the step from the disc's centre to the fovea."""
    if marks.disc_centre_px is None:
        return NO_DISC
    if marks.fovea_px is None:
        return NO_FOVEA
    return np.array(marks.fovea_px, float) - np.array(marks.disc_centre_px, float)


def _disc_fovea(marks: Landmarks) -> float | str:
    step = _to_fovea(marks)
    return step if isinstance(step, str) else float(np.hypot(*step))


def _disc_fovea_angle(v: Vasculature, *, card: BiomarkerCard) -> Quantity:
    step = _to_fovea(v.landmarks)
    if isinstance(step, str):
        return undefined(card, step)
    return Quantity(card, math.degrees(math.atan2(step[1], abs(step[0]))))


@once
def avascular_radius_px(v: Vasculature) -> float | str:
    """Return the radius of the largest vessel-free circle round the fovea; else why not."""
    radius, fovea = v.landmarks.disc_radius_px, v.landmarks.fovea_px
    if fovea is None or radius is None:
        return NO_FOVEA if fovea is None else NO_DISC
    reach = 2 * ZONE_DD * radius
    free, corner = _free_round(v, fovea, math.ceil(reach + 2 * radius))
    if not free.any():
        return NO_ZONE
    away = np.asarray(ndimage.distance_transform_edt(free)) - 0.5
    y, x = np.indices(free.shape) + np.array(corner)[:, None, None]
    from_fovea = np.hypot(x - fovea[0], y - fovea[1])
    fits = free & (from_fovea <= np.minimum(away, reach))
    return min(float(away[fits].max()), 2 * radius) if fits.any() else NO_ZONE


def _free_round(
    v: Vasculature, fovea: tuple[float, float], reach: int
) -> tuple[np.ndarray, tuple[int, int]]:
    """Return where there is retina without vessel near the fovea, and the corner of that part."""
    row, column = round(fovea[1]), round(fovea[0])
    top, left = max(row - reach, 0), max(column - reach, 0)
    part = (slice(top, max(row + reach + 1, 0)), slice(left, max(column + reach + 1, 0)))
    free = v.fov.mask[part] & ~v.pixels[part]
    return np.pad(free, 1), (top - 1, left - 1)


def _avascular(v: Vasculature, *, card: BiomarkerCard) -> Quantity:
    radius = avascular_radius_px(v)
    return undefined(card, radius) if isinstance(radius, str) else _in_unit(v, card, radius, 1)


def _arcade(v: Vasculature, *, card: BiomarkerCard, kind: VesselKind | None) -> Quantity:
    if kind is not None and kind not in v.kind_pixels:
        return undefined(card, NO_KINDS)
    step = _to_fovea(v.landmarks)
    if isinstance(step, str) or v.landmarks.disc_radius_px is None:
        return undefined(card, step if isinstance(step, str) else NO_DISC)
    turned, radii = _leaving(v, kind, math.atan2(step[1], step[0]))
    total = 0.0
    for side in (turned < 0, turned >= 0):
        if not side.any():
            return undefined(card, NO_ARCADE)
        total += abs(float(turned[side][np.argmax(radii[side])]))
    return Quantity(card, math.degrees(total))


def _leaving(
    v: Vasculature, kind: VesselKind | None, fovea_rad: float
) -> tuple[Float[np.ndarray, "k"], Float[np.ndarray, "k"]]:
    """Return where vessels cross the circle of one disc diameter, seen from the disc's centre
    against the line to the fovea (radians), and their radii there: means over their branch."""
    line, disc = v.centrelines, np.array(v.landmarks.disc_centre_px)
    from_disc = line.points_px - disc
    beyond = np.hypot(*from_disc.T) >= 2 * (v.landmarks.disc_radius_px or 0.0)
    crosses = (beyond[1:] != beyond[:-1]) & (line.branch[1:] == line.branch[:-1])
    if kind is not None:
        crosses &= v.of_kind(kind)[line.branch[1:]]
    at = np.flatnonzero(crosses)
    x, y = (from_disc[at] + from_disc[at + 1]).T
    turned = np.angle(np.exp(1j * (np.arctan2(y, x) - fovea_rad)))
    radii = v.calibres_px[line.branch[at]] / 2
    near = (np.abs(turned) < TEMPORAL_RAD) & np.isfinite(radii)
    return turned[near], radii[near]


def _card(
    name: str, unit: str, measures: str, definition: str, *, range_: str = "[0, inf)",
    region: str = "disc", side: str = "",
) -> BiomarkerCard:  # fmt: skip
    return BiomarkerCard(
        name=name, version=1, measures=measures, range=range_, direction="neither", unit=unit,
        smallest_n=1, reference="retinaforge.vessels.biomarkers.anatomy",
        known_failure="As good as the landmarks: margins of disc and cup are judged, not seen, "
        "where the disc is tilted, pale or surrounded by atrophy.",
        region=region, definition=definition, side=side,
    )  # fmt: skip


def _lengths(
    name: str, measures: str, definition: str, of: Callable[[Landmarks], float | str],
    units: tuple[str, ...], region: str = "disc",
) -> tuple[Biomarker, ...]:  # fmt: skip
    cards = [_card(name, unit, measures, definition, region=region) for unit in units]
    return tuple(Biomarker(card, partial(_size, card=card, of=of, power=1)) for card in cards)


def _area(
    name: str, measures: str, definition: str, of: Callable[[Landmarks], float | str]
) -> Biomarker:
    card = _card(name, "mm2", measures, definition)
    return Biomarker(card, partial(_size, card=card, of=of, power=2))


def _share(
    name: str, measures: str, above: Callable[[Landmarks], float | str],
    below: Callable[[Landmarks], float | str],
) -> Biomarker:  # fmt: skip
    card = _card(name, "1", measures, "the cup's over the disc's", range_="[0, 1]")
    return Biomarker(card, partial(_ratio, card=card, above=above, below=below))


def _zone(unit: str) -> Biomarker:
    card = _card("avascular_zone_radius", unit, "Size of the avascular zone round the fovea.",
                 "radius of the largest circle without vessel that holds the fovea, its centre "
                 "within half a disc diameter of it, at most 1 dd", region="macula")  # fmt: skip
    return Biomarker(card, partial(_avascular, card=card))


def _arcades(kind: VesselKind | None) -> Biomarker:
    card = _card("temporal_arcade_angle" if kind is None else f"{kind}_temporal_arcade_angle",
                 "deg", "Angle that the temporal arcades open towards the fovea.",
                 "at the disc's centre, between the widest vessels above and below the line to "
                 "the fovea that cross the circle of one disc diameter",
                 range_="[0, 200]", region="circle of 1 dd round the disc")  # fmt: skip
    return Biomarker(card, partial(_arcade, card=card, kind=kind))


_ANGLE = _card("disc_fovea_angle", "deg", "How far the fovea lies below the level of the disc.",
               "atan2(y of fovea − y of disc, |x of fovea − x of disc|), y down",
               range_="[-90, 90]", region="disc and fovea")  # fmt: skip

ANATOMY: tuple[Biomarker, ...] = (
    *_lengths("disc_height", "Vertical diameter of the disc.", "twice the vertical half axis",
              _disc_height, ("px", "um")),
    *_lengths("disc_width", "Horizontal diameter of the disc.", "twice the horizontal half axis",
              _disc_width, ("px", "um")),
    *_lengths("cup_height", "Vertical diameter of the cup.", "twice the vertical half axis",
              _cup_height, ("px", "um")),
    *_lengths("cup_width", "Horizontal diameter of the cup.", "twice the horizontal half axis",
              _cup_width, ("px", "um")),
    _area("disc_area", "Area of the disc.", "π × product of the half axes", _disc_area),
    _area("rim_area", "Area of the neuroretinal rim.", "area of the disc − area of the cup",
          _rim_area),
    _share("vertical_cup_to_disc", "Vertical diameter of the cup over the disc's.",
           _cup_height, _disc_height),
    _share("horizontal_cup_to_disc", "Horizontal diameter of the cup over the disc's.",
           _cup_width, _disc_width),
    _share("area_cup_to_disc", "Area of the cup over the disc's.", _cup_area, _disc_area),
    *_lengths("disc_fovea", "Distance of the fovea from the disc's centre.",
              "straight distance between the two centres", _disc_fovea, ("px", "dd", "um"),
              "disc and fovea"),
    Biomarker(_ANGLE, partial(_disc_fovea_angle, card=_ANGLE)),
    *(_zone(unit) for unit in ("px", "dd", "um")),
    *(_arcades(kind) for kind in (None, "artery", "vein")),
)  # fmt: skip
