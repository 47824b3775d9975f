"""Seven ways in which a photograph gets worse, each at five levels of a stated size.

    defocus       Gaussian blur, normalised within the field; sigma in diameters of the field
    illumination  light falls off along one direction: I (1 − e (1 + t) / 2), t from −1 to 1
    haze          I + h (veil − I), veil the field's median, whitened
    jpeg          compression at a quality
    dust          dark specks: so many, 0.4 to 1.2 % of the field's diameter wide
    motion        mean along a line of this length, in diameters of the field
    channel       one channel, drawn by chance, fades to its mean by this share

A classifier is consistent where it calls the damaged image as it called the good one; it is robust
where it stays right.

References:
    Hendrycks, Dietterich, ICLR 2019 (levels of corruption, consistency). The sizes of haze follow
    the damage that the quality grader learns from (`tasks.quality_damage`).
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from scipy import ndimage

from retinaforge.core import Card, Refusal

Pixels = UInt8[np.ndarray, "height width 3"]
Mask = Bool[np.ndarray, "height width"]
Damage = Callable[[Pixels, Mask, float, np.random.Generator], np.ndarray]
LEVELS = (1, 2, 3, 4, 5)
BRIGHTER_VEIL = 1.35
"""A veil of scattered light over the field's median."""

CONSISTENCY_CARD = Card(
    name="consistency",
    version=1,
    measures="share of images that are called alike before and after damage of a stated size",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=10,
    reference="Hendrycks and Dietterich, ICLR 2019 (there: between frames of a perturbation)",
    known_failure="a classifier that calls everything alike is perfectly consistent: read it "
    "beside accuracy",
)
ROBUST_CARD = Card(
    name="robust_auroc",
    version=1,
    measures="AUROC on images damaged at five levels; the mean over levels and kinds minus the "
    "AUROC on good images is the loss",
    range="[0, 1]",
    direction="higher is better",
    unit="1",
    smallest_n=20,
    reference="after Hendrycks and Dietterich, ICLR 2019",
    known_failure="levels of unlike kinds are not equally bad for a reader",
)
CARDS = (CONSISTENCY_CARD, ROBUST_CARD)


@dataclass(frozen=True)
class Degradation:
    """One way to get worse.

    Attributes:
        name: of the kind.
        unit: of its sizes.
        sizes: of levels 1 to 5.
        apply: takes pixels, field, size and a generator; returns floats, 0-255.
    """

    name: str
    unit: str
    sizes: tuple[float, float, float, float, float]
    apply: Damage


def degraded(
    pixels: Pixels, fov: Mask, kind: str, level: int, *, rng: np.random.Generator
) -> Pixels:
    """Return a square after damage; what lies outside the field keeps its bytes.

    Args:
        pixels: RGB, 0-255.
        fov: the field of view.
        kind: name of one of `DEGRADATIONS`.
        level: 1 to 5.
        rng: of direction, specks and channel.

    Raises:
        Refusal: "expected a degradation ...; got ...", "expected a level from 1 to 5; got ...".
    """
    if kind not in BY_NAME:
        raise Refusal(f"a degradation of {', '.join(BY_NAME)}", repr(kind), "name one of them")
    if level not in LEVELS:
        raise Refusal("a level from 1 to 5", f"{level}", "5 is the worst")
    one = BY_NAME[kind]
    done = one.apply(pixels, fov, one.sizes[level - 1], rng)
    return np.where(fov[..., None], np.clip(np.rint(done), 0, 255).astype(np.uint8), pixels)


def consistency(
    before: Bool[np.ndarray, "n"], after: Bool[np.ndarray, "n"]
) -> Float[np.ndarray, "n"]:
    """Return 1 for each image that is called as before, 0 for the others."""
    return (before == after).astype(np.float64)


def _diameter(fov: Mask) -> float:
    return 2 * math.sqrt(max(float(fov.sum()), 1.0) / math.pi)


def _within(pixels: Pixels, fov: Mask, smooth: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Smooth within the field alone: what is black beside it does not bleed in."""
    weight = fov.astype(np.float32)
    total = np.maximum(smooth(weight), 1e-6)
    return np.stack([smooth(pixels[..., c] * weight) / total for c in range(3)], axis=-1)


def _defocus(pixels: Pixels, fov: Mask, size: float, rng: np.random.Generator) -> np.ndarray:
    sigma = size * _diameter(fov)
    return _within(pixels, fov, lambda x: ndimage.gaussian_filter(x, sigma))


def _illumination(pixels: Pixels, fov: Mask, size: float, rng: np.random.Generator) -> np.ndarray:
    turn = rng.uniform(-math.pi, math.pi)
    y, x = np.mgrid[: fov.shape[0], : fov.shape[1]].astype(np.float32)
    along = (x - x[fov].mean()) * math.cos(turn) + (y - y[fov].mean()) * math.sin(turn)
    t = np.clip(along / (_diameter(fov) / 2), -1, 1)
    return pixels * (1 - size * (1 + t) / 2)[..., None]


def _haze(pixels: Pixels, fov: Mask, size: float, rng: np.random.Generator) -> np.ndarray:
    veil = np.minimum(np.median(pixels[fov], axis=0) * BRIGHTER_VEIL + 12, 235)
    return pixels + size * (veil - pixels)


def _jpeg(pixels: Pixels, fov: Mask, size: float, rng: np.random.Generator) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=round(size), subsampling=2)
    return np.asarray(Image.open(buffer).convert("RGB"))


def _dust(pixels: Pixels, fov: Mask, size: float, rng: np.random.Generator) -> np.ndarray:
    d, done = _diameter(fov), pixels.astype(np.float32)
    rows, columns = np.nonzero(fov)
    y, x = np.mgrid[: fov.shape[0], : fov.shape[1]]
    for _ in range(round(size)):
        place = rng.integers(len(rows))
        radius = max(0.6, rng.uniform(0.002, 0.006) * d)
        depth = rng.uniform(0.3, 0.8)
        away = np.hypot(y - rows[place], x - columns[place]) / radius
        done *= (1 - depth / (1 + np.exp(np.clip(6 * (away - 1), -40, 40))))[..., None]
    return done


def _motion(pixels: Pixels, fov: Mask, size: float, rng: np.random.Generator) -> np.ndarray:
    length, turn = size * _diameter(fov), rng.uniform(0, math.pi)
    reach = max(1, math.ceil(length / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    steps = np.linspace(-length / 2, length / 2, 8 * reach + 1)
    # Each step falls on four pixels by its share, so that a line below one pixel blurs too.
    y, x = reach + steps * math.sin(turn), reach + steps * math.cos(turn)
    for down in (0, 1):
        for right in (0, 1):
            rows = np.minimum(np.floor(y).astype(int) + down, 2 * reach)
            columns = np.minimum(np.floor(x).astype(int) + right, 2 * reach)
            share = np.abs(1 - down - y % 1) * np.abs(1 - right - x % 1)
            np.add.at(kernel, (rows, columns), share.astype(np.float32))
    kernel /= kernel.sum()
    return _within(pixels, fov, lambda x: ndimage.convolve(x, kernel, mode="nearest"))


def _channel(pixels: Pixels, fov: Mask, size: float, rng: np.random.Generator) -> np.ndarray:
    which, done = int(rng.integers(3)), pixels.astype(np.float32)
    done[..., which] += size * (done[..., which][fov].mean() - done[..., which])
    return done


DEGRADATIONS: tuple[Degradation, ...] = (
    Degradation("defocus", "sigma, diameters", (0.002, 0.004, 0.008, 0.014, 0.022), _defocus),
    Degradation("illumination", "fall of light", (0.2, 0.4, 0.6, 0.75, 0.9), _illumination),
    Degradation("haze", "share of veil", (0.1, 0.25, 0.4, 0.55, 0.75), _haze),
    Degradation("jpeg", "quality", (60, 35, 20, 10, 5), _jpeg),
    Degradation("dust", "specks", (10, 25, 50, 100, 200), _dust),
    Degradation("motion", "length, diameters", (0.006, 0.012, 0.024, 0.04, 0.06), _motion),
    Degradation("channel", "share of one channel lost", (0.2, 0.4, 0.6, 0.8, 1.0), _channel),
)
BY_NAME = {one.name: one for one in DEGRADATIONS}


def lost_from(differences: Sequence[tuple[float, float] | None]) -> int | None:
    """Return the first level from which every interval of after − before lies below 0.

    Args:
        differences: intervals of levels 1 to 5; None where there is none.
    """
    below = [pair is not None and pair[1] < 0 for pair in differences]
    found = [k for k in range(len(below)) if all(below[k:])]
    return found[0] + 1 if found else None
