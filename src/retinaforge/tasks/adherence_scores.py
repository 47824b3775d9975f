"""Do images agree with their own captions more than with those of others? Numbers of a set.

    matched   cosine of an image with its own caption
    shuffled  cosine of the same image with captions of others, `SHUFFLES` of them
    AUROC     chance that a matched pair scores above a shuffled one; 0.5 sees nothing

Intervals draw groups with replacement (images of one patient, or of one caption), the same draws
for matched and shuffled.

References:
    Hessel et al., EMNLP 2021 (arXiv 2104.08718): the cosine of image and caption as a score.
    Hanley, McNeil, Radiology 143 (1982), 29: what the area under the curve is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from retinaforge.core import rng_for

SHUFFLES, RESAMPLES, RETRIEVED = 10, 1000, 500


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval; NaN and None where there is none, with the reason."""

    value: float
    interval: tuple[float, float] | None
    reason: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return plain data; NaN becomes None."""
        known = not math.isnan(self.value)
        return {
            "value": self.value if known else None,
            "interval": None if self.interval is None else list(self.interval),
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Agreement:
    """What a set's cosines come to.

    Attributes:
        n: images.
        groups: patients or captions that are drawn for the intervals.
        matched, shuffled, difference: means of cosines, in [-1, 1].
        auroc: matched against shuffled.
        scores: each image's cosine with its own caption.
    """

    n: int
    groups: int
    matched: Interval
    shuffled: Interval
    difference: Interval
    auroc: Interval
    scores: Float[np.ndarray, "n"]

    def as_dict(self) -> dict[str, object]:
        """Return plain data, without the single scores."""
        named = ("matched", "shuffled", "difference", "auroc")
        return {"n": self.n, "groups": self.groups} | {
            name: getattr(self, name).as_dict() for name in named
        }


def agreement_of(
    images: Float[np.ndarray, "n size"],
    texts: Float[np.ndarray, "n size"],
    captions: Sequence[str],
    groups: Sequence[str],
    *,
    seed: int = 0,
) -> Agreement:
    """Return how far images agree with their own captions and with those of others.

    Args:
        images, texts: vectors of length 1, row i of both belongs together.
        captions: in words; a caption is never shuffled onto an image with the same words.
        groups: what is drawn for the intervals.
        seed: of shuffles and draws.
    """
    own = (images * texts).sum(1)
    others = shuffled_places(captions, seed=seed)
    if others is None:
        return _without("all captions are the same", own)
    apart = np.stack([(images * texts[places]).sum(1) for places in others], axis=1)
    _, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    count = int(codes.max()) + 1
    weights = _draws(count, seed)[:, codes]
    means = own.mean(), apart.mean()
    drawn = [(weights @ x) / weights.sum(1) for x in (own, apart.mean(1))]
    area = auroc(own, apart, np.ones((1, len(own))))[0]
    few = "" if count > 1 else "one group: no interval can be given"
    return Agreement(
        n=len(own),
        groups=count,
        matched=_with(means[0], drawn[0], few),
        shuffled=_with(means[1], drawn[1], few),
        difference=_with(means[0] - means[1], drawn[0] - drawn[1], few),
        auroc=_with(area, auroc(own, apart, weights), few),
        scores=own,
    )


def auroc(
    own: Float[np.ndarray, "n"],
    apart: Float[np.ndarray, "n k"],
    weights: Float[np.ndarray, "m n"],
) -> Float[np.ndarray, "m"]:
    """Return the chance that an own score lies above an apart one, ties half, for each weighting.

    Args:
        own: one a row.
        apart: k a row.
        weights: how often each row counts.
    """
    values, places = np.unique(np.concatenate([own, apart.ravel()]), return_inverse=True)
    mine, theirs = places[: len(own)], places[len(own) :]
    areas = []
    for weight in weights:
        high = np.bincount(mine, weight, len(values))
        low = np.bincount(theirs, np.repeat(weight, apart.shape[1]), len(values))
        below = np.cumsum(low) - low / 2
        areas.append(float(high @ below / (high.sum() * low.sum())))
    return np.array(areas)


def shuffled_places(
    captions: Sequence[str], *, seed: int = 0, shuffles: int = SHUFFLES
) -> Int[np.ndarray, "k n"] | None:
    """Return for each image the places of other captions; None where all are the same words."""
    words = np.asarray(captions, dtype=object)
    if len(set(captions)) < 2:
        return None
    rows = []
    for shuffle in range(shuffles):
        rng = rng_for(seed, "shuffled captions", shuffle)
        places = rng.permutation(len(words))
        while (same := np.flatnonzero(words[places] == words)).size:
            places[same] = rng.integers(len(words), size=same.size)
        rows.append(places)
    return np.stack(rows)


def retrieval(
    images: Float[np.ndarray, "n size"],
    texts: Float[np.ndarray, "n size"],
    captions: Sequence[str],
    *,
    most: int = RETRIEVED,
) -> Mapping[str, float | int]:
    """Return how well a caption is found by its image among at most `most` different ones.

    A rank of 1 is best; captions that score the same share the mean of their ranks.
    """
    first = sorted({text: place for place, text in reversed(list(enumerate(captions)))}.values())
    kept = np.array(first[:most])
    scores = images[kept] @ texts[kept].T
    own = np.diagonal(scores)[:, None]
    ranks = 1 + (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2
    return {
        "among": len(kept),
        "median_rank": float(np.median(ranks)),
        "recall_at_1": float((ranks <= 1).mean()),
        "recall_at_10": float((ranks <= 10).mean()),
    }


def _draws(count: int, seed: int) -> Float[np.ndarray, "m count"]:
    rng = rng_for(seed, "bootstrap of captions")
    return rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)


def _with(value: float, drawn: np.ndarray, reason: str) -> Interval:
    if reason:
        return Interval(float(value), None, reason)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(value), (float(low), float(high)))


def _without(reason: str, own: np.ndarray) -> Agreement:
    none = Interval(math.nan, None, reason)
    matched = Interval(float(own.mean()), None, reason)
    return Agreement(len(own), 1, matched, none, none, none, own)
