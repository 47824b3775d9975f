"""What an encoder sees of planted damage, from its vectors of a deck.

    displacement = |f(damaged) - f(x)| / median over y of |f(x) - f(y)|       y: other photographs
    sees from    the lowest level from which on the displacement by the damage is larger than that
                 by saving the photograph again as JPEG of quality 75, in 80 % of the photographs
    set notices  the lowest level from which on the kernel distance of damaged photographs to others
                 is larger than that of the same photographs undamaged, and than in all of 50 draws
                 of undamaged ones (by chance once in 51)

0: blind; 1: the damage moves a photograph as far as another eye lies away. The first is about one
photograph, the second about sets of them, where the spread between eyes drowns what is small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from retinaforge.core import Card, rng_for
from retinaforge.metrics.sets.kernels import kernel_distance
from retinaforge.validation.encoder_deck import WHOLE, Deck
from retinaforge.validation.wounds import RESAVED

CARD = Card(
    name="damage_displacement",
    version=1,
    measures="how far damage moves a photograph in an encoder's space, in the median distance to "
    "other photographs",
    range="[0, inf)",
    direction="neither",
    unit="1",
    smallest_n=4,
    reference="this package; the harmless change beside it after Hendrycks and Dietterich, ICLR "
    "2019",
    known_failure="a space in which all eyes lie close together shows large displacements for "
    "everything, JPEG included: read it beside the JPEG column",
)
MOST = 0.8
DRAWS = 50
Vectors = Float[np.ndarray, "plates channels"]


@dataclass(frozen=True)
class Sight:
    """What was seen of one kind of damage.

    Attributes:
        kind: of damage.
        displacement: median over photographs, by level.
        sees_from: level, or None.
        set_notices_from: level, or None.
    """

    kind: str
    displacement: dict[int, float]
    sees_from: int | None
    set_notices_from: int | None


def displacements(vectors: Vectors, deck: Deck) -> dict[tuple[str, int], np.ndarray]:
    """Return by (kind, level) each photograph's displacement, in the order of `deck.names`."""
    table = _by_state(vectors, deck)
    whole = table[WHOLE, 0]
    apart = np.linalg.norm(whole[:, None] - whole[None], axis=2)
    np.fill_diagonal(apart, math.nan)
    scale = np.nanmedian(apart, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            state: np.linalg.norm(moved - whole, axis=1) / np.where(scale > 0, scale, math.nan)
            for state, moved in table.items()
            if state[0] != WHOLE
        }


def sights(vectors: Vectors, deck: Deck, *, seed: int = 0) -> tuple[Sight, ...]:
    """Return what is seen of every kind of damage."""
    table = _by_state(vectors, deck)
    moved = displacements(vectors, deck)
    kinds = dict.fromkeys(kind for kind, level in moved if level)
    hit = np.arange(0, len(deck.names), 2)
    floor = _floor(table[WHOLE, 0], len(hit), seed)
    own = _distance(table[WHOLE, 0], hit, table[WHOLE, 0])
    found = []
    for kind in kinds:
        levels = sorted(level for k, level in moved if k == kind)
        seen = {v: bool(np.mean(moved[kind, v] > moved[RESAVED, 0]) >= MOST) for v in levels}
        set_distance = {v: _distance(table[WHOLE, 0], hit, table[kind, v]) for v in levels}
        noticed = {v: set_distance[v] > max(floor, own) for v in levels}
        medians = {v: float(np.median(moved[kind, v])) for v in levels}
        found.append(Sight(kind, medians, _from_on(seen), _from_on(noticed)))
    return tuple(found)


def harmless(vectors: Vectors, deck: Deck) -> float:
    """Return the median displacement by saving again as JPEG."""
    return float(np.median(displacements(vectors, deck)[RESAVED, 0]))


def _by_state(vectors: Vectors, deck: Deck) -> dict[tuple[str, int], np.ndarray]:
    table: dict[tuple[str, int], list[np.ndarray]] = {}
    for plate, vector in zip(deck.plates, np.asarray(vectors, np.float64), strict=True):
        table.setdefault((plate.kind, plate.level), []).append(vector)
    return {state: np.stack(rows) for state, rows in table.items()}


def _distance(whole: np.ndarray, hit: Sequence[int] | np.ndarray, shown: np.ndarray) -> float:
    """Return the kernel distance of `shown[hit]` to the photographs that are not hit."""
    others = np.setdiff1d(np.arange(len(whole)), hit)
    return kernel_distance(whole[others], shown[np.asarray(hit)]).value


def _floor(whole: np.ndarray, count: int, seed: int) -> float:
    """Return the largest distance that undamaged photographs gave in `DRAWS` draws."""
    draws = (
        rng_for(seed, "sight", "draw", k).permutation(len(whole))[:count] for k in range(DRAWS)
    )
    return max(_distance(whole, hit, whole) for hit in draws)


def _from_on(seen: dict[int, bool]) -> int | None:
    first = None
    for level in sorted(seen, reverse=True):
        if not seen[level]:
            break
        first = level
    return first
