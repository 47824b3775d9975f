"""What the surroundings of a junction look like, whichever way the picture is turned.

For a junction at j and vessel samples at j + rho (cos phi, sin phi), with phi counted from one of
its arms,

    d[q, k] = sum over samples of w_q(log rho) exp(-i k phi) / rho     q: ring, k = 0 ... K

which is the Fourier series of the vessels' length on each ring. Turning the picture turns phases
(exp(i k alpha)), a mirror conjugates, another size moves the rings: so all variants of a query
cost little, and the references need but one, from their longest arm.

References: shape contexts, Belongie, Malik and Puzicha, IEEE TPAMI 24(4), 2002.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from retinaforge.audits.patterns import Pattern

RINGS = 0.05 * 1.45 ** np.arange(6)
"""Middles of the rings, in radii of the field of view: 0.05 to 0.32."""

ORDERS = 6
ZERO_ORDER = 0.35
"""Weight of the rings' whole length, which is much the same round every junction."""

SIZES = (0.64, 0.8, 1.0, 1.25, 1.56)
"""Sizes of a query, over the reference's, that are tried; the rings' width spans the gaps."""

MOST = 48
"""Junctions kept of a pattern: those with most vessel round them."""

WIDTH = len(RINGS) * (2 * ORDERS + 1)


def chosen(pattern: Pattern) -> Int[np.ndarray, "k"]:
    """Return the junctions that are used: those with most vessel round them."""
    if len(pattern.junctions) <= MOST:
        return np.arange(len(pattern.junctions))
    near = _offsets(pattern, np.arange(len(pattern.junctions)))[0] < RINGS[-1]
    return np.sort(np.argsort(-near.sum(axis=1), kind="stable")[:MOST])


def reference_descriptors(pattern: Pattern) -> Float[np.ndarray, "k d"]:
    """Return one descriptor for each chosen junction, from its longest arm."""
    picked = chosen(pattern)
    series = _series(pattern, picked, size=1.0)
    return _as_vectors(_turned(series, pattern.arms[picked, 0]))


def query_descriptors(pattern: Pattern) -> Float[np.ndarray, "s a k d"]:
    """Return descriptors for every size and arm of each chosen junction; 0 where no arm is."""
    picked = chosen(pattern)
    found = np.zeros((len(SIZES), pattern.arms.shape[1], len(picked), WIDTH), np.float32)
    for s, size in enumerate(SIZES):
        series = _series(pattern, picked, size=size)
        for a in range(pattern.arms.shape[1]):
            angle = pattern.arms[picked, a]
            known = np.isfinite(angle)
            found[s, a, known] = _as_vectors(_turned(series[known], angle[known]))
    return found


def mirror_descriptors(found: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... d"]:
    """Return what the same junctions give in a mirror."""
    signs = np.ones((2 * ORDERS + 1, len(RINGS)), np.float32)
    signs[ORDERS + 1 :] = -1
    return found * signs.reshape(-1)


def _offsets(pattern: Pattern, picked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return distance and direction of all samples from each junction."""
    away = pattern.points[None] - pattern.junctions[picked, None]
    return np.hypot(away[..., 0], away[..., 1]), np.arctan2(away[..., 1], away[..., 0])


def _series(pattern: Pattern, picked: np.ndarray, *, size: float) -> np.ndarray:
    """Return Fourier series of all rings, shape (junctions, orders + 1, rings)."""
    rho, phi = _offsets(pattern, picked)
    rho = np.maximum(rho / size, 1e-3)
    step = np.log(RINGS[1] / RINGS[0])
    off = np.abs(np.log(rho)[:, None] - np.log(RINGS)[:, None]) / step
    weight = np.maximum(1 - off, 0) / np.sqrt(rho)[:, None]
    waves = np.exp(-1j * np.arange(ORDERS + 1)[:, None] * phi[:, None]).astype(np.complex64)
    return np.matmul(waves, weight.astype(np.complex64).transpose(0, 2, 1))


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
