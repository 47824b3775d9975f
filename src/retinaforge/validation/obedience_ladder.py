"""The severity ladder: with the noise fixed, more severe words must give more lesions.

    monotone  share of bases whose reading never falls from one grade's words to the next
    slope     mean over bases of the least-squares slope of the reading over grades 0-4

References:
    RetinaLogos, MICCAI 2025, arXiv 2505.12887v3, figure 4: the demonstration, there by eye.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from retinaforge.core import Card, rng_for
from retinaforge.metrics.statistics import paired_bootstrap
from retinaforge.tasks.obey_plan import GRADES, LADDER
from retinaforge.tasks.oracle import ITSELF
from retinaforge.tasks.oracle_words import DIABETIC_LESIONS

SLACK = 1e-9
CHANCE = 1 / math.factorial(len(GRADES))
"""Of five readings in random order, this share never falls."""
Row = Mapping[str, Any]

CARDS = (
    Card(
        name="ladder_monotone", version=1,
        measures="share of bases whose reading never falls as the words go from grade 0 to 4",
        range="[0, 1]", direction="higher is better", unit="1", smallest_n=8,
        reference="retinaforge.validation.obedience_ladder; arXiv 2505.12887v3, figure 4",
        known_failure="one small step back makes a ladder fail: read the slope beside it",
    ),
    Card(
        name="ladder_slope", version=1,
        measures="mean rise of the reading for each grade of the words, noise fixed",
        range="(-inf, inf)", direction="higher is better", unit="reading per grade", smallest_n=8,
        reference="retinaforge.validation.obedience_ladder; least squares",
        known_failure="steep where the last grade alone rises; the donors' own slope says "
        "how steep it could be",
    ),
)  # fmt: skip


def grade_read(row: Row) -> float:
    """Return the grade that the network reads."""
    return float(row["network"]["dr_grade"])


def lesions_read(row: Row) -> float:
    """Return log1p of the lesions that the network counts, all diabetic kinds together."""
    counts = [row["network"].get(name) or 0.0 for name in DIABETIC_LESIONS]
    return float(np.log1p(max(0.0, sum(max(0.0, c) for c in counts))))


READINGS = {"grade": grade_read, "lesions": lesions_read}


def ladder_of(
    readings: Sequence[Row], held_out: Sequence[Row], *, seed: int = 0
) -> dict[str, Any] | None:
    """Return the ladders of samples and of the donors' own images; None where none was asked."""
    rows = [row for row in readings if row["design"] == LADDER]
    by_base: dict[str, dict[int, Row]] = {}
    for row in rows:
        by_base.setdefault(row["base"], {})[int(row["value"])] = row
    whole = {base: steps for base, steps in by_base.items() if len(steps) == len(GRADES)}
    if not whole:
        return None
    own = {row["name"]: row for row in held_out if row["through"] == ITSELF}
    found: dict[str, Any] = {
        "bases": list(whole), "n": len(whole), "incomplete": len(by_base) - len(whole),
        "chance_monotone": CHANCE, "cards": [card.as_dict() for card in CARDS],
        "images": {base: [steps[g]["image"] for g in GRADES] for base, steps in whole.items()},
    }  # fmt: skip
    for name, of in READINGS.items():
        drawn = [[of(steps[g]) for g in GRADES] for steps in whole.values()]
        donors = [[of(own[steps[g]["donor"]]) for g in GRADES] for steps in whole.values()
                  if all(steps[g]["donor"] in own for g in GRADES)]  # fmt: skip
        found[name] = {"samples": _told(drawn, seed, name), "donors": _told(donors, seed, name)}
    return found


def _told(ladders: list[list[float]], seed: int, name: str) -> dict[str, Any] | None:
    if not ladders:
        return None
    values = np.array(ladders)
    grades = np.array(list(GRADES), float) - np.mean(list(GRADES))
    slopes = values @ grades / (grades**2).sum()
    monotone = (np.diff(values, axis=1) >= -SLACK).all(axis=1).astype(float)
    said = {"readings": values.round(4).tolist(), "means": values.mean(axis=0).round(4).tolist()}
    for what, each in (("slope", slopes), ("monotone", monotone)):
        bases = [str(k) for k in range(len(each))]
        estimate = paired_bootstrap(each, bases, rng=rng_for(seed, "ladder", name, what))
        interval = None if estimate.interval is None else list(estimate.interval)
        said[what] = {"value": estimate.value, "interval": interval, "n": estimate.n,
                      "reason": estimate.reason}  # fmt: skip
    return said
