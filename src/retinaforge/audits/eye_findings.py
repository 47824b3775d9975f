"""What the anatomy checks are given, and what they answer.

A check rests on a few readings of one eye; each has limits outside of which it fails. A reading
that cannot be had says why, and a check without any cannot judge.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from retinaforge.anatomy.model import AnatomyMaps, AnatomyModel
from retinaforge.audits.convergence import Convergence, convergence_of
from retinaforge.core import Card, Fov, Landmarks, Photograph
from retinaforge.vessels.depth import depth_inside, depth_up_to
from retinaforge.vessels.vasculature import Vasculature

Map = Float[np.ndarray, "height width"]
Mask = Bool[np.ndarray, "height width"]
Limits = tuple[float | None, float | None]

DIGITS, MOST_MORE = re.compile(r":\.(\d)([f%])}"), 4


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
    def numbers(self) -> dict[Any, Any]:
        """Return what was found once for this eye, by who found it."""
        return {}

    @cached_property
    def convergence(self) -> Convergence:
        """Return where the vessels point to."""
        return convergence_of(self.vasculature, self.fov)

    @cached_property
    def depth(self) -> Map:
        """Return each pixel's distance to the field's border, in pixels; far inside it only how
        far that is at least, 1/16 of the field's radius."""
        return depth_up_to(self.fov.mask, int(min(180, math.ceil(self.fov.radius_px / 16) + 3)))

    @cached_property
    def half_width(self) -> Map:
        """Return each vessel pixel's distance to the vessel's wall, in pixels."""
        return np.maximum(depth_inside(self.vasculature.pixels) - 0.5, 0.0)

    @cached_property
    def widest_probability(self) -> Map:
        """Return the highest probability of vessel within a pixel."""
        return _highest_near(self.probability)

    @cached_property
    def log_green(self) -> Map:
        """Return ln(8 + green), which a vessel lowers alike in bright and dark places."""
        return np.log(np.arange(256, dtype=np.float32) + 8.0)[self.photo.pixels[..., 1]]

    @cached_property
    def darkness(self) -> Map:
        """Return how much darker than the bare retina about it a place is, in log units.

        The darkest pixel within one; retina: the mean over a Gaussian of 1/32 radius, on every
        fourth pixel, vessels left out.
        """
        bare = (self.fov.mask & (self.probability < 0.25)).astype(np.float32)
        small = [v.reshape(v.shape[0] // 4, 4, -1, 4).mean(axis=(1, 3)) for v in (
            _whole_fours(self.log_green * bare), _whole_fours(bare))]  # fmt: skip
        sigma = self.fov.radius_px / 32 / 4
        total, weight = (ndimage.gaussian_filter(v, sigma) for v in small)
        ground = (total / np.maximum(weight, 1e-3)).repeat(4, axis=0).repeat(4, axis=1)
        ground = ground[: bare.shape[0], : bare.shape[1]]
        fine = ndimage.uniform_filter(self.log_green, 3)
        return _highest_near(ground - fine)

    @cached_property
    def usual_darkness(self) -> float:
        """Return the median darkness of vessel pixels, in log units; 0.02 at least."""
        inside = self.darkness[self.vasculature.pixels]
        return max(0.02, float(np.median(inside))) if inside.size else 0.02

    @cached_property
    def light(self) -> Map:
        """Return ln(1 + red + green), smoothed; NaN outside the field."""
        red, green = self.photo.pixels[..., 0], self.photo.pixels[..., 1]
        bright = np.log1p(np.arange(511, dtype=np.float32))[red.astype(np.int64) + green]
        smooth = ndimage.gaussian_filter(bright, 0.008 * self.fov.radius_px)
        return np.where(self.fov.mask, smooth, np.nan)


def _highest_near(values: Map) -> Map:
    """Return the highest value of the 3 x 3 pixels about each; faster than SciPy's filter."""
    wide = np.pad(values, 1, mode="edge")
    rows = np.maximum(np.maximum(wide[:-2], wide[1:-1]), wide[2:])
    return np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


def _whole_fours(values: Map) -> Map:
    """Return a map with its last row and column repeated until both sides divide by four."""
    height, width = values.shape
    return np.pad(values, ((0, -height % 4), (0, -width % 4)), mode="edge")


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
        return _told(reading.low, value, low)
    if high is not None and value > high:
        return _told(reading.high, value, high)
    return ""


def _told(text: str, value: float, limit: float) -> str:
    """Fill in both numbers, with more digits where they would look equal."""
    form = DIGITS.search(text)
    more = 0
    if form:
        digits, kind = int(form[1]), form[2]
        while more < MOST_MORE and f"{value:.{digits + more}{kind}}" == (
            f"{limit:.{digits + more}{kind}}"
        ):
            more += 1
    wider = DIGITS.sub(lambda m: f":.{int(m[1]) + more}{m[2]}}}", text)
    return wider.format(value=value, limit=limit)
