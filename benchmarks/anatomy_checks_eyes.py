"""Eyes for `anatomy_checks.py`: found in photographs and in planted damage, kept on disk.

What networks say of an image is kept, not what the checks make of it, so that limits can be set
again in seconds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from retinaforge.anatomy import AnatomyMaps, AnatomyModel
from retinaforge.audits.anatomy_checks import EyeFindings
from retinaforge.core import Fov, Landmarks, Photograph, rng_for
from retinaforge.images import find_fov, normalise
from retinaforge.phantoms.damage import damage_photograph
from retinaforge.phantoms.damage_photograph import clone_retina
from retinaforge.vessels import ArteryVeinJudge, Judge
from retinaforge.vessels.artery_vein import name_vessels
from retinaforge.vessels.bridge_kinds import bridge_kinds
from retinaforge.vessels.vasculature import read_vasculature

SIZE_PX, SEED = 512, 5
Plant = Callable[[EyeFindings, int], Photograph]


@dataclass(frozen=True)
class Finders:
    """Who finds what."""

    judge: Judge
    kinds: ArteryVeinJudge
    anatomy: AnatomyModel


def square_of(photo: Photograph) -> tuple[Photograph, Fov]:
    """Bring a photograph to the footing."""
    square = normalise(photo, find_fov(photo), size_px=SIZE_PX)
    return square.photograph, square.fov


def find_eye(photo: Photograph, fov: Fov, by: Finders, *, kinds: bool = True) -> EyeFindings:
    """Find vessels, their kinds (at half the cost, if wanted) and landmarks."""
    p = by.judge.probability(photo, fov)
    marks = by.anatomy.landmarks(photo, fov)
    pixels = p >= by.judge.threshold
    if not kinds:
        v = read_vasculature(pixels, fov, marks)
        return EyeFindings(photo, fov, v, marks, p, by.anatomy.first_look(photo, fov))
    named = name_vessels(by.kinds.maps(photo, fov), pixels, fov, landmarks=marks)
    artery, vein = bridge_kinds(named.artery, named.vein, fov.mask)
    v = read_vasculature(pixels, fov, marks, artery=artery, vein=vein)
    return EyeFindings(photo, fov, v, marks, p, by.anatomy.first_look(photo, fov))


def kept_eye(path: Path, find: Callable[[], EyeFindings], **about: str) -> EyeFindings:
    """Read an eye from a file, or find it and write the file."""
    if not path.exists():
        save_eye(path, find(), **about)
    return load_eye(path)


def save_eye(path: Path, eye: EyeFindings, **about: str) -> None:
    """Write what was found; maps as half floats."""
    plain = {
        "fov": [eye.fov.centre_px, eye.fov.radius_px, eye.fov.kind], "eye": eye.photo.eye,
        "marks": asdict(eye.landmarks), "about": about,
    }  # fmt: skip
    none = np.zeros((1, 1), dtype=bool)
    kinds = eye.vasculature.kind_pixels or {"artery": none, "vein": none}
    part = path.with_suffix(".part.npz")
    np.savez_compressed(
        part, pixels=eye.photo.pixels, mask=eye.fov.mask, plain=json.dumps(plain),
        probability=eye.probability.astype(np.float16), vessel=eye.vasculature.pixels,
        artery=kinds["artery"], vein=kinds["vein"], disc=eye.look.disc.astype(np.float16),
        cup=eye.look.cup.astype(np.float16), fovea=eye.look.fovea.astype(np.float16),
    )  # fmt: skip
    part.rename(path)


def load_eye(path: Path) -> EyeFindings:
    """Read what `save_eye` wrote; trees are traced again."""
    with np.load(path) as kept:
        plain = json.loads(str(kept["plain"]))
        centre, radius, kind = plain["fov"]
        fov = Fov(kept["mask"], (centre[0], centre[1]), radius, kind)
        marks = Landmarks(**{k: _point(v) for k, v in plain["marks"].items()})
        photo = Photograph(kept["pixels"], path.stem, eye=plain["eye"])
        kinds = {k: kept[k] for k in ("artery", "vein")}
        if kinds["artery"].shape != kept["vessel"].shape:  # nobody told them apart
            kinds = {}
        v = read_vasculature(kept["vessel"], fov, marks, **kinds)
        maps = AnatomyMaps(*(kept[name].astype(np.float32) for name in ("disc", "cup", "fovea")))
        return EyeFindings(photo, fov, v, marks, kept["probability"].astype(np.float32), maps)


def _point(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


# Damage of our own, beside that of `retinaforge.phantoms.damage`. Levels run from 1 to 5.


def catalogue_plant(kind: str) -> Plant:
    """Return a planter of a catalogued kind, by the masks that were found in the image."""

    def plant(eye: EyeFindings, level: int) -> Photograph:
        rng = rng_for(SEED, "anatomy checks", eye.photo.source, kind)
        return damage_photograph(eye.photo, eye.fov, masks_of(eye), kind, level, rng=rng).photograph

    return plant


def masks_of(eye: EyeFindings) -> dict[str, np.ndarray]:
    """Return masks of vessels and landmarks as they were found."""
    marks, v = eye.landmarks, eye.vasculature
    found = {"vessel": v.pixels}
    if marks.disc_centre_px is not None and marks.disc_axes_px is not None:
        found["disc"] = _ellipse(eye, marks.disc_centre_px, marks.disc_axes_px)
        if marks.fovea_px is not None:
            found["fovea"] = _ellipse(eye, marks.fovea_px, (0.1 * marks.disc_axes_px[1],) * 2)
    return found


def _ellipse(
    eye: EyeFindings, centre: tuple[float, float], axes: tuple[float, float]
) -> np.ndarray:
    y, x = np.mgrid[: eye.fov.mask.shape[0], : eye.fov.mask.shape[1]]
    inside = np.hypot((x - centre[0]) / axes[0], (y - centre[1]) / axes[1]) <= 1
    return inside & eye.fov.mask


def _disc(eye: EyeFindings, radii: float) -> np.ndarray:
    marks = eye.landmarks
    if marks.disc_centre_px is None or marks.disc_axes_px is None:
        raise ValueError("no disc to plant damage at")
    return _ellipse(eye, marks.disc_centre_px, tuple(radii * a for a in marks.disc_axes_px))  # type: ignore[arg-type]


def _cloned(eye: EyeFindings, hole: np.ndarray, taken: np.ndarray, step: str) -> Photograph:
    pixels = clone_retina(eye.photo.pixels, eye.fov.mask, hole=hole & eye.fov.mask, taken=taken)
    return eye.photo.after(pixels, f"damaged: {step}", synthetic=True)


def _halo(mask: np.ndarray) -> np.ndarray:
    return ndimage.binary_dilation(mask, iterations=3)


def erase_disc(eye: EyeFindings, level: int) -> Photograph:
    """Fill a circle 1.2 to 1.6 times as wide as the disc with the light around it, and its grain.

    The light goes smoothly from rim to rim (normalised Gaussian means of growing width); the grain
    is that of the retina as far on the other side of the rim.
    """
    hole = _disc(eye, 1.1 + 0.1 * level) & eye.fov.mask
    taken = hole | _halo(eye.vasculature.pixels) | ~eye.fov.mask
    image = eye.photo.pixels.astype(np.float32)
    light, fine = np.zeros_like(image), _smooth(image, ~taken, 4.0)
    rest = np.ones(taken.shape, np.float32)
    for sigma in (4.0, 8.0, 16.0, 32.0, 64.0):
        known = ndimage.gaussian_filter((~taken).astype(np.float32), sigma)
        weight = rest * (np.clip(known / 0.25, 0, 1) if sigma < 64 else 1)
        light += weight[..., None] * _smooth(image, ~taken, sigma)
        rest -= weight
    y, x = np.nonzero(hole)
    shift = int(2.5 * max(eye.landmarks.disc_axes_px or (1, 1)))
    sx = np.where(x + shift < image.shape[1], x + shift, x - shift)
    # The bright rim of some fields is no grain.
    depth = ndimage.distance_transform_edt(np.pad(eye.fov.mask, 1))[1:-1, 1:-1]
    barred = taken | (depth < 0.06 * eye.fov.radius_px)
    sx = np.where(barred[y, sx], np.clip(x - shift, 0, None), sx)
    grain = np.where(barred[y, sx][:, None], 0, (image - fine)[y, sx])
    pixels = image.copy()
    pixels[y, x] = light[y, x] + grain
    pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return eye.photo.after(pixels, "damaged: disc-erased", synthetic=True)


def _smooth(image: np.ndarray, free: np.ndarray, sigma: float) -> np.ndarray:
    weight = ndimage.gaussian_filter(free.astype(np.float32), sigma)[..., None]
    sums = [ndimage.gaussian_filter(image[..., c] * free, sigma) for c in range(3)]
    return np.stack(sums, axis=-1) / np.maximum(weight, 1e-6)


def cut_at_disc(eye: EyeFindings, level: int) -> Photograph:
    """Erase the vessels round the disc, up to 1.4, 1.8 ... 3 radii from its middle."""
    ring = _disc(eye, 1.0 + 0.4 * level) & ~_disc(eye, 0.9)
    vessels = _halo(eye.vasculature.pixels)
    return _cloned(eye, vessels & ring, vessels | _disc(eye, 1.1), "vessels-cut-off")


def erase_arteries(eye: EyeFindings, level: int) -> Photograph:
    """Erase arteries: those in a sector of the field that grows from 60 % to all of them."""
    artery = eye.vasculature.kind_pixels["artery"]
    y, x = np.nonzero(artery)
    turn = np.arctan2(y - eye.fov.centre_px[1], x - eye.fov.centre_px[0])
    chosen = np.zeros_like(artery)
    chosen[y, x] = turn <= np.quantile(turn, 0.5 + 0.1 * level)
    veins = ndimage.binary_dilation(eye.vasculature.kind_pixels["vein"], iterations=1)
    return _cloned(eye, _halo(chosen) & ~veins, _halo(eye.vasculature.pixels), "arteries-erased")


def widen_outwards(eye: EyeFindings, level: int) -> Photograph:
    """Narrow the vessels near the disc and widen those far from it."""
    rng = rng_for(SEED, "anatomy checks", eye.photo.source)
    masks = masks_of(eye)
    thick, thin = (
        damage_photograph(eye.photo, eye.fov, masks, kind, strength, rng=rng).photograph.pixels
        for kind, strength in (("thick-vessels", level), ("thin-vessels", max(1, level - 1)))
    )
    near = _disc(eye, 3.0)
    pixels = np.where(near[..., None], thin, thick)
    return eye.photo.after(pixels, "damaged: widened outwards", synthetic=True)


def float_trees(eye: EyeFindings, level: int) -> Photograph:
    """Paste 1 to 5 pieces of the photograph's own tree where there is little vessel.

    A piece is what vessels take of the light in a circle of 0.17 radii of the field.
    """
    rng = rng_for(SEED, "float", eye.photo.source)
    vessel, whole = eye.vasculature.pixels, eye.fov.radius_px
    reach = 0.17 * whole
    halo = _halo(vessel)
    image = eye.photo.pixels.astype(np.float32)
    ground = _smooth(image, eye.fov.mask & ~halo, 0.03 * whole)
    depth = np.where(halo[..., None], np.log((ground + 1) / (image + 1)), 0).clip(0)
    n = int(reach)
    disk = np.hypot(*np.mgrid[-n : n + 1, -n : n + 1]) <= reach
    amount = ndimage.convolve(vessel.astype(np.float32), disk.astype(np.float32))
    field = ndimage.distance_transform_edt(np.pad(eye.fov.mask, 1))[1:-1, 1:-1]
    away = field > reach + 0.05 * whole
    away &= ~_disc(eye, 2.0)
    source = np.where(away, amount, -1)
    row, column = np.unravel_index(int(source.argmax()), source.shape)
    taken = halo.copy()
    pixels = image.copy()
    for _ in range(level):
        clear = ndimage.distance_transform_edt(~taken)
        spot = np.where(away, clear + rng.uniform(0, 2, clear.shape), -1)
        y, x = np.unravel_index(int(spot.argmax()), spot.shape)
        size = min(n, int(clear[y, x]) - 4) if clear[y, x] > 14 else 10
        cut = np.hypot(*np.mgrid[-size : size + 1, -size : size + 1]) <= size
        piece = depth[row - size : row + size + 1, column - size : column + size + 1]
        pixels[y - size : y + size + 1, x - size : x + size + 1] *= np.exp(-piece * cut[..., None])
        taken[y - size : y + size + 1, x - size : x + size + 1] |= cut
    pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return eye.photo.after(pixels, "damaged: floating trees", synthetic=True)


def squash_field(eye: EyeFindings, level: int) -> Photograph:
    """Blacken what lies outside an ellipse that is 6 to 30 % narrower than the field."""
    radius = eye.fov.radius_px
    inside = _ellipse(eye, eye.fov.centre_px, (radius * (1 - 0.06 * level), radius))
    return _masked(eye, inside, "field-squashed")


def ripple_field(eye: EyeFindings, level: int) -> Photograph:
    """Give the field a wavy rim: 7 waves, 3 to 15 % of the radius deep."""
    height, width = eye.fov.mask.shape
    y, x = np.mgrid[:height, :width]
    dx, dy = x - eye.fov.centre_px[0], y - eye.fov.centre_px[1]
    wave = 1 - 0.015 * level * (1 + np.cos(7 * np.arctan2(dy, dx)))
    return _masked(eye, np.hypot(dx, dy) <= eye.fov.radius_px * wave, "field-rippled")


def bite_field(eye: EyeFindings, level: int) -> Photograph:
    """Blacken a disc of 0.2 to 0.6 radii that bites into the field from its rim."""
    turn = float(rng_for(SEED, "bite", eye.photo.source).uniform(0, 2 * math.pi))
    x, y = eye.fov.centre_px
    far, radius = 0.75 * eye.fov.radius_px, (0.1 + 0.1 * level) * eye.fov.radius_px
    spot = x + far * math.cos(turn), y + far * math.sin(turn)
    return _masked(eye, ~_ellipse(eye, spot, (radius, radius)), "field-bitten")


def _masked(eye: EyeFindings, inside: np.ndarray, step: str) -> Photograph:
    pixels = np.where((inside & eye.fov.mask)[..., None], eye.photo.pixels, np.uint8(0))
    return eye.photo.after(pixels, f"damaged: {step}", synthetic=True)


WITHOUT_KINDS = frozenset(
    ("extra-disc", "disc-erased", "misplaced-fovea", "vessels-cut-off", "floating-vessels",
     "floating-trees", "broken-vessels")
)  # fmt: skip
"""Damage in which arteries and veins are not told apart, which would double the time: the checks
that need them (balance, calibres, tapering) do not judge these eyes."""
PLANTS: dict[str, tuple[str, Plant]] = {
    "extra-disc": ("one_disc", catalogue_plant("extra-disc")),
    "disc-erased": ("one_disc", erase_disc),
    "misplaced-fovea": ("fovea_place", catalogue_plant("misplaced-fovea")),
    "vessels-cut-off": ("vessels_reach_disc", cut_at_disc),
    "floating-vessels": ("no_floating_vessels", catalogue_plant("floating-vessels")),
    "floating-trees": ("no_floating_vessels", float_trees),
    "broken-vessels": ("no_floating_vessels", catalogue_plant("broken-vessels")),
    "arteries-erased": ("artery_vein_balance", erase_arteries),
    "field-squashed": ("field_of_view", squash_field),
    "field-rippled": ("field_of_view", ripple_field),
    "field-bitten": ("field_of_view", bite_field),
    "thick-vessels": ("calibres", catalogue_plant("thick-vessels")),
    "thin-vessels": ("calibres", catalogue_plant("thin-vessels")),
    "dropped-vessels": ("calibres", catalogue_plant("dropped-vessels")),
    "widened-outwards": ("tapering", widen_outwards),
}
"""By name: the check that is meant to notice it, and who plants it."""
