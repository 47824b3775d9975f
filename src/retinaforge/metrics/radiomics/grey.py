"""Grey levels: a channel cut to its mask and divided into bins of fixed width.

level = floor(x / width) - floor(min / width) + 1, so that bin edges are multiples of the width.
A value that rounding left a billionth of a bin below an edge counts as on it: else the zeros that
a filter makes of a flat region would fall into two bins by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

Channel = Float[np.ndarray, "height width"]
Region = Bool[np.ndarray, "height width"]
Levels = Int[np.ndarray, "_ _"]
OtherSize = Float[np.ndarray, "_ _"]
OtherRegion = Bool[np.ndarray, "_ _"]
Vector = Float[np.ndarray, "_"]
IntVector = Int[np.ndarray, "_"]
_EDGE = 1e-9


@dataclass(frozen=True)
class Grey:
    """A channel's grey levels inside a mask.

    Only levels that occur are kept: `ranks` number them from 1, and 0 is outside the mask.

    Attributes:
        values: intensities inside the mask, in raster order.
        ranks: shape (height, width) of the mask's bounding box.
        levels: the level of each rank; `levels[rank - 1]`.
        counts: pixels of each rank.
        highest: the highest level.
    """

    values: Vector
    ranks: Levels
    levels: Vector
    counts: Vector
    highest: int

    @cached_property
    def padded(self) -> Levels:
        """Return the ranks in a frame of zeros, one pixel wide."""
        return np.pad(self.ranks, 1)

    @cached_property
    def codes(self) -> tuple[Levels, Levels]:
        """Return `padded` times the number of ranks and one, and `padded`, as array indices."""
        wide = self.padded.astype(np.intp)
        return wide * (len(self.levels) + 1), wide


def grey_levels(channel: Channel, mask: Region, *, bin_width: float) -> Grey:
    """Return the grey levels of a channel inside a mask.

    Args:
        channel: intensities, any unit.
        mask: True where it counts; at least one pixel.
        bin_width: width of a level, in the channel's unit.

    Returns:
        Levels and intensities, cut to the bounding box of the mask.

    References:
        PyRadiomics 3.1, imageoperations.getBinEdges (not IBSI's rule, which starts at the minimum).
    """
    box = bounding_box(mask)
    inside, values = mask[box], channel[mask].astype(np.float64)
    binned = np.floor(values / bin_width + _EDGE).astype(np.int64)
    binned -= binned.min()
    counts = np.bincount(binned)
    present = np.flatnonzero(counts)
    # Small numbers: most of the time of these features is spent moving ranks through memory.
    kind = np.int16 if len(present) < np.iinfo(np.int16).max else np.int32
    rank_of = np.zeros(len(counts), dtype=kind)
    rank_of[present] = np.arange(1, len(present) + 1)
    ranks = np.zeros(inside.shape, dtype=kind)
    ranks[inside] = rank_of[binned]
    levels = (present + 1).astype(np.float64)
    return Grey(values, ranks, levels, counts[present].astype(np.float64), int(levels[-1]))


def bounding_box(mask: Region) -> tuple[slice, slice]:
    """Return the rows and columns between which a mask lies.

    Args:
        mask: with at least one pixel.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def entropy(probabilities: np.ndarray) -> float:
    """Return -sum p log2(p + eps), in bits.

    Args:
        probabilities: that sum to 1.
    """
    return -float(np.sum(probabilities * np.log2(probabilities + np.spacing(1.0))))
