"""One sentence of the verdict, and what names a line of the scorecard."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from retinaforge.core import Score

Level = Literal["failure", "caution", "pass", "unknown"]
ORDER: dict[Level, int] = {"failure": 0, "caution": 1, "unknown": 2, "pass": 3}
SMALL_N, TINY_N = 100, 30
LARGE_DELTA = 0.474
"""|Cliff's delta| that is called large (Romano et al. 2006)."""


@dataclass(frozen=True)
class Sentence:
    """One sentence of the verdict.

    Attributes:
        level: what it means for a user.
        text: the sentence.
        scores: what it rests on: lines of the scorecard by their identity, or sections of the page.
    """

    level: Level
    text: str
    scores: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def identity_of(score: Score) -> str:
    """Return what names a line of the scorecard on the page and in the verdict."""
    where = score.where
    place = where.get("space") or where.get("column") or where.get("against") or ""
    if "group" in where:
        of = where.get("space") or where.get("number")
        place = f"{where['column']}={where['group']}{f':{of}' if of else ''}"
    return f"{where.get('family', '')}:{place}:{score.card.name}".replace(" ", "-")
