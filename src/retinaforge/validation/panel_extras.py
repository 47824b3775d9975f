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


def copied_of(
    whole: Sequence[Measured], divisions: Sequence[tuple[list[int], list[int]]]
) -> tuple[Tracked, ShareCopied]:
    """Return the score, and what tells the share of images shown that copy a reference.

    Each image that the divisions show is laid over its nearest reference once; an image is always
    a copy of itself.

    Args:
        whole: all images.
        divisions: numbers of references and of what is shown beside them.
    """
    threshold = shipped_calibration().threshold
    references = sorted({k for some, _ in divisions for k in some})
    gallery = Gallery([pattern_of_arrays(whole[k].arrays) for k in references])
    alike: dict[int, int] = {}
    for k in sorted({k for _, shown in divisions for k in shown}):
        near = gallery.nearest(pattern_of_arrays(whole[k].arrays))
        if near is not None and near.likeness.score >= threshold:
            alike[k] = references[near.reference]

    def share(compared: Sequence[int], shown: Sequence[int]) -> float:
        there = set(compared)
        return float(np.mean([k in there or alike.get(k) in there for k in shown]))

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
