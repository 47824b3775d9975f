"""Plant damage of known size: in a phantom exactly, in a photograph by its masks.

Vessels of a phantom are edited in micrometres and the same eye is photographed again by the same
shot, so the truth after damage is as exact as before. A photograph's scale is unknown: sizes are
shares of its field, as if this were 45 degrees wide (see `NOMINAL_FOV_UM`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from retinaforge.core import Fov, Photograph, Refusal
from retinaforge.phantoms import damage_paint as paint
from retinaforge.phantoms import damage_tree as trees
from retinaforge.phantoms.damage_card import (
    NOMINAL_FOV_UM,
    DamageCard,
    Done,
    Place,
    Size,
    Subject,
    damage_named,
)
from retinaforge.phantoms.damage_photograph import damage_vessels
from retinaforge.phantoms.damage_places import View, floating_places, gap_places
from retinaforge.phantoms.fundus import Fundus
from retinaforge.phantoms.phantom import FOVEA_RADIUS_UM, MACULA_RADIUS_UM, Phantom, retake
from retinaforge.phantoms.vessel_paint import shades

Mask = Bool[np.ndarray, "height width"]
NO_SCALE = "a photograph states no scale: see the size in px and as a share of the field"


@dataclass(frozen=True)
class Damaged:
    """A phantom after damage, truth and all, and what was done to it."""

    phantom: Phantom
    done: Done


@dataclass(frozen=True)
class DamagedPhotograph:
    """A photograph after damage, its masks after damage, and what was done to it."""

    photograph: Photograph
    masks: Mapping[str, Mask]
    done: Done


def damage_phantom(phantom: Phantom, kind: str, level: int, *, rng: np.random.Generator) -> Damaged:
    """Damage a phantom.

    Args:
        phantom: as drawn.
        kind: name of a card of `DAMAGES`.
        level: 1-5; its size stands in the card.
        rng: chooses the places; the same state plants the same damage.

    Raises:
        Refusal: if the kind is unknown, not for phantoms or of a set, or the level is not 1-5.
    """
    card = _card_for(kind, "phantom")
    size = card.size(level)
    tree = _damaged_tree(replace(phantom, fundus=_shaded(phantom.fundus)), kind, size, rng=rng)
    if tree is not None:
        fundus, places, count, note = tree
        after = retake(phantom, fundus)
    else:
        after, places = _repainted(phantom, kind, size, rng=rng)
        count, note = max(1, len(places)), ""
    photo = replace(
        after.photograph,
        history=(*phantom.photograph.history, step_of(kind, level)),
        source=phantom.photograph.source,
    )
    in_px = {k[:-3] + "_px": v / phantom.px_um for k, v in size.items() if k.endswith("_um")}
    done = Done(kind, level, {**size, **in_px}, count, places, note=note)
    return Damaged(replace(after, photograph=photo), done)


def _shaded(fundus: Fundus) -> Fundus:
    """Write each vessel's shade down, so that it keeps it whatever number it gets."""
    pairs = zip(fundus.vessels, shades(fundus), strict=True)
    return replace(fundus, vessels=tuple(replace(v, shade=float(s)) for v, s in pairs))


def step_of(kind: str, level: int) -> str:
    """Return the words that stand in the history of a damaged picture."""
    return f"damaged: {kind}, level {level}"


def _card_for(kind: str, subject: Subject) -> DamageCard:
    card = damage_named(kind)
    if card.of_set:
        raise Refusal(
            "a kind of damage for one image", f"{kind}, which is done to a set",
            "use damage_folder or `retinaforge phantoms damage`",
        )  # fmt: skip
    if subject not in card.subjects:
        raise Refusal(
            f"a kind of damage for a {subject}", f"{kind}, for {' and '.join(card.subjects)} only",
            "choose another kind: docs/how-to/plant-damage.md lists them",
        )  # fmt: skip
    return card


def _damaged_tree(
    phantom: Phantom, kind: str, size: Size, *, rng: np.random.Generator
) -> tuple[Fundus, tuple[Place, ...], int, str] | None:
    """Return the edited fundus, places, their count and a note; None if no vessel is edited."""
    fundus = phantom.fundus
    if kind == "broken-vessels":
        return _broken(phantom, size, rng=rng)
    if kind in ("thick-vessels", "thin-vessels"):
        edited = trees.scaled(fundus, 1 + size["calibre_pct"] / 100)
        return edited, (), len(fundus.vessels), ""
    if kind == "straight-vessels":
        return trees.straightened(fundus, size["removed_pct"] / 100), (), len(fundus.vessels), ""
    if kind == "dropped-vessels":
        return _dropped(fundus, size["below_um"])
    if kind == "floating-vessels":
        return _floating(phantom, size, rng=rng)
    if kind == "swapped-artery-vein":
        edited, chosen = trees.swapped(fundus, size["length_pct"] / 100, rng=rng)
        return edited, (), len(chosen), ""
    return None


def view_of(phantom: Phantom) -> View:
    """Return what the phantom's picture shows, in micrometres of a right eye."""
    layout, frame = phantom.fundus.layout, phantom.frame
    mask = phantom.fov.mask if phantom.fundus.eye == "OD" else phantom.fov.mask[:, ::-1]
    first = (frame.centre_um[0] - frame.middle_px * frame.px_um,
             frame.centre_um[1] - frame.middle_px * frame.px_um)  # fmt: skip
    return View(
        frame.centre_um, frame.fov_radius_um, mask, frame.px_um, first, layout.disc_um,
        max(layout.disc_axes_um),
    )  # fmt: skip


def _in_picture(phantom: Phantom, point_um: tuple[float, float]) -> tuple[float, float]:
    """Return a point of the retina in pixels of the picture, mirrored for a left eye."""
    x, y = phantom.frame.to_px(np.array([point_um]))[0]
    last = phantom.frame.size_px - 1
    return (float(x) if phantom.fundus.eye == "OD" else float(last - x)), float(y)


def _short_of(wanted: int, came: int, what: str) -> str:
    return "" if came == wanted else f"{came} of {wanted} {what} found a place"


def _broken(
    phantom: Phantom, size: Size, *, rng: np.random.Generator
) -> tuple[Fundus, tuple[Place, ...], int, str]:
    vessels = phantom.fundus.vessels
    cuts, wanted = gap_places(vessels, view_of(phantom), per_cm=size["gaps_per_cm"],
                              gap_um=size["gap_um"], rng=rng)  # fmt: skip
    spans: dict[int, list[trees.Span]] = {}
    for cut in cuts:
        spans.setdefault(cut.vessel, []).append(cut.span_um)
    places = tuple(
        Place(*_in_picture(phantom, c.point_um), c.clear_um / phantom.px_um, c.vessel) for c in cuts
    )
    edited = trees.without(phantom.fundus, spans)
    return edited, places, len(cuts), _short_of(wanted, len(cuts), "gaps")


def _dropped(fundus: Fundus, below_um: float) -> tuple[Fundus, tuple[Place, ...], int, str]:
    spans = {i: trees.narrow_spans(v, below_um) for i, v in enumerate(fundus.vessels)}
    return trees.without(fundus, spans), (), sum(map(bool, spans.values())), ""


def _floating(
    phantom: Phantom, size: Size, *, rng: np.random.Generator
) -> tuple[Fundus, tuple[Place, ...], int, str]:
    fundus, wanted = phantom.fundus, int(size["segments"])
    added = floating_places(fundus.vessels, view_of(phantom), segments=wanted,
                            length_um=size["length_um"], calibre_um=size["calibre_um"],
                            rng=rng)  # fmt: skip
    long = size["length_um"] / phantom.px_um
    places = tuple(
        Place(*_in_picture(phantom, (float(x), float(y))), long)
        for x, y in (v.points_um[len(v.points_um) // 2] for v in added)
    )
    edited = replace(fundus, vessels=(*fundus.vessels, *added))
    return edited, places, len(added), _short_of(wanted, len(added), "segments")


def _repainted(
    phantom: Phantom, kind: str, size: Size, *, rng: np.random.Generator
) -> tuple[Phantom, tuple[Place, ...]]:
    """Damage the phantom's pixels, and its masks where they no longer tell what is shown."""
    photo, fov = phantom.photograph, phantom.fov
    disc = (phantom.disc_centre_px, 2 * phantom.disc_radius_px)
    if kind == "extra-disc":
        radius = size["diameter_um"] / 2 / phantom.px_um
        avoid = ((phantom.disc_centre_px, phantom.disc_radius_px + 1.3 * radius),
                 (phantom.fovea_px, 0.4 * phantom.disc_radius_px + radius))  # fmt: skip
        spot = paint.disc_place(photo.pixels, fov, radius, avoid=avoid, rng=rng)
        pixels, mask = paint.with_disc(photo.pixels, fov, spot, radius, disc=phantom.disc)
        after = replace(phantom, photograph=replace(photo, pixels=pixels),
                        disc=phantom.disc | mask)  # fmt: skip
        return after, (Place(*spot, 2 * radius),)
    if kind == "misplaced-fovea":
        new = along(phantom.fovea_px, disc[0], size["moved_dd"] * disc[1])
        pixels = paint.moved_macula(photo.pixels, fov, old=phantom.fovea_px, new=new,
                                    disc_px=disc[1], vessel=phantom.vessel)  # fmt: skip
        rounds = (circle(fov, new, um / phantom.px_um) for um in (
            FOVEA_RADIUS_UM, MACULA_RADIUS_UM))  # fmt: skip
        fovea, macula = rounds
        after = replace(phantom, photograph=replace(photo, pixels=pixels), fovea=fovea,
                        macula=macula, fovea_px=new)  # fmt: skip
        return after, (Place(*new, 0.0),)
    pixels = damaged_pixels(photo.pixels, fov, kind, size, px_um=phantom.px_um, rng=rng)
    return replace(phantom, photograph=replace(photo, pixels=pixels)), ()


def along(
    start: tuple[float, float], towards: tuple[float, float], far: float
) -> tuple[float, float]:
    """Return the point `far` from `start` in the direction of another."""
    dx, dy = towards[0] - start[0], towards[1] - start[1]
    length = math.hypot(dx, dy)
    return start[0] + far * dx / length, start[1] + far * dy / length


def circle(fov: Fov, centre: tuple[float, float], radius_px: float) -> Mask:
    """Return the part of a circle that lies in the field."""
    y, x = np.mgrid[: fov.mask.shape[0], : fov.mask.shape[1]]
    return (np.hypot(x - centre[0], y - centre[1]) <= radius_px) & fov.mask


def damaged_pixels(
    pixels: np.ndarray, fov: Fov, kind: str, size: Size, *, px_um: float, rng: np.random.Generator
) -> np.ndarray:
    """Return pixels after a kind of damage that needs no mask but the field's."""
    if kind == "blur":
        return paint.blurred(pixels, fov, size["sigma_um"] / px_um)
    if kind == "colour-cast":
        return paint.cast(pixels, fov, size["gain_pct"] / 100)
    if kind == "jpeg":
        return paint.compressed(pixels, int(size["quality"]))
    if kind == "noise":
        return paint.noisy(pixels, fov, size["sd_grey"], rng=rng)
    raise ValueError(f"no painter of {kind}")


def damage_photograph(
    photograph: Photograph, fov: Fov, masks: Mapping[str, Mask], kind: str, level: int, *,
    rng: np.random.Generator,
) -> DamagedPhotograph:  # fmt: skip
    """Damage a photograph that has masks.

    Args:
        photograph: as read.
        fov: its field of view.
        masks: by kind: "vessel", "disc", "fovea", ...; each of the photograph's size.
        kind: name of a card of `DAMAGES`.
        level: 1-5; micrometres in the card become shares of a field taken as 45 degrees.
        rng: chooses the places.

    Returns:
        The photograph and its masks after damage; sizes in um are NaN, as no scale is known, and
        stand in px, shares of the field's diameter and, with a disc mask, disc diameters.

    Raises:
        Refusal: as `damage_phantom`, and if a mask that the kind needs is missing.
    """
    card = _card_for(kind, "photograph")
    size = card.size(level)
    missing = [name for name in card.needs if name not in masks or not masks[name].any()]
    if missing:
        raise Refusal(
            f"a photograph with a mask of {' and '.join(card.needs)} for {kind}",
            f"none of {' or '.join(missing)}: {photograph.source}",
            "choose a kind that needs no such mask, or leave the photograph out",
        )
    px_um = NOMINAL_FOV_UM / (2 * fov.radius_px)
    pixels, after, places, count, note = _damage_pixels_and_masks(
        photograph, fov, masks, kind, size, px_um=px_um, rng=rng
    )
    stated, unknown = _without_scale(size, fov, masks, px_um)
    done = Done(kind, level, stated, count, places, unknown, note)
    made = photograph.after(pixels, step_of(kind, level), synthetic=True)
    return DamagedPhotograph(made, after, done)


def _without_scale(
    size: Size, fov: Fov, masks: Mapping[str, Mask], px_um: float
) -> tuple[dict[str, float], dict[str, str]]:
    """Restate micrometres in px, shares of the field and disc diameters."""
    stated: dict[str, float] = {}
    unknown: dict[str, str] = {}
    disc = masks.get("disc")
    for name, value in size.items():
        stem, _, unit = name.rpartition("_")
        if unit == "um":
            stated |= {f"{stem}_px": value / px_um, f"{stem}_fov": value / NOMINAL_FOV_UM}
            if disc is not None and disc.any():
                stated[f"{stem}_dd"] = value / px_um / paint.disc_of(disc)[1]
        elif unit == "cm":
            stated[f"{stem}_fov"] = value * NOMINAL_FOV_UM / 1e4
        if unit in ("um", "cm"):
            unknown[name] = NO_SCALE
        stated[name] = math.nan if name in unknown else value
    return stated, unknown


def _damage_pixels_and_masks(
    photograph: Photograph, fov: Fov, masks: Mapping[str, Mask], kind: str, size: Size, *,
    px_um: float, rng: np.random.Generator,
) -> tuple[np.ndarray, dict[str, Mask], tuple[Place, ...], int, str]:  # fmt: skip
    pixels, after = photograph.pixels, dict(masks)
    if kind == "extra-disc":
        radius = size["diameter_um"] / 2 / px_um
        avoid = ()
        if "disc" in masks and masks["disc"].any():
            centre, diameter = paint.disc_of(masks["disc"])
            avoid = ((centre, diameter / 2 + 1.3 * radius),)
        spot = paint.disc_place(pixels, fov, radius, avoid=avoid, rng=rng)
        pixels, mask = paint.with_disc(pixels, fov, spot, radius, disc=masks.get("disc"))
        after["disc" if "disc" in masks else "extra_disc"] = masks.get("disc", mask) | mask
        return pixels, after, (Place(*spot, 2 * radius),), 1, ""
    if kind == "misplaced-fovea":
        (disc, diameter), (old, _) = paint.disc_of(masks["disc"]), paint.disc_of(masks["fovea"])
        new = along(old, disc, size["moved_dd"] * diameter)
        none = np.zeros_like(fov.mask)
        pixels = paint.moved_macula(pixels, fov, old=old, new=new, disc_px=diameter,
                                    vessel=masks.get("vessel", none))  # fmt: skip
        after["fovea"] = circle(fov, new, paint.disc_of(masks["fovea"])[1] / 2)
        return pixels, after, (Place(*new, 0.0),), 1, ""
    if kind == "exchanged-halves":
        share = size["rows_pct"] / 100
        after = {name: paint.mirrored_band(mask, fov, share) for name, mask in masks.items()}
        return paint.mirrored_band(pixels, fov, share), after, (), 1, ""
    if kind in ("blur", "colour-cast", "jpeg", "noise"):
        return damaged_pixels(pixels, fov, kind, size, px_um=px_um, rng=rng), after, (), 1, ""
    damage = damage_vessels(pixels, fov, masks, kind, size, px_um=px_um, rng=rng)
    after |= damage.masks
    return damage.pixels, after, damage.places, damage.count, damage.note
