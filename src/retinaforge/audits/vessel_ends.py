"""Where vessels end: stumps, gaps between stumps that face each other, pieces that float.

A real vessel fades out; one that was cut ends wide and all at once. Lengths and calibres are in
units of the field's diameter / 512, so that cameras can be compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from retinaforge.audits.disc_home import home_of
from retinaforge.audits.eye_findings import EyeFindings, Map
from retinaforge.vessels.thinning import thin

LEAST_CHAIN, CHAIN = 6, 12
"""Pixels of centreline that an end needs, and that are looked at."""
RIM = 0.05
"""Ends nearer to the rim than this share of the field's radius are the field's doing."""
FARTHEST_GAP = 30.0
FACING = 0.75
"""Least cosine between an end's direction and the way to the other."""
BEYOND = (4, 6, 8)
EMPTY = 0.4
"""A gap in which the network sees no vessel: 1 - its least probability exceeds this."""
STEPS = np.array([(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)])


@dataclass(frozen=True)
class Ends:
    """Free ends of vessels.

    Attributes:
        at_px: (row, column), shape (n, 2).
        along: unit vectors out of the vessel.
        calibre: in units, over the last pixels.
        sure: mean probability of vessel there.
        after: highest probability of vessel 4 to 8 px beyond.
        dark: mean darkness there, over what is usual for the eye's vessels.
        dark_after: highest darkness 4 to 8 px beyond, likewise.
        usual: darkness that is usual for the eye's vessels, in log units.
    """

    at_px: np.ndarray
    along: np.ndarray
    calibre: np.ndarray
    sure: np.ndarray
    after: np.ndarray
    dark: np.ndarray
    dark_after: np.ndarray
    usual: float


def _neighbours(line: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return for each pixel of a padded line how many neighbours it has."""
    return sum(line[at[:, 0] + dy, at[:, 1] + dx].astype(int) for dy, dx in STEPS)  # type: ignore[return-value]


def _chain(line: bytes, width: int, start: int) -> list[int]:
    """Follow a line from its end to a branching, at most CHAIN pixels.

    Pixels go by their number in a padded picture; bytes are read faster than an array's elements.
    """
    steps = (-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1)
    seen = [start]
    while len(seen) < CHAIN:
        here = seen[-1]
        onward = [here + step for step in steps if line[here + step] and here + step not in seen]
        if len(seen) > 1:
            onward = [p for p in onward if p - seen[-2] not in steps]
        if len(onward) != 1:
            break
        seen.append(onward[0])
    return seen


def ends_of(eye: EyeFindings) -> Ends:
    """Return the free ends that lie inside the field and off the disc."""
    pixels = eye.vasculature.pixels
    unit = eye.fov.radius_px / 256
    at = thin(pixels)
    line = np.zeros((pixels.shape[0] + 2, pixels.shape[1] + 2), dtype=bool)
    line[at[:, 0] + 1, at[:, 1] + 1] = True
    tips = at[_neighbours(line, at + 1) == 1]
    far = eye.depth[tips[:, 0], tips[:, 1]] > RIM * eye.fov.radius_px
    home = home_of(eye)
    if home is not None:
        x, y = home.centre_px
        far &= np.hypot(tips[:, 1] - x, tips[:, 0] - y) > 1.1 * home.radius_px
    flat, width = line.tobytes(), line.shape[1]
    found = [_chain(flat, width, (int(y) + 1) * width + int(x) + 1) for y, x in tips[far]]
    chains = [np.stack(np.divmod(c, width), axis=1) - 1 for c in found if len(c) >= LEAST_CHAIN]
    if not chains:
        none = np.zeros(0)
        return Ends(np.zeros((0, 2)), np.zeros((0, 2)), none, none, none, none, none, 1.0)
    tip = np.array([c[0] for c in chains], dtype=float)
    along = np.array([c[0] - c[-1] for c in chains], dtype=float)
    along /= np.linalg.norm(along, axis=1)[:, None]
    inner = [c[2:] for c in chains]
    calibre = np.array([2 * eye.half_width[c[:, 0], c[:, 1]].mean() for c in inner]) / unit
    sure = np.array([eye.probability[c[:, 0], c[:, 1]].mean() for c in inner])
    after = np.max([_read(eye.widest_probability, tip + k * along) for k in BEYOND], axis=0)
    usual = eye.usual_darkness
    dark = np.array([eye.darkness[c[:, 0], c[:, 1]].mean() for c in inner]) / usual
    dark_after = np.max([_read(eye.darkness, tip + k * along) for k in BEYOND], axis=0) / usual
    return Ends(tip, along, calibre, sure, after, dark, dark_after, usual)


def _read(values: Map, at: np.ndarray) -> np.ndarray:
    """Return values at the nearest pixel to each (row, column)."""
    y = np.clip(np.rint(at[..., 0]).astype(int), 0, values.shape[0] - 1)
    x = np.clip(np.rint(at[..., 1]).astype(int), 0, values.shape[1] - 1)
    return values[y, x]


def gaps_of(eye: EyeFindings, ends: Ends) -> np.ndarray:
    """Return calibre, sureness of the stumps, emptiness of the gap, fall in darkness: (n, 4)."""
    if len(ends.at_px) < 2:
        return np.zeros((0, 4))
    unit = eye.fov.radius_px / 256
    pairs = cKDTree(ends.at_px).query_pairs(FARTHEST_GAP * unit, output_type="ndarray")
    if not len(pairs):
        return np.zeros((0, 4))
    i, j = pairs.T
    way = ends.at_px[j] - ends.at_px[i]
    length = np.linalg.norm(way, axis=1)
    way /= np.maximum(length, 1e-9)[:, None]
    facing = np.minimum((ends.along[i] * way).sum(axis=1), -(ends.along[j] * way).sum(axis=1))
    ratio = ends.calibre[i] / ends.calibre[j]
    kept = (facing >= FACING) & (ratio < 1.8) & (ratio > 1 / 1.8) & (length >= 2)
    i, j = i[kept], j[kept]
    t = np.linspace(0, 1, 9)[:, None, None]
    across = ends.at_px[i] * (1 - t) + ends.at_px[j] * t
    least = _read(eye.widest_probability, across).min(axis=0)
    dark = _read(eye.darkness, across[2:7]).min(axis=0) / ends.usual
    stump = np.minimum(ends.dark[i], ends.dark[j])
    calibre = np.sqrt(ends.calibre[i] * ends.calibre[j])
    return np.stack([calibre, np.minimum(ends.sure[i], ends.sure[j]), 1 - least, stump - dark], 1)


def end_numbers(eye: EyeFindings) -> dict[str, float]:
    """Return how abruptly vessels end, and how wide and empty the gaps between stumps are.

    drop_sum, drop_best: calibre times fall in darkness at a free end, ln(1 + sum) and largest.
    hole_third: calibre times fall in darkness of the third clearest gap.
    gap_squares: ln(1 + sum of squares) of calibre times how sure the network is of both.
    ends: ln(1 + number of free ends).
    """
    ends = ends_of(eye)
    gaps = gaps_of(eye, ends)
    empty = gaps[:, 0] * np.clip(gaps[:, 1] + gaps[:, 2] - 1, 0, None)
    hole = gaps[:, 0] * np.clip(gaps[:, 3], 0, None) * (gaps[:, 2] > EMPTY)
    drop = ends.calibre * np.clip(ends.dark - np.maximum(ends.dark_after, 0), 0, None)
    drop = drop * (ends.after < 0.5)
    clearest = np.sort(np.concatenate([np.zeros(3), hole]))[::-1]
    return {
        "drop_sum": math.log1p(float(drop.sum())), "drop_best": float(drop.max(initial=0.0)),
        "hole_third": float(clearest[2]),
        "gap_squares": math.log1p(float((empty**2).sum())),
        "ends": math.log1p(float(len(drop))),
    }  # fmt: skip
