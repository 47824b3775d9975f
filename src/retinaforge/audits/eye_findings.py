"""What the anatomy checks are given, and what they answer.

A check rests on a few readings of one eye; each has limits outside of which it fails. A reading
that cannot be had says why, and a check without any cannot judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Bool, Float

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


@dataclass(frozen=True)
class EyeFindings:
    """One photograph with everything that was found in it.

    Attributes:
        photo: the photograph, best at 512 px, for which the limits were set.
        fov: its field of view.
        vasculature: its vessels, arteries and veins told apart.
        landmarks: disc, cup, fovea.
        probability: of vessel, pixel by pixel.
        disc_map: of disc, everywhere in the field; found by the model `ours` if left out.
    """

    photo: Photograph
    fov: Fov
    vasculature: Vasculature
    landmarks: Landmarks
    probability: Map
    disc_map: Map | None = field(default=None, compare=False)

    @cached_property
    def discs(self) -> Map:
        """Return the probability of disc, with every region that may be one."""
        if self.disc_map is not None:
            return self.disc_map
        return _anatomy().discs(self.photo, self.fov)


@lru_cache(maxsize=1)
def _anatomy():  # type: ignore[no-untyped-def]
    from retinaforge.anatomy import load_anatomy  # a network, loaded when it is first needed

    return load_anatomy("ours")


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
