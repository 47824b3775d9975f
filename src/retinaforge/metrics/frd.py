"""Fréchet radiomic distance: how far two sets of images lie apart in radiomic features.

v0:     d² of features brought to [0, 7.457] by the extremes of both sets together
v1:     log d² of z = (x - mean) / standard deviation, both of the real set
colour: d² of asinh(z) of opponent-channel features, z against the real set

d² is the Fréchet distance of Gaussians fitted to the features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from retinaforge.core import Card, Quantity, Refusal
from retinaforge.metrics.entries import SetMetric
from retinaforge.metrics.pairs import Features
from retinaforge.metrics.sets.frechet import frechet_distance

FrdVersion = Literal["v0", "v1", "colour"]
OtherFeatures = Float[np.ndarray, "m dim"]

# The range of v0: fitted once by its authors so that its values resemble FID's.
V0_RANGE = 7.45670747756958
# Below this share of the spread d² is rounding.
ROUNDING = 1e-9

V1_CARD = Card(
    name="frd_v1",
    version=1,
    measures="log of the Fréchet distance of 398 radiomic features of luminance, z-scored by the "
    "real set (PyRadiomics' features of the image and its coif1 bands at half resolution)",
    range="(-inf, inf)",
    direction="lower is better",
    unit="log of squared standard deviations",
    smallest_n=2,
    reference="Konz et al., arXiv 2412.01496, eq. 3, as frd-score 1.0.1 computes it: log d², twice "
    "the paper's log d. Agrees with frd-score 1.0.1 on PyRadiomics v3.1.0-111-g8ed5793: features "
    "to 1e-7, distance to 1e-6 (stored values, masked images)",
    known_failure="blind to colour; not symmetric; a feature that hardly varies in the real set "
    "outweighs all others; undefined for identical sets; singular covariance below 399 images; on "
    "flat regions frd-score bins rounding noise, which is not followed",
)

V0_CARD = Card(
    name="frd_v0",
    version=1,
    measures="Fréchet distance of 102 radiomic features of luminance, each brought to [0, 7.457] "
    "by the extremes of both sets together",
    range="[0, inf)",
    direction="lower is better",
    unit="1",
    smallest_n=2,
    reference="Osuala et al. 2024, as frd-score 1.0.1 computes it (--frd_version v0). Agrees with "
    "it on PyRadiomics v3.1.0-111-g8ed5793: features to 1e-7, distance to 1e-6 (stored values, "
    "masked images)",
    known_failure="blind to colour; one outlier sets the scale of a feature; the nine features of "
    "the mask's shape score the crop, not the image; singular covariance below 103 images; "
    "frd-score stretches the rounding of a feature that is the same for all, which is not followed",
)

COLOUR_CARD = Card(
    name="frd_colour",
    version=1,
    measures="Fréchet distance of 154 radiomic features of the red-green and yellow-blue opponent "
    "channels inside the field of view, as asinh of z-scores by the real set",
    range="[0, inf)",
    direction="lower is better",
    unit="1",
    smallest_n=2,
    reference="this project's; features as in frd_v1, channels after van de Sande et al., IEEE "
    "TPAMI 32, 2010. asinh: equal to z where small, so that no flat channel outweighs all else",
    known_failure="blind to luminance; a camera's white balance moves it as disease would; "
    "not symmetric; singular covariance below 155 images",
)

_CARDS = {"v0": V0_CARD, "v1": V1_CARD, "colour": COLOUR_CARD}


def frd(real: Features, synthetic: OtherFeatures, *, version: FrdVersion) -> Quantity:
    """Return the Fréchet radiomic distance of two feature sets.

    Images with an undefined feature are left out (v1, colour) or given the middle of the range
    (v0). Features that do not vary in the real set are left out of v1 and colour.

    Args:
        real: one image a row, from `radiomic_features` or, for colour, `colour_features`.
        synthetic: likewise, of the same features.
        version: which features these are, and how they are scaled.

    Returns:
        The distance, with a warning as its reason at small n. NaN below two images, or in v1 for
        identical sets, whose logarithm is -infinity.

    Raises:
        Refusal: "expected two matrices of radiomic features ...; got ...".

    References:
        Konz et al., arXiv 2412.01496; frd-score 1.0.1.
    """
    card = _CARDS[version]
    x, y = scaled(real, synthetic, version=version)
    if min(len(x), len(y)) < 2:
        return Quantity(card, math.nan, f"needs at least 2 images a set; got {len(x)} and {len(y)}")
    distance = frechet_distance(x, y).value
    if distance <= ROUNDING * float(x.var(axis=0).sum() + y.var(axis=0).sum()):
        distance = 0.0
    reason = _warning(x, y)
    if version != "v1":
        return Quantity(card, distance, reason)
    if distance == 0:
        return Quantity(card, math.nan, "the sets are identical: distance 0, log -infinity")
    return Quantity(card, math.log(distance), reason)


def scaled(
    real: Features, synthetic: OtherFeatures, *, version: FrdVersion
) -> tuple[np.ndarray, np.ndarray]:
    """Return both sets as the distance sees them.

    Args:
        real: one image a row; sets the scale in v1 and colour.
        synthetic: likewise.
        version: how features are scaled.

    Returns:
        Both sets, float64, of the features that are kept.

    Raises:
        Refusal: "expected two matrices of radiomic features ...; got ...".
    """
    x, y = _checked(real, synthetic)
    if version == "v0":
        return _between(x, y)
    x, y = (z[~np.isnan(z).any(axis=1)] for z in (x, y))
    if len(x) == 0 or len(y) == 0:
        return x, y
    x, y, kept = _z_scores(x, y, single=version == "v1")
    x, y = x[:, kept], y[:, kept]
    return (np.arcsinh(x), np.arcsinh(y)) if version == "colour" else (x, y)


def which_features_differ(
    real: Features,
    synthetic: OtherFeatures,
    names: Sequence[str],
    *,
    most: int = 20,
) -> list[tuple[str, float]]:
    """Return the features whose mean moved most, in standard deviations of the real set.

    (mean of synthetic - mean of real) / standard deviation of real

    Args:
        real: one image a row.
        synthetic: likewise.
        names: one a column.
        most: how many to return.

    Returns:
        Name and signed shift, largest first; features that do not vary in the real set are left
        out, since their shift has no scale.

    Raises:
        Refusal: "expected two matrices of radiomic features ...; got ...".
    """
    x, y = _checked(real, synthetic)
    x, y = (z[~np.isnan(z).any(axis=1)] for z in (x, y))
    if len(x) < 2 or len(y) == 0:
        return []
    x, y, kept = _z_scores(x, y, single=False)
    shift = np.where(kept, y.mean(axis=0) - x.mean(axis=0), 0.0)
    order = np.argsort(-np.abs(shift), kind="stable")[:most]
    return [(str(names[k]), float(shift[k])) for k in order if kept[k]]


def _z_scores(
    x: np.ndarray, y: np.ndarray, *, single: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return z-scores by the first set and which columns are finite.

    frd-score works in float32 here, and what it leaves out depends on that.
    """
    kind = np.float32 if single else np.float64
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        a, b = x.astype(kind), y.astype(kind)
        mean, spread = a.mean(axis=0), a.std(axis=0)
        if not single:
            spread = np.where(spread > 1e-12 * np.abs(mean), spread, 0.0)
        scored = [((z - mean) / spread).astype(np.float64) for z in (a, b)]
    kept = np.isfinite(scored[0]).all(axis=0) & np.isfinite(scored[1]).all(axis=0)
    return scored[0], scored[1], kept


def _between(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    both = np.concatenate([x, y])
    filled = np.where(np.isnan(both), np.inf, both)
    low, high = filled.min(axis=0), np.where(np.isnan(both), -np.inf, both).max(axis=0)
    varies = high - low > 1e-12 * np.maximum(np.abs(low), np.abs(high))
    span = np.where(varies, high - low, 1.0)
    middle = 0.5 * V0_RANGE
    share = np.where(varies, (both - low) / span * V0_RANGE, middle)
    share = np.where(np.isnan(share), middle, share)
    return share[: len(x)], share[len(x) :]


def _warning(x: np.ndarray, y: np.ndarray) -> str:
    n, kept = min(len(x), len(y)), x.shape[1]
    if n > kept:
        return ""
    return f"warning: n = {n} does not exceed the {kept} features; covariance is singular"


def _checked(real: Any, synthetic: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(real, np.float64), np.asarray(synthetic, np.float64)
    if (
        x.ndim == y.ndim == 2
        and x.shape[1] == y.shape[1] > 0
        and not np.isinf([x.sum(), y.sum()]).any()
    ):
        return x, y
    raise Refusal(
        "two matrices of radiomic features with equally many columns and no infinity",
        f"shapes {x.shape} and {y.shape}",
        "measure both sets with the same version of radiomic_features",
    )


def _compare_v0(real: Features, synthetic: OtherFeatures) -> Quantity:
    return frd(real, synthetic, version="v0")


def _compare_v1(real: Features, synthetic: OtherFeatures) -> Quantity:
    return frd(real, synthetic, version="v1")


def _compare_colour(real: Features, synthetic: OtherFeatures) -> Quantity:
    return frd(real, synthetic, version="colour")


# Each expects the features of its own version, not an encoder's.
FRD_METRICS: tuple[SetMetric, ...] = (
    SetMetric(V1_CARD, _compare_v1),
    SetMetric(V0_CARD, _compare_v0),
    SetMetric(COLOUR_CARD, _compare_colour),
)
