"""Seeds that depend on what is drawn, never on the order in which it is drawn."""

from __future__ import annotations

import hashlib

import numpy as np


def seed_for(base: int, *parts: str | int) -> int:
    """Return a 63-bit seed for one thing (an image, an arm), from a base seed and its name.

    Args:
        base: the study's seed.
        parts: what names the thing, e.g. ("crop", "images/01.png", 3).
    """
    text = "\x1f".join([str(base), *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def rng_for(base: int, *parts: str | int) -> np.random.Generator:
    """Return NumPy's generator seeded by `seed_for`."""
    return np.random.default_rng(seed_for(base, *parts))
