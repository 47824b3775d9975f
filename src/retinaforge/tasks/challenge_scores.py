"""Scores of a challenge, of all images and of each device and quality, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from retinaforge.anatomy.disc_cup import DISC_CUP_CARDS
from retinaforge.core import Card, Score, rng_for
from retinaforge.metrics.prediction import (
    AUROC_CARD,
    KAPPA_CARD,
    auroc,
    patient_draws,
    quadratic_kappa,
)
from retinaforge.metrics.roc_points import (
    REFERENCE_SENSITIVITY_CARD,
    published_sensitivity,
    reference_sensitivity,
    roc_rates,
)
from retinaforge.metrics.scores import mean_score
from retinaforge.metrics.statistics import ONE_PATIENT
from retinaforge.tasks.challenge_images import Row
from retinaforge.tasks.challenge_layout import Layout

RESAMPLES = 2000
FEWEST_DRAWS = 0.5
ALL = {"group": "all", "member": "all"}


def cards_of(layout: Layout) -> tuple[Card, ...]:
    """Return the cards of a challenge's scores, in the order of the page."""
    last = KAPPA_CARD if layout.graded else REFERENCE_SENSITIVITY_CARD
    return (*DISC_CUP_CARDS, AUROC_CARD, last)


def scores_of(rows: Sequence[Row], layout: Layout, absent: dict[str, str]) -> list[Score]:
    """Return every score of all images, then of each member of each grouping.

    A grouping with one member is left out: it would say the same twice.

    Args:
        rows: one an image.
        layout: of the challenge.
        absent: why a task was not answered, by part.
    """
    found = _scores(rows, layout, absent, ALL)
    for group in sorted({name for row in rows for name in row.groups}):
        members = sorted({row.groups.get(group, "unknown") for row in rows})
        for member in members if len(members) > 1 else []:
            own = [row for row in rows if row.groups.get(group, "unknown") == member]
            found += _scores(own, layout, absent, {"group": group, "member": member})
    return found


def _scores(
    rows: Sequence[Row], layout: Layout, absent: dict[str, str], where: dict[str, str]
) -> list[Score]:
    patients = [row.truth.patient for row in rows]
    found = []
    for card in DISC_CUP_CARDS:
        values = np.array([row.values[card.name] for row in rows])
        rng = rng_for(0, "challenge", "draws", *where.values())
        one = mean_score(card, values, patients, rng=rng, where=where, resamples=RESAMPLES)
        found.append(_with_why(one, rows))
    return found + _of_labels(rows, layout, absent, where)


def _with_why(score: Score, rows: Sequence[Row]) -> Score:
    """Say why no image has a value, where all give one reason."""
    said = {row.reasons.get(score.card.name, "") for row in rows} - {""}
    if not math.isnan(score.value) or len(said) != 1:
        return score
    return Score(score.card, score.value, None, score.n, score.where, said.pop(), score.extra)


def _of_labels(
    rows: Sequence[Row], layout: Layout, absent: dict[str, str], where: dict[str, str]
) -> list[Score]:
    own = [row for row in rows if row.truth.grade is not None and math.isfinite(row.share)]
    ill = np.array([int((row.truth.grade or 0) > 0) for row in own], np.int64)
    risk = np.array([row.share for row in own], np.float64)
    why = absent.get("labels") or ("no image has both a truth and an answer" if not own else "")
    one_sided = "" if len(set(ill.tolist())) > 1 else f"only {_side(ill)} among {len(own)} images"
    area = lambda w: auroc(ill, np.stack([-risk, risk], axis=1), w)  # noqa: E731
    found = [_weighted(AUROC_CARD, area, own, why or one_sided, where)]
    if layout.graded:
        truth = np.array([row.truth.grade for row in own], np.int64)
        called = np.array([row.called for row in own], np.int64)
        kappa = lambda w: quadratic_kappa(truth, called, w)  # noqa: E731
        return [*found, _weighted(KAPPA_CARD, kappa, own, why, where)]
    at = lambda w: reference_sensitivity(ill, risk, w)  # noqa: E731
    one = _weighted(REFERENCE_SENSITIVITY_CARD, at, own, why or one_sided, where)
    published = published_sensitivity(ill, risk) if len(own) else math.nan
    one.extra["as_published"] = published if math.isfinite(published) else None
    return [*found, one]


def _side(ill: np.ndarray) -> str:
    return "glaucoma" if ill.any() else "eyes without glaucoma"


def _weighted(
    card: Card, measure: Callable[[np.ndarray], np.ndarray], rows: Sequence[Row], why: str,
    where: dict[str, str],
) -> Score:  # fmt: skip
    """Return a score of all images at once, with the interval of draws of patients."""
    patients = [row.truth.patient for row in rows]
    extra = {"role": "score", "patients": len(set(patients))}
    if why:
        return Score(card, math.nan, None, len(rows), where, why, extra)
    value = float(measure(np.ones((1, len(rows))))[0])
    if math.isnan(value):
        return Score(card, value, None, len(rows), where, "neither side varies", extra)
    if len(set(patients)) < 2:
        return Score(card, value, None, len(rows), where, ONE_PATIENT, extra)
    rng = rng_for(0, "challenge", "draws", *where.values())
    draws = measure(patient_draws(patients, rng=rng, resamples=RESAMPLES))
    known = draws[np.isfinite(draws)]
    lost = len(draws) - len(known)
    said = f"{lost} of {RESAMPLES} draws of patients lack a class" if lost else ""
    if len(known) < FEWEST_DRAWS * RESAMPLES:
        return Score(card, value, None, len(rows), where, said, extra)
    low, high = (float(v) for v in np.quantile(known, [0.025, 0.975]))
    return Score(card, value, (low, high), len(rows), where, said, extra)


def roc_of(rows: Sequence[Row]) -> list[list[float]] | None:
    """Return the ROC curve's points (false, true positive rate); None where a class is absent."""
    own = [row for row in rows if row.truth.grade is not None and math.isfinite(row.share)]
    ill = np.array([int((row.truth.grade or 0) > 0) for row in own], np.int64)
    if len(set(ill.tolist())) < 2:
        return None
    false, true = roc_rates(ill, np.array([r.share for r in own]), np.ones((1, len(own))))
    return np.round(np.stack([false[0], true[0]], axis=1), 5).tolist()


def confusion_of(rows: Sequence[Row], layout: Layout) -> list[list[int]] | None:
    """Return how often each true class (row) was called each class; None where none is called."""
    if not layout.graded or all(row.called is None for row in rows):
        return None
    counts = np.zeros((len(layout.grades),) * 2, int)
    for row in rows:
        if row.truth.grade is not None and row.called is not None:
            counts[row.truth.grade, row.called] += 1
    return counts.tolist()
