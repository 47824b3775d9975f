"""Whether an image is a fundus photograph at all: light, soft light, a tree of vessels."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from retinaforge.audits.eye_findings import EyeFindings, Mask, Verdict
from retinaforge.metrics.smoothing import mean_inside

LEAST_LIGHT, LEAST_CONTRAST = 8.0, 2.0
"""Grey levels: median brightness and standard deviation below which nothing is shown."""


MOST_FINE, MOST_RANGE, MOST_COLOURS = 0.11, 2.2, 0.7
LEAST_SPAN, LEAST_SHARE, MOST_SHARE = 0.4, 0.005, 0.35
LN_1_PLUS = np.log1p(np.arange(3 * 255 + 1, dtype=np.float32))
SPAN_BESIDE_DISC = 0.3
"""Where a disc is seen less will do: exudates and haze break trees into pieces."""


def span_of_vessels(eye: EyeFindings) -> float:
    """Return the diagonal of the largest piece of vessel, in diameters of the field."""
    labels, count = ndimage.label(eye.vasculature.pixels, np.ones((3, 3)))
    boxes = [s for s in ndimage.find_objects(labels, count) if s is not None]
    spans = [math.hypot(s[0].stop - s[0].start, s[1].stop - s[1].start) for s in boxes]
    return max(spans, default=0.0) / (2 * eye.fov.radius_px)


def vessel_share(eye: EyeFindings) -> float:
    """Return the share of the field that is vessel."""
    return float(eye.vasculature.pixels.sum() / max(1, eye.fov.mask.sum()))


def statistics_of_light(eye: EyeFindings) -> tuple[float, float, float]:
    """Return fine contrast, range of light, spread of colour inside the field, in log units.

    Fine contrast: standard deviation of ln brightness between 0.008 and 0.06 radii; range: 10th
    to 90th percentile above that; spread: standard deviation of ln(red / green).
    """
    mask, radius = eye.fov.mask, eye.fov.radius_px
    inner = _eroded(mask, max(1, round(0.03 * radius)))
    inner = inner if inner.any() else mask
    pixels = eye.photo.pixels
    light = LN_1_PLUS[pixels.sum(axis=2, dtype=np.int32)]
    fine, broad = (mean_inside(light, mask, share * radius)[inner] for share in (0.008, 0.06))
    ratio = LN_1_PLUS[pixels[..., 0]] - LN_1_PLUS[pixels[..., 1]]
    colour = mean_inside(ratio, mask, 0.04 * radius)[inner]
    low, high = np.percentile(broad, [10, 90])
    return float((fine - broad).std()), float(high - low), float(colour.std())


def _eroded(mask: Mask, steps: int) -> Mask:
    """Return what lies more than so many steps, to the four sides, from everything outside.

    Beyond the picture counts as outside, as in SciPy's `binary_erosion`.
    """
    away = np.asarray(ndimage.distance_transform_cdt(np.pad(mask, 1), metric="taxicab"))
    return away[1:-1, 1:-1] > steps


def looks_like_fundus(eye: EyeFindings) -> Verdict:
    """Tell whether an image is a fundus photograph; its value is its fine contrast.

    A retina is soft: fine contrast, range of light and spread of colour stay below limits that no
    real photograph of `../shared/data` comes near, and a tree of vessels spans the field. Neither
    a disc nor colour is asked for: photographs of the macula and grey ones are fundus, too.
    """
    inside = eye.photo.pixels[eye.fov.mask].T
    if not inside.size or float(inside.max()) < LEAST_LIGHT:
        return Verdict(False, 0.0, "the image is black")
    if max(float(channel.std()) for channel in inside) < LEAST_CONTRAST:
        return Verdict(False, 0.0, "the image is of one colour")
    fine, span_of_light, colours = statistics_of_light(eye)
    seen = eye.landmarks.disc_centre_px is not None
    least_span = SPAN_BESIDE_DISC if seen else LEAST_SPAN
    signs = {
        f"contrast of fine detail {fine:.2f}, above {MOST_FINE}": fine > MOST_FINE,
        f"light ranges over {span_of_light:.1f} log units": span_of_light > MOST_RANGE,
        f"colours range over {colours:.1f} log units": colours > MOST_COLOURS,
        "no tree of vessels spans the field": span_of_vessels(eye) < least_span,
        "it holds an amount of vessel that no retina has": not LEAST_SHARE
        <= vessel_share(eye)
        <= MOST_SHARE,
    }
    faults = [words for words, shown in signs.items() if shown]
    return Verdict(not faults, fine, "; ".join(faults))
