"""What the surroundings of a junction look like, whichever way the picture is turned.

For a junction at j and vessel samples at j + rho (cos phi, sin phi), with phi counted from one of
its arms,

    d[q, k] = sum over samples of w_q(log rho) exp(-i k phi) / sqrt(rho)     q: ring, k = 0 ... K

which is the Fourier series of the vessels' length on each ring. Turning the picture turns phases
(exp(i k alpha)), a mirror conjugates, another size moves the rings. Rings and sizes stand on one
ladder of half steps, so that one series on all its rungs holds every size, and all variants of a
query cost little more than one; the references need but one, from their longest arm.

References: shape contexts, Belongie, Malik and Puzicha, IEEE TPAMI 24(4), 2002.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Float, Int

from retinaforge.audits.patterns import Pattern

STEP = 1.45
FIRST = 0.05
RINGS = FIRST * STEP ** np.arange(6)
"""Middles of the rings, in radii of the field of view: 0.05 to 0.32."""

ORDERS = 6
ZERO_ORDER = 0.35
"""Weight of the rings' whole length, which is much the same round every junction."""

HALF_STEPS = (-2, -1, 0, 1, 2)
SIZES = tuple(float(STEP ** (h / 2)) for h in HALF_STEPS)
"""Sizes of a query, over the reference's, that are tried: 0.69 to 1.45; rings span the gaps."""

MOST = 48
"""Junctions kept of a pattern: those with most vessel round them."""

WIDTH = len(RINGS) * (2 * ORDERS + 1)
_LOWEST = min(HALF_STEPS)
_RUNGS = np.arange(_LOWEST, 2 * (len(RINGS) - 1) + max(HALF_STEPS) + 1)


@dataclass(frozen=True)
class Surroundings:
    """The junctions of a pattern that are used, and what lies round each.

    Attributes:
        where: shape (k, 2), radii of the field of view.
        arms: directions in which their arms leave, radians, the longest first; NaN: none.
        series: Fourier series on every rung, shape (k, orders + 1, rungs).
    """

    where: Float[np.ndarray, "k 2"]
    arms: Float[np.ndarray, "k a"]
    series: Complex64[np.ndarray, "k o r"]


def surroundings_of(pattern: Pattern) -> Surroundings:
    """Return the junctions with most vessel round them, and their Fourier series."""
    picked = _chosen(pattern)
    where = pattern.junctions[picked]
    series = _series(pattern.points[None] - where[:, None])
    return Surroundings(where.astype(float), pattern.arms[picked].astype(float), series)


def reference_descriptors(found: Surroundings) -> Float[np.ndarray, "k d"]:
    """Return one descriptor for each junction, from its longest arm."""
    return _as_vectors(_turned(_rings(found, 0), found.arms[:, 0]))


def query_descriptors(found: Surroundings) -> Float[np.ndarray, "s a k d"]:
    """Return descriptors for every size and arm of each junction; 0 where no arm is."""
    k, arms = found.arms.shape
    vectors = np.zeros((len(SIZES), arms, k, WIDTH), np.float32)
    for a, angle in enumerate(found.arms.T):
        known = np.isfinite(angle)
        for s, half_step in enumerate(HALF_STEPS):
            rings = _rings(found, half_step)[known]
            vectors[s, a, known] = _as_vectors(_turned(rings, angle[known]))
    return vectors


def mirror_descriptors(found: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... d"]:
    """Return what the same junctions give in a mirror."""
    signs = np.ones((2 * ORDERS + 1, len(RINGS)), np.float32)
    signs[ORDERS + 1 :] = -1
    return found * signs.reshape(-1)


def _chosen(pattern: Pattern) -> Int[np.ndarray, "k"]:
    if len(pattern.junctions) <= MOST:
        return np.arange(len(pattern.junctions))
    x, y = (pattern.points[:, k] - pattern.junctions[:, k, None] for k in (0, 1))
    near = x * x + y * y < RINGS[-1] ** 2
    return np.sort(np.argsort(-near.sum(axis=1), kind="stable")[:MOST])


def _rings(found: Surroundings, half_step: int) -> Complex64[np.ndarray, "k o q"]:
    """Return the series on the rings of a query so many half steps larger."""
    first = half_step - _LOWEST
    return found.series[..., first : first + 2 * len(RINGS) - 1 : 2]


def _series(away: Float[np.ndarray, "k n 2"]) -> Complex64[np.ndarray, "k o r"]:
    """Return the Fourier series of samples so far away from each junction, on every rung."""
    x, y = away[..., 0].astype(np.float32), away[..., 1].astype(np.float32)
    rho = np.maximum(np.hypot(x, y), np.float32(1e-3))
    rung = np.log(rho / np.float32(FIRST)) * np.float32(2 / np.log(STEP))
    weight = np.abs(rung[..., None] - _RUNGS.astype(np.float32))
    weight = np.maximum(1 - weight / 2, 0) / np.sqrt(rho)[..., None]
    once = ((x - 1j * y) / rho).astype(np.complex64)
    waves: np.ndarray = np.empty((len(x), ORDERS + 1, x.shape[1]), np.complex64)
    waves[:, 0] = 1
    for k in range(ORDERS):
        waves[:, k + 1] = waves[:, k] * once
    return (np.real(waves) @ weight + 1j * (np.imag(waves) @ weight)).astype(np.complex64)


def _turned(series: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return the series with directions counted from an angle."""
    return series * np.exp(1j * np.arange(ORDERS + 1) * angle[:, None])[..., None]


def _as_vectors(series: np.ndarray) -> Float[np.ndarray, "k d"]:
    """Return unit vectors: order 0, cosines, sines."""
    weighted = np.concatenate(
        [ZERO_ORDER * series[:, :1].real, series[:, 1:].real, series[:, 1:].imag], axis=1
    ).reshape(len(series), WIDTH)
    norm = np.linalg.norm(weighted, axis=1, keepdims=True)
    return (weighted / np.maximum(norm, 1e-9)).astype(np.float32)
