"""The masking test: can the finding still be told when what shows it is hidden?

    keep                  the part of the field that stays; the rest of it takes one colour, the
                          median of what stays, so that the filling adds nothing
    without disc          the disc hidden: by its outline, dilated (1.5 radii), or by its box
    only disc             the same, the other way round
    without vessels       vessels hidden, dilated by 1 % of the field's diameter
    border only           the outermost tenth of the field's radius stays

A finding that lies in the disc must be at chance (AUROC ½, DeLong's test) without it, and no
disease is to be told by the border alone. What can is a shortcut.

References:
    T. Sourget et al., "Mask of truth: model sensitivity to unexpected regions of medical images",
    arXiv 2412.04030 (masked chest X-rays and fundus photographs). DeGrave, Janizek, Lee, Nature
    Machine Intelligence 3 (2021), 610 (shortcuts).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage

from retinaforge.core import Refusal

WIDER = 1.5
"""Radius of the dilated disc over the disc's."""
BORDER = 0.9
"""Radius, in the field's, from which the border begins."""
VESSEL_MARGIN = 0.01
"""Dilation of vessels, in diameters of the field."""

Mask = Bool[np.ndarray, "height width"]
Pixels = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class Parts:
    """Where things lie in one square.

    Attributes:
        fov: the field of view.
        disc: the optic disc; None where it is not known.
        vessels: blood vessels; None where they are not known.
    """

    fov: Mask
    disc: Mask | None = None
    vessels: Mask | None = None


def _wide(disc: Mask) -> Mask:
    radius = np.sqrt(disc.sum() / np.pi)
    away = ndimage.distance_transform_edt(~disc)
    return np.asarray(away <= (WIDER - 1) * radius)


def _box(disc: Mask) -> Mask:
    rows, columns = (np.flatnonzero(disc.any(axis=a)) for a in (1, 0))
    box = np.zeros_like(disc)
    box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return box


def _thick(vessels: Mask, fov: Mask) -> Mask:
    diameter = 2 * np.sqrt(fov.sum() / np.pi)
    return np.asarray(ndimage.distance_transform_edt(~vessels) <= VESSEL_MARGIN * diameter)


def _border(fov: Mask) -> Mask:
    """Return the outer rim: what is within a tenth of the radius of the field's edge."""
    radius = np.sqrt(fov.sum() / np.pi)
    framed = np.pad(fov, 1)
    inside = np.asarray(ndimage.distance_transform_edt(framed))[1:-1, 1:-1]
    return np.asarray(fov & (inside <= (1 - BORDER) * radius))


Keep = Callable[[Parts], Mask]


def _of_disc(shape: Callable[[Mask], Mask], *, hidden: bool) -> Keep:
    def keep(parts: Parts) -> Mask:
        if parts.disc is None or not parts.disc.any():
            raise Refusal("a mask of the disc", "none", "leave the image out of this variant")
        found = shape(parts.disc)
        return parts.fov & (~found if hidden else found)

    return keep


def _bare(parts: Parts) -> Mask:
    if parts.vessels is None or not parts.vessels.any():
        raise Refusal("a mask of the vessels", "none", "leave the image out of this variant")
    return parts.fov & ~_thick(parts.vessels, parts.fov)


VARIANTS: Mapping[str, Keep] = {
    "whole": lambda parts: parts.fov,
    "without disc": _of_disc(lambda disc: disc, hidden=True),
    "without disc, dilated": _of_disc(_wide, hidden=True),
    "without disc, box": _of_disc(_box, hidden=True),
    "only disc": _of_disc(lambda disc: disc, hidden=False),
    "only disc, dilated": _of_disc(_wide, hidden=False),
    "only disc, box": _of_disc(_box, hidden=False),
    "without vessels": _bare,
    "border only": lambda parts: _border(parts.fov),
}
"""What stays of an image, by the name of the variant."""

HIDES = {
    "disc": ("without disc", "without disc, dilated", "without disc, box"),
    "vessels": ("without vessels",),
}
"""Variants at chance if the finding lies in this part alone; the border is at chance always."""


def masked(pixels: Pixels, parts: Parts, variant: str) -> Pixels:
    """Return a square of which only one part stays.

    Args:
        pixels: RGB, 0-255, black outside the field.
        parts: where things lie.
        variant: a key of `VARIANTS`.

    Raises:
        Refusal: "expected a variant ...; got ...", or a mask that is not there, or a part that
            holds no pixel of the field.
    """
    if variant not in VARIANTS:
        raise Refusal(f"a variant of {', '.join(VARIANTS)}", repr(variant), "name one of them")
    keep = VARIANTS[variant](parts)
    if not keep.any():
        raise Refusal(f"pixels that stay in {variant!r}", "none", "look at the masks")
    if variant == "whole":
        return pixels
    filling = np.median(pixels[keep], axis=0).round().astype(np.uint8)
    return np.where(
        keep[..., None], pixels, np.where(parts.fov[..., None], filling, np.uint8(0))
    ).astype(np.uint8)
