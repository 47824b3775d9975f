"""Which images readers see, in which order: balanced, crossed, seeded.

Every reader sees every image once, in an order of the reader's own, and some of them a second time
with at least a quarter of the study between. Real and synthetic are as many, stratum by stratum
where a column is named, and patients are spread as far as they reach.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from retinaforge.core import Record, Refusal
from retinaforge.tasks.reader_sides import group_of

TRIALS_OF_ORDER = 200
ALL = "all"


def stratum_of(record: Record, column: str | None) -> str:
    """Return a record's stratum: its group by a column or question, "" where it has none."""
    return ALL if column is None else group_of(record.columns, column)


def candidates(
    records: Sequence[Record], column: str | None, rng: np.random.Generator
) -> dict[str, list[Record]]:
    """Return each stratum's records in the order in which they are taken: new patients first.

    Args:
        records: of one side.
        column: to stratify by; None takes all together. Records without a value are left out.
        rng: drawn from.
    """
    strata: dict[str, list[Record]] = defaultdict(list)
    for index in rng.permutation(len(records)):
        if name := stratum_of(records[int(index)], column):
            strata[name].append(records[int(index)])
    return {name: _patients_first(group) for name, group in sorted(strata.items())}


def _patients_first(records: Sequence[Record]) -> list[Record]:
    seen: dict[str, int] = defaultdict(int)
    turns = []
    for record in records:
        turns.append(seen[record.patient])
        seen[record.patient] += 1
    return [records[k] for k in np.argsort(turns, kind="stable")]


def shares_of(real: dict[str, int], synthetic: dict[str, int], count: int | None) -> dict[str, int]:
    """Return how many images of each side are taken from each stratum.

    Args:
        real: images that each stratum holds.
        synthetic: the same.
        count: images of one side; None takes as many as both sides have.

    Returns:
        The same number for both sides, as even over strata as these reach.

    Raises:
        Refusal: where no stratum is on both sides, or too few images are there.
    """
    room = {name: min(real[name], synthetic.get(name, 0)) for name in sorted(real)}
    room = {name: most for name, most in room.items() if most}
    total = sum(room.values())
    if not total or (count is not None and count > total):
        strata = ", ".join(f"{name}: {most}" for name, most in room.items()) or "none"
        raise Refusal(
            f"{count or 'some'} images of each side",
            f"{total} that both sides have ({strata})",
            "ask for fewer with --images, or give more images",
        )
    taken = dict.fromkeys(room, 0)
    for _ in range(total if count is None else count):
        name = min((n for n in room if taken[n] < room[n]), key=lambda n: (taken[n], n))
        taken[name] += 1
    return {name: k for name, k in taken.items() if k}


def repeated_items(sides: Sequence[str], count: int, rng: np.random.Generator) -> list[int]:
    """Return items to show twice, as even over sides as can be.

    Raises:
        Refusal: "expected at most half of the images twice; got ...".
    """
    if count > len(sides) // 2:
        raise Refusal("at most half of the images twice", f"{count} of {len(sides)}",
                      "ask for fewer with --repeats")  # fmt: skip
    order = rng.permutation(len(sides))
    turns: dict[str, int] = defaultdict(int)
    ranked = []
    for index in order:
        ranked.append((turns[sides[index]], int(index)))
        turns[sides[index]] += 1
    return [index for _, index in sorted(ranked, key=lambda one: one[0])[:count]]


def reading_order(count: int, repeats: Sequence[int], rng: np.random.Generator) -> list[int]:
    """Return the order in which one reader sees items 0 to count - 1 and repeats once more.

    The first showing of a repeated item lies in the first half of the study, the second in the
    other, with a quarter of the study between wherever that can be drawn.
    """
    if not repeats:
        return [int(k) for k in rng.permutation(count)]
    half = (count + len(repeats)) // 2
    drawn = (_halves(count, repeats, half, rng) for _ in range(TRIALS_OF_ORDER))
    best: list[int] = []
    for order in drawn:
        if not best or smallest_gap(order) > smallest_gap(best):
            best = order
        if smallest_gap(best) >= (count + len(repeats)) // 4:
            break
    return best


def _halves(count: int, repeats: Sequence[int], half: int, rng: np.random.Generator) -> list[int]:
    others = [int(k) for k in rng.permutation(count) if int(k) not in set(repeats)]
    first = [*repeats, *others[: half - len(repeats)]]
    second = [*repeats, *others[half - len(repeats) :]]
    # Repeats come back in the order of their first showing, jittered, which keeps gaps wide.
    mixed = [first[int(k)] for k in rng.permutation(len(first))]
    place = {item: k for k, item in enumerate(mixed)}
    spots = sorted(int(k) for k in rng.permutation(len(second))[: len(repeats)])
    rest = iter([second[int(k)] for k in rng.permutation(len(second))
                 if second[int(k)] not in set(repeats)])  # fmt: skip
    again = iter(sorted(repeats, key=lambda item: place[item] + rng.normal(0, half / 8)))
    return [*mixed, *(next(again) if k in set(spots) else next(rest) for k in range(len(second)))]


def smallest_gap(order: Sequence[int]) -> int:
    """Return the fewest steps between two showings of one item; the length where none repeats."""
    last: dict[int, int] = {}
    gaps = [len(order)]
    for place, item in enumerate(order):
        if item in last:
            gaps.append(place - last[item])
        last[item] = place
    return min(gaps)


def balanced_sides(count: int, rng: np.random.Generator) -> list[bool]:
    """Return for each of some pairs whether the synthetic image stands left: in half of them."""
    left = np.arange(count) < (count + int(rng.integers(2))) // 2
    return [bool(v) for v in rng.permutation(left)]
