"""Seven ways in which a photograph gets worse, each at five levels of a stated size.

    defocus       Gaussian blur, normalised within the field; sigma in diameters of the field
    illumination  light falls off along one direction: I (1 − e (1 + t) / 2), t from −1 to 1
    haze          I + h (veil − I), veil the field's median, whitened
    jpeg          compression at a quality
    dust          dark specks: so many, 0.4 to 1.2 % of the field's diameter wide
    motion        mean along a line of this length, in diameters of the field
    channel       one channel, drawn by chance, fades to its mean by this share

A classifier is consistent where it calls the damaged image as it called the good one; it is robust
where it stays right.

References:
    Hendrycks, Dietterich, ICLR 2019 (levels of corruption, consistency). The sizes of haze follow
    the damage that the quality grader learns from (`tasks.quality_damage`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.audits import damages
from retinaforge.audits.damages import Damage, Mask, Pixels
from retinaforge.core import Refusal

LEVELS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Degradation:
    """One way to get worse.

    Attributes:
        name: of the kind.
        unit: of its sizes.
        sizes: of levels 1 to 5.
        apply: takes pixels, field, size and a generator; returns floats, 0-255.
    """

    name: str
    unit: str
    sizes: tuple[float, float, float, float, float]
    apply: Damage


def degraded(
    pixels: Pixels, fov: Mask, kind: str, level: int, *, rng: np.random.Generator
) -> Pixels:
    """Return a square after damage; what lies outside the field keeps its bytes.

    Args:
        pixels: RGB, 0-255.
        fov: the field of view.
        kind: name of one of `DEGRADATIONS`.
        level: 1 to 5.
        rng: of direction, specks and channel.

    Raises:
        Refusal: "expected a degradation ...; got ...", "expected a level from 1 to 5; got ...".
    """
    if kind not in BY_NAME:
        raise Refusal(f"a degradation of {', '.join(BY_NAME)}", repr(kind), "name one of them")
    if level not in LEVELS:
        raise Refusal("a level from 1 to 5", f"{level}", "5 is the worst")
    one = BY_NAME[kind]
    done = one.apply(pixels, fov, one.sizes[level - 1], rng)
    return np.where(fov[..., None], np.clip(np.rint(done), 0, 255).astype(np.uint8), pixels)


def consistency(
    before: Bool[np.ndarray, "n"], after: Bool[np.ndarray, "n"]
) -> Float[np.ndarray, "n"]:
    """Return 1 for each image that is called as before, 0 for the others."""
    return (before == after).astype(np.float64)


DEGRADATIONS: tuple[Degradation, ...] = (
    Degradation(
        "defocus", "sigma, diameters", (0.002, 0.004, 0.008, 0.014, 0.022), damages.defocus
    ),
    Degradation("illumination", "fall of light", (0.2, 0.4, 0.6, 0.75, 0.9), damages.illumination),
    Degradation("haze", "share of veil", (0.1, 0.25, 0.4, 0.55, 0.75), damages.haze),
    Degradation("jpeg", "quality", (60, 35, 20, 10, 5), damages.jpeg),
    Degradation("dust", "specks", (10, 25, 50, 100, 200), damages.dust),
    Degradation("motion", "length, diameters", (0.006, 0.012, 0.024, 0.04, 0.06), damages.motion),
    Degradation("channel", "share of one channel lost", (0.2, 0.4, 0.6, 0.8, 1.0), damages.channel),
)
BY_NAME = {one.name: one for one in DEGRADATIONS}


def lost_from(differences: Sequence[tuple[float, float] | None]) -> int | None:
    """Return the first level from which every interval of after − before lies below 0.

    Args:
        differences: intervals of levels 1 to 5; None where there is none.
    """
    below = [pair is not None and pair[1] < 0 for pair in differences]
    found = [k for k in range(len(below)) if all(below[k:])]
    return found[0] + 1 if found else None
