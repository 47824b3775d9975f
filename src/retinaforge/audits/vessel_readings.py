"""Readings of the vessels: whether they reach the disc, hang together, balance, and taper."""

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
LONG, SHORT = 0.045, 0.13
"""Shares of the field's diameter: a piece as long as the first is a vessel, not a speck; one longer
than the second may be a vessel whose way to the disc is hidden by haze."""
ROUND = 360
NO_VESSELS = "no vessels were found"


def _circle_cover(eye: EyeFindings, radii: tuple[float, ...]) -> np.ndarray | str:
    """Return which of 360 points on each circle about the disc are vessel; NaN off the field."""
    home = sure_home(eye)
    if isinstance(home, str):
        return home
    centre, radius = home.centre_px, home.radius_px
    turn = np.arange(ROUND) * 2 * math.pi / ROUND
    far = np.array(radii)[:, None] * radius
    x, y = centre[0] + far * np.cos(turn), centre[1] + far * np.sin(turn)
    at = np.stack([y, x])
    vessel = ndimage.map_coordinates(eye.vasculature.pixels.astype(float), at, order=1)
    seen = ndimage.map_coordinates(eye.fov.mask.astype(float), at, order=1) > 0.99
    return np.where(seen, vessel, np.nan)


def reach(eye: EyeFindings) -> float | str:
    """Return the share of circles close about the disc that vessels take up."""
    cover = _circle_cover(eye, (1.1, 1.25, 1.4, 1.55))
    if isinstance(cover, str):
        return cover
    if np.isfinite(cover).mean() < 0.5:
        return "half of the disc's surroundings or more lie outside the field"
    return float(np.nanmedian(np.nanmean(cover, axis=1)))


def reach_halves(eye: EyeFindings) -> float | str:
    """Return that share for the half above or below the disc, whichever is less."""
    cover = _circle_cover(eye, (1.1, 1.25, 1.4, 1.55))
    if isinstance(cover, str):
        return cover
    below = cover[:, : ROUND // 2], cover[:, ROUND // 2 :]
    if min(np.isfinite(half).mean() for half in below) < 0.6:
        return "the disc's surroundings lie partly outside the field"
    return min(float(np.nanmean(half)) for half in below)


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
    inner = ndimage.distance_transform_edt(np.pad(eye.fov.mask, 1))[1:-1, 1:-1]
    anchors = inner <= ANCHOR_RIM * eye.fov.radius_px
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


def floating(eye: EyeFindings) -> float | str:
    """Return the length of pieces that float, in diameters of the field; specks do not count."""
    spans = _floating_spans(eye)
    return spans if isinstance(spans, str) else float(spans[spans >= LONG].sum())


def floating_short(eye: EyeFindings) -> float | str:
    """Return the length of those that are short, which haze explains less well."""
    spans = _floating_spans(eye)
    if isinstance(spans, str):
        return spans
    return float(spans[(spans >= LONG) & (spans <= SHORT)].sum())


def _floating_spans(eye: EyeFindings) -> np.ndarray | str:
    if not eye.vasculature.pixels.any():
        return NO_VESSELS
    labels, count = ndimage.label(floating_mask(eye), np.ones((3, 3)))
    return _spans(labels, count) / (2 * eye.fov.radius_px)


def _spans(labels: np.ndarray, count: int) -> np.ndarray:
    """Return the diagonal of every label's box, in pixels."""
    boxes = [box for box in ndimage.find_objects(labels, count) if box is not None]
    return np.array([math.hypot(r.stop - r.start, c.stop - c.start) for r, c in boxes])


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


REACH_READINGS = (
    Reading("reach", "vessels take up {value:.1%} of circles about the disc; in real eyes "
            "{limit:.1%} or more", "", reach),
    Reading("reach_halves", "vessels take up {value:.1%} of circles above or below the disc; in "
            "real eyes {limit:.1%} or more", "", reach_halves),
)  # fmt: skip
FLOATING_READINGS = (
    Reading("floating", "", "pieces of vessel that hang on nothing, {value:.2f} field diameters "
            "long together; real eyes show {limit:.2f} at most", floating),
    Reading("floating_short", "", "short pieces of vessel that hang on nothing, {value:.2f} field "
            "diameters long together; real eyes show {limit:.2f} at most", floating_short),
)  # fmt: skip
BALANCE_READINGS = (
    Reading("artery_share", "arteries make up {value:.0%} of the vessels' length; in real eyes "
            "{limit:.0%} or more", "arteries make up {value:.0%} of the vessels' length; in real "
            "eyes {limit:.0%} at most", artery_share),
    Reading("artery_vein_calibre", "arteries {value:.2f} times as wide as veins; in real eyes "
            "{limit:.2f} or more", "arteries {value:.2f} times as wide as veins; in real eyes "
            "{limit:.2f} at most", artery_vein_calibre),
)  # fmt: skip
CALIBRE_READINGS = (
    Reading("widest", "the wider vessels measure {value:.3f} (of the mean of disc and field); in "
            "real eyes {limit:.3f} or more", "the wider vessels measure {value:.3f} (of the mean "
            "of disc and field); in real eyes {limit:.3f} at most", widest),
    Reading("evenness", "the median vessel is {value:.2f} times as wide as the widest; in real "
            "eyes {limit:.2f} or more", "the median vessel is {value:.2f} times as wide as the "
            "widest: thin ones are missing; in real eyes {limit:.2f} at most", evenness),
)  # fmt: skip
TAPER_READINGS = (
    Reading("taper", "", "vessels far from the disc are {value:.2f} times as wide as near it; in "
            "real eyes {limit:.2f} at most", taper),
)  # fmt: skip
