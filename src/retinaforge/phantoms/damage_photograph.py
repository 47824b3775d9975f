"""Damage a photograph's vessels by their mask: erase, widen, narrow, add.

Erased pixels are cloned from vessel-free retina beside the vessel, with its fine grain, onto the
local mean of the retina round them, so that no smear betrays the place. Calibres are changed by a
warp across the vessel, so that walls, reflex and grain stay those of the photograph.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.ndimage import (
    binary_dilation,
    distance_transform_edt,
    gaussian_filter,
    label,
    map_coordinates,
)
from scipy.spatial import cKDTree
from scipy.special import erf

from retinaforge.core import Fov, Refusal
from retinaforge.phantoms.damage_card import Place, Size
from retinaforge.phantoms.damage_paint import disc_of
from retinaforge.phantoms.damage_places import View, floating_places, gap_places
from retinaforge.phantoms.damage_trace import Traced, trace

Mask = Bool[np.ndarray, "height width"]
Pixels = UInt8[np.ndarray, "height width 3"]
Plane = Float[np.ndarray, "height width"]

HALO_PX = 2.5
"""How far outside its hand-drawn wall a vessel still darkens a photograph; set by eye."""
WALL_PX = 1.6
"""Softness of a painted vessel's wall: blur of 1.1 px, times root two; set by eye."""
DISC_RADIUS_UM = 1300.0
"""Kept clear round the brightest spot where no mask shows the disc; generous."""
TREES = ("vessel", "vessel2", "artery", "vein", "uncertain")


@dataclass(frozen=True)
class VesselDamage:
    """A photograph's pixels and vessel masks after damage."""

    pixels: Pixels
    masks: Mapping[str, Mask]
    places: tuple[Place, ...] = ()
    count: int = 0
    note: str = field(default="")


def damage_vessels(
    pixels: Pixels, fov: Fov, masks: Mapping[str, Mask], kind: str, size: Size, *, px_um: float,
    rng: np.random.Generator,
) -> VesselDamage:  # fmt: skip
    """Damage the vessels of a photograph.

    Args:
        pixels: the photograph.
        fov: its field of view.
        masks: "vessel" and, where there are any, "vessel2", "artery", "vein", "disc".
        kind: broken-, thick-, thin-, dropped- or floating-vessels.
        size: of the level, in nominal micrometres.
        px_um: nominal micrometres a pixel.
        rng: chooses the places.

    Raises:
        Refusal: if the mask holds no vessel long enough to be traced.
    """
    traced = trace(masks["vessel"], px_um)
    if not traced.vessels:
        raise Refusal(
            "a vessel mask with a vessel of 5 px or more", "none that can be traced",
            "give the mask drawn for this photograph",
        )  # fmt: skip
    own = {name: masks[name] for name in TREES if name in masks}
    view = _view(pixels, fov, masks, px_um)
    if kind == "broken-vessels":
        return _broken(pixels, fov, own, size, traced=traced, view=view, px_um=px_um, rng=rng)
    if kind == "dropped-vessels":
        # By the path: along it a hand-drawn mask is too uneven to tell where it narrows.
        spans = {
            i: [(0.0, math.inf)] if 2 * np.median(v.radii_um) < size["below_um"] else []
            for i, v in enumerate(traced.vessels)
        }
        gone = _nearest_to(traced, spans)
        gone |= _crumbs(masks["vessel"] & ~gone, traced)
        cleaned, after = _erased(pixels, fov, own, gone)
        return VesselDamage(cleaned, after, (), sum(map(bool, spans.values())))
    if kind == "floating-vessels":
        return _floating(pixels, fov, own, size, traced=traced, view=view, px_um=px_um, rng=rng)
    return _rescaled(pixels, fov, own, 1 + size["calibre_pct"] / 100, traced=traced)


def _view(pixels: Pixels, fov: Fov, masks: Mapping[str, Mask], px_um: float) -> View:
    """Return the field and the disc to be kept clear of; without a mask, the brightest spot."""
    x, y = fov.centre_px
    if "disc" in masks and masks["disc"].any():
        (column, row), diameter = disc_of(masks["disc"])
        disc_radius = diameter / 2 * px_um
    else:
        light = gaussian_filter(pixels[..., 1] * fov.mask.astype(np.float32), 0.05 * fov.radius_px)
        row, column = (float(i) for i in np.unravel_index(int(np.argmax(light)), light.shape))
        disc_radius = DISC_RADIUS_UM
    return View(
        (x * px_um, y * px_um), fov.radius_px * px_um, fov.mask, px_um, (0.0, 0.0),
        (column * px_um, row * px_um), disc_radius,
    )  # fmt: skip


def _nearest_to(traced: Traced, spans: Mapping[int, list[tuple[float, float]]]) -> Mask:
    """Return the pixels whose nearest centreline pixel lies in an interval of its path."""
    chosen = np.zeros(traced.skeleton.shape, dtype=bool)
    y, x = np.nonzero(traced.path >= 0)
    path, arc = traced.path[y, x], traced.arc_um[y, x]
    for index, own in spans.items():
        mine = path == index if own else None
        for first, last in own:
            hit = mine & (arc >= first) & (arc <= last)
            chosen[y[hit], x[hit]] = True
    return chosen[tuple(traced.nearest)]


def _crumbs(left: Mask, traced: Traced) -> Mask:
    """Return what is left of branchings all of whose vessels are gone."""
    pieces, count = label(left, np.ones((3, 3)))
    kept = np.zeros(count + 1, dtype=bool)
    kept[pieces[traced.path >= 0]] = True
    return left & ~kept[pieces]


def _broken(
    pixels: Pixels, fov: Fov, masks: Mapping[str, Mask], size: Size, *, traced: Traced,
    view: View, px_um: float, rng: np.random.Generator,
) -> VesselDamage:  # fmt: skip
    """Erase gaps; where the mask is cut the ends are square, so no caps are allowed for."""
    cuts, wanted = gap_places(traced.vessels, view, per_cm=size["gaps_per_cm"],
                              gap_um=size["gap_um"], rng=rng)  # fmt: skip
    spans: dict[int, list[tuple[float, float]]] = {}
    places = []
    for cut in cuts:
        middle = sum(cut.span_um) / 2
        half = size["gap_um"] / 2
        spans.setdefault(cut.vessel, []).append((middle - half, middle + half))
        x, y = cut.point_um
        places.append(Place(x / px_um, y / px_um, size["gap_um"] / px_um, cut.vessel))
    cleaned, after = _erased(pixels, fov, masks, _nearest_to(traced, spans))
    note = "" if len(cuts) == wanted else f"{len(cuts)} of {wanted} gaps found a place"
    return VesselDamage(cleaned, after, tuple(places), len(cuts), note)


def _erased(
    pixels: Pixels, fov: Fov, masks: Mapping[str, Mask], gone: Mask
) -> tuple[Pixels, dict[str, Mask]]:
    """Erase the vessels inside `gone`, halo and all; return picture and masks after."""
    vessel = np.logical_or.reduce([masks[name] for name in masks])
    scale = max(1.0, fov.radius_px / 470)  # the halo was set on CHASE_DB1, 470 px of radius
    outside = distance_transform_edt(~vessel)
    wide = outside <= HALO_PX * scale
    hole = wide & gone & fov.mask
    cleaned = clone_retina(pixels, fov.mask, hole=hole, taken=wide)
    return cleaned, {name: mask & ~gone for name, mask in masks.items()}


def clone_retina(pixels: Pixels, inside: Mask, *, hole: Mask, taken: Mask) -> Pixels:
    """Fill holes with retina from beside them: I'(x) = B(x) + I(x + d) - B(x + d).

    B is the mean of the vessel-free retina (Gaussian, normalised). Each tile of a hole takes the
    shift d of fewest vessel pixels, nearest first.

    Args:
        pixels: the photograph.
        inside: the field of view.
        hole: what is filled.
        taken: vessels with their halo, which are no source.
    """
    if not hole.any():
        return pixels
    free = inside & ~taken
    sigma = max(3.0, 0.005 * math.sqrt(inside.sum()))
    weight = gaussian_filter(free.astype(np.float32), sigma, truncate=8)
    image = pixels.astype(np.float32)
    local = np.stack(
        [gaussian_filter(image[..., c] * free, sigma, truncate=8) for c in range(3)], axis=-1
    ) / np.maximum(weight, 1e-9)[..., None]  # fmt: skip
    grain = np.where(free[..., None], image - local, 0)
    filled = local.copy()
    tile = max(12, int(5 * sigma))
    y, x = np.nonzero(hole)
    key = (y // tile) * (hole.shape[1] // tile + 1) + x // tile
    for number in np.unique(key):
        own = key == number
        sy, sx = _source(y[own], x[own], free, tile)
        filled[y[own], x[own]] += grain[sy, sx]
    soft = gaussian_filter(hole.astype(np.float32), 0.8)
    share = np.where(hole, np.maximum(soft, 0.5) * 2 - 1 + 0.5, 0).clip(0, 1)[..., None]
    mixed = np.clip(np.rint(share * filled + (1 - share) * image), 0, 255).astype(np.uint8)
    return np.where(hole[..., None], mixed, pixels)


def _source(y: np.ndarray, x: np.ndarray, free: Mask, tile: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where a tile's grain comes from: the nearest shift that meets no vessel."""
    height, width = free.shape
    best, fewest = (y, x), math.inf
    for far in (0.5, 0.75, 1.0, 1.4, 1.9, 2.6):
        for turn in np.arange(8) * math.pi / 4:
            sy = y + round(far * tile * math.sin(turn))
            sx = x + round(far * tile * math.cos(turn))
            if sy.min() < 0 or sx.min() < 0 or sy.max() >= height or sx.max() >= width:
                continue
            met = int((~free[sy, sx]).sum())
            if met < fewest:
                best, fewest = (sy, sx), met
            if met == 0:
                return best
    return best


def _rescaled(
    pixels: Pixels, fov: Fov, masks: Mapping[str, Mask], factor: float, *, traced: Traced
) -> VesselDamage:
    """Warp across the vessels: what lay at distance d of a centreline lies at d' = factor d.

    Outside the new wall the shift fades to nothing over a band, piecewise linear. The mask after
    is what lies within factor b of the centreline, b the old wall's distance on that side.
    """
    away, (ny, nx) = traced.away_px, traced.nearest
    beside, wall = _wall_px(masks["vessel"], away)
    new = factor * wall
    reach = np.maximum(new, wall) + 1.5 * wall + 3.0
    outer = wall + (away - new) * (reach - wall) / (reach - new)
    before = np.where(away <= new, away / factor, np.where(away < reach, outer, away))
    ratio = np.divide(before, away, out=np.ones_like(away), where=away > 0)
    y, x = np.mgrid[: away.shape[0], : away.shape[1]].astype(np.float64)
    # Where two vessels' bands meet, the shifts are evened out.
    dy = gaussian_filter((ratio - 1) * (y - ny), 0.7)
    dx = gaussian_filter((ratio - 1) * (x - nx), 0.7)
    moved = (np.hypot(dy, dx) > 0.02) & fov.mask & (away < reach + 2)
    at = np.stack([(y + dy)[moved], (x + dx)[moved]])
    out = pixels.copy()
    for c in range(3):
        values = map_coordinates(pixels[..., c].astype(np.float32), at, order=3, mode="nearest")
        out[..., c][moved] = np.clip(np.rint(values), 0, 255)
    vessel = ((away < new) | (away == 0)) & (fov.mask | masks["vessel"])
    after = {name: vessel & mask[tuple(beside)] for name, mask in masks.items()}
    return VesselDamage(out, after | {"vessel": vessel}, (), len(traced.vessels))


def _wall_px(vessel: Mask, away: Plane) -> tuple[np.ndarray, Plane]:
    """Return each pixel's nearest vessel pixel and that one's wall's distance to the centreline.

    The wall lies half a pixel outside the last pixel of the mask; its steps are evened out.
    """
    inner = distance_transform_edt(vessel)
    soft = gaussian_filter(vessel.astype(np.float64), 1.5)
    wall = gaussian_filter(np.where(vessel, away + inner - 0.5, 0.0), 1.5) / np.maximum(soft, 1e-9)
    beside = distance_transform_edt(~vessel, return_distances=False, return_indices=True)
    return beside, wall[tuple(beside)]


def _floating(
    pixels: Pixels, fov: Fov, masks: Mapping[str, Mask], size: Size, *, traced: Traced,
    view: View, px_um: float, rng: np.random.Generator,
) -> VesselDamage:  # fmt: skip
    """Paint vessels of the photograph's own contrast on free retina."""
    wanted = int(size["segments"])
    added = floating_places(traced.vessels, view, segments=wanted, length_um=size["length_um"],
                            calibre_um=size["calibre_um"], rng=rng)  # fmt: skip
    contrast = _contrast(pixels, fov.mask, masks["vessel"])
    image = pixels.astype(np.float32)
    new = np.zeros_like(fov.mask)
    touched = np.zeros_like(fov.mask)
    places = []
    for vessel in added:
        p, r = vessel.points_um / px_um, float(vessel.radii_um[0]) / px_um
        box, away = _distance_to(p, fov.mask.shape, r + 5)
        shade = (erf((r - away) / WALL_PX) + erf((r + away) / WALL_PX)) / 2
        image[box] *= np.exp(-shade[..., None] * contrast)
        new[box] |= away <= max(r, 0.5)
        touched[box] |= shade > 0.004
        x, y = p[len(p) // 2]
        places.append(Place(float(x), float(y), size["length_um"] / px_um))
    painted = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    out = np.where((touched & fov.mask)[..., None], painted, pixels)
    note = "" if len(added) == wanted else f"{len(added)} of {wanted} segments found a place"
    kept = {name: masks[name] | new if name.startswith("vessel") else masks[name] for name in masks}
    return VesselDamage(out, kept, tuple(places), len(added), note)


def _contrast(pixels: Pixels, inside: Mask, vessel: Mask) -> Float[np.ndarray, "3"]:
    """Return the median optical depth of the vessels over the retina beside them, per channel."""
    near = binary_dilation(vessel, iterations=8) & ~binary_dilation(vessel, iterations=3) & inside
    core = vessel & inside
    deep = [
        math.log((np.median(pixels[near][:, c]) + 1) / (np.median(pixels[core][:, c]) + 1))
        for c in range(3)
    ]
    return np.maximum(np.array(deep, dtype=np.float32), 0)


def _distance_to(
    points: np.ndarray, shape: tuple[int, int], margin: float
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Return a box round a curve and each of its pixels' distance to the curve."""
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    s = np.linspace(0, arc[-1], int(arc[-1] * 4) + 2)
    fine = np.stack([np.interp(s, arc, points[:, i]) for i in range(2)], axis=1)
    low = np.maximum(np.floor(fine.min(axis=0) - margin).astype(int), 0)
    high = np.minimum(np.ceil(fine.max(axis=0) + margin).astype(int) + 1, (shape[1], shape[0]))
    y, x = np.mgrid[low[1] : high[1], low[0] : high[0]]
    away = cKDTree(fine).query(np.stack([x.ravel(), y.ravel()], axis=1))[0]
    box = (slice(low[1], high[1]), slice(low[0], high[0]))
    return box, away.reshape(x.shape).astype(np.float32)
