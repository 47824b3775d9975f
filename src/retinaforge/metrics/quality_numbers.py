"""Numbers of one image inside its field of view: sharpness in three families, light, colour.

    g          luminance, BT.601, in grey levels; gradients by Sobel, per pixel
    gradient   tenengrad = mean |∇g|²             laplacian = var(∇²g)
    wavelet    share of the variance of g in the Haar details of each of three scales
    statistics entropy of g, its standard deviation, standard deviation about the local mean

What lies within 3 % of the border of the field is left out of everything that looks at
neighbours: the camera's edge is the sharpest thing in any photograph. All numbers are per pixel of
the image as it is handed over: compare images of one size only.

References:
    S. Pertuz, D. Puig and M. A. Garcia, "Analysis of focus measure operators for shape-from-focus",
    Pattern Recognition 46, 2013, for the three families and their names.
    D. Hasler and S. Süsstrunk, "Measuring colourfulness in natural images", SPIE 5007, 2003.
    J. Immerkær, "Fast noise variance estimation", CVIU 64, 1996.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, UInt8

from retinaforge.core import Card, Quantity
from retinaforge.core.card import Direction
from retinaforge.metrics.pairs import EMPTY_FOV, Image, Mask
from retinaforge.metrics.smoothing import mean_inside
from retinaforge.metrics.within import farther_inside

BORDER = 0.03
"""Share of the image's longer side that is left out along the border."""

LEAST_BORDER_PX = 12.0
"""The diagonal of the coarsest Haar detail."""

LEAST_PIXELS = 256
DARK, BRIGHT = 25, 250
HAAR_SCALES = (1, 2, 3)
LUMINANCE = np.array([0.299, 0.587, 0.114])
Plane = Float[np.ndarray, "height width"]


@dataclass(frozen=True)
class View:
    """One image, with what several numbers share.

    Attributes:
        pixels: RGB, 0-255.
        inside: the field of view.
    """

    pixels: Image
    inside: Mask

    @cached_property
    def core(self) -> Bool[np.ndarray, "height width"]:
        """Return the field of view without its border."""
        return farther_inside(self.inside, max(LEAST_BORDER_PX, BORDER * max(self.inside.shape)))

    @cached_property
    def core_pixels(self) -> int:
        """Return how many pixels lie off the border."""
        return int(np.count_nonzero(self.core))

    @cached_property
    def grey(self) -> Plane:
        """Return the luminance in grey levels."""
        red, green, blue = np.moveaxis(self.pixels, 2, 0)
        return LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue

    @cached_property
    def grey_inside(self) -> Float[np.ndarray, "n"]:
        """Return the luminance of the field's pixels."""
        return self.grey[self.inside]

    @cached_property
    def grey_variance(self) -> float:
        """Return the variance of the luminance off the border."""
        return float(self.grey[self.core].var())

    @cached_property
    def framed(self) -> Float[np.ndarray, "rows columns"]:
        """Return the luminance, its outermost pixels repeated once."""
        return np.pad(self.grey, 1, mode="edge")

    @cached_property
    def squared_gradient(self) -> Plane:
        """Return |∇g|², Sobel's weights divided by eight."""
        g = self.framed
        down, right = g[2:] - g[:-2], g[:, 2:] - g[:, :-2]
        down = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
        right = right[:-2] + 2 * right[1:-1] + right[2:]
        return (down * down + right * right) / 64

    @cached_property
    def halves(self) -> list[Float[np.ndarray, "rows columns"]]:
        """Return the luminance at one, a half, a quarter of the resolution, and so on."""
        planes = [self.grey]
        for _ in HAAR_SCALES:
            planes.append(_averaged(planes[-1]))
        return planes

    @cached_property
    def smooth_core(self) -> Float[np.ndarray, "n"]:
        """Return the mean of g over about a tenth of the image, inside the field, off the border.

        Worked out in single precision: six digits of a mean.
        """
        sigma = 0.05 * max(self.inside.shape)
        return mean_inside(self.grey.astype(np.float32), self.inside, sigma)[self.core]

    @cached_property
    def colours(self) -> UInt8[np.ndarray, "3 n"]:
        """Return R, G, B of the field's pixels, one row each."""
        return np.ascontiguousarray(self.pixels[self.inside].T)

    @cached_property
    def brightest(self) -> UInt8[np.ndarray, "n"]:
        """Return the brightest channel of the field's pixels."""
        return self.colours.max(axis=0)

    @cached_property
    def mean_colours(self) -> list[float]:
        """Return the means of R, G, B in the field."""
        return [float(channel.mean()) for channel in self.colours]


def _tenengrad(v: View) -> float:
    return float(v.squared_gradient[v.core].mean())


def _laplacian(v: View) -> float:
    g = v.framed
    around = g[:-2, 1:-1] + g[2:, 1:-1] + g[1:-1, :-2] + g[1:-1, 2:]
    return float((around - 4 * v.grey)[v.core].var())


def _brenner(v: View) -> float:
    apart = v.framed[1:-1, 2:] - v.framed[1:-1, :-2]
    return float((apart[v.core] ** 2).mean())


def _haar(scale: int) -> Callable[[View], float]:
    def share(v: View) -> float:
        fine, coarse = v.halves[scale - 1], v.halves[scale]
        height, width = fine.shape
        finer = fine - coarse.repeat(2, 0).repeat(2, 1)[:height, :width]
        step = 2 ** (scale - 1)
        core = v.core[::step, ::step][:height, :width]
        if not core.any() or v.grey_variance <= 0:
            return math.nan
        return float((finer[core] ** 2).mean()) / v.grey_variance

    return share


def _averaged(plane: Plane) -> Float[np.ndarray, "rows columns"]:
    """Return means of 2 × 2 blocks."""
    height, width = plane.shape
    even = np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge")
    rows = even[::2] + even[1::2]
    return (rows[:, ::2] + rows[:, 1::2]) / 4


def _entropy(v: View) -> float:
    counts = np.bincount(np.rint(v.grey_inside).astype(int).clip(0, 255), minlength=256)
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log2(p)).sum())


def _contrast(v: View) -> float:
    return float(v.grey_inside.std())


def _local_contrast(v: View) -> float:
    return float((v.grey[v.core] - v.smooth_core).std())


def _noise(v: View) -> float:
    # [1 -2 1] down, then across.
    rows = v.framed[:-2] - 2 * v.framed[1:-1] + v.framed[2:]
    found = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return float(math.sqrt(math.pi / 2) * np.abs(found[v.core]).mean() / 6)


def _brightness(v: View) -> float:
    return float(v.grey_inside.mean())


def _unevenness(v: View) -> float:
    mean = v.smooth_core.mean(dtype=np.float64)
    return float(v.smooth_core.std(dtype=np.float64) / mean) if mean > 0 else math.nan


def _dark(v: View) -> float:
    return float((v.brightest < DARK).mean())


def _saturated(v: View) -> float:
    return float((v.brightest >= BRIGHT).mean())


def _colourfulness(v: View) -> float:
    red, green, blue = v.colours.astype(np.float64)
    a, b = red - green, (red + green) / 2 - blue
    return float(math.hypot(a.std(), b.std()) + 0.3 * math.hypot(a.mean(), b.mean()))


def _ratio(over: int, under: int) -> Callable[[View], float]:
    def log_ratio(v: View) -> float:
        a, b = v.mean_colours[over], v.mean_colours[under]
        return math.log((a + 1) / (b + 1))

    return log_ratio


@dataclass(frozen=True)
class ImageNumber:
    """A number of one image: measure(pixels, inside)."""

    card: Card
    compute: Callable[[View], float]

    def measure(self, pixels: Image, inside: Mask) -> Quantity:
        """Return the number of one image.

        Args:
            pixels: RGB, 0-255.
            inside: the field of view, of the same size.
        """
        return self.of(View(pixels, inside))

    def of(self, view: View) -> Quantity:
        """Return the number of a view, which several numbers may share."""
        if not view.inside.any():
            return Quantity(self.card, math.nan, EMPTY_FOV)
        if view.core_pixels < LEAST_PIXELS:
            return Quantity(self.card, math.nan, f"fewer than {LEAST_PIXELS} pixels off the border")
        value = self.compute(view)
        reason = "" if math.isfinite(value) else "the field of view is flat or black"
        return Quantity(self.card, value, reason)


def _card(
    name: str, measures: str, unit: str, reference: str, failure: str, *,
    direction: Direction = "neither", range_: str = "[0, inf)",
) -> Card:  # fmt: skip
    return Card(name, 1, measures, range_, direction, unit, 1, reference, failure)


_PERTUZ = "Pertuz et al., Pattern Recognition 46 (2013)"
_OWN = "this package; the formula stands in retinaforge.metrics.quality_numbers"
_LESIONS = "exudates and reflexes raise it as focus does; noise does too"

IMAGE_NUMBERS: tuple[ImageNumber, ...] = (
    ImageNumber(_card("tenengrad", "mean squared Sobel gradient of luminance", "grey levels²/px²",
                      f"{_PERTUZ}, GRA6", _LESIONS), _tenengrad),
    ImageNumber(_card("brenner", "mean squared difference of luminance two pixels apart, across",
                      "grey levels²", f"{_PERTUZ}, MIS2", f"{_LESIONS}; not turned with the eye"),
                _brenner),
    ImageNumber(_card("laplacian_variance", "variance of the Laplacian of luminance",
                      "grey levels²/px⁴", f"{_PERTUZ}, LAP4", _LESIONS), _laplacian),
    *(ImageNumber(_card(f"haar_{scale}", f"share of the luminance's variance in Haar details of "
                        f"{2 ** scale} px", "1", f"{_PERTUZ}, WAV1 to WAV3 as shares",
                        "uneven light in the whole field lowers it", range_="[0, 1]"),
                  _haar(scale)) for scale in HAAR_SCALES),
    ImageNumber(_card("entropy", "entropy of the luminance's histogram", "bit", "Shannon 1948",
                      "shading raises it as contrast does", range_="[0, 8]"), _entropy),
    ImageNumber(_card("contrast", "standard deviation of luminance", "grey levels", _OWN,
                      "shading counts as contrast"), _contrast),
    ImageNumber(_card("local_contrast", "standard deviation of luminance about its mean over a "
                      "tenth of the image", "grey levels", _OWN, _LESIONS), _local_contrast),
    ImageNumber(_card("noise", "standard deviation of noise", "grey levels",
                      "Immerkær, CVIU 64 (1996)", "fine texture counts as noise"), _noise),
    ImageNumber(_card("brightness", "mean luminance", "grey levels", _OWN,
                      "pigment and flash are not told apart", range_="[0, 255]"), _brightness),
    ImageNumber(_card("unevenness", "standard deviation of the smoothed luminance over its mean",
                      "1", _OWN, "a large pale disc raises it"), _unevenness),
    ImageNumber(_card("dark_share", f"share of pixels whose brightest channel is below {DARK}",
                      "1", _OWN, "large haemorrhages count", range_="[0, 1]"), _dark),
    ImageNumber(_card("saturated_share", f"share of pixels whose brightest channel is {BRIGHT} or "
                      "more", "1", _OWN, "red saturates first in bright photographs",
                      range_="[0, 1]"), _saturated),
    ImageNumber(_card("colourfulness", "Hasler and Süsstrunk's colourfulness", "grey levels",
                      "Hasler and Süsstrunk, SPIE 5007 (2003)", "made for natural images"),
                _colourfulness),
    ImageNumber(_card("red_over_green", "log of mean red over mean green", "1", _OWN,
                      "pigment, camera and white balance are not told apart",
                      range_="(-inf, inf)"), _ratio(0, 1)),
    ImageNumber(_card("blue_over_green", "log of mean blue over mean green", "1", _OWN,
                      "as red_over_green", range_="(-inf, inf)"), _ratio(2, 1)),
)  # fmt: skip


def measure_numbers(pixels: Image, inside: Mask) -> list[Quantity]:
    """Return every number of one image; what they share is computed once.

    Args:
        pixels: RGB, 0-255.
        inside: the field of view, of the same size.
    """
    view = View(pixels, inside)
    return [number.of(view) for number in IMAGE_NUMBERS]
