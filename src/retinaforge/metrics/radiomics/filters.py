"""What FRD v1 does to a channel before it measures: normalise, halve, split by a wavelet."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from retinaforge.metrics.radiomics.grey import (
    Channel,
    OtherRegion,
    OtherSize,
    Region,
    Vector,
    bounding_box,
)

# Pixels of the halved grid kept around the mask, for the wavelet.
MARGIN = 10
SCALE = 100.0
# A cubic B-spline halfway between two knots.
_HALFWAY = np.array([1.0, 23.0, 23.0, 1.0]) / 48.0

_ROOT = np.sqrt(7.0)
# Coiflet with two vanishing moments and six taps (Daubechies, Ten Lectures, 1992, table 8.1).
LOW = np.array([_ROOT - 3, 1 - _ROOT, 14 - 2 * _ROOT, 14 + 2 * _ROOT, 5 + _ROOT, 1 - _ROOT]) / (
    16 * np.sqrt(2.0)
)
HIGH = LOW[::-1] * np.array([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0])


def normalised(channel: Channel) -> Channel:
    """Return 100 (x - mean) / standard deviation over the whole frame, not only the mask.

    Args:
        channel: any unit; not flat.
    """
    values = channel.astype(np.float64)
    return (values - values.mean()) * (SCALE / values.std(ddof=1))


def halved(channel: Channel, mask: Region) -> tuple[OtherSize, OtherRegion]:
    """Return channel and mask at half the resolution, cut to the mask and a margin of 10 px.

    New pixels lie halfway between two knots of a cubic B-spline, at 2k + 1/2; the mask is read at
    2k + 1. An odd last row or column falls outside: 0 in the channel, not in the mask. ITK rounds
    its columns, and where 2k + 1/2 comes out a little short it reads the mask at 2k; so do we,
    since frd-score counts those pixels.

    Args:
        channel: any unit.
        mask: of the same size, with at least one pixel.

    References:
        PyRadiomics 3.1, imageoperations.resampleImage with spacing 2 on images of spacing 1; ITK 5,
        itkResampleImageFilter.hxx, LinearThreadedGenerateData.
    """
    height, width = mask.shape
    rows, columns = (_span(box, n) for box, n in zip(bounding_box(mask), mask.shape, strict=True))
    small = np.ascontiguousarray(_half(channel)[:, columns].T)
    small = np.ascontiguousarray(_half(small)[:, rows].T)
    x, y = _columns(columns), 2 * np.arange(rows.start, rows.stop) + 1
    inside = (y < height)[:, None] & (x < width - 0.5)
    nearest = np.minimum(np.floor(x + 0.5).astype(np.int64), width - 1)
    read = mask[np.minimum(y, height - 1)[:, None], nearest]
    return np.where(inside, small, 0.0), read & inside


def wavelet(channel: Channel) -> dict[str, Channel]:
    """Return the four undecimated bands of one level of the coif1 wavelet.

    Args:
        channel: any unit; wraps around at its edges.

    Returns:
        Bands LH, HL, HH and LL of the same size; the first letter is the filter along rows.

    References:
        PyWavelets 1.9, swt2 with coif1 at level 1, as PyRadiomics 3.1 calls it.
    """
    height, width = channel.shape
    even = np.pad(channel, [(0, size % 2) for size in channel.shape], mode="wrap")
    across = {name: _wrapped(even, taps, 1) for name, taps in (("L", LOW), ("H", HIGH))}
    down = {"L": LOW, "H": HIGH}
    return {
        name: _wrapped(across[name[0]], down[name[1]], 0)[:height, :width]
        for name in ("LH", "HL", "HH", "LL")
    }


def _wrapped(channel: OtherSize, taps: Float[np.ndarray, "taps"], axis: int) -> OtherSize:
    return ndimage.convolve1d(channel, taps, axis=axis, mode="wrap")


def _half(channel: OtherSize) -> OtherSize:
    """Halve the columns; the spline is twice as fast along rows as across them."""
    size = channel.shape[1]
    knots = ndimage.spline_filter1d(channel, 3, axis=1, mode="mirror")
    knots = np.pad(knots, [(0, 0), (1, 2)], mode="reflect")
    last = 2 * ((size + 1) // 2)
    parts = [weight * knots[:, k : k + last : 2] for k, weight in enumerate(_HALFWAY)]
    return parts[0] + parts[1] + parts[2] + parts[3]


def _columns(span: slice) -> Vector:
    """Return the new columns' places in the old ones, rounded as ITK rounds them."""
    count = span.stop - span.start
    return 2 * span.start + 0.5 + np.arange(count) / count * (2 * count)


def _span(box: slice, size: int) -> slice:
    low = np.floor((box.start - 0.5) / 2 - MARGIN)
    high = np.ceil((box.stop - 0.5) / 2 + MARGIN)
    return slice(max(int(low), 0), min(int(high), (size + 1) // 2 - 1) + 1)
