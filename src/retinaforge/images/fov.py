"""Find the field of view: the disc of retina that the camera's aperture lets through.

Three steps, all on a reduced copy:
  1. the frame's darkest corner tells how black looks here; several thresholds above it are tried,
     a circle and an upright ellipse (for copies that did not keep their aspect ratio) are fitted
     to each outline by consensus [1], so that eyelids, notches and the frame do not pull, and the
     one whose rim drops most in brightness, all the way round, is kept;
  2. along many rays the steepest drop near it gives the rim to a fraction of a pixel;
  3. the conic is fitted again to these points, re-weighted (Cauchy).
The mask is the conic within the frame, less straight cuts that lie inside the frame.

References: [1] Fischler and Bolles, Commun. ACM 24(6), 1981.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from scipy import ndimage

from retinaforge.core import Fov, Photograph, rng_for

_COARSE_PX = 192
_FINE_PX = 768
_BRIGHTEST_BLACK = 60.0  # a darkest corner above this shows retina, not the camera's black
_LEAST_ARC = 0.10  # of the whole turn must lie inside the frame, else nothing can be fitted
_LEAST_DROPS = 0.6  # of that arc must get darker outwards
_RAYS = 720


@dataclass(frozen=True)
class _Ellipse:
    """An upright ellipse in pixels: centre and half axes."""

    x: float
    y: float
    a: float
    b: float

    def scaled(self, factor: float) -> _Ellipse:
        """Return it on a grid `factor` times as fine (pixel centres at whole numbers)."""
        x, y = (self.x + 0.5) * factor - 0.5, (self.y + 0.5) * factor - 0.5
        return _Ellipse(x, y, self.a * factor, self.b * factor)

    def rim(self, angles: np.ndarray, stretch: np.ndarray | float = 1.0) -> np.ndarray:
        """Return (y, x) on the rim, stretched outwards by a factor."""
        y = self.y + stretch * self.b * np.sin(angles)
        return np.stack([y, self.x + stretch * self.a * np.cos(angles)])


def find_fov(photo: Photograph) -> Fov:
    """Find the field of view of a fundus photograph.

    Args:
        photo: any size; circles cut off by the frame, notches, dark images and crops without a
            border are allowed for.

    Returns:
        The field of view in the photograph's own pixels. `kind` is "full frame", and the mask
        all True, where no border shows. For an ellipse the radius is its longer half axis.
    """
    found = _find(photo)
    box = _lit_box(photo.pixels) if found.kind == "full frame" else None
    if box is None:
        return found
    # A cut circle amid black bars shows little of its rim: look again without the bars.
    top, bottom, left, right = box
    within = _find(replace(photo, pixels=photo.pixels[top:bottom, left:right]))
    if within.kind == "full frame":
        return found
    mask = np.zeros(photo.size_px, bool)
    mask[top:bottom, left:right] = within.mask
    centre = (within.centre_px[0] + left, within.centre_px[1] + top)
    return Fov(mask, centre, within.radius_px, "cut circle")


def _find(photo: Photograph) -> Fov:
    step = max(1, round(max(photo.size_px) / _FINE_PX))
    coarser = max(1, round(max(photo.size_px) / step / _COARSE_PX))
    reduced = Image.fromarray(photo.pixels).reduce(step)
    fine = _brightness(np.asarray(reduced))
    coarse = ndimage.median_filter(_brightness(np.asarray(reduced.reduce(coarser))), 3)
    rough = _rough_circle(coarse)
    if rough is None:
        return _full_frame(photo.size_px)
    refined = _refined(fine, rough.scaled(coarser))
    cuts = tuple(cut * step for cut in _straight_cuts(fine, refined))
    ellipse = refined.scaled(step)
    radius_px = max(ellipse.a, ellipse.b)
    whole = _overhang(ellipse, photo.size_px) < 0.01 * radius_px and not any(cuts)
    kind = "circle" if whole else "cut circle"
    mask = _without(_mask_of(ellipse, photo.size_px), cuts)
    return Fov(mask, (float(ellipse.x), float(ellipse.y)), float(radius_px), kind)


def _lit_box(pixels: UInt8[np.ndarray, "h w 3"]) -> tuple[int, int, int, int] | None:
    """Return (top, bottom, left, right) without black bars of 2 % or more; None without such."""
    bright = ndimage.median_filter(_brightness(pixels), 3)
    black, white = _black_level(bright), float(np.percentile(bright, 95))
    lit = bright > black + 0.12 * (white - black)
    if black > _BRIGHTEST_BLACK or not lit.any():
        return None
    ends: list[int] = []
    for axis in (1, 0):
        share = lit.mean(axis=axis)
        rows = np.flatnonzero(share > 0.05)
        if not len(rows):
            return None
        ends += [int(rows[0]), int(rows[-1]) + 1]
    bars = (ends[0], bright.shape[0] - ends[1], ends[2], bright.shape[1] - ends[3])
    if max(bars) < 0.02 * max(bright.shape):
        return None
    return ends[0], ends[1], ends[2], ends[3]


def _brightness(pixels: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    """Return the brightest channel; paper-white margins read black."""
    brightest = np.maximum(np.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])
    bright = brightest.astype(np.float32)
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    if corners.min() > 245:
        labels, _ = ndimage.label(pixels.min(axis=2) > 245)
        white = np.isin(labels, labels[[0, 0, -1, -1], [0, -1, 0, -1]])
        bright[ndimage.binary_dilation(white, iterations=2)] = 0
    return bright


def _full_frame(size_px: tuple[int, int]) -> Fov:
    height, width = size_px
    centre = ((width - 1) / 2, (height - 1) / 2)
    return Fov(np.ones(size_px, bool), centre, float(np.hypot(height, width) / 2), "full frame")


def _overhang(ellipse: _Ellipse, size_px: tuple[int, int]) -> float:
    """Return by how much the ellipse reaches beyond the frame, in pixels."""
    height, width = size_px
    sides = (
        ellipse.a - ellipse.x,
        ellipse.b - ellipse.y,
        ellipse.x + ellipse.a - width,
        ellipse.y + ellipse.b - height,
    )
    return max(sides)


def _mask_of(ellipse: _Ellipse, size_px: tuple[int, int]) -> np.ndarray:
    y = ((np.arange(size_px[0]) - ellipse.y) / ellipse.b) ** 2
    x = ((np.arange(size_px[1]) - ellipse.x) / ellipse.a) ** 2
    return y[:, None] + x[None, :] <= 1


def _rough_circle(bright: Float[np.ndarray, "h w"]) -> _Ellipse | None:
    """Return the best circle over all thresholds, or None where no border shows."""
    black = _black_level(bright)
    white = float(np.percentile(bright, 90))
    if black > _BRIGHTEST_BLACK or white < black + 8:
        return None
    levels = black + (white - black) * np.array([0.04, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4, 0.55])
    best, best_score = None, 0.0
    for level in levels[levels > black + 3]:
        for candidate, handicap in _candidates_at(bright, level):
            score = _rim_drop(bright, candidate, black) - handicap
            if score > best_score:
                best, best_score = candidate, score
    return best


def _black_level(bright: Float[np.ndarray, "h w"]) -> float:
    """Return how bright the darkest corner is."""
    side = max(2, round(0.03 * min(bright.shape)))
    ends = (slice(None, side), slice(-side, None))
    return min(float(np.median(bright[rows, columns])) for rows in ends for columns in ends)


def _candidates_at(
    bright: Float[np.ndarray, "h w"], level: float
) -> Iterator[tuple[_Ellipse, float]]:
    """Yield a circle and an ellipse (with a handicap) fitted to the region above `level`."""
    region = _largest_region(bright > level)
    if region is None:
        return
    outline = region & ~_eroded(region, beyond=True)
    outline[[0, 1, -2, -1]] = outline[:, [0, 1, -2, -1]] = False
    points = np.argwhere(outline).astype(float)
    if len(points) < 24:
        return
    y, x = points[:: max(1, len(points) // 200)].T
    for round_, handicap in ((True, 0.0), (False, 0.005)):
        shape = _fit(x, y, round_=round_, weights=_consensus(x, y, round_=round_))
        if shape is None or not _plausible(shape, bright.shape):
            continue
        yield shape, handicap


def _plausible(shape: _Ellipse, size_px: tuple[int, ...]) -> bool:
    shorter, longer = sorted((shape.a, shape.b))
    return 0.35 * min(size_px) < shorter and longer < min(1.5 * max(size_px), 1.7 * shorter)


def _largest_region(mask: np.ndarray) -> np.ndarray | None:
    """Return the largest connected region, opened and with its holes filled."""
    opened = _eroded(_eroded(mask, beyond=False), beyond=False)
    opened = ~_eroded(_eroded(~opened, beyond=True), beyond=True)
    labels = np.zeros(mask.shape, dtype=np.int32)
    if not ndimage.label(opened, output=labels):
        return None
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return ndimage.binary_fill_holes(labels == sizes.argmax())


def _eroded(mask: np.ndarray, *, beyond: bool) -> np.ndarray:
    """Return the pixels whose four neighbours are True too; the frame's are `beyond`.

    SciPy's `binary_erosion` takes five times as long on small masks.
    """
    m = np.pad(mask, 1, constant_values=beyond)
    inner = m[1:-1, 1:-1]
    return inner & m[:-2, 1:-1] & m[2:, 1:-1] & m[1:-1, :-2] & m[1:-1, 2:]


def _rim_drop(bright: Float[np.ndarray, "h w"], circle: _Ellipse, black: float) -> float:
    """Score a circle: how clearly the picture turns black across its rim; 0 refuses it.

    The score is the mean over the rim inside the frame of (inside - outside) / (inside + 4), with
    brightness counted from black: dark stretches count as much as bright ones. The misfit is taken
    off, as an arc alone also fits circles that reach far beyond the retina.
    """
    angles = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    margin = 3 / circle.a
    inner, outer = circle.rim(angles, 1 - margin), circle.rim(angles, 1 + margin)
    seen = _within(inner, bright.shape) & _within(outer, bright.shape)
    if seen.mean() < _LEAST_ARC:
        return 0.0
    inside = (_sampled(bright, inner[:, seen]) - black).clip(0)
    outside = (_sampled(bright, outer[:, seen]) - black).clip(0)
    drops = inside - outside > 0.25 * inside + 1
    if drops.mean() < _LEAST_DROPS:
        return 0.0
    drop = float(np.mean((inside - outside) / (inside + 4)))
    return drop - _misfit(bright - black, _mask_of(circle, bright.shape))


def _misfit(above: Float[np.ndarray, "h w"], mask: np.ndarray) -> float:
    """Return 0.45 of the share of black within plus the share of retina left out."""
    typical = float(np.median(above[mask]))
    dark = np.count_nonzero(above[mask] < 0.05 * typical + 2)
    lit = np.count_nonzero(above[~mask] > 0.15 * typical + 3)
    return float((0.45 * dark + lit) / np.count_nonzero(mask))


def _refined(bright: Float[np.ndarray, "h w"], rough: _Ellipse) -> _Ellipse:
    """Fit the rim again to the steepest drop along each ray, twice, ever closer."""
    ellipse = rough
    for reach in (0.05, 0.02):
        x, y = _steepest_drops(bright, ellipse, reach)
        if len(x) < 40:
            return ellipse
        circle = _fit(x, y, round_=True, weights=_consensus(x, y, round_=True))
        upright = _fit(x, y, round_=False, weights=_consensus(x, y, round_=False))
        ellipse = _simpler(circle, upright, x, y) or ellipse
    return ellipse


def _steepest_drops(
    bright: Float[np.ndarray, "h w"], ellipse: _Ellipse, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return (x, y) of the steepest fall of log brightness within `reach` of the rim."""
    angles = np.linspace(0, 2 * np.pi, _RAYS, endpoint=False)
    samples = max(9, 2 * round(reach * ellipse.a) + 1)
    stretch = np.linspace(1 - reach, 1 + reach, samples)
    points = ellipse.rim(angles, stretch[:, None])
    profile = np.log(_sampled(bright, points) + 12)
    seen = _within(points, bright.shape)
    fall = np.where(seen[:-2] & seen[2:], profile[:-2] - profile[2:], 0)
    best = fall.argmax(axis=0)
    clear = fall.max(axis=0) > 0.12
    chosen = points[:, 1:-1][:, best, np.arange(best.size)][:, clear]
    return chosen[1], chosen[0]


def _system(x: np.ndarray, y: np.ndarray, *, round_: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return matrix and target of x^2 + k y^2 + d x + e y + f = 0; k = 1 if `round_`."""
    ones = np.ones_like(x)
    if round_:
        return np.stack([x, y, ones], axis=-1), -(x * x + y * y)
    return np.stack([x, y, ones, y * y], axis=-1), -x * x


def _scaled_points(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    spread = float(max(x.std() + y.std(), 1e-6))
    return (x - x.mean()) / spread, (y - y.mean()) / spread, spread


def _consensus(x: np.ndarray, y: np.ndarray, *, round_: bool) -> np.ndarray:
    """Weigh 1 the points near the conic through few points that passes most of them, else 0."""
    u, v, spread = _scaled_points(x, y)
    matrix, target = _system(u, v, round_=round_)
    unknowns = matrix.shape[1]
    draws = _draws(len(u), unknowns)
    draws = draws[np.abs(np.linalg.det(matrix[draws])) > 1e-8]
    if len(draws) == 0:
        return np.ones_like(x)
    solutions = np.linalg.solve(matrix[draws], target[draws][..., None])[..., 0]
    residuals = np.abs(solutions @ matrix.T - target)
    # d(x^2 + ...)/d(radius) = 2 r: residuals within 1.2 px of the rim, r from the points' spread.
    near = residuals < 2 * 0.7 * 1.2 / spread
    return near[near.sum(axis=1).argmax()].astype(float)


@lru_cache(maxsize=64)
def _draws(points: int, unknowns: int) -> np.ndarray:
    """Return 200 draws of as many points as there are unknowns, the same ones always."""
    return rng_for(0, "fov").integers(points, size=(200, unknowns))


def _fit(x: np.ndarray, y: np.ndarray, *, round_: bool, weights: np.ndarray) -> _Ellipse | None:
    """Fit the conic from the first `weights`, then re-weighted by its residuals (Cauchy)."""
    u, v, spread = _scaled_points(x, y)
    matrix, target = _system(u, v, round_=round_)
    ridge = 1e-9 * np.eye(matrix.shape[1])
    for _ in range(8):
        weighted = matrix.T * weights
        solution = np.linalg.solve(weighted @ matrix + ridge, weighted @ target)
        residual = matrix @ solution - target
        scale = 1.5 * _median(np.abs(residual[weights > 0.3])) + 1e-4
        weights = 1 / (1 + (residual / scale) ** 2)
    d, e, f = solution[:3]
    k = 1.0 if round_ else float(solution[3])
    square = d * d / 4 + e * e / (4 * k) - f if k > 0.2 else 0.0
    if square <= 0:
        return None
    a = spread * float(np.sqrt(square))
    centre_x, centre_y = x.mean() - spread * d / 2, y.mean() - spread * e / (2 * k)
    return _Ellipse(float(centre_x), float(centre_y), a, a / float(np.sqrt(k)))


def _median(values: np.ndarray) -> float:
    """Return the median of a few hundred values at most, where NumPy's is slow; NaN of none."""
    ordered, count = np.sort(values), len(values)
    if count == 0:
        return float("nan")
    return float((ordered[(count - 1) // 2] + ordered[count // 2]) / 2)


def _simpler(
    circle: _Ellipse | None, upright: _Ellipse | None, x: np.ndarray, y: np.ndarray
) -> _Ellipse | None:
    """Keep the circle unless the ellipse lies clearly closer to the rim points."""
    if circle is None or upright is None:
        return circle
    stretched = max(upright.a, upright.b) / min(upright.a, upright.b)
    if not 1.01 < stretched < 1.7:
        return circle
    far, near = (np.percentile(_distance(each, x, y), 85) for each in (circle, upright))
    return upright if near < 0.5 * far and far > 0.002 * circle.a else circle


def _distance(ellipse: _Ellipse, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return about how far points lie from the rim, in pixels."""
    stretch = np.hypot((x - ellipse.x) / ellipse.a, (y - ellipse.y) / ellipse.b)
    return np.abs(stretch - 1) * min(ellipse.a, ellipse.b)


def _within(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return (
        (points[0] >= 0)
        & (points[0] <= shape[0] - 1)
        & (points[1] >= 0)
        & (points[1] <= shape[1] - 1)
    )


def _sampled(bright: np.ndarray, points: np.ndarray) -> np.ndarray:
    return ndimage.map_coordinates(bright, points, order=1, mode="nearest")


def _straight_cuts(bright: np.ndarray, ellipse: _Ellipse) -> tuple[int, int, int, int]:
    """Return how many rows (top, bottom) and columns (left, right) a straight edge cuts off."""
    inside = _mask_of(ellipse, bright.shape)
    lit = bright > _black_level(bright) + 0.12 * float(np.median(bright[inside]))
    top, bottom = _cut_off(inside, lit), _cut_off(inside[::-1], lit[::-1])
    left, right = _cut_off(inside.T, lit.T), _cut_off(inside.T[::-1], lit.T[::-1])
    return top, bottom, left, right


LEAST_CHORD = 0.22
"""Diameters: a shorter chord may be a rounded rim that was fitted a pixel or two too wide."""


def _cut_off(inside: np.ndarray, lit: np.ndarray) -> int:
    """Return the first lit row if black turns to retina there along a long chord at once."""
    chord = inside.sum(axis=1)
    share = (inside & lit).sum(axis=1) / np.maximum(chord, 1)
    rows = np.flatnonzero((share > 0.8) & (chord > 0))
    if rows.size == 0 or rows[0] < 2:
        return 0
    first = int(rows[0])
    sharp = share[max(first - 3, 0)] < 0.1
    return first if sharp and chord[first] > LEAST_CHORD * chord.max() else 0


def _without(mask: np.ndarray, cuts: tuple[int, ...]) -> np.ndarray:
    top, bottom, left, right = cuts
    height, width = mask.shape
    mask[:top], mask[height - bottom :] = False, False
    mask[:, :left], mask[:, width - right :] = False, False
    return mask
