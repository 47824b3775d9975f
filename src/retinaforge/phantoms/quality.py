"""Whether a photograph can be read, as a rule on the camera's settings.

Three words as screening uses them (Fu et al. 2019, EyeQ): good, usable, reject. There, graders
judged by eye; here the label follows from the settings by the thresholds below, which were set by
eye on phantoms beside ODIR photographs. So it is known exactly, and means no more than the rule.

    good    no score reaches the first threshold
    usable  some score reaches the first threshold, none the second
    reject  some score reaches the second threshold
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from retinaforge.phantoms.camera import Shot, aperture_mask
from retinaforge.phantoms.frame import Frame
from retinaforge.phantoms.fundus import Layout, Point
from retinaforge.phantoms.optics import light_of

QualityLabel = Literal["good", "usable", "reject"]
QUALITY_LABELS: tuple[QualityLabel, ...] = ("good", "usable", "reject")

USABLE_FROM: dict[str, float] = {
    "blur_um": 30.0,
    "haze": 0.2,
    "dark_share": 0.1,
    "underexposure": 0.5,
    "overexposure": 0.6,
    "noise": 8.0,
    "jpeg_loss": 60.0,
    "specks": 12.0,
    "disc_lost": 0.02,
    "macula_lost": 0.25,
}
"""First thresholds: from here on a photograph is no longer good."""

REJECT_FROM: dict[str, float] = {
    "blur_um": 70.0,
    "haze": 0.5,
    "dark_share": 0.4,
    "underexposure": 1.2,
    "overexposure": 1.2,
    "noise": 25.0,
    "jpeg_loss": 90.0,
    "specks": 80.0,
    "disc_lost": 0.5,
    "macula_lost": 0.6,
}
"""Second thresholds: from here on it is not to be read. A vein at the disc is about 150 um wide:
with a blur of 70 um (SD) its contrast has halved and vessels of a third of its width are gone."""

DIM = 0.4
"""Light below this share of the usual counts as darkness."""

GLARE = 60.0
"""A veil of more grey levels than this hides what lies behind it as darkness does."""

FIELD_PX = 256
"""Shares of the field are counted on a picture of this size, whatever size is drawn."""

MACULA_UM = 1500.0
"""Radius of the macular region that has to be seen: a disc diameter, roughly."""


@dataclass(frozen=True)
class Quality:
    """What the settings make of a photograph.

    Attributes:
        label: good, usable or reject.
        reasons: scores that reached a threshold, worst first.
        scores: every score, in the units of `USABLE_FROM`: blur in micrometres (SD on the retina),
            haze and dark share 0-1, exposures in natural logarithms from the camera's usual one,
            noise in grey levels, JPEG loss as 100 - quality, specks as their number (reflections
            and lashes count more), disc and macula as the share that lies outside the field.
    """

    label: QualityLabel
    reasons: tuple[str, ...]
    scores: dict[str, float]


def quality_of(shot: Shot, frame: Frame, layout: Layout) -> Quality:
    """Return the quality that follows from the settings; it does not depend on the picture's size.

    blur = sqrt(defocus^2 + motion^2 / 12): the SD of a Gaussian convolved with a uniform stroke.

    Args:
        shot: the camera's settings.
        frame: where on the retina the picture lies.
        layout: the eye's landmarks.

    References:
        Fu et al., MICCAI 2019 (EyeQ), for the three words and what graders looked at: illumination,
        clarity, contrast, whether disc and macula can be seen.
    """
    p = shot.params
    log_exposure = math.log(p.exposure or 1.0)
    seen = Frame(FIELD_PX, frame.centre_um, frame.fov_radius_um)
    scores = {
        "blur_um": math.hypot(p.defocus_um or 0, (p.motion_um or 0) / math.sqrt(12)),
        "haze": p.haze or 0.0,
        "dark_share": _dark_share(shot, seen),
        "underexposure": max(0.0, -log_exposure),
        "overexposure": max(0.0, log_exposure),
        "noise": p.noise or 0.0,
        "jpeg_loss": 100.0 - p.jpeg_quality if p.jpeg_quality else 0.0,
        "specks": (p.dust or 0) + 4.0 * (p.spots or 0) + 40.0 * (p.lashes or 0),
        "disc_lost": _lost(shot, seen, layout.disc_um, layout.disc_axes_um),
        "macula_lost": _lost(shot, seen, (0.0, 0.0), (MACULA_UM, MACULA_UM)),
    }
    return judged(scores)


def judged(scores: dict[str, float]) -> Quality:
    """Return the label of some scores, with the reasons, worst first."""
    reached = {name: _severity(name, value) for name, value in scores.items()}
    reasons = sorted((n for n, s in reached.items() if s >= 1), key=lambda name: -reached[name])
    worst = max(reached.values(), default=0.0)
    label: QualityLabel = "reject" if worst >= 2 else "usable" if worst >= 1 else "good"
    return Quality(label, tuple(reasons), scores)


def _severity(name: str, value: float) -> float:
    """Return 1 at the first threshold and 2 at the second, straight between them and beyond."""
    first, second = USABLE_FROM[name], REJECT_FROM[name]
    if value < first:
        return value / first * 0.999
    if value < second:
        return min(1 + (value - first) / (second - first), math.nextafter(2, 0))
    return 1 + value / second


def _dark_share(shot: Shot, frame: Frame) -> float:
    """Return the share of the field that shadows leave dark, from the light alone."""
    light, veil = light_of(shot, frame)
    inside = aperture_mask(frame, shot)
    glare = veil.max(axis=2) > GLARE
    return float(((light < DIM) | glare)[inside].mean())


def _lost(shot: Shot, frame: Frame, centre_um: Point, axes_um: Point) -> float:
    """Return which share of an ellipse on the retina lies outside the field."""
    angle = np.arange(96) * (2 * np.pi / 96)
    rings = np.sqrt((np.arange(12) + 0.5) / 12)[:, None]
    x = centre_um[0] + axes_um[0] * rings * np.cos(angle)
    y = centre_um[1] + axes_um[1] * rings * np.sin(angle)
    px = np.rint(frame.to_px(np.stack([x.ravel(), y.ravel()], axis=1))).astype(int)
    within = np.all((px >= 0) & (px < frame.size_px), axis=1)
    mask = aperture_mask(frame, shot)
    clipped = np.clip(px, 0, frame.size_px - 1)
    return 1 - float((mask[clipped[:, 1], clipped[:, 0]] & within).mean())
