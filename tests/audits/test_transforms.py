"""Maps between patterns: there and back, directions, bends."""

from __future__ import annotations

import numpy as np
import pytest

from retinaforge.audits.transforms import Transform, bent, similarity, similarity_between

POINTS = np.random.default_rng(0).uniform(-0.9, 0.9, (60, 2))
GENTLE = Transform(
    np.array([[0.9, -0.2], [0.25, 1.0]]), np.array([0.1, -0.05]),
    np.array([[0.03, -0.02, 0.01], [0.0, 0.04, -0.03]]),
)  # fmt: skip


def test_undo_is_the_way_back() -> None:
    assert GENTLE.undo(GENTLE.carry(POINTS)) == pytest.approx(POINTS, abs=1e-3)


def test_directions_turn_as_short_pieces_do() -> None:
    directions = np.linspace(0, np.pi, len(POINTS), endpoint=False)
    piece = 1e-5 * np.stack([np.cos(directions), np.sin(directions)], axis=1)
    dx, dy = (GENTLE.carry(POINTS + piece) - GENTLE.carry(POINTS - piece)).T
    off = GENTLE.turn(POINTS, directions) - np.arctan2(dy, dx)
    assert np.abs(np.sin(off)).max() < 1e-6


@pytest.mark.parametrize("mirror", [False, True])
def test_a_similarity_is_found_from_its_points(mirror: bool) -> None:
    true = similarity(0.8 + 0.3j, 0.2 - 0.1j, mirror=mirror)
    found = similarity_between(POINTS, true.carry(POINTS), mirror=mirror)
    assert found.matrix == pytest.approx(true.matrix)
    assert found.shift == pytest.approx(true.shift)
    assert found.mirrored is mirror
    assert found.size == pytest.approx(abs(0.8 + 0.3j))


def test_a_bend_is_found_from_its_points() -> None:
    flat = similarity(1 + 0j, 0j, mirror=False)
    found = bent(flat, POINTS, GENTLE.carry(POINTS), held=0.0)
    assert found.carry(POINTS) == pytest.approx(GENTLE.carry(POINTS))
    assert found.bend == pytest.approx(GENTLE.bend)
    held = bent(flat, POINTS, GENTLE.carry(POINTS), held=100.0)
    assert np.abs(held.bend).max() < np.abs(GENTLE.bend).max() / 10
