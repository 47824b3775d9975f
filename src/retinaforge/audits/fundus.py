"""Whether an image is a fundus photograph at all: light, a tree of vessels, a disc, colour."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from retinaforge.audits.disc_home import regions
from retinaforge.audits.eye_findings import EyeFindings, Verdict

LEAST_LIGHT, LEAST_CONTRAST = 8.0, 2.0
"""Grey levels: median brightness and standard deviation below which nothing is shown."""


def span_of_vessels(eye: EyeFindings) -> float:
    """Return the diagonal of the largest piece of vessel, in diameters of the field."""
    labels, count = ndimage.label(eye.vasculature.pixels, np.ones((3, 3)))
    boxes = [s for s in ndimage.find_objects(labels, count) if s is not None]
    spans = [math.hypot(s[0].stop - s[0].start, s[1].stop - s[1].start) for s in boxes]
    return max(spans, default=0.0) / (2 * eye.fov.radius_px)


def vessel_share(eye: EyeFindings) -> float:
    """Return the share of the field that is vessel."""
    return float(eye.vasculature.pixels.sum() / max(1, eye.fov.mask.sum()))


def redness(eye: EyeFindings) -> float:
    """Return the share of the field where red ≥ green ≥ blue, as in a retina."""
    inside = eye.photo.pixels[eye.fov.mask].astype(int)
    red, green, blue = inside.T
    return float(((red >= green - 2) & (green >= blue - 12)).mean())


def looks_like_fundus(eye: EyeFindings) -> Verdict:
    """Tell whether an image is a fundus photograph; its value is how many of four signs it shows.

    Signs: a tree of vessels that spans the field, a sane amount of vessel, a disc, a retina's
    colours. Grey photographs have the colours by default.
    """
    inside = eye.photo.pixels[eye.fov.mask].astype(float)
    if not len(inside) or float(np.median(inside.max(axis=1))) < LEAST_LIGHT:
        return Verdict(False, 0.0, "the image is black")
    if float(inside.std(axis=0).max()) < LEAST_CONTRAST:
        return Verdict(False, 0.0, "the image is of one colour")
    signs = {
        "no tree of vessels that spans the field": span_of_vessels(eye) >= 0.35,
        "an amount of vessel that no retina has": 0.01 <= vessel_share(eye) <= 0.3,
        "no disc": eye.landmarks.disc_centre_px is not None or bool(regions(eye)),
        "not the colours of a retina": redness(eye) >= 0.8,
    }
    shown = sum(signs.values())
    if shown >= 3:
        return Verdict(True, float(shown))
    return Verdict(False, float(shown), ", ".join(word for word, sign in signs.items() if not sign))
