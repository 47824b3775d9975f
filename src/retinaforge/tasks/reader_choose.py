"""Which images a reader study shows: as many of each side, stratum by stratum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from retinaforge.core import Record, Refusal, rng_for
from retinaforge.tasks import reader_images as pictures
from retinaforge.tasks.reader_design import candidates, shares_of
from retinaforge.tasks.reader_options import Options
from retinaforge.tasks.reader_questions import REAL, SYNTHETIC
from retinaforge.tasks.reader_tells import SIDES

Progress = Callable[[str, int, int], None]


@dataclass
class Chosen:
    """Records of one side with what was seen of them, by stratum."""

    records: list[Record] = field(default_factory=list)
    looks: list[pictures.Look] = field(default_factory=list)


MOST_UNASKED = 50
"""Images of a side where nobody said how many: more than an hour is more than a reader gives."""


def choose(
    real: Sequence[Record], synthetic: Sequence[Record], options: Options, seed: int,
    on_progress: Progress,
) -> tuple[dict[str, Chosen], list[dict[str, str]]]:  # fmt: skip
    """Return both sides in strata of equal size; what cannot be read is replaced."""
    _check_apart(real, synthetic)
    pools = {
        side: candidates(records, options.by, rng_for(seed, "choose", side))
        for side, records in ((REAL, real), (SYNTHETIC, synthetic))
    }
    counts = {side: {n: len(g) for n, g in pool.items()} for side, pool in pools.items()}
    wanted = None if options.images is None else options.images // 2
    reach = sum(min(n, counts[SYNTHETIC].get(s, 0)) for s, n in counts[REAL].items())
    if wanted is None and reach > MOST_UNASKED:
        wanted = MOST_UNASKED
    shares = shares_of(counts[REAL], counts[SYNTHETIC], wanted)
    chosen, unreadable, done = {side: Chosen() for side in SIDES}, [], 0
    for side in SIDES:
        for stratum, count in shares.items():
            waiting = iter(pools[side][stratum])
            for _ in range(count):
                done += 1
                on_progress("looking at images", done, 2 * sum(shares.values()))
                unreadable += _take(waiting, chosen[side], side, stratum, options)
    return chosen, unreadable


def _check_apart(real: Sequence[Record], synthetic: Sequence[Record]) -> None:
    """Refuse a file that is on both sides: no answer about it could be right."""
    both = {r.path.resolve() for r in real} & {r.path.resolve() for r in synthetic}
    if both:
        raise Refusal("photographs on one side, synthetic images on the other",
                      f"{len(both)} files on both, such as {min(both)}",
                      "name another folder with --real or --synthetic")  # fmt: skip


def _take(
    waiting: Iterator[Record], into: Chosen, side: str, stratum: str, options: Options
) -> list[dict[str, str]]:
    """Take the next record that can be read; return those that could not."""
    left_out = []
    for record in waiting:
        try:
            look = pictures.look_at(record)
        except Refusal as refusal:
            left_out.append({"name": f"{side}: {record.name}", "reason": str(refusal)})
            continue
        into.records.append(record)
        into.looks.append(look)
        return left_out
    where = "" if options.by is None else f" with {options.by} {stratum}"
    named = "; ".join(row["reason"] for row in left_out[:3])
    raise Refusal(f"enough {side} images{where} that can be read",
                  f"{len(into.records)}, the others cannot ({named})",
                  "ask for fewer with --images, or mend the files")  # fmt: skip
