"""Intervals and p values that respect who an eye belongs to: patients are drawn, not images.

Cluster bootstrap: draw patients with replacement, mean over all their images, percentiles.
Sign-flip test:    under H₀ a patient's summed difference is as likely + as −.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from statsmodels.stats.multitest import multipletests

from retinaforge.core import Card, Refusal

RESAMPLES = 2000
FLIPS = 10_000
ONE_PATIENT = "one patient: no interval over patients can be given"

BOOTSTRAP_CARD = Card(
    name="paired_bootstrap",
    version=1,
    measures="95 % percentile interval of a mean over images, patients drawn with replacement; "
    "with the same seed every arm sees the same draws",
    range="the score's own",
    direction="neither",
    unit="the score's own",
    smallest_n=2,
    reference="Efron and Tibshirani 1993, chapter 13; clusters: Field and Welsh, JRSS B 69, 2007",
    known_failure="too narrow below about 20 patients; knows nothing of the spread over seeds",
)

SIGN_FLIP_CARD = Card(
    name="sign_flip_p",
    version=1,
    measures="two-sided p value of a mean paired difference, signs flipped patient by patient; "
    "all 2^P flips where there are at most 10 000 of them, else 10 000 random ones",
    range="(0, 1]",
    direction="neither",
    unit="1",
    smallest_n=2,
    reference="Fisher 1935; Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9, 2010 "
    "(one is added to both counts of a random test)",
    known_failure="cannot fall below 2 / 2^P: with five patients no difference is significant",
)

HOLM_CARD = Card(
    name="holm_p",
    version=1,
    measures="p values of one family of comparisons, corrected step-down for their number",
    range="(0, 1]",
    direction="neither",
    unit="1",
    smallest_n=1,
    reference="Holm, Scand. J. Stat. 6, 1979",
    known_failure="only as honest as the family: measures left out are not corrected for",
)


Signs = Float[np.ndarray, "flips count"]


@dataclass(frozen=True)
class Estimate:
    """A mean over images with its interval over patients.

    Attributes:
        value: mean over the images that have a value; NaN if none has.
        interval: (low, high) of the interval, or None.
        n: images it rests on.
        patients: patients it rests on.
        reason: why value or interval is missing, and how many images were left out.
    """

    value: float
    interval: tuple[float, float] | None
    n: int
    patients: int
    reason: str = ""


@dataclass(frozen=True)
class Difference:
    """A mean paired difference, arm minus baseline, with interval and p value.

    Attributes:
        estimate: the difference with its interval.
        p: two-sided sign-flip p value, uncorrected; NaN with fewer than two patients.
    """

    estimate: Estimate
    p: float


def paired_bootstrap(
    values: Float[np.ndarray, "n"],
    patients: Sequence[str],
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Estimate:
    """Return the mean of per-image values and its bootstrap interval over patients.

    Hand over generators of the same seed for every arm and the draws are paired.

    Args:
        values: one number an image, any unit; NaN where undefined, which leaves the image out.
        patients: whose eye each image shows.
        rng: drawn from; its state moves on.
        resamples: number of bootstrap draws.
        level: coverage in (0, 1).

    Returns:
        The estimate in the values' unit; interval None with a reason below two patients.

    Raises:
        Refusal: "expected one patient for each value; got ...".

    References:
        Field and Welsh, Bootstrapping clustered data, JRSS B 2007.
    """
    kept, codes, left_out = _kept(np.asarray(values, np.float64), patients)
    if kept.size == 0:
        return Estimate(math.nan, None, 0, 0, f"no image has a value{left_out}")
    count = int(codes.max()) + 1
    if count < 2:
        return Estimate(float(kept.mean()), None, kept.size, 1, ONE_PATIENT + left_out)
    sums, sizes = np.bincount(codes, weights=kept), np.bincount(codes)
    draws = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
    means = (draws @ sums) / (draws @ sizes)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Estimate(
        float(kept.mean()), (float(low), float(high)), kept.size, count, left_out.strip("; ")
    )


def paired_difference(
    arm: Float[np.ndarray, "n"],
    baseline: Float[np.ndarray, "n"],
    patients: Sequence[str],
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Difference:
    """Return arm minus baseline on the same images, with interval and sign-flip p value.

    An image undefined in either is left out of both.

    Args:
        arm: one number an image.
        baseline: the same images in the same order.
        patients: whose eye each image shows.
        rng: drawn from; its state moves on.
        resamples: number of bootstrap draws.

    Returns:
        The difference in the values' unit and its uncorrected p value.

    Raises:
        Refusal: "expected one patient for each value; got ...".
    """
    if np.shape(arm) != np.shape(baseline):
        raise Refusal(
            "arm and baseline measured on the same images",
            f"shapes {np.shape(arm)} and {np.shape(baseline)}",
            "align both by image name and put NaN where one is missing",
        )
    difference = np.asarray(arm, np.float64) - np.asarray(baseline, np.float64)
    estimate = paired_bootstrap(difference, patients, rng=rng, resamples=resamples)
    return Difference(estimate, sign_flip_p(difference, patients, rng=rng))


def sign_flip_p(
    differences: Float[np.ndarray, "n"],
    patients: Sequence[str],
    *,
    rng: np.random.Generator,
    flips: int = FLIPS,
) -> float:
    """Return the two-sided p value of a mean difference under sign flips of whole patients.

    Exact where all 2^P flips are at most `flips`; else (1 + hits) / (1 + flips) at random.

    Args:
        differences: one paired difference an image; NaN leaves the image out.
        patients: whose eye each image shows.
        rng: drawn from where the test is not exact.
        flips: largest number of flips tried.

    Returns:
        p in (0, 1]; NaN with fewer than two patients.

    Raises:
        Refusal: "expected one patient for each value; got ...".

    References:
        Phipson and Smyth 2010.
    """
    kept, codes, _ = _kept(np.asarray(differences, np.float64), patients)
    if kept.size == 0 or codes.max() < 1:
        return math.nan
    sums = np.bincount(codes, weights=kept)
    count = len(sums)
    exact = 2.0**count <= flips
    signs = _all_signs(count) if exact else rng.choice([-1.0, 1.0], size=(flips, count))
    # Flips that tie with the observed sum count as hits whatever rounding does to them.
    slack = 1e-12 * np.abs(sums).sum()
    hits = int(np.sum(np.abs(signs @ sums) >= abs(sums.sum()) - slack))
    return hits / len(signs) if exact else (1 + hits) / (1 + flips)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down corrected p values, in the order given.

    Args:
        p_values: the family's p values in [0, 1]; NaN stays NaN and does not count.

    Returns:
        Corrected p values, at most 1.

    References:
        Holm 1979.
    """
    p = np.asarray(p_values, np.float64)
    known = ~np.isnan(p)
    corrected = np.full(p.shape, np.nan)
    if known.any():
        corrected[known] = multipletests(p[known], method="holm")[1]
    return corrected.tolist()


def _kept(
    values: Float[np.ndarray, "n"], patients: Sequence[str]
) -> tuple[Float[np.ndarray, "k"], Int[np.ndarray, "k"], str]:
    """Return the defined values, a patient index for each, and what was left out in words."""
    if values.ndim != 1 or len(values) != len(patients):
        raise Refusal(
            "one patient for each value",
            f"values of shape {values.shape} and {len(patients)} patients",
            "hand over one patient an image, in the images' order",
        )
    keep = ~np.isnan(values)
    codes = np.unique(np.asarray(patients, dtype=str)[keep], return_inverse=True)[1]
    missing = int((~keep).sum())
    left_out = f"; {missing} of {len(values)} images undefined and left out" if missing else ""
    return values[keep], codes.astype(np.int64), left_out


def _all_signs(count: int) -> Signs:
    bits = np.arange(2**count)[:, None] >> np.arange(count) & 1
    return 1.0 - 2.0 * bits
