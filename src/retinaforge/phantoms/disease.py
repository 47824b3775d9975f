"""How a disease runs over the years: when a stage is reached, when a lesion comes and goes.

Every lesion has its place in a fixed list of slots, drawn once from the eye's seed whatever the
grade. A slot opens at some moment; what appears in it stays, or resolves after its lifetime and is
replaced after a pause. So an eye looked at later is the same eye, and one of a higher grade holds
what it would hold at the lower one.
"""

from __future__ import annotations

import math

import numpy as np

from retinaforge.core import rng_for

STAYS = math.inf
LATER = 0.3
"""Share of a stage's slots that open only in the years after the stage is reached."""


def grade_at(start: int, rate: float, years: float, *, top: int) -> int:
    """Return the grade after some years, min(top, floor(start + rate years))."""
    return min(top, math.floor(start + rate * max(years, 0.0) + 1e-9))


def reached_years(stage: int, start: int, rate: float) -> float:
    """Return when a stage is reached: 0 for one already there, infinity for one never reached."""
    if stage <= start:
        return 0.0
    return (stage - start) / rate if rate > 0 else math.inf


def opens_years(reached: float, *, core: bool, rng: np.random.Generator) -> float:
    """Draw when a slot of a stage opens.

    Args:
        reached: years from the first visit to the stage; 0 means that it began before.
        core: one of the lesions that the stage's grade rests on, there from its first day.
        rng: consumed in a fixed order.
    """
    before, after, late = rng.uniform(0.05, 3.0), rng.exponential(4.0), rng.uniform()
    if not core and late < LATER:
        return reached + after
    return -before if reached == 0.0 else reached


def occupant(
    opens: float,
    years: float,
    *,
    life_years: float,
    rng: np.random.Generator,
) -> tuple[int, float] | None:
    """Return (number, onset) of the lesion in a slot at a moment; None where it is empty.

    Lifetimes are 0.3 to infinity of `life_years`, with that mean; pauses are 0.2 of it in the mean.
    """
    if years < opens:
        return None
    number, born = 0, opens
    while True:
        dies = born + life_years * (0.3 + rng.exponential(0.7))
        if years < dies:
            return number, born
        born, number = dies + rng.exponential(0.2 * life_years), number + 1
        if years < born:
            return None


def slot(
    seed: int, name: str, index: int, *, reached: float, years: float, life_years: float,
    core: bool = False,
) -> tuple[float, np.random.Generator] | None:  # fmt: skip
    """Return (onset, generator) of what is in a slot now; None where there is nothing.

    Args:
        seed: the eye's.
        name: of the list of slots.
        index: in that list.
        reached: see `opens_years`.
        years: the moment, after the first visit.
        life_years: mean lifetime; infinity for what stays; core lesions always stay.
        core: one of the lesions that the grade rests on.
    """
    clock = rng_for(seed, "slot", name, index)
    opens = opens_years(reached, core=core, rng=clock)
    if core or life_years == STAYS:
        found = (0, opens) if years >= opens else None
    else:
        found = occupant(opens, years, life_years=life_years, rng=clock)
    return found and (found[1], rng_for(seed, "lesion", name, index, found[0]))
