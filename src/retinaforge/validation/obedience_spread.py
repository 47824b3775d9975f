"""Diversity at one caption and memory of the training images, by what an encoder sees.

    spread   mean over pairs of 1 - centred cosine, of the samples of one caption (seeds differ)
             and, beside it, of real eyes whose records are nearest to that caption's
    memory   likeness of a sample to its nearest training image, beside what held-out real eyes of
             other patients reach; the share of samples that lie above 95 % of these

The mean that is taken away (audits.retrieval) is of the training images. Likeness is not identity:
copies are told by their vessels (`retinaforge validate --train`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retinaforge.audits.retrieval import nearest_real
from retinaforge.core import Card, rng_for
from retinaforge.metrics.statistics import paired_bootstrap
from retinaforge.tasks.oracle_words import WORDS

HIGH = 0.95
TOP_SHOWN = 6
Truths = Sequence[Mapping[str, float]]

SPREAD_CARD = Card(
    name="spread_at_one_caption", version=1,
    measures="mean of 1 - centred cosine over pairs of samples of one caption, seeds differing",
    range="[0, 2]", direction="neither", unit="1", smallest_n=4,
    reference="retinaforge.validation.obedience_spread; centring as Mu and Viswanath, ICLR 2018",
    known_failure="noise and artefacts count as diversity; real eyes of nearly equal record, "
    "beside it, are not exactly equal",
)  # fmt: skip
MEMORY_CARD = Card(
    name="nearer_than_held_out", version=1,
    measures="share of samples that are more like their nearest training image than 95 % of "
    "held-out real eyes are like theirs; 0.05 is expected of a generator that copies nobody",
    range="[0, 1]", direction="lower is better", unit="1", smallest_n=20,
    reference="retinaforge.validation.obedience_spread; audits.retrieval",
    known_failure="samples that are blurred towards the mean are unlike every training image and "
    "hide copies; an encoder's likeness is not identity",
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """Images as an encoder sees them.

    Attributes:
        names: of the images.
        patients: whose eye each is.
        vectors: shape (n, channels).
        truths: facts by word; empty where none are known.
    """

    names: tuple[str, ...]
    patients: tuple[str, ...]
    vectors: np.ndarray
    truths: tuple[Mapping[str, float], ...] = ()


def mean_pairwise(vectors: np.ndarray, middle: np.ndarray) -> float:
    """Return the mean of 1 - cosine over pairs, `middle` taken away; NaN below two rows."""
    if len(vectors) < 2:
        return float("nan")
    away = vectors.astype(np.float64) - middle
    unit = away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
    alike = unit @ unit.T
    return float(1 - alike[np.triu_indices(len(unit), 1)].mean())


def spread_of(
    by_caption: Mapping[str, np.ndarray], wanted: Mapping[str, Mapping[str, float]], real: Seen,
    *, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Return how far samples of one caption lie apart, and real eyes of nearly that record.

    Args:
        by_caption: vectors of the samples of each base.
        wanted: what each base's caption asks for, by word.
        real: eyes to choose from, with their facts.
        seed: of the intervals.
    """
    middle = real.vectors.mean(axis=0, dtype=np.float64)
    rows = []
    for base, vectors in by_caption.items():
        near = nearest_records(wanted[base], real.truths, len(vectors))
        rows.append({"base": base, "n": len(vectors), "samples": mean_pairwise(vectors, middle),
                     "real": mean_pairwise(real.vectors[near], middle)})  # fmt: skip
    told: dict[str, Any] = {"rows": rows, "card": SPREAD_CARD.as_dict()}
    for side in ("samples", "real"):
        values = np.array([row[side] for row in rows])
        bases = [row["base"] for row in rows]
        estimate = paired_bootstrap(values, bases, rng=rng_for(seed, "spread", side))
        told[side] = {"value": _or_none(estimate.value), "n": estimate.n, "reason": estimate.reason,
                      "interval": estimate.interval and list(estimate.interval)}  # fmt: skip
    for row in rows:
        row["samples"], row["real"] = _or_none(row["samples"]), _or_none(row["real"])
    return told


def nearest_records(wanted: Mapping[str, float], truths: Truths, count: int) -> np.ndarray:
    """Return the places of the eyes whose facts are nearest: same side, then by standardised
    distance over what both know."""
    table = np.array([_numbers(truth) for truth in truths])
    asked = _numbers(wanted)
    some = np.isfinite(table).sum(axis=0) > 1
    spread = np.zeros(len(asked))
    spread[some] = np.nanstd(table[:, some], axis=0)
    known = np.isfinite(asked) & (spread > 1e-9)
    gaps = (table[:, known] - asked[known]) / spread[known]
    far = np.nansum(gaps**2, axis=1)
    sides = np.array([truth["eye"] for truth in truths])
    far = far + np.where(sides == wanted["eye"], 0.0, 1e6)
    return np.argsort(far, kind="stable")[:count]


def _numbers(truth: Mapping[str, float]) -> np.ndarray:
    """Return facts as numbers, counts by their logarithm; NaN where nobody knows."""
    row = [np.log1p(truth[w.name]) if w.kind == "count" else truth[w.name] for w in WORDS]
    row = np.array(row, np.float64)
    return np.where(np.isfinite(row), row, np.nan)


def memory_of(samples: Seen, train: Seen, held_out: Seen, *, seed: int = 0) -> dict[str, Any]:
    """Return how like samples are to their nearest training image, beside held-out real eyes."""
    drawn = nearest_real(samples.vectors, train.vectors, top=1)
    real = nearest_real(held_out.vectors, train.vectors, top=1,
                        apart=(held_out.patients, train.patients))  # fmt: skip
    mine, theirs = drawn.likeness[:, 0], real.likeness[:, 0]
    limit = float(np.nanquantile(theirs, HIGH))
    above = (mine > limit).astype(float)
    share = paired_bootstrap(above, samples.names, rng=rng_for(seed, "memory"))
    first = np.argsort(-mine, kind="stable")[:TOP_SHOWN]
    return {
        "card": MEMORY_CARD.as_dict(), "n": len(mine), "n_train": len(train.names),
        "n_held_out": len(theirs), "limit": limit, "share_above": share.value,
        "interval": share.interval and list(share.interval),
        "samples": _quantiles(mine), "held_out": _quantiles(theirs),
        "nearest": [{"sample": samples.names[i], "train": train.names[drawn.places[i, 0]],
                     "likeness": float(mine[i])} for i in first],
    }  # fmt: skip


def _quantiles(values: np.ndarray) -> dict[str, float]:
    return {f"{q:g}": float(np.nanquantile(values, q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95)}


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
