"""Names of images, and the order in which each reader sees them."""

from __future__ import annotations

from typing import Any

from retinaforge.core import rng_for
from retinaforge.tasks.reader_design import balanced_sides, reading_order, repeated_items
from retinaforge.tasks.reader_options import Options
from retinaforge.tasks.reader_tells import SIDES


def new_ids(count: int, seed: int) -> list[str]:
    """Return random names of images, different from each other."""
    rng = rng_for(seed, "ids")
    found: dict[str, None] = {}
    while len(found) < count:
        found[rng.bytes(6).hex()] = None
    return list(found)


def orders_of(
    truth: dict[str, dict[str, Any]], options: Options, seed: int
) -> dict[str, list[list[str]]]:
    """Return every reader's trials: lists of one image, or of two (left, right)."""
    items, sides = _items(truth, options.design, seed)
    count = min(round(options.repeats * len(items)), len(items) // 2)
    repeats = repeated_items(sides, count, rng_for(seed, "repeats"))
    found = {}
    for k in range(options.readers):
        rng = rng_for(seed, "order", k)
        order = reading_order(len(items), repeats, rng)
        trials = [list(items[item]) for item in order]
        if options.design == "2afc":
            # Pairs stand as (real, synthetic): mirrored in half of the trials.
            flip = balanced_sides(len(trials), rng)
            trials = [t[::-1] if f else t for t, f in zip(trials, flip, strict=True)]
        found[f"R{k + 1}"] = trials
    return found


def _items(
    truth: dict[str, dict[str, Any]], design: str, seed: int
) -> tuple[list[tuple[str, ...]], list[str]]:
    if design != "2afc":
        return [(name,) for name in truth], [row["kind"] for row in truth.values()]
    rng, strata = rng_for(seed, "pairs"), sorted({row["stratum"] for row in truth.values()})
    pairs: list[tuple[str, ...]] = []
    for stratum in strata:
        real, synthetic = (
            [n for n, row in truth.items() if (row["kind"], row["stratum"]) == (side, stratum)]
            for side in SIDES
        )
        order = rng.permutation(len(synthetic))
        pairs += [(r, synthetic[int(k)]) for r, k in zip(real, order, strict=True)]
    return pairs, ["pair"] * len(pairs)
