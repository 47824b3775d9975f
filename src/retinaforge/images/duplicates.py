"""Find photographs that stand in a data set twice, before it is split.

A perceptual hash (the signs of the low frequencies [1]) of the normalised green channel proposes
pairs; a pair is a duplicate when the copies, 128 px wide, high-passed and normalised to mean 0 and
variance 1 inside both fields of view, correlate:

    r = sum(a b) / sqrt(sum(a^2) sum(b^2)) >= 0.8

Different eyes share disc, vignetting and macula at most, and the high-pass takes these away.

References: [1] Zauner, Implementation and benchmarking of perceptual image hash functions, 2010.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import imagehash
import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from scipy import ndimage

from retinaforge.core import Fov, Photograph, Record
from retinaforge.images.fov import find_fov
from retinaforge.images.geometry import normalise
from retinaforge.images.reading import UnreadableImage, read_photograph

_SIDE_PX = 128
_HASH_SIDE = 16
_MOST_BITS = 72  # of 256 may differ for a pair to be looked at
_LEAST_CORRELATION = 0.8
_BLOCK = 512


@dataclass(frozen=True)
class Signature:
    """What is kept of a photograph to find its copies.

    Attributes:
        bits: perceptual hash, packed, 32 bytes.
        detail: high-passed green channel of the normalised photograph, 0 outside the FOV.
        inside: the field of view of that.
    """

    bits: UInt8[np.ndarray, "bytes"]
    detail: Float[np.ndarray, "side side"]
    inside: Bool[np.ndarray, "side side"]


@dataclass(frozen=True)
class DuplicatePair:
    """Two records that show the same photograph.

    Attributes:
        first, second: names of the records.
        correlation: of their details, -1 to 1.
        crosses_patients: they stand under different patients.
        crosses_splits: they stand in different splits, which leaks; False where one has none.
    """

    first: str
    second: str
    correlation: float
    crosses_patients: bool
    crosses_splits: bool


def find_duplicates(
    records: Sequence[Record],
    *,
    signatures: Mapping[str, Signature] | None = None,
    least_correlation: float = _LEAST_CORRELATION,
) -> list[DuplicatePair]:
    """Find pairs of records that show the same photograph, at whatever size or compression.

    Args:
        records: from `read_records`; unreadable files are passed over.
        signatures: by record name, where they were already computed; else files are read here.
        least_correlation: 0 to 1, above which a proposed pair counts.

    Returns:
        Pairs, the most alike first.
    """
    if signatures is None:
        signatures = dict(_signatures(records))
    known = [record for record in records if record.name in signatures]
    pairs = []
    for i, j in _proposed(np.array([signatures[record.name].bits for record in known])):
        first, second = known[i], known[j]
        r = _correlation(signatures[first.name], signatures[second.name])
        if r >= least_correlation:
            pairs.append(_pair(first, second, r))
    return sorted(pairs, key=lambda pair: (-pair.correlation, pair.first, pair.second))


def signature_of(photo: Photograph, fov: Fov) -> Signature:
    """Return the signature of a photograph."""
    small = normalise(photo, fov, size_px=_SIDE_PX)
    green = small.photograph.pixels[..., 1].astype(np.float32)
    inside = small.fov.mask
    low = ndimage.gaussian_filter(green * inside, 6)
    share = ndimage.gaussian_filter(inside.astype(np.float32), 6)
    core = ndimage.binary_erosion(inside, iterations=4, border_value=0)
    detail = np.where(core, green - low / np.maximum(share, 1e-3), 0)
    scaled = np.clip(128 + 3 * detail, 0, 255).astype(np.uint8)
    bits = imagehash.phash(Image.fromarray(scaled), hash_size=_HASH_SIDE).hash
    return Signature(np.packbits(bits.ravel()), detail.astype(np.float32), core)


def _signatures(records: Sequence[Record]) -> Iterator[tuple[str, Signature]]:
    for record in records:
        try:
            photo = read_photograph(record.path)
        except UnreadableImage:
            continue
        yield record.name, signature_of(photo, find_fov(photo))


def _proposed(bits: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield pairs i < j whose hashes differ in few bits."""
    for start in range(0, len(bits), _BLOCK):
        block = bits[start : start + _BLOCK, None]
        for other in range(start, len(bits), _BLOCK):
            differing = np.bitwise_xor(block, bits[None, other : other + _BLOCK])
            distance = np.unpackbits(differing, axis=2).sum(axis=2, dtype=np.int32)
            for i, j in np.argwhere(distance <= _MOST_BITS):
                if start + i < other + j:
                    yield int(start + i), int(other + j)


def _correlation(first: Signature, second: Signature) -> float:
    """Return the best r over shifts of up to 2 px, as two fields of view never fit quite alike."""
    shifts = ((dy, dx) for dy in range(-2, 3) for dx in range(-2, 3))
    return max(_correlation_at(first, second, shift) for shift in shifts)


def _correlation_at(first: Signature, second: Signature, shift: tuple[int, int]) -> float:
    """Return r inside both fields of view; 0 where they hardly overlap or hold no detail."""
    both = first.inside & np.roll(second.inside, shift, (0, 1))
    if both.mean() < 0.2:
        return 0.0
    a, b = first.detail[both], np.roll(second.detail, shift, (0, 1))[both]
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return float(np.sum(a * b)) / norm if norm > 0 else 0.0


def _pair(first: Record, second: Record, r: float) -> DuplicatePair:
    decided = first.split is not None and second.split is not None
    return DuplicatePair(
        first.name,
        second.name,
        round(r, 4),
        first.patient != second.patient,
        decided and first.split != second.split,
    )
