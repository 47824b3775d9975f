"""DeLong's variance of areas under ROC curves, its paired test and its test against chance.

With m scores X of images that have the finding, n scores Y of images that have not, and
ψ(x, y) = 1, ½, 0 as x is above, at or below y,

    A = Σ_ij ψ(X_i, Y_j) / (m n),    V10_i = Σ_j ψ(X_i, Y_j) / n,    V01_j = Σ_i ψ(X_i, Y_j) / m
    cov(A) = S10 / m + S01 / n,      S10, S01 the sample covariances of V10 and V01

Ranks give V10 and V01 without the m n comparisons: V10_i = (R_i − r_i) / n, R the midrank of X_i
among all, r among the X. Images of one patient are not independent: the sums of V − A over each
patient take their place, and a patient on both sides adds the term S11. With one image a patient
that is DeLong's formula.

References:
    E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Biometrics 44 (1988), 837. X. Sun, W. Xu,
    IEEE Signal Processing Letters 21 (2014), 1389 (midranks). N. A. Obuchowski, Biometrics 53
    (1997), 567 (clusters).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from retinaforge.core import Card, Refusal

CHANCE = 0.5
FEWEST = 2
"""Patients on each side below which a variance is not defined."""

DELONG_CARD = Card(
    name="delong_p",
    version=1,
    measures="two-sided p value that two areas under ROC curves of the same images, or one area "
    "and chance, are equal; images of one patient count as a cluster",
    range="[0, 1]",
    direction="neither",
    unit="1",
    smallest_n=20,
    reference="DeLong, DeLong, Clarke-Pearson, Biometrics 44, 1988; Sun and Xu 2014; "
    "Obuchowski, Biometrics 53, 1997",
    known_failure="normal theory: too sure near an area of 1 and below some ten patients a side; "
    "says nothing of nested models that were fitted on the images they are judged on",
)


@dataclass(frozen=True)
class Areas:
    """Areas of several scores on the same images.

    Attributes:
        values: one area a score, in [0, 1]; NaN where a side is empty.
        covariance: of the areas, shape (k, k); NaN where it is not defined.
        positives, negatives: images on each side.
        reason: why something is NaN, else "".
    """

    values: Float[np.ndarray, "k"]
    covariance: Float[np.ndarray, "k k"]
    positives: int
    negatives: int
    reason: str = ""


@dataclass(frozen=True)
class Tested:
    """An area, or a difference of two, with its normal interval and test.

    Attributes:
        value: the area or the difference.
        interval: 95 %, cut to what is possible; None where it is not defined.
        p: two-sided; NaN where it is not defined.
        reason: why something is missing, else "".
    """

    value: float
    interval: tuple[float, float] | None
    p: float
    reason: str = ""


def delong(
    truth: Int[np.ndarray, "n"] | Bool[np.ndarray, "n"],
    scores: Float[np.ndarray, "n k"],
    patients: Sequence[str] | None = None,
) -> Areas:
    """Return areas of several scores with their covariance.

    Args:
        truth: 1 where the finding is there, 0 where it is not.
        scores: one column a score; the more, the more likely; any unit.
        patients: whose eye each image shows; None: every image is a patient of its own.

    Returns:
        Areas; NaN with a reason where a side has fewer than two patients.

    Raises:
        Refusal: "expected one truth and one patient for each row of scores; got ...".

    References:
        Sun and Xu 2014, algorithm 2; Obuchowski 1997, equations 3-6.
    """
    yes = np.asarray(truth).astype(bool)
    names = np.arange(len(yes)).astype(str) if patients is None else np.asarray(patients, str)
    if not len(yes) == len(scores) == len(names) or np.ndim(scores) != 2:
        raise Refusal(
            "one truth and one patient for each row of scores, one column a score",
            f"{len(yes)} truths, {len(names)} patients and scores of shape {np.shape(scores)}",
            "hand over the same images in the same order",
        )
    m, n, k = int(yes.sum()), int((~yes).sum()), np.shape(scores)[1]
    nothing = np.full((k, k), np.nan)
    if m == 0 or n == 0:
        side = "with" if m == 0 else "without"
        return Areas(np.full(k, np.nan), nothing, m, n, f"no image {side} the finding")
    v10, v01 = _components(np.asarray(scores, np.float64), yes)
    values = v10.mean(axis=0)
    covariance, reason = _covariance(v10 - values, v01 - values, names[yes], names[~yes])
    return Areas(values, nothing if reason else covariance, m, n, reason)


def against_chance(areas: Areas, which: int = 0) -> Tested:
    """Test one area against one half.

    Args:
        areas: from `delong`.
        which: column of the scores.
    """
    return _tested(
        float(areas.values[which]), float(areas.covariance[which, which]), CHANCE, areas.reason
    )


def paired(areas: Areas, one: int, other: int) -> Tested:
    """Test whether two areas of the same images differ; the value is `one` minus `other`."""
    c = areas.covariance
    value = float(areas.values[one] - areas.values[other])
    variance = float(c[one, one] + c[other, other] - 2 * c[one, other])
    return _tested(value, variance, 0.0, areas.reason)


def unpaired(one: Areas, other: Areas) -> Tested:
    """Test whether first areas of different images differ; the value is `one` minus `other`."""
    value = float(one.values[0] - other.values[0])
    variance = float(one.covariance[0, 0] + other.covariance[0, 0])
    return _tested(value, variance, 0.0, one.reason or other.reason)


def _components(
    scores: Float[np.ndarray, "n k"], yes: Bool[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "m k"], Float[np.ndarray, "l k"]]:
    """Return V10 of the images with the finding and V01 of those without, by midranks."""
    m, n = int(yes.sum()), int((~yes).sum())
    every = np.asarray(stats.rankdata(scores, axis=0), np.float64)
    own = np.asarray(stats.rankdata(scores[yes], axis=0), np.float64)
    rest = np.asarray(stats.rankdata(scores[~yes], axis=0), np.float64)
    return (every[yes] - own) / n, 1 - (every[~yes] - rest) / m


def _covariance(
    up: Float[np.ndarray, "m k"], down: Float[np.ndarray, "l k"], ups: np.ndarray, downs: np.ndarray
) -> tuple[Float[np.ndarray, "k k"], str]:
    """Return the covariance of areas from V − A of both sides and their patients."""
    m, n, k = len(up), len(down), up.shape[1]
    names, codes = np.unique(np.concatenate([ups, downs]), return_inverse=True)
    a, b = np.zeros((len(names), k)), np.zeros((len(names), k))
    np.add.at(a, codes[:m], up)
    np.add.at(b, codes[m:], down)
    own, rest = len(np.unique(ups)), len(np.unique(downs))
    if min(own, rest) < FEWEST:
        return np.full((k, k), np.nan), f"{own} patients with the finding and {rest} without"
    both = len(names) / (len(names) - 1) * (a.T @ b)
    s10 = own / (own - 1) * (a.T @ a) / m**2
    s01 = rest / (rest - 1) * (b.T @ b) / n**2
    return s10 + s01 + (both + both.T) / (m * n), ""


def _tested(value: float, variance: float, null: float, reason: str) -> Tested:
    if not (math.isfinite(value) and math.isfinite(variance)):
        return Tested(value, None, math.nan, reason)
    if variance <= 1e-16:
        same = abs(value - null) < 1e-12
        words = "" if same else "the scores part the sides wholly: no variance to test with"
        return Tested(value, (value, value) if same else None, 1.0 if same else math.nan, words)
    sd = math.sqrt(variance)
    half = float(stats.norm.ppf(0.975)) * sd
    lowest = 0.0 if null == CHANCE else -1.0
    p = 2 * float(stats.norm.sf(abs(value - null) / sd))
    return Tested(value, (max(lowest, value - half), min(1.0, value + half)), p)
