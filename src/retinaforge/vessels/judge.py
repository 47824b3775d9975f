"""What a vessel judge is: something that says how likely each pixel is to lie on a vessel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core import Fov, Photograph

Family = Literal["network", "filter"]


@dataclass(frozen=True)
class JudgeCard:
    """Declare what a judge is and what it was made from.

    Attributes:
        name: the name used in results and on the command line.
        version: raised whenever the same photograph would give another mask.
        family: a trained network, or a filter; a filter is no neutral judge of losses that use it.
        measures: one sentence.
        training_data: sets whose masks shaped weights or threshold.
        licence: of code and weights.
        reference: paper or definition.
        known_failure: when it misleads.
    """

    name: str
    version: int
    family: Family
    measures: str
    training_data: tuple[str, ...]
    licence: str
    reference: str
    known_failure: str

    def as_dict(self) -> dict[str, Any]:
        """Return the card as plain data for JSON."""
        return asdict(self)


class Judge(ABC):
    """Find vessels in any photograph, at the photograph's own size.

    Attributes:
        card: what it is.
        threshold: probability from which a pixel counts as vessel.
    """

    card: JudgeCard
    threshold: float

    @abstractmethod
    def probability(self, photo: Photograph, fov: Fov) -> Float[np.ndarray, "height width"]:
        """Return how likely each pixel lies on a vessel, in [0, 1], 0 outside the FOV."""

    @final
    def mask(self, photo: Photograph, fov: Fov) -> Bool[np.ndarray, "height width"]:
        """Return True where the probability reaches the threshold."""
        return self.probability(photo, fov) >= self.threshold
