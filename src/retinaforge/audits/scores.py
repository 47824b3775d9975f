"""Log-odds that an eye was damaged in a certain way, from a few numbers of it.

    s = b + Σ_i w_i clip((x_i - m_i) / d_i, -5, 5)

A small ridge logistic regression: m, d are mean and standard deviation over undamaged eyes; a
number that is not known counts as the mean. Fitted by `benchmarks/anatomy_checks.py` on training
and validation rows of the CC BY 4.0 sets and on damage planted in them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

FARTHEST = 5.0
SHIPPED_SCORES = "anatomy_scores.json"


@dataclass(frozen=True)
class Score:
    """One fitted score; all tuples are of one length.

    Attributes:
        numbers: names of what it rests on.
        middle: mean over undamaged eyes.
        scale: standard deviation over undamaged eyes.
        weights: of each number in standard deviations.
        constant: b.
    """

    numbers: tuple[str, ...]
    middle: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    constant: float

    def log_odds(self, found: Mapping[str, float]) -> float:
        """Return s; numbers that `found` lacks or has as NaN count as the mean."""
        total = self.constant
        for name, m, d, w in zip(self.numbers, self.middle, self.scale, self.weights, strict=True):
            value = found.get(name, math.nan)
            if math.isfinite(value):
                total += w * min(FARTHEST, max(-FARTHEST, (value - m) / d))
        return total


@lru_cache(maxsize=1)
def shipped_scores() -> dict[str, Score]:
    """Return every score by its name."""
    text = (resources.files("retinaforge.audits") / SHIPPED_SCORES).read_text()
    return {
        name: Score(
            tuple(plain["numbers"]), tuple(plain["middle"]), tuple(plain["scale"]),
            tuple(plain["weights"]), plain["constant"],
        )
        for name, plain in json.loads(text).items()
    }  # fmt: skip
