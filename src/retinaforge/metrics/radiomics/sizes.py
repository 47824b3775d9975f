"""Runs, zones and dependences (GLRLM, GLSZM, GLDM): how large patches of one grey level are.

All three count things that have a grey level i and a size j: straight runs, connected zones, and
pixels with j - 1 neighbours of their own level. The features are one set of sums under three names.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Int
from skimage.measure import label

from retinaforge.metrics.radiomics.cooccurrence import DIRECTIONS
from retinaforge.metrics.radiomics.grey import Grey, IntVector, Vector, entropy

_DENSE = 1 << 20


@dataclass(frozen=True)
class Sized:
    """Counts of things by level and size; only pairs that occur.

    Attributes:
        level: grey level i of each pair.
        size: j of each pair, pixels.
        count: how many.
    """

    level: Vector
    size: Vector
    count: Vector


def runs(grey: Grey) -> list[Sized]:
    """Return the straight runs of one level, a count for each of four directions.

    Args:
        grey: ranks and levels.
    """
    return [_runs(grey, step) for step in range(len(DIRECTIONS))]


def zones(grey: Grey) -> list[Sized]:
    """Return the 8-connected zones of one level.

    Args:
        grey: ranks and levels.
    """
    labels = np.asarray(label(grey.ranks, connectivity=2, background=0)).ravel()
    size = np.bincount(labels)
    rank = np.zeros(len(size), dtype=np.int64)
    rank[labels] = grey.ranks.ravel()
    return [_count(grey, rank[1:], size[1:])]


def dependences(grey: Grey) -> list[Sized]:
    """Return pixels by level and by one more than their neighbours of the same level.

    Args:
        grey: ranks and levels.
    """
    height, width = grey.ranks.shape
    padded = grey.padded
    size = np.ones(grey.ranks.shape, dtype=np.int64)
    for down in range(3):
        for right in range(3):
            if (down, right) != (1, 1):
                size += grey.ranks == padded[down : down + height, right : right + width]
    inside = grey.ranks > 0
    return [_count(grey, grey.ranks[inside], size[inside])]


def run_features(grey: Grey) -> dict[str, float]:
    """Return the 16 run-length features, averaged over four directions.

    Args:
        grey: ranks and levels.

    References:
        Galloway, Comput. Graph. Image Process. 4, 1975; PyRadiomics 3.1.
    """
    return _named(runs(grey), "Run", "RunLength", "Run")


def zone_features(grey: Grey) -> dict[str, float]:
    """Return the 16 size-zone features.

    Args:
        grey: ranks and levels.

    References:
        Thibault et al., PRIP 2009; PyRadiomics 3.1.
    """
    return _named(zones(grey), "Zone", "SizeZone", "Area")


def dependence_features(grey: Grey) -> dict[str, float]:
    """Return the 14 dependence features.

    Args:
        grey: ranks and levels.

    References:
        Sun and Wee, Comput. Vis. Graph. Image Process. 23, 1983; PyRadiomics 3.1.
    """
    named = _named(dependences(grey), "Dependence", "Dependence", "Dependence")
    named["LowGrayLevelEmphasis"] = named.pop("LowGrayLevelDependenceEmphasis")
    named["HighGrayLevelEmphasis"] = named.pop("HighGrayLevelDependenceEmphasis")
    # Both are left out by PyRadiomics: one is first-order uniformity, the other always 1.
    del named["GrayLevelNonUniformityNormalized"], named["DependencePercentage"]
    return dict(sorted(named.items()))


def _named(counted: list[Sized], thing: str, spread: str, size: str) -> dict[str, float]:
    table = np.mean([_sums(one) for one in counted], axis=0)
    small, large = ("Short", "Long") if size == "Run" else ("Small", "Large")
    names = (
        f"{small}{size}Emphasis", f"{large}{size}Emphasis",
        "GrayLevelNonUniformity", "GrayLevelNonUniformityNormalized",
        f"{spread}NonUniformity", f"{spread}NonUniformityNormalized",
        f"{thing}Percentage", "GrayLevelVariance", f"{thing}Variance", f"{thing}Entropy",
        f"LowGrayLevel{thing}Emphasis", f"HighGrayLevel{thing}Emphasis",
        f"{small}{size}LowGrayLevelEmphasis", f"{small}{size}HighGrayLevelEmphasis",
        f"{large}{size}LowGrayLevelEmphasis", f"{large}{size}HighGrayLevelEmphasis",
    )  # fmt: skip
    return dict(sorted(zip(names, table.tolist(), strict=True)))


def _sums(things: Sized) -> Vector:
    i2, j2, number = things.level**2, things.size**2, float(things.count.sum())
    p = things.count / number
    by_level = np.bincount(things.level.astype(np.int64), weights=p)
    by_size = np.bincount(things.size.astype(np.int64), weights=p)
    level_spread, size_spread = float(by_level @ by_level), float(by_size @ by_size)
    mean_level, mean_size = float(p @ things.level), float(p @ things.size)
    return np.array([
        p @ (1 / j2), p @ j2,
        level_spread * number, level_spread,
        size_spread * number, size_spread,
        1 / mean_size, p @ (things.level - mean_level) ** 2, p @ (things.size - mean_size) ** 2,
        entropy(p),
        p @ (1 / i2), p @ i2,
        p @ (1 / (i2 * j2)), p @ (i2 / j2),
        p @ (j2 / i2), p @ (i2 * j2),
    ])  # fmt: skip


def _runs(grey: Grey, step: int) -> Sized:
    order, breaks = _lines(grey.ranks.shape, step)
    line = grey.ranks.ravel()
    if DIRECTIONS[step] != (0, 1):
        line = line.take(order)
    ends = breaks.copy()
    ends[:-1] |= line[1:] != line[:-1]
    last = np.flatnonzero(ends)
    return _count(grey, line[last], np.diff(last, prepend=-1))


@lru_cache(maxsize=32)
def _lines(shape: tuple[int, int], step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels line by line in a direction, and where each line ends."""
    down, right = DIRECTIONS[step]
    y, x = (axis.ravel() for axis in np.indices(shape))
    line = x * down - y * right if down else y
    order = np.lexsort((y if down else x, line))
    ends = np.append(np.diff(line[order]) != 0, True)
    return order, ends


def _count(grey: Grey, rank: IntVector, size: IntVector) -> Sized:
    """Count things by rank and size; those of rank 0, outside the mask, do not count."""
    width = int(size.max()) + 1
    code = rank.astype(np.int64) * width + size
    if (len(grey.levels) + 1) * width <= _DENSE:
        counts = np.bincount(code)
        pairs: Int[np.ndarray, "k"] = np.flatnonzero(counts)
        count = counts[pairs]
    else:
        pairs, count = np.unique(code, return_counts=True)
    inside = pairs >= width
    pairs, count = pairs[inside], count[inside]
    level = grey.levels[pairs // width - 1]
    return Sized(level, (pairs % width).astype(np.float64), count.astype(np.float64))
