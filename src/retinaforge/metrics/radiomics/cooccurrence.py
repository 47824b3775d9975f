"""Co-occurrence features (GLCM): which grey levels lie side by side.

p(i, j) of neighbours one pixel apart, symmetric, in four directions; every feature is measured in
each direction and the four are averaged. Most features need only the margins of p: of i, of i + j
and of |i - j|.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from retinaforge.metrics.radiomics.grey import Grey, entropy

# Right, down, down right, down left.
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))

# PyRadiomics' names, in the order of frd-score v0; v1 leaves the last two out and orders otherwise.
NAMES = (
    "Autocorrelation", "ClusterProminence", "ClusterShade", "ClusterTendency", "Contrast",
    "Correlation", "DifferenceAverage", "DifferenceEntropy", "DifferenceVariance", "Id", "Idm",
    "Idmn", "Idn", "Imc1", "Imc2", "InverseVariance", "JointAverage", "JointEnergy",
    "JointEntropy", "MaximumProbability", "SumEntropy", "SumSquares", "MCC", "SumAverage",
)  # fmt: skip

CoOccurrence = Float[np.ndarray, "k k"]


def cooccurrence(grey: Grey, *, with_mcc: bool) -> dict[str, float]:
    """Return the co-occurrence features, averaged over four directions.

    A direction without a pair of pixels is left out. Of a flat region Correlation and MCC are 1
    and Imc1 is 0.

    Args:
        grey: ranks and levels.
        with_mcc: also the maximal correlation coefficient (an eigenvalue problem).

    Returns:
        Values by name; NaN where the mask holds no pair of neighbours.

    References:
        Haralick et al., IEEE Trans. SMC 3, 1973; names and conventions of PyRadiomics 3.1.
    """
    counted = [pair_counts(grey, step) for step in DIRECTIONS]
    measured = [_features(p / p.sum(), grey, with_mcc) for p in counted if p.any()]
    names = NAMES if with_mcc else tuple(name for name in NAMES if name != "MCC")
    if not measured:
        return dict.fromkeys(names, np.nan)
    return {name: float(np.mean([one[name] for one in measured])) for name in names}


def pair_counts(grey: Grey, step: tuple[int, int]) -> CoOccurrence:
    """Return how often each pair of ranks lies one step apart, in either order.

    Args:
        grey: ranks.
        step: (rows, columns), rows 0 or 1.

    Returns:
        Symmetric counts, shape (ranks, ranks).
    """
    size = len(grey.levels) + 1
    (codes, padded), (down, right) = grey.codes, step
    height, width = grey.ranks.shape
    here = codes[1 : 1 + height, 1 : 1 + width]
    there = padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]
    counts = np.bincount((here + there).ravel(), minlength=size * size).reshape(size, size)[1:, 1:]
    return (counts + counts.T).astype(np.float64)


def _features(p: CoOccurrence, grey: Grey, with_mcc: bool) -> dict[str, float]:
    rows, columns = np.nonzero(p)
    cell, i, j = p[rows, columns], grey.levels[rows], grey.levels[columns]
    one, levels = p.sum(axis=1), grey.levels
    total = np.bincount((i + j).astype(np.int64), weights=cell)
    apart = np.bincount(np.abs(i - j).astype(np.int64), weights=cell)
    mean = float(one @ levels)
    features = {
        "Autocorrelation": float(np.sum(cell * i * j)),
        "JointAverage": mean,
        "JointEnergy": float(np.sum(cell**2)),
        "MaximumProbability": float(cell.max()),
        "SumSquares": float(one @ (levels - mean) ** 2),
    }
    features |= _sums(total, mean) | _differences(apart, grey.highest)
    features |= _information(cell, one) | _correlation(p, one, levels)
    return features | ({"MCC": _mcc(p, one)} if with_mcc else {})


def _sums(total: np.ndarray, mean: float) -> dict[str, float]:
    away = np.arange(len(total)) - 2 * mean
    return {
        "ClusterProminence": float(total @ away**4),
        "ClusterShade": float(total @ away**3),
        "ClusterTendency": float(total @ away**2),
        "SumAverage": 2 * mean,
        "SumEntropy": entropy(total),
    }


def _differences(apart: np.ndarray, highest: int) -> dict[str, float]:
    k = np.arange(len(apart), dtype=np.float64)
    average = float(apart @ k)
    return {
        "Contrast": float(apart @ k**2),
        "DifferenceAverage": average,
        "DifferenceEntropy": entropy(apart),
        "DifferenceVariance": float(apart @ (k - average) ** 2),
        "Id": float(np.sum(apart / (1 + k))),
        "Idm": float(np.sum(apart / (1 + k**2))),
        "Idmn": float(np.sum(apart / (1 + k**2 / highest**2))),
        "Idn": float(np.sum(apart / (1 + k / highest))),
        "InverseVariance": float(np.sum(apart[1:] / k[1:] ** 2)),
    }


def _information(cell: np.ndarray, one: np.ndarray) -> dict[str, float]:
    """Return joint entropy and two measures of correlation; by symmetry HXY1 = HXY2 = 2 HX."""
    joint, margin = entropy(cell), entropy(one)
    mutual = max(2 * margin - joint, 0.0)
    flat = len(one) == 1
    return {
        "JointEntropy": joint,
        "Imc1": 0.0 if flat else -mutual / margin,
        "Imc2": 0.0 if flat else float(np.sqrt(1 - np.exp(-2 * mutual))),
    }


def _correlation(p: CoOccurrence, one: np.ndarray, levels: np.ndarray) -> dict[str, float]:
    away = levels - one @ levels
    variance = float(one @ away**2)
    return {"Correlation": 1.0 if variance == 0 else float(away @ p @ away) / variance}


def _mcc(p: CoOccurrence, one: np.ndarray) -> float:
    """Return the root of the second eigenvalue of Q(i, j) = sum_k p(i, k) p(j, k) / (p(i) p(k)).

    Q is similar to S², S(i, k) = p(i, k) / sqrt(p(i) p(k)), which is symmetric.
    """
    if len(one) == 1:
        return 1.0
    scale = np.sqrt(np.where(one > 0, one, 1.0))
    return float(np.sort(np.abs(np.linalg.eigvalsh(p / np.outer(scale, scale))))[-2])
