"""Width of a vessel straight across its centreline.

    w(p) = length of the line through p, at a right angle to the centreline, that lies in vessel

A picture's walls are stairs; the mean of w along an even vessel is its area over its length, so
that no angle reads wide or narrow. Pixel rows and diagonals repeat from one point of a centreline
to the next, and half way between two points they are at another place: both are looked at,

    r(pᵢ) = ( w(mᵢ₋₁)/2 + w(pᵢ) + w(mᵢ)/2 ) / 4        mᵢ half way between pᵢ and pᵢ₊₁
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

STEP_PX = 0.25
_AT_ONCE = 8
"""Steps that are looked at together."""
INSIDE, BEYOND = 1, 2
"""Values of a pixel in vessel, and outside the field of view; else 0."""


def radii_across(
    points: Float[np.ndarray, "n 2"], size: Int[np.ndarray, "k"], about: Float[np.ndarray, "n"], *,
    pixels: Bool[np.ndarray, "height width"], fov: Bool[np.ndarray, "height width"],
) -> Float[np.ndarray, "n"]:  # fmt: skip
    """Return half the width across smooth lines; `about` itself where no wall is near there.

    Args:
        points: (x, y), one line after the other.
        size: number of points of each line.
        about: roughly the radius at each point; NaN where it need not be measured.
        pixels: True on vessels.
        fov: True inside the field of view.
    """
    last = np.cumsum(size) - 1
    here = np.arange(len(points))
    before = np.maximum(here - 1, np.repeat(last - size + 1, size))
    after = np.minimum(here + 1, np.repeat(last, size))
    middle = (points + points[after]) / 2
    wanted = np.flatnonzero(np.isfinite(about))
    own, half = np.full(len(points), np.nan), np.full(len(points), np.nan)
    many = len(wanted)
    if many:
        widths = _width(
            _kinds(pixels, fov, about[wanted]), np.concatenate([points[wanted], middle[wanted]]),
            np.concatenate([(points[after] - points[before])[wanted],
                            (points[after] - points)[wanted]]), np.tile(about[wanted], 2),
        )  # fmt: skip
        own[wanted], half[wanted] = widths[:many], widths[many:]
    sides = np.stack([half[before], half])
    known = np.isfinite(sides)
    weight = known.sum(axis=0) / 2
    total = own + np.where(known, sides, 0.0).sum(axis=0) / 2
    found = total / (1 + weight) / 2
    return np.where(np.isfinite(found), found, about)


def _kinds(
    pixels: Bool[np.ndarray, "height width"], fov: Bool[np.ndarray, "height width"],
    about: Float[np.ndarray, "n"],
) -> tuple[UInt8[np.ndarray, "rows columns"], int]:  # fmt: skip
    """Return what each pixel is, in a frame so wide that no step leaves it, and its width."""
    frame = math.ceil(1.5 * float(about.max())) + 6
    height, width = pixels.shape
    kind = np.full((height + 2 * frame, width + 2 * frame), BEYOND, dtype=np.uint8)
    kind[frame:-frame, frame:-frame] = np.where(fov, pixels, BEYOND)
    return kind, frame


def _width(
    kinds: tuple[UInt8[np.ndarray, "rows columns"], int], points: Float[np.ndarray, "n 2"],
    along: Float[np.ndarray, "n 2"], about: Float[np.ndarray, "n"],
) -> Float[np.ndarray, "n"]:  # fmt: skip
    """Return the width at right angles to `along`; NaN where a side has no wall in reach."""
    far = np.hypot(*along.T)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.where(far > 0, far, 1.0)[:, None]
    both = _to_wall(kinds, np.tile(points, (2, 1)), np.concatenate([across, -across]),
                    np.tile(about, 2))  # fmt: skip
    one, other = both[: len(points)], both[len(points) :]
    return np.where(far > 0, one + other, np.nan)


def _to_wall(
    kinds: tuple[UInt8[np.ndarray, "rows columns"], int], points: Float[np.ndarray, "n 2"],
    across: Float[np.ndarray, "n 2"], about: Float[np.ndarray, "n"],
) -> Float[np.ndarray, "n"]:  # fmt: skip
    """Return how far the vessel's wall is in one direction, in steps from where it is surely in."""
    kind, frame = kinds
    flat, columns = kind.reshape(-1), kind.shape[1]
    corner = (frame - 1) * (columns + 1)
    reach = np.full(len(points), np.nan)
    start = np.floor(np.maximum(0.85 * about - 1.0, 0.0) / STEP_PX) * STEP_PX
    limit = 1.5 * about + 2.0
    left = np.arange(len(points))
    x, y = points[:, 0] + 1, points[:, 1] + 1
    dx, dy = across[:, 0], across[:, 1]
    ahead = STEP_PX * np.arange(_AT_ONCE)[:, None]
    while len(left):
        t = start + ahead
        middle = t + STEP_PX / 2
        row, column = np.rint(y + middle * dy), np.rint(x + middle * dx)
        found = flat[(row * columns + column).astype(np.int64) + corner]
        halt = (found != INSIDE) | (t >= limit)
        here = halt.argmax(axis=0)
        which = np.arange(len(left))
        halted = halt[here, which]
        wall = halted & (found[here, which] == 0)
        reach[left[wall]] = t[here, which][wall]
        on = ~halted
        left, start, limit = left[on], start[on] + _AT_ONCE * STEP_PX, limit[on]
        x, y, dx, dy = x[on], y[on], dx[on], dy[on]
    return reach
