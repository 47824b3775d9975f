"""Scores that the sanity panel asks besides those of two sets: copies, and pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from retinaforge.audits.copies import shipped_calibration
from retinaforge.audits.gallery import Gallery
from retinaforge.validation.copying import COPIED_CARD, pattern_of_arrays
from retinaforge.validation.eye import Measured
from retinaforge.validation.paired import paired_cards
from retinaforge.validation.trackers import WORSE, Tracked
from retinaforge.validation.wounds import RESAVED, Found, Pairing

ShareCopied = Callable[[Sequence[int], Sequence[int]], float]


def copied_of(whole: Sequence[Measured]) -> tuple[Tracked, ShareCopied]:
    """Return the score, and what tells the share of images shown that copy a reference.

    Each image is laid over its nearest other once; an image is always a copy of itself.
    """
    threshold = shipped_calibration().threshold
    gallery = Gallery([pattern_of_arrays(m.arrays) for m in whole])
    alike: list[set[int]] = []
    for k, m in enumerate(whole):
        near = gallery.nearest(pattern_of_arrays(m.arrays), without=[k])
        known = near is not None and near.likeness.score >= threshold
        alike.append({k, near.reference} if near is not None and known else {k})

    def share(references: Sequence[int], shown: Sequence[int]) -> float:
        there = set(references)
        return float(np.mean([bool(alike[k] & there) for k in shown]))

    return Tracked("copies: copied", "copies", WORSE[COPIED_CARD.direction]), share


def pair_floor(found: Found, pairing: Pairing) -> dict[Tracked, list[float]]:
    """Return the mean of every paired score where photographs were only saved again as JPEG."""
    return {score: [value] for score, value in pair_means(found, RESAVED, 0, pairing).items()}


def pair_means(found: Found, kind: str, level: int, pairing: Pairing) -> dict[Tracked, float]:
    """Return the mean of every paired score over the images with one damage at one level."""
    rows = [m.row["paired"] for (_, *of), m in found.items() if of == [kind, level]]
    cards = paired_cards(lpips=pairing.lpips)
    scores = [Tracked(f"paired: {card.name}", "paired", WORSE[card.direction]) for card in cards]
    values = [[row.get(card.name, math.nan) for row in rows] for card in cards]
    return {
        score: float(np.nanmean(known))
        for score, known in zip(scores, values, strict=True)
        if np.isfinite(known).any()
    }
