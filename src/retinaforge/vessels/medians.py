"""A median that does not jump when one value of few moves past another.

Σ wᵢ x₍ᵢ₎ with wᵢ = I(i / n) − I((i − 1) / n), I the regularised incomplete beta function of
parameters (n + 1) / 2, (n + 1) / 2: the mean of the median of samples drawn from the values.

References:
    F. E. Harrell, C. E. Davis, "A new distribution-free quantile estimator", Biometrika 69 (1982),
    635.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import betainc


def smooth_median(values: Float[np.ndarray, "n"]) -> float:
    """Return the Harrell–Davis estimate of the median of one value or more."""
    n = len(values)
    reached = betainc((n + 1) / 2, (n + 1) / 2, np.linspace(0.0, 1.0, n + 1))
    return float(np.diff(reached) @ np.sort(values))
