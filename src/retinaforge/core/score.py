"""Numbers with their meaning: a quantity of one image, a score of a set."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from retinaforge.core.card import Card


@dataclass(frozen=True)
class Quantity:
    """One measured number of one image; NaN only together with a reason.

    Attributes:
        card: what was measured.
        value: the number, in the card's unit.
        reason: why the value is NaN; empty otherwise.
    """

    card: Card
    value: float
    reason: str = ""

    def __post_init__(self) -> None:
        if math.isnan(self.value) and not self.reason:
            raise ValueError(f"{self.card.name} is NaN without a reason")


@dataclass(frozen=True)
class Score:
    """One number of a set of images, as it stands in scorecard.json.

    Attributes:
        card: what was measured.
        value: the estimate, in the card's unit; NaN where undefined (then `reason` says why).
        interval: (low, high) of the 95 % interval, or None where none can be given.
        n: how many images it rests on.
        where: what it was measured on: arm, judge, dataset, ... (keys become JSON fields).
        reason: why value or interval is missing.
        extra: further fields for JSON (p values, differences).
    """

    card: Card
    value: float
    interval: tuple[float, float] | None
    n: int
    where: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data; NaN becomes None, since JSON knows no NaN."""
        return {
            "name": self.card.name,
            "value": None if math.isnan(self.value) else self.value,
            "interval": None if self.interval is None else list(self.interval),
            "n": self.n,
            **self.where,
            "reason": self.reason,
            "card": self.card.as_dict(),
            **self.extra,
        }
