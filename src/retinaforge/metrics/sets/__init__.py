"""Scores of two sets of feature vectors: distances, fidelity, diversity; intervals and floors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retinaforge.core import Quantity
from retinaforge.metrics.entries import SetMetric
from retinaforge.metrics.pairs import Features
from retinaforge.metrics.sets import diversity, extrapolate, frechet, kernels, neighbours
from retinaforge.metrics.sets.clouds import Cloud, hold, make_clouds
from retinaforge.metrics.sets.compare import SetResult, Table, compare_sets
from retinaforge.metrics.sets.diversity import (
    INCEPTION_CARD,
    OtherProbabilities,
    Probabilities,
    inception_score,
)
from retinaforge.metrics.sets.frechet import OtherFeatures
from retinaforge.metrics.sets.pair import Pair, PairScore

# All scores of two sets of features, in the order of results; `compare` is the public function.
FEATURE_METRICS: tuple[SetMetric, ...] = (
    SetMetric(frechet.FRECHET_CARD, frechet.frechet_distance),
    SetMetric(frechet.SHRUNK_CARD, frechet.frechet_distance_shrunk),
    SetMetric(extrapolate.EXTRAPOLATED_CARD, extrapolate.frechet_distance_extrapolated),
    SetMetric(kernels.KERNEL_CARD, kernels.kernel_distance),
    SetMetric(kernels.GAUSSIAN_CARD, kernels.mmd_gaussian),
    SetMetric(neighbours.PRECISION_CARD, neighbours.precision),
    SetMetric(neighbours.RECALL_CARD, neighbours.recall),
    SetMetric(neighbours.DENSITY_CARD, neighbours.density),
    SetMetric(neighbours.COVERAGE_CARD, neighbours.coverage),
    SetMetric(diversity.VENDI_CARD, diversity.vendi),
)
# The same, on a pair whose tiles are walked once for all of them.
_SCORES: tuple[PairScore, ...] = (
    frechet.frechet_score,
    frechet.shrunk_score,
    extrapolate.extrapolated_score,
    kernels.kernel_score,
    kernels.gaussian_score,
    neighbours.precision_score,
    neighbours.recall_score,
    neighbours.density_score,
    neighbours.coverage_score,
    diversity.vendi_score,
)


def score_feature_sets(real: Features, synthetic: OtherFeatures) -> list[Quantity]:
    """Return all scores of two sets of features, without intervals or floor.

    Args:
        real: one feature vector a row.
        synthetic: likewise, of the same dimension.

    Returns:
        One quantity for each of `FEATURE_METRICS`.

    Raises:
        Refusal: "expected two matrices of finite features with equally many columns; got ...".
    """
    return _scores(*make_clouds(real, synthetic))


def compare_feature_sets(
    real: Features,
    synthetic: OtherFeatures,
    *,
    patients_real: Sequence[str],
    patients_synthetic: Sequence[str],
    rng: np.random.Generator,
    repeats: int = 10,
) -> list[SetResult]:
    """Return all scores of two sets of features with intervals, floors and matched lines.

    Args:
        real: one feature vector a row.
        synthetic: likewise, of the same dimension.
        patients_real: whose eye each real row shows.
        patients_synthetic: likewise; a reconstruction has its original's patient.
        rng: drawn from for halves and groups.
        repeats: splits of the real set into halves.

    Returns:
        One result for each of `FEATURE_METRICS`.

    Raises:
        Refusal: "expected two matrices of finite features with equally many columns; got ..." or
            "expected one patient for each image; got ...".
    """
    clouds = make_clouds(real, synthetic)
    return compare_sets(
        *clouds,
        score=_scores,
        patients_real=patients_real,
        patients_synthetic=patients_synthetic,
        rng=rng,
        repeats=repeats,
    )


def compare_class_probabilities(
    real: Probabilities,
    synthetic: OtherProbabilities,
    *,
    patients_real: Sequence[str],
    patients_synthetic: Sequence[str],
    rng: np.random.Generator,
    repeats: int = 10,
) -> list[SetResult]:
    """Return the Inception Score of the synthetic set, with that of real images beside it.

    Args:
        real: one distribution over classes a row.
        synthetic: likewise.
        patients_real: whose eye each real row shows.
        patients_synthetic: likewise.
        rng: drawn from for halves and groups.
        repeats: splits of the real set into halves.

    Returns:
        One result; its floor is what halves of the real set score.

    Raises:
        Refusal: "expected one distribution over classes a row; got ..." or "expected one patient
            for each image; got ...".
    """
    return compare_sets(
        Table(np.asarray(real)),
        Table(np.asarray(synthetic)),
        score=lambda _, other: [inception_score(other.rows)],
        patients_real=patients_real,
        patients_synthetic=patients_synthetic,
        rng=rng,
        repeats=repeats,
    )


def _scores(real: Cloud, synthetic: Cloud) -> list[Quantity]:
    pair = Pair(*hold(real, synthetic))
    if min(len(real), len(synthetic)) > 0:
        pair.walk(kernels.Cubic, *_if_scaled(pair), neighbours.Balls)
    return [score(pair) for score in _SCORES]


def _if_scaled(pair: Pair) -> tuple[type[kernels.Gaussian], ...]:
    return () if kernels.without_length(pair.a, pair.b) else (kernels.Gaussian,)


__all__ = [
    "FEATURE_METRICS",
    "INCEPTION_CARD",
    "SetResult",
    "compare_class_probabilities",
    "compare_feature_sets",
    "compare_sets",
    "inception_score",
    "score_feature_sets",
]
