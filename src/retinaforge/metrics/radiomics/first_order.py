"""First-order features: the distribution of intensities, whatever their place."""

from __future__ import annotations

import numpy as np

from retinaforge.metrics.radiomics.grey import Grey, Vector, entropy


def first_order(grey: Grey, *, shift: float, pixel_area: float) -> dict[str, float]:
    """Return the 18 first-order features.

    Skewness and kurtosis of a flat region are 0.

    Args:
        grey: intensities and their levels.
        shift: added to intensities in the energies and the root mean square, intensity units.
        pixel_area: factor of TotalEnergy, e.g. 4 after halving.

    Returns:
        Values by name; kurtosis is not in excess of 3.

    References:
        Zwanenburg et al., Radiology 295, 2020 (IBSI); names and conventions of PyRadiomics 3.1.
    """
    x = np.sort(grey.values)
    low, high = float(x[0]), float(x[-1])
    p10, p25, p50, p75, p90 = (_quantile(x, share) for share in (0.10, 0.25, 0.50, 0.75, 0.90))
    mean = float(x.mean())
    p = grey.counts / x.size
    energy = float(np.sum(np.square(x + shift)))
    middle = x[np.searchsorted(x, p10, "left") : np.searchsorted(x, p90, "right")]
    return {
        "10Percentile": p10,
        "90Percentile": p90,
        "Energy": energy,
        "Entropy": entropy(p),
        "InterquartileRange": p75 - p25,
        "Kurtosis": 0.0,
        "Maximum": high,
        "MeanAbsoluteDeviation": float(np.abs(x - mean).mean()),
        "Mean": mean,
        "Median": p50,
        "Minimum": low,
        "Range": high - low,
        "RobustMeanAbsoluteDeviation": float(np.abs(middle - middle.mean()).mean()),
        "RootMeanSquared": float(np.sqrt(energy / x.size)),
        "Skewness": 0.0,
        "TotalEnergy": energy * pixel_area,
        "Uniformity": float(np.sum(p**2)),
        "Variance": 0.0,
    } | _moments(x, mean)


def _quantile(ordered: Vector, share: float) -> float:
    place = share * (ordered.size - 1)
    below = int(place)
    above = min(below + 1, ordered.size - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))


def _moments(x: Vector, mean: float) -> dict[str, float]:
    if x[0] == x[-1]:
        return {}
    away = x - mean
    squared = away * away
    variance = float(squared.mean())
    return {
        "Kurtosis": float(np.dot(squared, squared)) / x.size / variance**2,
        "Skewness": float(np.dot(squared, away)) / x.size / variance**1.5,
        "Variance": variance,
    }
