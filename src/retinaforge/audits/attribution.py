"""Where a classifier looks, and whether the answer can be believed.

For a score f of an image x, a baseline b (the field's mean colour) and a patch s,

    occlusion             φ_s = f(x) − f(x with s replaced by b), spread over the patch's pixels
    integrated gradients  φ = (x − b) ∫₀¹ ∂f/∂x (b + t (x − b)) dt;  Σ φ = f(x) − f(b)
    infidelity            min_β E_I [(β φ·I − (f(x) − f(x − I)))²] / E_I [(f(x) − f(x − I))²],
                          I replaces random squares by the baseline; 0 explains all, 1 nothing
    sensitivity           max over small noise ε of |φ(x + ε) − φ(x)| / |φ(x)|

φ·I counts x − b as removed once: occlusion and integrated gradients hold it already, so that the
sum of φ over what was replaced is what they claim f loses.

References:
    Zeiler, Fergus, ECCV 2014 (occlusion). Sundararajan, Taly, Yan, ICML 2017 (integrated
    gradients). Yeh et al., "On the (in)fidelity and sensitivity of explanations", NeurIPS 2019,
    definitions 2.1 and 3.1, optimal scaling β of section 2.3; here divided by what is explained.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.audits.classifier_cards import SHAKEN

Image = Float[np.ndarray, "height width 3"]
Images = Float[np.ndarray, "n height width 3"]
Heat = Float[np.ndarray, "height width"]
Mask = Bool[np.ndarray, "height width"]
Score = Callable[[Images], Float[np.ndarray, "n"]]
Gradient = Callable[[Images], Images]
Explain = Callable[[Image], Heat]

PATCHES, STEPS = 12, 24
"""Patches a side; steps of the integral."""
SQUARES, TRIALS = 64, 6


def baseline_of(image: Image, fov: Mask) -> Image:
    """Return the image with its field painted in its mean colour."""
    return np.where(fov[..., None], image[fov].mean(axis=0), image)


def occlusion(score: Score, image: Image, fov: Mask, *, patches: int = PATCHES) -> Heat:
    """Return what the score loses where a patch is hidden, spread over the patch.

    Args:
        score: takes images, 0-255; larger means more of what is explained.
        image: RGB, 0-255.
        fov: patches that hold none of it are left at 0.
        patches: a side; the grid is laid twice, the second time shifted by half a patch.
    """
    base, (height, width) = baseline_of(image, fov), fov.shape
    whole = float(score(image[None])[0])
    total, seen = np.zeros(fov.shape), np.zeros(fov.shape)
    rows, columns = (np.linspace(0, side, patches + 1) for side in (height, width))
    for shift in (0.0, 0.5):
        places = _grid(rows + shift * height / patches, columns + shift * width / patches, fov)
        if not places:
            continue
        hidden = np.repeat(image[None], len(places), axis=0)
        for k, (a, b, c, d) in enumerate(places):
            hidden[k, a:b, c:d] = base[a:b, c:d]
        for (a, b, c, d), value in zip(places, score(hidden), strict=True):
            inside = fov[a:b, c:d]
            total[a:b, c:d] += inside * (whole - value) / inside.sum()
            seen[a:b, c:d] += inside
    return total / np.maximum(seen, 1)


def _grid(rows: np.ndarray, columns: np.ndarray, fov: Mask) -> list[tuple[int, int, int, int]]:
    y = np.clip(np.rint(rows), 0, fov.shape[0]).astype(int)
    x = np.clip(np.rint(columns), 0, fov.shape[1]).astype(int)
    return [
        (int(a), int(b), int(c), int(d))
        for a, b in itertools.pairwise(y) for c, d in itertools.pairwise(x)
        if fov[a:b, c:d].any()
    ]  # fmt: skip


def integrated_gradients(
    gradient: Gradient, image: Image, fov: Mask, *, steps: int = STEPS
) -> Heat:
    """Return integrated gradients from the field's mean colour, summed over channels.

    Args:
        gradient: of the score by the image, 0-255, for several images.
        image: RGB, 0-255.
        fov: the field.
        steps: of the midpoint rule.
    """
    base = baseline_of(image, fov)
    shares = (np.arange(steps) + 0.5) / steps
    path = base + shares[:, None, None, None] * (image - base)
    return ((image - base) * gradient(path).mean(axis=0)).sum(axis=-1)


def infidelity(
    score: Score, heat: Heat, image: Image, fov: Mask, *, rng: np.random.Generator,
    squares: int = SQUARES,
) -> float:  # fmt: skip
    """Return the share of the score's changes that an attribution does not foresee.

    Args:
        score: takes images, 0-255.
        heat: the attribution.
        image: RGB, 0-255.
        fov: the field; squares are 1/8 to 1/3 of the image wide and lie about its pixels.
        rng: places squares.
        squares: how many.
    """
    base, side = baseline_of(image, fov), fov.shape[0]
    rows, columns = np.nonzero(fov)
    hidden, claimed = np.repeat(image[None], squares, axis=0), np.zeros(squares)
    for k in range(squares):
        half = rng.uniform(1 / 16, 1 / 6) * side
        place = rng.integers(len(rows))
        a, c = (max(0, round(float(v[place]) - half)) for v in (rows, columns))
        b, d = (round(float(v[place]) + half) + 1 for v in (rows, columns))
        hidden[k, a:b, c:d] = base[a:b, c:d]
        claimed[k] = heat[a:b, c:d].sum()
    lost = float(score(image[None])[0]) - score(hidden)
    size = float((lost**2).mean())
    if size <= 1e-18:
        return float("nan")
    alike = float((claimed**2).mean())
    best = float((claimed * lost).mean()) / alike if alike > 0 else 0.0
    return float(((max(best, 0.0) * claimed - lost) ** 2).mean()) / size


def sensitivity(
    explain: Explain, heat: Heat, image: Image, fov: Mask, *, rng: np.random.Generator,
    trials: int = TRIALS, noise: float = SHAKEN,
) -> float:  # fmt: skip
    """Return the largest relative change of an attribution under small noise inside the field."""
    size = float(np.linalg.norm(heat))
    if size == 0:
        return float("nan")
    largest = 0.0
    for _ in range(trials):
        shaken = image + fov[..., None] * rng.uniform(-noise, noise, image.shape)
        change = np.linalg.norm(explain(np.clip(shaken, 0, 255)) - heat)
        largest = max(largest, float(change) / size)
    return largest


def share_by_region(heat: Heat, regions: Mapping[str, Mask]) -> dict[str, float]:
    """Return how much attribution lies in each region, over the region's share of the field.

    1 is as much as anywhere; the absolute attribution counts.

    Args:
        heat: the attribution.
        regions: by name; "field" must be the whole field.
    """
    size, field = np.abs(heat), regions["field"]
    total = float(size[field].sum())
    found = {}
    for name, mask in regions.items():
        area = float((mask & field).sum()) / max(float(field.sum()), 1.0)
        known = area > 0 and total > 0
        found[name] = float(size[mask & field].sum()) / total / area if known else float("nan")
    return found
