"""Names along the tree: the exact minimum, whole vessels, and what evidence may overturn."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from retinaforge.core import Fov
from retinaforge.vessels.naming import most_likely, name_along_tree


def cost(names: np.ndarray, evidence: np.ndarray, parent: np.ndarray, switch: np.ndarray) -> float:
    s = np.where(names, 1, -1)
    changed = [p >= 0 and names[i] != names[p] for i, p in enumerate(parent)]
    return float(-(evidence * s).sum() / 2 + (switch * np.array(changed)).sum())


@pytest.mark.parametrize("seed", range(8))
def test_two_passes_find_the_minimum_that_trying_all_names_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 9
    parent = np.array([-1, *(rng.integers(-1, i) for i in range(1, count))])
    evidence, switch = rng.normal(0, 3, count), rng.uniform(0.2, 4, count)
    found = most_likely(evidence, parent, switch)
    best = min(
        cost(np.array(names), evidence, parent, switch)
        for names in product([False, True], repeat=count)
    )
    assert cost(found, evidence, parent, switch) == pytest.approx(best)


def test_a_chain_of_a_hundred_thousand_pieces_needs_no_stack() -> None:
    count = 100_000
    evidence = np.full(count, -0.1)
    evidence[0] = 1e6
    parent = np.arange(-1, count - 1)
    assert most_likely(evidence, parent, np.full(count, np.inf)).all()


def vessels_of(size: int = 256) -> tuple[np.ndarray, Fov]:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    fov = Fov(np.hypot(x, y) < 0.48 * size, ((size - 1) / 2,) * 2, 0.48 * size, "circle")
    upper, lower = np.abs(y + 40) < 3, np.abs(y - 40) < 3
    return (upper | lower) & fov.mask, fov


def test_a_stretch_of_wrong_evidence_follows_its_vessel() -> None:
    vessels, fov = vessels_of()
    rows = np.mgrid[:256, :256][0]
    evidence = np.where(rows < 128, 2.0, -2.0)
    wrong = evidence.copy()
    wrong[:, 100:118] *= -1
    artery = name_along_tree(wrong, vessels, fov)
    assert np.array_equal(artery, vessels & (evidence > 0))
    assert not (artery & ~vessels).any()


def test_mirrored_and_turned_vessels_get_the_same_names() -> None:
    vessels, fov = vessels_of()
    rng = np.random.default_rng(0)
    evidence = np.repeat(np.repeat(rng.normal(0, 2, (16, 16)), 16, 0), 16, 1)
    artery = name_along_tree(evidence, vessels, fov)
    turned = name_along_tree(np.rot90(evidence).copy(), np.rot90(vessels).copy(), fov)
    assert (np.rot90(turned, -1) != artery)[vessels].mean() < 0.02


def test_a_vessel_that_leaves_no_tree_is_named_by_its_pixels() -> None:
    vessels, fov = vessels_of()
    dot = np.zeros_like(vessels)
    dot[120:122, 120:122] = True
    evidence = np.ones(vessels.shape)
    assert np.array_equal(name_along_tree(evidence, dot, fov), dot)
    nothing = np.zeros_like(vessels)
    assert not name_along_tree(evidence, nothing, fov).any()
