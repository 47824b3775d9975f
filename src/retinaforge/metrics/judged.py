"""What a classifier said of images, and three measures of it under weights of the images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from retinaforge.core import Refusal
from retinaforge.metrics.prediction import auroc

MOST_NUMBERS = 4_000_000
"""Weights held at once: draws are done in parts."""

Draws = Float[np.ndarray, "draws"]
Weights = Float[np.ndarray, "draws n"]


@dataclass(frozen=True)
class Judged:
    """What a classifier said of images, and whose they are.

    Attributes:
        truth: True where the finding is there.
        scores: the more, the more likely.
        called: True where the classifier says it is there.
        patients: whose eye each image shows.
    """

    truth: Bool[np.ndarray, "n"]
    scores: Float[np.ndarray, "n"]
    called: Bool[np.ndarray, "n"]
    patients: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse rows that do not belong together."""
        lengths = [len(x) for x in (self.truth, self.scores, self.called, self.patients)]
        if len(set(lengths)) > 1:
            raise Refusal(
                "truth, score, call and patient of the same images",
                f"{', '.join(map(str, lengths))} of them",
                "hand over rows of the same images in the same order",
            )


def kept(judged: Judged, keep: Bool[np.ndarray, "n"]) -> Judged:
    """Return the answers of the images that are kept."""
    patients = tuple(p for p, yes in zip(judged.patients, keep, strict=True) if yes)
    return Judged(judged.truth[keep], judged.scores[keep], judged.called[keep], patients)


def in_parts(count: int, n: int) -> list[int]:
    """Cut a number of draws so that their weights fit."""
    at_once = max(1, MOST_NUMBERS // max(n, 1))
    return [min(at_once, count - k) for k in range(0, count, at_once)]


def _area(judged: Judged, weights: Weights) -> Draws:
    both = np.stack([-judged.scores, judged.scores], axis=1)
    return auroc(judged.truth.astype(np.int64), both, weights)


def _share(right: Bool[np.ndarray, "n"], side: Bool[np.ndarray, "n"], weights: Weights) -> Draws:
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ (right & side).astype(float)) / (weights @ side.astype(float))


MEASURES: dict[str, Callable[[Judged, Weights], Draws]] = {
    "auroc": _area,
    "sensitivity": lambda j, w: _share(j.called, j.truth, w),
    "specificity": lambda j, w: _share(~j.called, ~j.truth, w),
}
"""Each returns one value a row of weights of the images, NaN where a side has no weight."""

SIDES = {"auroc": (True, False), "sensitivity": (True,), "specificity": (False,)}
"""Truths that each measure rests on."""
