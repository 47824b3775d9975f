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
from retinaforge.metrics import IMAGE_METRICS, mean_score
from retinaforge.tasks.lpips import lpips_quantity
from retinaforge.validation.eye import Measured, Settings, prepared, vessel_mask
from retinaforge.validation.jobs import Job
from retinaforge.vessels import compare_vessels

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
    inside = one.fov.mask
    pixels = np.where(inside[..., None], other.photograph.pixels, np.uint8(0))
    for metric in IMAGE_METRICS:
        yield metric.compare(pixels, one.photograph.pixels, inside)
    if lpips:
        yield lpips_quantity(pixels, one.photograph.pixels, inside, encoder=lpips)
    drawn = [vessel_mask(m.arrays, settings.size_px) & inside for m in (synthetic, real)]
    yield from compare_vessels(drawn[0], drawn[1], inside)
