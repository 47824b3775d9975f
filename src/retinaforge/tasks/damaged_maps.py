"""Spoil true maps of arteries and veins as networks and people do, for a refinement to mend.

Names are swapped along stretches of single vessels, names and vessels are wiped out in spots, and
what is left is blurred and made less sure.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

Maps = Float[np.ndarray, "3 height width"]
SWAPS_PER_MPX, WIPES_PER_MPX = 150.0, 150.0
SWAP_RADIUS_PX, WIPE_RADIUS_PX = (6.0, 70.0), (2.0, 12.0)
AROUND = np.ones((3, 3), bool)


def _spot(
    at: np.ndarray, radii_px: tuple[float, float], shape: tuple[int, ...], rng: np.random.Generator
) -> Bool[np.ndarray, "height width"]:
    """Return a disc of a random radius round a pixel."""
    radius = math.exp(rng.uniform(*np.log(radii_px)))
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - at[0]) ** 2 + (columns - at[1]) ** 2 <= radius**2


def swap_names(maps: Maps, rng: np.random.Generator) -> Maps:
    """Call stretches of arteries veins, and of veins arteries; other vessels nearby keep theirs."""
    swapped, shape = maps.copy(), maps.shape[1:]
    for kind in (0, 1):
        only = (maps[kind] > 0.5) & (maps[1 - kind] <= 0.5)
        places = np.argwhere(only)
        pieces, _ = ndimage.label(only, AROUND)
        count = rng.poisson(SWAPS_PER_MPX / 2 * maps[0].size / 1e6) if len(places) else 0
        for at in places[rng.integers(len(places), size=count)]:
            part = _spot(at, SWAP_RADIUS_PX, shape, rng) & (pieces == pieces[tuple(at)])
            swapped[:2, part] = maps[1::-1, part]
    return swapped


def wipe(maps: Maps, rng: np.random.Generator) -> Maps:
    """Take the names from spots, and from half of these the vessel too."""
    left, places = maps.copy(), np.argwhere(maps[2] > 0.5)
    count = rng.poisson(WIPES_PER_MPX * maps[0].size / 1e6) if len(places) else 0
    for at in places[rng.integers(len(places), size=count)]:
        gone = _spot(at, WIPE_RADIUS_PX, maps.shape[1:], rng)
        left[: rng.choice([2, 3]), gone] = 0
    return left


def soften(maps: Maps, rng: np.random.Generator) -> Maps:
    """Blur maps, mix the two names and scale all."""
    sigma_px, doubt, sureness = rng.uniform(0, 1.2), rng.uniform(0, 0.3), rng.uniform(0.7, 1)
    soft = ndimage.gaussian_filter(maps, (0, sigma_px, sigma_px))
    soft[:2] = (1 - doubt) * soft[:2] + doubt * soft[1::-1]
    return soft * sureness


def damage_maps(maps: Maps, rng: np.random.Generator) -> Maps:
    """Return maps of artery, vein and vessel as a bad judge would draw them.

    Args:
        maps: the truth, in [0, 1].
        rng: decides everything.

    Returns:
        Maps of the same shape in [0, 1].
    """
    return soften(wipe(swap_names(maps, rng), rng), rng)
