"""The classifier of an audit: a linear head on a frozen encoder, taught and judged by patient.

    logit(x) = w · f(x) + c

It is linear in the encoder's vector, so a gradient passes through it to the pixels. The penalty is
chosen on inner folds of teaching patients by AUROC; classes weigh alike.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold

from retinaforge.core import Record, Refusal
from retinaforge.encoders import Encoder
from retinaforge.metrics.prediction import auroc
from retinaforge.tasks.embedding_looks import VECTORS, encoder_look
from retinaforge.tasks.probe_heads import STRENGTHS
from retinaforge.tasks.probe_target import Round, Target, folds_of, rounds_of

INNER_FOLDS = 3
FEWEST = 5
"""Teaching patients with and without the finding that a head needs."""

FEW = 10
"""Judging patients of a side below which a caution is said."""
GIVEN, HALVES = "given", "halves"
JUDGES = (GIVEN, HALVES)

Make = Callable[[int], np.ndarray]
See = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Head:
    """A linear score of an encoder's vectors; positive logits call the finding."""

    weights: np.ndarray
    constant: float
    strength: float

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """Return w · v + c of each row."""
        return vectors.astype(np.float64) @ self.weights + self.constant


def teach(vectors: np.ndarray, truth: np.ndarray, patients: Sequence[str]) -> Head:
    """Return the head that tells True from False, or predicts a number.

    Args:
        vectors: shape (n, channels).
        truth: boolean; floats are a number, fitted by ridge.
        patients: whose image it is.

    Raises:
        Refusal: "expected at least 5 teaching patients with and without the finding; got ...".
    """
    names, number = np.asarray(patients, str), truth.dtype != bool
    if not number:
        sides = [len(np.unique(names[truth == side])) for side in (True, False)]
        if min(sides) < FEWEST:
            raise Refusal(
                f"at least {FEWEST} teaching patients with and without the finding",
                f"{sides[0]} and {sides[1]}", "add images, or ask for another finding",
            )  # fmt: skip
    middle, spread = vectors.mean(axis=0), vectors.std(axis=0).astype(np.float64)
    spread = np.where(spread > 1e-8 * np.maximum(np.abs(middle), 1e-30), spread, np.inf)
    rows = (vectors - middle) / spread
    # On the axes on which the rows lie, a penalised fit is the same and quick.
    _, sizes, axes = np.linalg.svd(rows, full_matrices=False)
    if not sizes.any():
        return Head(np.zeros(vectors.shape[1]), 0.0, STRENGTHS[0])
    axes = axes[sizes > 1e-9 * float(sizes[0])]
    low = rows @ axes.T
    best = max(STRENGTHS, key=lambda c: _inner(low, truth, names, c))
    coef, constant = _fit(low, truth, best)
    weights = (axes.T @ coef) / spread
    return Head(weights, constant - float(middle @ weights), best)


def _fit(rows: np.ndarray, truth: np.ndarray, strength: float) -> tuple[np.ndarray, float]:
    if truth.dtype != bool:
        ridge = Ridge(alpha=1 / (2 * strength)).fit(rows, truth)
        return np.asarray(ridge.coef_), float(ridge.intercept_)
    if truth.all() or not truth.any():
        return np.zeros(rows.shape[1]), 0.0
    model = LogisticRegression(C=strength, max_iter=300, tol=1e-3, class_weight="balanced")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, truth)
    return model.coef_[0], float(model.intercept_[0])


def _inner(rows: np.ndarray, truth: np.ndarray, names: np.ndarray, strength: float) -> float:
    folds = min(INNER_FOLDS, len(np.unique(names)))
    if folds < 2:
        return 0.0
    said = np.zeros(len(rows))
    for own, rest in GroupKFold(folds).split(rows, groups=names):
        coef, constant = _fit(rows[own], truth[own], strength)
        said[rest] = rows[rest] @ coef + constant
    if truth.dtype != bool:
        return -float(np.abs(said - truth).mean())
    both = np.stack([-said, said], axis=1)
    return round(float(auroc(truth.astype(np.int64), both, np.ones((1, len(said))))[0]), 3)


def rounds(
    records: Sequence[Record], truth: np.ndarray, judge: str = GIVEN
) -> tuple[list[Round], str]:
    """Return who teaches and who judges, once: the given split, else halves of the patients.

    Not folds that judge in turn: their answers hang together through those who teach, and a test
    that takes them for independent finds too much (of noise an AUROC's spread over eight draws of
    160 images was 0.076, where DeLong's formula says 0.046).

    Args:
        records: whose images.
        truth: theirs.
        judge: "given" to keep a split where there is one, "halves" to draw halves all the same.

    Raises:
        Refusal: "expected given or halves; got ...", "expected rows of splits train and test ...".
    """
    if judge not in JUDGES:
        raise Refusal(" or ".join(JUDGES), repr(judge), "name who judges")
    if judge == GIVEN and any(record.split for record in records):
        found = rounds_of(records, _target(truth))[0][0]
        if not len(found.judge) or not len(found.teach):
            raise Refusal(
                "rows of splits train and test with this truth",
                f"{len(found.teach)} that teach and {len(found.judge)} that judge",
                "add the missing split, or ask for --judge halves",
            )
        return [found], "rows of splits train and val teach, rows of test judge"
    why = "no split is given" if judge == GIVEN else "asked for"
    return [halves(records, truth)], f"half of the patients teach, the other half judges ({why})"


def few_words(truth: np.ndarray, patients: Sequence[str], folds: Sequence[Round]) -> list[str]:
    """Return a caution where few patients with or without the finding judge."""
    names, judge = np.asarray(patients, str), np.concatenate([one.judge for one in folds])
    sides = [len(np.unique(names[judge][truth[judge] == side])) for side in (True, False)]
    if min(sides) >= FEW:
        return []
    every = [len(np.unique(names[truth == side])) for side in (True, False)]
    return [
        f"{sides[0]} patients with the finding and {sides[1]} without judge: little can be shown. "
        f"--judge halves would let about {every[0] // 2} and {every[1] // 2} judge."
    ]


def halves(records: Sequence[Record], truth: np.ndarray) -> Round:
    """Return one round: half of the patients teach, the other half judges, classes spread evenly.

    Raises:
        Refusal: "expected at least two patients; got one".
    """
    parts = folds_of(_target(truth), records, np.arange(len(records)), seed=0, count=2)
    if len(parts) < 2:
        raise Refusal("at least two patients", "one", "add images of others")
    return Round(0, parts[0], parts[1])


def _target(truth: np.ndarray) -> Target:
    values = truth.astype(np.float64)
    if truth.dtype == bool:
        return Target("finding", "class", ("no", "yes"), values, ())
    return Target("finding", "number", (), values, ())


def seer(encoder: Encoder, side: int) -> See:
    """Return what turns squares of a side into an encoder's vectors."""
    look = encoder_look(encoder, size_px=side)
    return lambda pixels: look.compute(pixels, np.ones(pixels.shape[:3], bool))[VECTORS]


def plan(see: See, side: int, batch: int, squares: int) -> str:
    """Return how long an encoder needs for so many squares, from one batch that is timed."""
    blank = np.full((batch, side, side, 3), 90, np.uint8)
    see(blank)
    start = time.perf_counter()
    see(blank)
    rate = batch / max(time.perf_counter() - start, 1e-6)
    seconds = squares / rate
    long = f"{seconds / 60:.0f} minutes" if seconds > 100 else f"{max(seconds, 1):.0f} s"
    return f"{squares} squares of {side} px at {rate:.0f} a second: about {long}"


def vectors_of(see: See, count: int, make: Make, *, batch: int) -> np.ndarray:
    """Return vectors of squares that are made one by one.

    Args:
        see: takes RGB of shape (n, side, side, 3), uint8; returns (n, channels).
        count: of squares.
        make: takes a place, returns one square.
        batch: squares a step.
    """
    steps = (range(k, min(k + batch, count)) for k in range(0, count, batch))
    return np.concatenate([see(np.stack([make(k) for k in step])) for step in steps])


def answers(
    vectors: np.ndarray, truth: np.ndarray, patients: Sequence[str], folds: Sequence[Round],
    *, extra: tuple[np.ndarray, np.ndarray, Sequence[str]] | None = None, alone: bool = False,
) -> tuple[np.ndarray, list[Head]]:  # fmt: skip
    """Teach one head a round and return its logits of the judging rows, NaN elsewhere.

    Args:
        vectors: of real images.
        truth: theirs.
        patients: theirs.
        folds: who teaches and judges.
        extra: vectors, truth and patients of synthetic images that teach too.
        alone: teach with `extra` alone.
    """
    said, heads = np.full(len(truth), np.nan), []
    for one in folds:
        rows, known = vectors[one.teach], truth[one.teach]
        names = [patients[k] for k in one.teach]
        if extra is not None:
            more, told, who = extra
            rows = more if alone else np.concatenate([rows, more])
            known = told if alone else np.concatenate([known, told])
            names = list(who) if alone else [*names, *who]
        head = teach(rows, known, names)
        said[one.judge] = head.logits(vectors[one.judge])
        heads.append(head)
    return said, heads
