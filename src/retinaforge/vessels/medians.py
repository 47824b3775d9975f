"""Medians: one that does not jump when one value of few moves past another, and many at once.

Σ wᵢ x₍ᵢ₎ with wᵢ = I(i / n) − I((i − 1) / n), I the regularised incomplete beta function of
parameters (n + 1) / 2, (n + 1) / 2: the mean of the median of samples drawn from the values.

References:
    F. E. Harrell, C. E. Davis, "A new distribution-free quantile estimator", Biometrika 69 (1982),
    635.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import betainc


def smooth_median(values: Float[np.ndarray, "n"]) -> float:
    """Return the Harrell–Davis estimate of the median of one value or more."""
    n = len(values)
    reached = betainc((n + 1) / 2, (n + 1) / 2, np.linspace(0.0, 1.0, n + 1))
    return float(np.diff(reached) @ np.sort(values))


def medians(groups: Sequence[Float[np.ndarray, "n"]]) -> Float[np.ndarray, "m"]:
    """Return the median of each group of one value or more; NaN where a group holds one.

    The same numbers as `np.median` of each, which takes far longer for hundreds of small groups.
    """
    if not groups:
        return np.zeros(0)
    sizes = np.array([len(group) for group in groups])
    values = np.concatenate(groups)
    values = values[np.lexsort((values, np.repeat(np.arange(len(groups)), sizes)))]
    last = np.cumsum(sizes) - 1
    start = last - sizes + 1
    middle = (values[start + (sizes - 1) // 2] + values[start + sizes // 2]) / 2
    return np.where(np.isnan(values[last]), np.nan, middle)
