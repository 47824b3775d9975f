"""Readings of the vessels: whether they hang together, balance, and taper."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from retinaforge.audits.disc_home import home_of
from retinaforge.audits.disc_readings import sure_home
from retinaforge.audits.eye_findings import EyeFindings, Mask, Reading
from retinaforge.vessels.centrelines import known, weighted_mean, weighted_quantiles

LINK_LEVEL = 0.12
"""Probability of vessel that still joins two stretches: a faint vessel, not a gap."""
ANCHOR_DISC, ANCHOR_RIM = 1.4, 0.03
"""What comes as near to the disc (in its radii) or the rim (in the field's) hangs on it."""
SHORTEST, SURE = 10.0, 0.6
NO_VESSELS = "no vessels were found"


def floating_mask(eye: EyeFindings) -> Mask:
    """Return vessel pixels that hang neither on the disc nor on the rim, even by faint vessels."""
    pixels = eye.vasculature.pixels
    linked, count = ndimage.label(pixels | (eye.probability >= LINK_LEVEL), np.ones((3, 3)))
    anchored = np.zeros(count + 1, dtype=bool)
    anchored[linked[_anchors(eye)]] = True
    anchored[0] = False
    return pixels & ~anchored[linked]


def _anchors(eye: EyeFindings) -> Mask:
    height, width = eye.fov.mask.shape
    anchors = eye.depth <= ANCHOR_RIM * eye.fov.radius_px
    home = home_of(eye)
    if home is not None:
        y, x = np.ogrid[:height, :width]
        (column, row), reach_px = home.centre_px, ANCHOR_DISC * home.radius_px
        anchors |= np.hypot(x - column, y - row) <= reach_px
    elif eye.vasculature.pixels.any():
        # Without a disc the largest piece stands for the tree.
        labels, _ = ndimage.label(eye.vasculature.pixels, np.ones((3, 3)))
        anchors |= labels == 1 + int(np.bincount(labels.ravel())[1:].argmax())
    return anchors


def adrift_area(eye: EyeFindings) -> dict[str, float]:
    """Return float_sum: ln(1 + area of pieces that float, weighed by how sure the network is).

    Area in units of (field's diameter / 512)²; the weight is its mean probability over 0.6; pieces
    shorter than 10 units are specks and do not count.
    """
    unit = eye.fov.radius_px / 256
    adrift = floating_mask(eye)
    labels = np.zeros(adrift.shape, dtype=np.int32)
    count = ndimage.label(adrift, np.ones((3, 3)), output=labels)
    if not count:
        return {"float_sum": 0.0}
    at = np.flatnonzero(labels)
    numbers, p = labels.ravel()[at], eye.probability.ravel()[at]
    area = np.bincount(numbers, minlength=count + 1)[1:]
    sure = np.bincount(numbers, p, minlength=count + 1)[1:] / area
    boxes = ndimage.find_objects(labels)
    span = np.array([math.hypot(r.stop - r.start, c.stop - c.start) for r, c in boxes]) / unit
    weight = area / unit**2 * np.clip(sure - SURE, 0, None)
    return {"float_sum": math.log1p(float(weight[span >= SHORTEST].sum()))}


def artery_share(eye: EyeFindings) -> float | str:
    """Return the arteries' share of the length of all vessels."""
    v = eye.vasculature
    if not v.kind_pixels:
        return "arteries and veins were not told apart"
    total = float(v.lengths_px.sum())
    if total <= 0:
        return NO_VESSELS
    return float(v.lengths_px[v.of_kind("artery")].sum()) / total


def _calibres(eye: EyeFindings, low: float, high: float) -> tuple[np.ndarray, ...] | str:
    """Return calibre, length, kind (True: artery) of pieces that far from the disc, in radii."""
    home = sure_home(eye)
    if isinstance(home, str):
        return home
    centre, radius = home.centre_px, home.radius_px
    v = eye.vasculature
    pieces = v.centrelines.pieces
    away = np.hypot(*(pieces.middles_px - centre).T) / radius
    near = known(pieces, (away >= low) & (away < high))
    if pieces.lengths_px[near].sum() < 2 * radius:
        return "too little vessel at that distance from the disc"
    artery = v.of_kind("artery")[pieces.branch[near]]
    return pieces.calibres_px[near], pieces.lengths_px[near], artery


def artery_vein_calibre(eye: EyeFindings) -> float | str:
    """Return how wide arteries are, beside veins, 1.5 to 5 radii from the disc."""
    found = _calibres(eye, 1.5, 5.0)
    if isinstance(found, str):
        return found
    calibre, length, artery = found
    if not eye.vasculature.kind_pixels or artery.all() or not artery.any():
        return "arteries and veins were not told apart there"
    return weighted_mean(calibre[artery], length[artery]) / weighted_mean(
        calibre[~artery], length[~artery]
    )


def widest(eye: EyeFindings) -> float | str:
    """Return the calibre that a tenth of the vessels about the disc exceed.

    In geometric means of disc and field: the field's width is unknown in degrees, the disc's
    outline is uncertain, and the mean of both varies least among real photographs.
    """
    found, home = _calibres(eye, 1.5, 5.0), home_of(eye)
    if isinstance(found, str) or home is None:
        return found if isinstance(found, str) else "no disc was found"
    wide = weighted_quantiles(found[0], found[1], shares=(0.9,))[0]
    return wide / (2 * math.sqrt(home.radius_px * eye.fov.radius_px))


def evenness(eye: EyeFindings) -> float | str:
    """Return the median calibre of all vessels beside that of the widest tenth about the disc."""
    found = _calibres(eye, 1.5, 5.0)
    if isinstance(found, str):
        return found
    pieces = eye.vasculature.centrelines.pieces
    usable = known(pieces, np.ones(len(pieces.branch), dtype=bool))
    every = pieces.calibres_px[usable], pieces.lengths_px[usable]
    median = weighted_quantiles(*every, shares=(0.5,))[0]
    return median / weighted_quantiles(found[0], found[1], shares=(0.9,))[0]


def taper(eye: EyeFindings) -> float | str:
    """Return how wide the wider vessels are far from the disc, beside those near it."""
    near, far = _calibres(eye, 1.2, 3.0), _calibres(eye, 4.5, math.inf)
    if isinstance(near, str):
        return near
    if isinstance(far, str):
        return far
    wide = [weighted_quantiles(c, w, shares=(0.85,))[0] for c, w, _ in (far, near)]
    return wide[0] / wide[1]


BALANCE_READINGS = (
    Reading("artery_share", "", "arteries make up {value:.0%} of the vessels' length; in real eyes "
            "{limit:.0%} at most", artery_share),
    Reading("artery_vein_calibre", "", "arteries {value:.2f} times as wide as veins; in real eyes "
            "{limit:.2f} at most", artery_vein_calibre),
)  # fmt: skip
CALIBRE_READINGS = (
    Reading("widest", "the wider vessels measure {value:.3f} (of the mean of disc and field); in "
            "real eyes {limit:.3f} or more", "the wider vessels measure {value:.3f} (of the mean "
            "of disc and field); in real eyes {limit:.3f} at most", widest),
)  # fmt: skip
