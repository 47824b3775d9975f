"""Every score of two sets as one plain number, for the sanity panel.

The same arithmetic as the scorecard's, without intervals and floors: what the panel says of a
score is said of the score that the page shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from retinaforge.audits.anatomy_checks import CHECKS
from retinaforge.core import Quantity
from retinaforge.metrics import score_feature_sets
from retinaforge.metrics.frd import frd
from retinaforge.metrics.sets import Table
from retinaforge.validation.distributions import TABLES, columns_of, distances, values_of
from retinaforge.validation.eye import Measured
from retinaforge.validation.fidelity import RADIOMIC, Sides, class_scores
from retinaforge.validation.naming import card_in
from retinaforge.validation.spaces import spaces_of


@dataclass(frozen=True)
class Tracked:
    """A score's name on the page, and which way is worse: 1 up, -1 down, 0 either."""

    name: str
    family: str
    worse: int


WORSE = {"lower is better": 1, "higher is better": -1, "neither": 0}


def track(sides: Sides, encoders: tuple[str, ...]) -> dict[Tracked, float]:
    """Return every score of two sets; NaN where it is undefined."""
    return dict(_tracked(sides, encoders))


def _tracked(sides: Sides, encoders: tuple[str, ...]) -> Iterator[tuple[Tracked, float]]:
    for space in spaces_of(encoders):
        x, y = sides.features(space)
        for quantity in score_feature_sets(x, y) + class_scores(sides, space):
            card = card_in(space, quantity.card)
            yield _named(f"{space}: {card.name}", "fidelity", quantity)
    for space, version in RADIOMIC.items():
        x, y = sides.features(space)
        quantity = frd(x, y, version=version)
        yield _named(f"radiomics: {quantity.card.name}", "fidelity", quantity)
    for table in TABLES:
        yield from _distributions(sides, table)
    for name in (*(check.card.name for check in CHECKS), "anatomy_any"):
        yield Tracked(f"anatomy: {name}", "anatomy", 1), failing(sides.synthetic, name)
    yield Tracked("quality: not good", "quality", 1), not_good(sides.synthetic)


def _named(name: str, family: str, quantity: Quantity) -> tuple[Tracked, float]:
    return Tracked(name, family, WORSE[quantity.card.direction]), quantity.value


def _distributions(sides: Sides, table: str) -> Iterator[tuple[Tracked, float]]:
    columns = columns_of((*sides.real, *sides.synthetic), table)
    a, b = (Table(values_of(side, table, columns)) for side in (sides.real, sides.synthetic))
    for column, quantity in zip(columns, distances(a, b), strict=True):
        yield Tracked(f"{table}: {column}", table, 1), quantity.value


def failing(side: Sequence[Measured], name: str) -> float:
    """Return the share of images that fail a check, or any; NaN where none could be judged."""
    verdicts = [
        [c["passed"] for n, c in m.row["checks"].items() if name in (n, "anatomy_any")]
        for m in side
    ]
    judged = [v for v in verdicts if any(passed is not None for passed in v)]
    return float(np.mean([False in v for v in judged])) if judged else float("nan")


def not_good(side: Sequence[Measured]) -> float:
    """Return the share of images that are not graded good; NaN where none was graded."""
    grades = [g for m in side if (g := m.row["grade"].get("grade"))]
    return float(np.mean([g != "good" for g in grades])) if grades else float("nan")
