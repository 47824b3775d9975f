"""Random weights in published key layouts, the same anywhere for the same seed, and one image."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


def random_weights(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """Return arrays that keep a network's signal alive: each drawn by its own name."""
    return {k: torch.from_numpy(np.asarray(_drawn(k, shape, seed))) for k, shape in shapes.items()}


def _drawn(key: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, zlib.crc32(key.encode())])
    if key.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    drawn = rng.standard_normal(shape, dtype=np.float32)
    if len(shape) >= 2:
        return drawn * np.float32(np.sqrt(2 / np.prod(shape[1:])))
    return drawn * np.float32(0.1) + np.float32(key.endswith("weight") and "bn" in key)


def noise_image(seed: int, side: int) -> np.ndarray:
    """Return coloured noise of several scales, uint8, shape (side, side, 3)."""
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side, 3))
    for cells in (4, 16, 64, side):
        patch = rng.normal(size=(cells, cells, 3))
        index = np.arange(side) * cells // side
        total += patch[np.ix_(index, index)]
    return np.clip(128 + 30 * total, 0, 255).astype(np.uint8)


def transformer_weights(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """Return `random_weights` with norms near 1, so that every block moves the signal."""
    drawn = random_weights(shapes, seed)
    for key, shape in shapes.items():
        if len(shape) == 1 and key.endswith(".weight"):
            drawn[key] += 1
    return drawn
