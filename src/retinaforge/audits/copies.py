"""Is this synthetic eye one of the real ones? By vessel pattern, and by embedding.

Two patterns, one laid over the other by `registration`: with h_q of the l_q radii of the query's
vessels in the common field on the reference's vessels, and h_r of l_r the other way,

    a = h_q / (l_q + L),   b = h_r / (l_r + L),   likeness = 2 a b / (a + b)

L = 1.5 radii is vessel that is counted as missed, so that a corner of an eye proves nothing. A
retina identifies its owner: eyes of different people reach a fraction of what photographs of one
eye do, and where the line lies is measured on pairs of different people, never guessed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from retinaforge.audits.patterns import Pattern
from retinaforge.audits.registration import (
    NEAR,
    Prepared,
    Proposal,
    in_view,
    lift,
    register,
    share_on,
)
from retinaforge.audits.transforms import Transform
from retinaforge.core import Card, Refusal

MISSED = 1.5
"""L: radii of vessel counted as missed on either side."""

NEEDED = 3.0
"""Radii of vessel that a pattern must have to be compared at all."""

RATE = 1e-6
"""False matches a pair that a threshold allows: one in a search of 1,000 eyes in 1,000."""

SHIPPED = "copies.json"

VESSEL_LIKENESS = Card(
    "vessel_likeness", 2,
    "share of vessels in the common field that coincide, both ways, after registration",
    "[0, 1]", "lower is better", "1", 1,
    "this package; closest points after Besl and McKay, IEEE TPAMI 14(2), 1992",
    "needs some 3 radii of vessel in common; a stretch by a quarter, a warp of 4 % of the frame, "
    "crops to half of each side, and vessels that the judge does not find, hide a copy",
)  # fmt: skip
EMBEDDING_LIKENESS = Card(
    "embedding_likeness", 1, "cosine between the embeddings of two photographs, nearest real one",
    "[-1, 1]", "lower is better", "1", 1, "cosine similarity",
    "sees colour and camera as much as the eye; other people by one camera score high",
)  # fmt: skip
COPY_CARDS = (VESSEL_LIKENESS, EMBEDDING_LIKENESS)


@dataclass(frozen=True)
class Likeness:
    """How alike two vessel patterns are.

    Attributes:
        score: 0 to 1; 0 where nothing matches, NaN where one has too few vessels to tell.
        transform: of the query onto the reference; None where there is none.
        reason: why the score is NaN, else "".
        query_share: share of the query's vessels in the common field on the reference's.
        reference_share: the other way.
        length: vessel of the query in the common field, in radii of the reference's.
    """

    score: float
    transform: Transform | None
    reason: str = ""
    query_share: float = 0.0
    reference_share: float = 0.0
    length: float = 0.0


@dataclass(frozen=True)
class Calibration:
    """Where copies begin, from pairs of which none should be one.

    Attributes:
        threshold: likeness from which a pair counts as copy.
        false_match_rate: share of the pairs that reach it.
        upper_bound: of that rate, 95 %, were the pairs independent; 3 / n where none reaches it.
        extrapolated_rate: of a pair to reach it, by the tail's exponential.
        n_pairs: pairs looked at.
        n_patients: people they come from.
        highest: likeness reached by any of them.
        suspects: pairs of numbers that reach it: photographs of one eye under two names, perhaps.
    """

    threshold: float
    false_match_rate: float
    upper_bound: float
    extrapolated_rate: float
    n_pairs: int
    n_patients: int
    highest: float
    suspects: tuple[tuple[int, int], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {**asdict(self), "suspects": [list(pair) for pair in self.suspects]}


def likeness(
    query: Pattern | Prepared, reference: Pattern | Prepared, *,
    proposals: Sequence[Proposal] | None = None,
) -> Likeness:  # fmt: skip
    """Lay a query over a reference and say how much of their vessels coincides.

    Args:
        query: pattern that may be a copy.
        reference: pattern that it may be a copy of.
        proposals: where to begin, from `propose`; made here if there are none.
    """
    query, reference = prepared(query), prepared(reference)
    for side, whose in ((query, "the query"), (reference, "the reference")):
        if not comparable(side.pattern):
            return Likeness(math.nan, None, f"{whose} shows less than {NEEDED:g} radii of vessel")
    transform = register(query, reference, proposals)
    if transform is None:
        return Likeness(0.0, None)
    here, length = share_on(query, reference, transform)
    there, other = _share_back(query, reference, transform)
    if not length or not other:
        return Likeness(0.0, None)
    a, b = here * length / (length + MISSED), there * other / (other + MISSED)
    score = 2 * a * b / (a + b) if a + b > 0 else 0.0
    return Likeness(score, transform, query_share=here, reference_share=there, length=length)


def comparable(pattern: Pattern) -> bool:
    """Return whether a pattern has vessels enough to be anyone's."""
    return pattern.length >= NEEDED


def calibrate(
    patterns: Sequence[Pattern | Prepared], patients: Sequence[str], *,
    rng: np.random.Generator, most_pairs: int = 20_000, rate: float = RATE,
) -> Calibration:  # fmt: skip
    """Find the likeness that different people's eyes do not reach.

    Args:
        patterns: of real photographs.
        patients: whose they are; pairs of one patient do not count, nor those with too few
            vessels.
        rng: draws pairs where there are more than `most_pairs`.
        most_pairs: looked at.
        rate: false matches a pair that the threshold allows, by extrapolation.

    Raises:
        Refusal: expected photographs of at least ten patients.
    """
    pairs = pairs_of_strangers(patients, rng=rng, most=most_pairs)
    ready = [prepared(pattern) for pattern in patterns]
    scores = np.array([likeness(ready[i], ready[j]).score for i, j in pairs])
    told = np.isfinite(scores)
    scores, pairs = scores[told], pairs[told]
    return calibration_of(scores, pairs, n_patients=len(set(patients)), rate=rate)


def pairs_of_strangers(
    patients: Sequence[str], *, rng: np.random.Generator, most: int
) -> Int[np.ndarray, "k 2"]:
    """Return pairs of photographs of different patients, at random if there are more than `most`.

    Raises:
        Refusal: expected photographs of at least ten patients.
    """
    if len(set(patients)) < 10:
        raise Refusal(
            "photographs of at least 10 patients", str(len(set(patients))),
            "use the threshold that comes with the package",
        )  # fmt: skip
    names = np.unique(np.asarray(patients), return_inverse=True)[1]
    i, j = np.triu_indices(len(names), 1)
    pairs = np.stack([i, j], axis=1)[names[i] != names[j]]
    if len(pairs) <= most:
        return pairs
    return pairs[np.sort(rng.choice(len(pairs), most, replace=False))]


def calibration_of(
    scores: Float[np.ndarray, "k"], pairs: Int[np.ndarray, "k 2"], *, n_patients: int,
    rate: float = RATE,
) -> Calibration:  # fmt: skip
    """Return the calibration that likenesses of strangers give.

        threshold = u + s ln(0.1 / rate),   s = (q - u) / ln(0.1 / p),   u = 90th percentile

    The tail is taken as exponential, through the 90th percentile and q, which a share p of the
    pairs exceeds: 1 %, or three pairs where that is more, so that a few unknown duplicates among
    the pairs cannot move it.
    """
    p = min(max(0.01, 3 / len(scores)), 0.08)
    u, high = np.quantile(scores, [0.9, 1 - p])
    scale = max((high - u) / math.log(0.1 / p), 1e-6)
    threshold = min(float(u + scale * math.log(0.1 / rate)), 1.0)
    over = scores >= threshold
    n, x = len(scores), int(over.sum())
    return Calibration(
        threshold, x / n, rate_bound(x, n), rate, n, n_patients, float(scores.max()),
        tuple((int(i), int(j)) for i, j in pairs[over]),
    )  # fmt: skip


def rate_bound(count: int, n: int) -> float:
    """Return the upper 95 % bound (one-sided, Clopper-Pearson) of a rate; about 3 / n for none."""
    from scipy.stats import beta  # slow to import

    return 1.0 if count >= n else float(beta.ppf(0.95, count + 1, n - count))


def shipped_calibration() -> Calibration:
    """Return the calibration measured by benchmarks/copies.py on people's photographs."""
    text = (resources.files("retinaforge.audits") / SHIPPED).read_text()
    plain = json.loads(text)["calibration"]
    return Calibration(**{**plain, "suspects": ()})


def nearest_embeddings(
    synthetic: Float[np.ndarray, "n d"], real: Float[np.ndarray, "m d"]
) -> tuple[Int[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Return the real neighbour of each synthetic embedding and their cosine.

    Both sets are centred on the real mean first: what all fundus photographs share tells nobody
    apart.

    Raises:
        Refusal: expected embeddings of one width, and at least two real ones.
    """
    if synthetic.ndim != 2 or real.ndim != 2 or synthetic.shape[1] != real.shape[1]:
        raise Refusal("two tables of one width", f"shapes {synthetic.shape} and {real.shape}",
                      "use the same encoder on both")  # fmt: skip
    if len(real) < 2:
        raise Refusal("at least two real embeddings", str(len(real)), "name a larger folder")
    mean = real.mean(axis=0, dtype=np.float64)
    there = _unit(real - mean)
    index = np.empty(len(synthetic), int)
    cosine = np.empty(len(synthetic))
    for start in range(0, len(synthetic), 512):
        alike = _unit(synthetic[start : start + 512] - mean) @ there.T
        index[start : start + 512] = alike.argmax(axis=1)
        cosine[start : start + 512] = alike.max(axis=1)
    return index, cosine


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def prepared(pattern: Pattern | Prepared) -> Prepared:
    """Return a pattern ready to be compared."""
    return pattern if isinstance(pattern, Prepared) else Prepared(pattern)


def _share_back(
    query: Prepared, reference: Prepared, transform: Transform
) -> tuple[float, float]:  # fmt: skip
    """Return which share of the reference's vessels in the common field lies on the query's."""
    within = in_view(query.pattern, transform.undo(reference.pattern.points.astype(float)))
    if not within.any() or not len(query.pattern.points):
        return 0.0, 0.0
    points = query.pattern.points.astype(float)
    tree = KDTree(lift(transform.carry(points), transform.turn(points, query.pattern.directions)))
    distance, _ = tree.query(reference.lifted[within], distance_upper_bound=1.5 * NEAR)
    length = reference.pattern.length * float(within.mean())
    return float((distance < NEAR).mean()), length
