"""What a model of this room declares about itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ModelCard:
    """Declare what a model of this room is and what it was made from.

    Attributes:
        name: the name used in results and on the command line.
        version: raised whenever the same photograph would give another answer.
        measures: one sentence.
        training_data: sets whose masks shaped weights or levels.
        licence: of code and weights.
        reference: paper or definition.
        known_failure: when it misleads.
    """

    name: str
    version: int
    measures: str
    training_data: tuple[str, ...]
    licence: str
    reference: str
    known_failure: str

    def as_dict(self) -> dict[str, Any]:
        """Return the card as plain data for JSON."""
        return asdict(self)
