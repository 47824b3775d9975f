"""What a word means in numbers: the one table that writer, parser, lint and documents share.

A bin is half open: its lowest value belongs to it, its highest to the next. The bins of the cup
are ours: a vertical ratio below 0.4 is ordinary, from 0.6 on it lies beyond what most healthy
discs of average size show (95th percentile 0.59-0.74 by size of the disc: D. F. Garway-Heath et
al., Br J Ophthalmol 82 (1998) 1118-1124; Blue Mountains Eye Study). Those of density, tortuosity
and calibre are near the terciles of phantoms of the recipe "captioned" (density: of 2,500; the
others: of 2,268 drawn by an earlier form of it), that is of the population that the first generator
sees; they are no clinical norm.
"""

from __future__ import annotations

from dataclasses import dataclass

INFINITE = float("inf")


@dataclass(frozen=True)
class Bin:
    """The values that one word stands for: low <= value < high."""

    word: str
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Say whether the word is right for this value."""
        return self.low <= value < self.high


def bins_of(words: tuple[str, ...], edges: tuple[float, ...]) -> tuple[Bin, ...]:
    """Return bins with these words between -infinity, the inner `edges` and infinity."""
    lows, highs = (-INFINITE, *edges), (*edges, INFINITE)
    return tuple(Bin(w, a, b) for w, a, b in zip(words, lows, highs, strict=True))


PIGMENTATION = bins_of(("light", "medium", "dark"), (1 / 3, 2 / 3))
CUP = bins_of(("small", "moderate", "large"), (0.4, 0.6))
DENSITY = bins_of(("sparse", "average", "dense"), (1.4, 1.8))
CALIBRE = bins_of(("narrow", "normal", "wide"), (0.65, 0.75))
TORTUOSITY = bins_of(("straight", "gently curved", "tortuous"), (1.04, 1.055))
COUNT = (
    Bin("none", 0, 1),
    Bin("single", 1, 2),
    Bin("few", 2, 6),
    Bin("several", 6, 21),
    Bin("numerous", 21, INFINITE),
)


def bin_of(bins: tuple[Bin, ...], value: float) -> Bin:
    """Return the bin that holds `value`; a NaN has none and raises ValueError."""
    for each in bins:
        if each.holds(value):
            return each
    raise ValueError(f"no word for {value}")
