"""Maps of one vessel pattern onto another: similarity, mirror, and a gentle bend.

    T(u) = A u + b + B (x^2, x y, y^2)        u = (x, y); B = 0 for a similarity or affine map

References: quadratic maps between photographs of one retina, Can, Stewart, Roysam and Tanenbaum,
IEEE TPAMI 24(3), 2002; similarity of least squares, Umeyama, IEEE TPAMI 13(4), 1991.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

UNDO_ROUNDS = 4


@dataclass(frozen=True)
class Transform:
    """Map a query's coordinates to a reference's, both in radii of their fields of view.

    Attributes:
        matrix: A, shape (2, 2); its determinant is negative where the query is mirrored.
        shift: b, shape (2,).
        bend: B, shape (2, 3).
    """

    matrix: Float[np.ndarray, "2 2"]
    shift: Float[np.ndarray, "2"]
    bend: Float[np.ndarray, "2 3"]

    def carry(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Return points of the query in the reference's coordinates."""
        return points @ self.matrix.T + self.shift + _squares(points) @ self.bend.T

    def undo(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Return points of the reference in the query's coordinates (fixed point)."""
        inverse = np.linalg.inv(self.matrix).T
        found = (points - self.shift) @ inverse
        for _ in range(UNDO_ROUNDS if self.bend.any() else 0):
            # Far outside, where a bend has no inverse, points must not run away.
            found = (points - self.shift - _squares(np.clip(found, -2, 2)) @ self.bend.T) @ inverse
        return found

    def turn(
        self, points: Float[np.ndarray, "n 2"], directions: Float[np.ndarray, "n"]
    ) -> Float[np.ndarray, "n"]:
        """Return directions at points of the query in the reference's frame, modulo pi."""
        x, y = points.T
        along_x = self.matrix[:, :1] + self.bend[:, :1] * 2 * x + self.bend[:, 1:2] * y
        along_y = self.matrix[:, 1:] + self.bend[:, 1:2] * x + self.bend[:, 2:] * 2 * y
        dx, dy = along_x * np.cos(directions) + along_y * np.sin(directions)
        return np.mod(np.arctan2(dy, dx), np.pi)

    @property
    def mirrored(self) -> bool:
        """Return whether the query had to be mirrored."""
        return bool(np.linalg.det(self.matrix) < 0)

    @property
    def size(self) -> float:
        """Return how much larger the query is in the reference's frame."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))


def similarity(turn: complex, shift: complex, *, mirror: bool) -> Transform:
    """Return z -> turn z + shift, of the mirrored point where `mirror`."""
    matrix = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    if mirror:
        matrix = matrix @ np.diag([-1.0, 1.0])
    return Transform(matrix, np.array([shift.real, shift.imag]), np.zeros((2, 3)))


def similarity_between(
    source: Float[np.ndarray, "n 2"], target: Float[np.ndarray, "n 2"], *, mirror: bool
) -> Transform:
    """Return the similarity of least squares: s = sum(conj(p) q) / sum(|p|^2), centred."""
    p, q = (source * [-1.0 if mirror else 1.0, 1.0]) @ [1, 1j], target @ [1, 1j]
    p0, q0 = p.mean(), q.mean()
    s = np.vdot(p - p0, q - q0) / max(np.vdot(p - p0, p - p0).real, 1e-12)
    return similarity(s, q0 - s * p0, mirror=mirror)


def bent(
    before: Transform, source: Float[np.ndarray, "n 2"], target: Float[np.ndarray, "n 2"],
    *, held: float,
) -> Transform:  # fmt: skip
    """Return the map before, changed by the quadratic map that takes source nearer to target.

    Args:
        before: where the change begins.
        source: points of the query.
        target: where each of them should go.
        held: ridge on the change's bend, in shares of the number of points; a tenth of it on
            its linear part, none on its shift.
    """
    centre = source.mean(axis=0)
    p = source - centre
    design = np.concatenate([p, np.ones((len(p), 1)), _squares(p)], axis=1)
    ridge = held * len(source) * np.array([0.1, 0.1, 0.0, 1.0, 1.0, 1.0])
    normal = design.T @ design + np.diag(ridge)
    change = np.linalg.solve(normal, design.T @ (target - before.carry(source))).T
    linear, constant, bend = change[:, :2], change[:, 2], change[:, 3:]
    # The change is written about `centre`: B s(u - c) = B s(u) - B d(c) u + B s(c).
    x, y = centre
    slope = np.array([[2 * x, 0.0], [y, x], [0.0, 2 * y]])
    matrix = before.matrix + linear - bend @ slope
    shift = before.shift + constant - linear @ centre + bend @ _squares(centre[None])[0]
    return Transform(matrix, shift, before.bend + bend)


def _squares(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 3"]:
    x, y = points.T
    return np.stack([x * x, x * y, y * y], axis=1)
