"""Damage of which the grade is known: what is planted in photographs to learn quality from.

The rule is that of the phantoms (`retinaforge.phantoms.quality`), so both teachers mean the same:
each planted size has a threshold from which a photograph is only usable and one from which it is
to be rejected. They were set by whether a reader can still follow the vessels: at the first the
small vessels round the macula fade, at the second only the arcades and the disc are left.
A colour cast alone hides no vessel: from 25 % on it is usable, never a reject.

    dim, bright    I exp(±e)                  shade   I · light, light from 1 to 0 across a border
    haze           I + h (veil - I), veil the photograph's own median, whitened
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from retinaforge.core import Fov
from retinaforge.phantoms.damage import damaged_pixels
from retinaforge.phantoms.damage_card import NOMINAL_FOV_UM, damage_named
from retinaforge.phantoms.damage_paint import inside_only
from retinaforge.phantoms.quality import DIM, QualityLabel, judged
from retinaforge.phantoms.sensor import VEIL_OVER_MEDIAN

LEVELS = (1, 2, 3, 4, 5)
OWN: dict[str, tuple[float, ...]] = {
    "dim": (0.2, 0.6, 0.9, 1.3, 1.8),
    "bright": (0.2, 0.7, 1.0, 1.3, 1.7),
    "shade": (0.05, 0.15, 0.3, 0.5, 0.7),
    "haze": (0.1, 0.25, 0.4, 0.55, 0.75),
}
"""Sizes of levels 1-5: logarithms of exposure, share of the field in the dark, share of veil."""

PLANTED = ("blur", "noise", "jpeg", "colour-cast")
"""Kinds whose sizes stand in `retinaforge.phantoms.damage_card`."""

KINDS = (*PLANTED, *OWN)
CAST_USABLE_FROM = 25.0
SHADE_EDGE = 0.35
"""Width of a shadow's border, in radii of the field."""


def scores_of(kind: str, level: int) -> dict[str, float]:
    """Return a planted damage in the scores of `phantoms.quality.judged`; none for a cast."""
    if kind in OWN:
        name = {"dim": "underexposure", "bright": "overexposure", "shade": "dark_share",
                "haze": "haze"}[kind]  # fmt: skip
        return {name: OWN[kind][level - 1]}
    size = damage_named(kind).size(level)
    return {
        "blur": lambda: {"blur_um": size["sigma_um"]},
        "noise": lambda: {"noise": size["sd_grey"]},
        "jpeg": lambda: {"jpeg_loss": 100 - size["quality"]},
        "colour-cast": dict,
    }[kind]()


def label_of(planted: Mapping[str, int]) -> QualityLabel:
    """Return the grade that follows from damage planted in a good photograph.

    Args:
        planted: level by kind; empty for the photograph as it is.
    """
    scores: dict[str, float] = {}
    for kind, level in planted.items():
        scores |= scores_of(kind, level)
    label = judged(scores).label
    cast = planted.get("colour-cast", 0)
    strong = cast > 0 and damage_named("colour-cast").size(cast)["gain_pct"] >= CAST_USABLE_FROM
    return "usable" if label == "good" and strong else label


def planted_in(
    pixels: np.ndarray, fov: Fov, kind: str, level: int, *, rng: np.random.Generator
) -> np.ndarray:
    """Return a photograph after damage; its field is taken as 45 degrees wide.

    Args:
        pixels: RGB, 0-255, good as it is.
        fov: its field of view.
        kind: one of `KINDS`.
        level: 1-5.
        rng: of grain and of the side on which a shadow lies.
    """
    if kind not in OWN:
        px_um = NOMINAL_FOV_UM / (2 * fov.radius_px)
        size = damage_named(kind).size(level)
        return damaged_pixels(pixels, fov, kind, size, px_um=px_um, rng=rng)
    size = OWN[kind][level - 1]
    if kind == "haze":
        return inside_only(pixels, pixels + size * (_veil(pixels, fov) - pixels), fov.mask)
    if kind == "shade":
        return inside_only(pixels, pixels * _shadow(fov, size, rng=rng)[..., None], fov.mask)
    sign = 1 if kind == "bright" else -1
    return inside_only(pixels, pixels * np.exp(sign * size), fov.mask)


def _veil(pixels: np.ndarray, fov: Fov) -> np.ndarray:
    median = np.median(pixels[fov.mask], axis=0)
    return np.minimum(median * VEIL_OVER_MEDIAN + 12, 235)


def _shadow(fov: Fov, share: float, *, rng: np.random.Generator) -> np.ndarray:
    """Return light that lies below `DIM` in a share of the field, from one side."""
    turn = rng.uniform(-np.pi, np.pi)
    y, x = np.mgrid[: fov.mask.shape[0], : fov.mask.shape[1]]
    towards = (x - fov.centre_px[0]) * np.cos(turn) + (y - fov.centre_px[1]) * np.sin(turn)
    away = towards / fov.radius_px
    border = np.quantile(away[fov.mask], 1 - share)
    slope = 4 / SHADE_EDGE
    # A logistic border of which the level DIM, not the middle, lies where the share asks for it.
    return 1 / (1 + np.exp(np.clip(slope * (away - border) + np.log(1 / DIM - 1), -40, 40)))
