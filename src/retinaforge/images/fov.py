"""Find the field of view: the disc of retina that the camera's aperture lets through.

Three steps, all on a reduced copy:
  1. the frame's darkest corner tells how black looks here; several thresholds above it are tried,
     and the circle whose rim drops most in brightness, all the way round, is kept;
  2. along many rays the steepest drop near that circle gives the rim to a fraction of a pixel;
  3. a conic is fitted to these rim points, re-weighted so that notches and lashes do not pull:
     a circle, or an upright ellipse where the copy did not keep its aspect ratio.
The mask is the conic within the frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image
from scipy import ndimage

from retinaforge.core import Fov, Photograph

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
    step = max(1, round(max(photo.size_px) / _FINE_PX))
    coarser = max(1, round(max(photo.size_px) / step / _COARSE_PX))
    reduced = Image.fromarray(photo.pixels).reduce(step)
    fine, coarse = _brightness(reduced), _brightness(reduced.reduce(coarser))
    rough = _rough_circle(coarse)
    if rough is None:
        return _full_frame(photo.size_px)
    ellipse = _refined(fine, rough.scaled(coarser)).scaled(step)
    radius_px = max(ellipse.a, ellipse.b)
    kind = "circle" if _overhang(ellipse, photo.size_px) < 0.01 * radius_px else "cut circle"
    mask = _mask_of(ellipse, photo.size_px)
    return Fov(mask, (float(ellipse.x), float(ellipse.y)), float(radius_px), kind)


def _brightness(image: Image.Image) -> Float[np.ndarray, "height width"]:
    """Return the brightest channel, without single hot pixels."""
    return ndimage.median_filter(np.asarray(image).max(axis=2).astype(np.float32), 3)


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
    candidates = [_circle_at(bright, level) for level in levels if level > black + 3]
    scored = [(_rim_drop(bright, each, black), each) for each in candidates if each is not None]
    scored = [pair for pair in scored if pair[0] > 0]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def _black_level(bright: Float[np.ndarray, "h w"]) -> float:
    """Return how bright the darkest corner is."""
    side = max(2, round(0.03 * min(bright.shape)))
    ends = (slice(None, side), slice(-side, None))
    return min(float(np.median(bright[rows, columns])) for rows in ends for columns in ends)


def _circle_at(bright: Float[np.ndarray, "h w"], level: float) -> _Ellipse | None:
    """Fit a circle to the outline of the largest region brighter than `level`."""
    region = _largest_region(bright > level)
    if region is None:
        return None
    outline = region & ~ndimage.binary_erosion(region, border_value=1)
    outline[[0, 1, -2, -1]] = outline[:, [0, 1, -2, -1]] = False
    points = np.argwhere(outline).astype(float)
    if len(points) < 12:
        return None
    circle = _fit(points[:, 1], points[:, 0], round_=True)
    if circle is None or circle.a < 0.35 * min(bright.shape):
        return None
    return circle if circle.a < 1.5 * max(bright.shape) else None


def _largest_region(mask: np.ndarray) -> np.ndarray | None:
    """Return the largest connected region, opened and with its holes filled."""
    labels, count = ndimage.label(ndimage.binary_opening(mask, iterations=2))
    if count == 0:
        return None
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return ndimage.binary_fill_holes(labels == sizes.argmax())


def _rim_drop(bright: Float[np.ndarray, "h w"], circle: _Ellipse, black: float) -> float:
    """Score a circle: how clearly the picture turns black across its rim; 0 refuses it.

    The score is the mean over the rim inside the frame of (inside - outside) / (inside + 5), with
    brightness counted from black: dark stretches count as much as bright ones.
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
    return float(np.mean((inside - outside) / (inside + 5)))


def _refined(bright: Float[np.ndarray, "h w"], rough: _Ellipse) -> _Ellipse:
    """Fit the rim again to the steepest drop along each ray, twice, ever closer."""
    ellipse = rough
    for reach in (0.06, 0.02):
        x, y = _steepest_drops(bright, ellipse, reach)
        if len(x) < 40:
            return ellipse
        circle = _fit(x, y, round_=True)
        upright = _fit(x, y, round_=False)
        ellipse = _simpler(circle, upright, x, y) or ellipse
    return ellipse


def _steepest_drops(
    bright: Float[np.ndarray, "h w"], ellipse: _Ellipse, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return (x, y) of the steepest fall of log brightness within `reach` of the rim."""
    angles = np.linspace(0, 2 * np.pi, _RAYS, endpoint=False)
    samples = max(9, 2 * round(reach * ellipse.a) + 1)
    stretch = np.linspace(1 - reach, 1 + reach, samples)
    points = np.stack([ellipse.rim(angles, each) for each in stretch], axis=1)
    seen = _within(points[:, 0], bright.shape) & _within(points[:, -1], bright.shape)
    profile = np.log(_sampled(bright, points[:, :, seen]) + 12)
    fall = profile[:-2] - profile[2:]
    best = fall.argmax(axis=0)
    clear = fall.max(axis=0) > 0.12
    chosen = points[:, 1:-1, seen][:, best, np.arange(best.size)][:, clear]
    return chosen[1], chosen[0]


def _fit(x: np.ndarray, y: np.ndarray, *, round_: bool) -> _Ellipse | None:
    """Fit x^2 + k y^2 + d x + e y + f = 0 (k = 1 if `round_`), re-weighted (Cauchy) 12 times."""
    mean_x, mean_y, spread = x.mean(), y.mean(), max(x.std() + y.std(), 1e-6)
    u, v = (x - mean_x) / spread, (y - mean_y) / spread
    columns = [u, v, np.ones_like(u)] if round_ else [u, v, np.ones_like(u), v * v]
    target = -(u * u + v * v) if round_ else -u * u
    matrix, weights = np.stack(columns, axis=1), np.ones_like(u)
    for _ in range(12):
        root = np.sqrt(weights)
        solution = np.linalg.lstsq(matrix * root[:, None], target * root, rcond=None)[0]
        residual = matrix @ solution - target
        scale = 1.5 * np.median(np.abs(residual)) + 1e-4
        weights = 1 / (1 + (residual / scale) ** 2)
    d, e, f = solution[:3]
    k = 1.0 if round_ else float(solution[3])
    if k <= 0.2:
        return None
    square = d * d / 4 + e * e / (4 * k) - f
    if square <= 0:
        return None
    a = float(np.sqrt(square))
    return _Ellipse(
        float(mean_x - spread * d / 2),
        float(mean_y - spread * e / (2 * k)),
        spread * a,
        spread * a / float(np.sqrt(k)),
    )


def _simpler(
    circle: _Ellipse | None, upright: _Ellipse | None, x: np.ndarray, y: np.ndarray
) -> _Ellipse | None:
    """Keep the circle unless the ellipse lies clearly closer to the rim points."""
    if circle is None or upright is None:
        return circle
    stretched = max(upright.a, upright.b) / min(upright.a, upright.b)
    if not 1.01 < stretched < 1.6:
        return circle
    far, near = (np.median(_distance(each, x, y)) for each in (circle, upright))
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
