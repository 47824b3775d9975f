"""Readings of a fundus image by closed form: no network, no training, so nothing that could agree
with a generator by having learnt from the same images.

Each is a number that should rise with the fact; only its rank means anything.

    light    L = (R + G) / 2, the disc: where L, smoothed by 0.05 sides less 0.2 sides, is highest
    blur     - log of fine gradient energy over coarse                     (Krotkov 1988, Tenengrad)
    haze     - log of the local contrast of green: SD of what lies above 0.08 sides, over its mean
    pigment  - log of the median red inside the field
    vessels  share of the field with a dark ridge: l+ > 0, |l-| small  (Frangi et al., MICCAI 1998)
    lesions  dark or bright blobs, both eigenvalues of one sign, away from the disc (Lindeberg 1998)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

Map = np.ndarray
FLAT = 1e-6


class Look:
    """One image and what several readings share.

    Args:
        pixels: RGB, 0-255, shape (side, side, 3).
        inside: True inside the field of view.
    """

    def __init__(self, pixels: np.ndarray, inside: np.ndarray) -> None:
        self.side = pixels.shape[0]
        self.plane = pixels.astype(np.float64) / 255.0
        self.core = ndimage.binary_erosion(inside, iterations=max(1, self.side // 24))
        self.core &= inside
        # Filters reach across the rim: what lies near it is not counted.
        self.deep = ndimage.binary_erosion(self.core, iterations=max(1, self.side // 24))

    def smooth(self, plane: Map, share: float) -> Map:
        """Return a plane smoothed by a share of the side, from inside the field alone."""
        weight = ndimage.gaussian_filter(self.core.astype(float), share * self.side)
        values = ndimage.gaussian_filter(plane * self.core, share * self.side)
        return values / np.maximum(weight, FLAT)

    @cached_property
    def green(self) -> Map:
        """Return green over its surroundings: 1 is as bright as 0.15 sides about."""
        green = self.plane[..., 1]
        return np.where(self.core, green / np.maximum(self.smooth(green, 0.15), 0.02), 1.0)

    @cached_property
    def disc(self) -> tuple[float, float]:
        """Return (x, y) of the brightest spot of a disc's size, from the middle, in half sides."""
        light = self.plane[..., :2].mean(2)
        spot = self.smooth(light, 0.05) - self.smooth(light, 0.2)
        height = np.abs(np.arange(self.side) - self.side / 2) < 0.22 * self.side
        spot = np.where(self.core & height[:, None], spot, -np.inf)
        y, x = np.unravel_index(int(np.argmax(spot)), spot.shape)
        return (x + 0.5) * 2 / self.side - 1, (y + 0.5) * 2 / self.side - 1

    @cached_property
    def off_disc(self) -> Map:
        """Return True where lesions are looked for: inside, and not on the disc."""
        y, x = (np.mgrid[: self.side, : self.side] + 0.5) * 2 / self.side - 1
        return self.deep & (np.hypot(x - self.disc[0], y - self.disc[1]) > 0.3)

    def curvature(self, share: float) -> tuple[Map, Map]:
        """Return larger and smaller eigenvalue of the Hessian of green, times s^2."""
        s = share * self.side
        # Each with its order along (y, x).
        hyy, hxx, hxy = (ndimage.gaussian_filter(self.green, s, order=order) * s * s
                         for order in ((2, 0), (0, 2), (1, 1)))  # fmt: skip
        middle, spread = (hxx + hyy) / 2, np.sqrt(((hxx - hyy) / 2) ** 2 + hxy**2)
        return middle + spread, middle - spread


def _energy(look: Look, s: float) -> float:
    gradient = ndimage.gaussian_gradient_magnitude(look.green, s)[look.core]
    return float(np.log(np.mean(gradient**2) + 1e-9))


def blur(look: Look) -> float:
    """Return coarse less fine log gradient energy."""
    return _energy(look, 2.0) - _energy(look, 0.6)


def haze(look: Look) -> float:
    """Return minus the log of local contrast."""
    green = look.plane[..., 1]
    away = (green - look.smooth(green, 0.08))[look.core]
    return -float(np.log(away.std() / max(float(green[look.core].mean()), 0.02) + 1e-6))


def pigmentation(look: Look) -> float:
    """Return minus the log of the median red."""
    return -float(np.log(np.median(look.plane[..., 0][look.core]) + 0.01))


def vessel_density(look: Look) -> float:
    """Return the share of the field where a dark ridge stands out of what is usual there.

    Held against the median curvature, a hazy view has no fewer vessels.
    """
    high, low = (values[look.deep] for values in look.curvature(0.006))
    ridge = np.where(np.abs(low) < high, high, 0)
    return float((ridge > 2 * np.median(np.abs(high))).mean())


def _blobs(look: Look, share: float, sign: int, level: float) -> float:
    high, low = look.curvature(share)
    strength = low if sign > 0 else -high
    return float(np.maximum(strength - level, 0)[look.off_disc].mean() * 1e3)


def dark_blobs(look: Look) -> float:
    """Return how much of the field away from the disc is dark, round and small."""
    return _blobs(look, 0.014, 1, 0.015)


def bright_blobs(look: Look) -> float:
    """Return how much of the field away from the disc is bright, round and small."""
    return _blobs(look, 0.010, -1, 0.015)


def bright_patches(look: Look) -> float:
    """Return the same of larger bright patches."""
    return _blobs(look, 0.03, -1, 0.02)


def disc_side(look: Look) -> float:
    """Return how far right of the middle the disc lies, in half sides: right eyes are positive."""
    return float(look.disc[0])


@dataclass(frozen=True)
class Reader:
    """A closed form that a word can be held against.

    Attributes:
        word: which.
        says: what is measured, for a page.
        of: takes a look, returns a number that should rise with the fact.
    """

    word: str
    says: str
    of: Callable[[Look], float]


READERS: tuple[Reader, ...] = (
    Reader("eye", "where the brightest spot of a disc's size lies", disc_side),
    Reader("dr_grade", "small dark blobs away from the disc", dark_blobs),
    Reader("haemorrhage_dot", "small dark blobs away from the disc", dark_blobs),
    Reader("haemorrhage_flame", "small dark blobs away from the disc", dark_blobs),
    Reader("hard_exudate", "small bright blobs away from the disc", bright_blobs),
    Reader("drusen", "small bright blobs away from the disc", bright_blobs),
    Reader("cotton_wool_spot", "larger bright patches away from the disc", bright_patches),
    Reader("laser_scar", "larger bright patches away from the disc", bright_patches),
    Reader("pigmentation", "minus the log of the median red", pigmentation),
    Reader("quality", "coarse over fine gradient energy", blur),
    Reader("blur", "coarse over fine gradient energy", blur),
    Reader("haze", "minus the log of the local contrast of green", haze),
    Reader("vessel_density", "share of dark ridges", vessel_density),
)


def read_closed(pixels: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    """Return every closed form's reading of one image, by word; NaN where nothing is to be seen."""
    if not inside.any() or int(pixels[inside].max(initial=0)) == 0:
        return {reader.word: float("nan") for reader in READERS}
    look, known = Look(pixels, inside), {}
    for of in {reader.of for reader in READERS}:
        known[of] = of(look)
    return {reader.word: known[reader.of] for reader in READERS}
