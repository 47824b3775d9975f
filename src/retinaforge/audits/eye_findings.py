"""What the anatomy checks are given, and what they answer.

A check rests on a few readings of one eye; each has limits outside of which it fails. A reading
that cannot be had says why, and a check without any cannot judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from retinaforge.anatomy.model import AnatomyMaps, AnatomyModel
from retinaforge.audits.convergence import Convergence, convergence_of
from retinaforge.core import Card, Fov, Landmarks, Photograph
from retinaforge.vessels.vasculature import Vasculature

Map = Float[np.ndarray, "height width"]
Mask = Bool[np.ndarray, "height width"]
Limits = tuple[float | None, float | None]


@dataclass(frozen=True)
class Verdict:
    """What a check says of one eye.

    Attributes:
        passed: None where the eye cannot be judged.
        value: the reading that decided, in its own unit; None without one.
        reason: in words; empty where the check passed.
    """

    passed: bool | None
    value: float | None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class EyeFindings:
    """One photograph with everything that was found in it.

    Attributes:
        photo: the photograph, best at 512 px, for which the limits were set.
        fov: its field of view.
        vasculature: its vessels, arteries and veins told apart.
        landmarks: disc, cup, fovea.
        probability: of vessel, pixel by pixel.
        first_look: where disc and fovea may lie; found by the model `ours` if left out.
    """

    photo: Photograph
    fov: Fov
    vasculature: Vasculature
    landmarks: Landmarks
    probability: Map
    first_look: AnatomyMaps | None = None

    @cached_property
    def look(self) -> AnatomyMaps:
        """Return where disc and fovea may lie, with every region that may be one."""
        if self.first_look is not None:
            return self.first_look
        return _anatomy().first_look(self.photo, self.fov)

    @cached_property
    def convergence(self) -> Convergence:
        """Return where the vessels point to."""
        return convergence_of(self.vasculature, self.fov)

    @cached_property
    def light(self) -> Map:
        """Return ln(1 + red + green), smoothed; NaN outside the field."""
        sum_ = self.photo.pixels[..., :2].sum(axis=2, dtype=np.float32)
        smooth = ndimage.gaussian_filter(np.log1p(sum_), 0.008 * self.fov.radius_px)
        return np.where(self.fov.mask, smooth, np.nan)


@lru_cache(maxsize=1)
def _anatomy() -> AnatomyModel:
    return AnatomyModel()


@dataclass(frozen=True)
class Reading:
    """One number that a check rests on.

    Attributes:
        name: under which its limits are kept.
        low: what is said of an eye below the lower limit; `{value}` and `{limit}` are filled in.
        high: what is said above the upper one.
        read: returns the number, or why it cannot be had.
    """

    name: str
    low: str
    high: str
    read: Callable[[EyeFindings], float | str]


@dataclass(frozen=True)
class AnatomyCheck:
    """One check of one eye.

    Attributes:
        card: its value is the share of images that fail.
        readings: what it rests on.
        limits: of each reading, by name.
    """

    card: Card
    readings: tuple[Reading, ...]
    limits: dict[str, Limits]

    def judge(self, eye: EyeFindings) -> Verdict:
        """Return whether every reading lies within its limits; the first that does not, decides."""
        known: list[float] = []
        unknown: list[str] = []
        for reading in self.readings:
            value = reading.read(eye)
            if isinstance(value, str):
                unknown.append(value)
                continue
            fault = outside(reading, value, self.limits[reading.name])
            if fault:
                return Verdict(False, value, fault)
            known.append(value)
        if not known:
            return Verdict(None, None, "; ".join(dict.fromkeys(unknown)))
        return Verdict(True, known[0])


def outside(reading: Reading, value: float, limits: Limits) -> str:
    """Return what is wrong with a value, "" if nothing."""
    low, high = limits
    if low is not None and value < low:
        return reading.low.format(value=value, limit=low)
    if high is not None and value > high:
        return reading.high.format(value=value, limit=high)
    return ""
