"""Cards: what a loss, score, judge or biomarker is, in one place that everything reads."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Direction = Literal["higher is better", "lower is better", "neither"]


@dataclass(frozen=True)
class Card:
    """Declare what a number means; a changed value is a new version.

    Attributes:
        name: the name used in results and on the command line.
        version: raised whenever the same input would give another number.
        measures: one sentence.
        range: e.g. "[0, 1]" or "[0, inf)".
        direction: which way is better.
        unit: e.g. "dB", "px", "1" for none.
        smallest_n: fewest images (or pixels, said in `measures`) for which it means anything.
        reference: paper and equation, or the definition's origin.
        known_failure: when it misleads.
    """

    name: str
    version: int
    measures: str
    range: str
    direction: Direction
    unit: str
    smallest_n: int
    reference: str
    known_failure: str

    def as_dict(self) -> dict[str, Any]:
        """Return the card as plain data for JSON."""
        return asdict(self)
