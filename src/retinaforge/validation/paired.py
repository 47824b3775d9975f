"""Pairs: each synthetic image against the photograph that it reconstructs.

Images are paired by file name up to the ending, with or without "synthetic_" before it. Pixels are
compared inside the field of view, vessels as the judge finds them on both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import numpy as np

from retinaforge.core import Card, Quantity, Refusal, Score, rng_for
from retinaforge.images.geometry import Normalised
from retinaforge.metrics import IMAGE_METRICS, mean_score
from retinaforge.tasks.lpips import lpips_card, lpips_quantity
from retinaforge.validation.eye import Measured, Settings, prepared, vessel_mask
from retinaforge.validation.jobs import Job
from retinaforge.vessels import COMPARISONS, compare_vessels

PREFIX = "synthetic_"
Pair = tuple[tuple[Job, Measured], tuple[Job, Measured]]


def pairs_of(
    real: Sequence[tuple[Job, Measured]], synthetic: Sequence[tuple[Job, Measured]]
) -> list[Pair]:
    """Return (real, synthetic) pairs of one name, in the real side's order.

    Raises:
        Refusal: expected synthetic images named like the real ones.
    """
    require_pairs([job.name for job, _ in real], [job.name for job, _ in synthetic])
    named = {stem_of(job.name): (job, m) for job, m in synthetic}
    return [(one, named[stem_of(one[0].name)]) for one in real if stem_of(one[0].name) in named]


def require_pairs(real: Sequence[str], synthetic: Sequence[str]) -> None:
    """Refuse names of which none of one side is like one of the other.

    Raises:
        Refusal: expected synthetic images named like the real ones.
    """
    if {stem_of(name) for name in real} & {stem_of(name) for name in synthetic}:
        return
    first = [side[0] if side else "none" for side in (real, synthetic)]
    raise Refusal(
        "synthetic images named like the photographs that they reconstruct",
        f"no pair, e.g. {first[0]} and {first[1]}",
        "rename them (synthetic_NAME.png is taken for NAME), or leave --paired out",
    )


def stem_of(name: str) -> str:
    """Return a file's name without folder, ending and "synthetic_"."""
    return PurePosixPath(name).stem.removeprefix(PREFIX)


def paired_scores(
    pairs: Sequence[Pair], settings: Settings, *, seed: int, lpips: str = ""
) -> tuple[list[Score], list[dict[str, float | str]]]:
    """Return the mean of every paired score with its interval over patients, and a row a pair.

    Args:
        pairs: from `pairs_of`.
        settings: the footing.
        seed: decides the resamples.
        lpips: encoder with heads, as `lpips_quantity` takes it; "" leaves LPIPS out.
    """
    rows = [list(_compared(pair, settings, lpips)) for pair in pairs]
    patients = [str(one.row["patient"]) for (_, one), _ in pairs]
    cards: dict[str, Card] = {q.card.name: q.card for q in rows[0]}
    lines = []
    for k, card in enumerate(cards.values()):
        values = np.array([row[k].value for row in rows])
        where = {"family": "paired"}
        lines.append(mean_score(card, values, patients, rng=rng_for(seed, "paired"), where=where))
    table = [
        {"name": pair[0][0].name, **{q.card.name: q.value for q in row if math.isfinite(q.value)}}
        for pair, row in zip(pairs, rows, strict=True)
    ]
    return lines, table


def _compared(pair: Pair, settings: Settings, lpips: str) -> Iterator[Quantity]:
    (real_job, real), (synthetic_job, synthetic) = pair
    one, other = prepared(real_job, settings), prepared(synthetic_job, settings)
    masks = [vessel_mask(m.arrays, settings.size_px) for m in (synthetic, real)]
    yield from compared(one, other.photograph.pixels, (masks[0], masks[1]), lpips=lpips)


def compared(
    real: Normalised, pixels: np.ndarray, vessels: tuple[np.ndarray, np.ndarray], *, lpips: str
) -> Iterator[Quantity]:
    """Yield every paired score of one image against the photograph that it should be.

    Args:
        real: the photograph on the footing.
        pixels: of the other image, uint8 (height, width, 3).
        vessels: masks (height, width) as found on the other image and on the photograph.
        lpips: encoder with heads; "" leaves LPIPS out.
    """
    inside = real.fov.mask
    shown = np.where(inside[..., None], pixels, np.uint8(0))
    for metric in IMAGE_METRICS:
        yield metric.compare(shown, real.photograph.pixels, inside)
    if lpips:
        yield lpips_quantity(shown, real.photograph.pixels, inside, encoder=lpips)
    yield from compare_vessels(vessels[0] & inside, vessels[1] & inside, inside)


def paired_cards(*, lpips: str = "") -> list[Card]:
    """Return the cards of all paired scores, in the order of `compared`."""
    drawn = [metric.card for metric in IMAGE_METRICS]
    return [*drawn, *([lpips_card(lpips)] if lpips else []), *COMPARISONS]
