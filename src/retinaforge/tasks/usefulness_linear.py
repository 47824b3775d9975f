"""The linear backbone: a softmax on frozen embeddings, taught by mini-batches.

    minimise  Σ over questions of the cross-entropy of known labels,  W ← W − lr (m / √v + λ W)

AdamW for a fixed number of steps, its rate falling to zero along half a cosine. All settings of the
decay λ are taught at once on the same batches: their weights are columns of one matrix. Columns of
the embeddings are standardised by what teaches.

References:
    I. Loshchilov and F. Hutter, ICLR 2019 (AdamW). A. Alain and Y. Bengio, 2016 (linear probes).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from retinaforge.core import rng_for
from retinaforge.tasks.usefulness_arms import Pool

DECAYS = (10.0, 3.0, 1.0, 0.3, 0.1)
"""Strongest first: of settings that tie, the strongest is taken."""
STEPS, BATCH, RATE = 600, 64, 0.02
FIRST, SECOND, SMALL = 0.9, 0.99, 1e-8
SPREAD_FLOOR = 1e-6


@dataclass(frozen=True)
class LinearBackbone:
    """How a linear head is taught on embeddings.

    Attributes:
        vectors: float32, shape (images, channels), one row an image of the material.
        copies: float32, shape (images, copies, channels): of strongly augmented copies; NaN where
            none were looked at.
        widths: number of classes of each question.
        name, fingerprint: of the encoder.
        steps, batch: the same for every arm.
        settings: decays that are tried.
        folds: inner folds of patients on which the decay is chosen.
    """

    vectors: np.ndarray
    copies: np.ndarray
    widths: tuple[int, ...]
    name: str
    fingerprint: str
    steps: int = STEPS
    batch: int = BATCH
    settings: tuple[float, ...] = DECAYS
    folds: int = 3

    def facts(self) -> dict[str, Any]:
        """Return what a finished fit depends on beside its images."""
        return {
            "backbone": "linear probe", "encoder": self.fingerprint, "steps": self.steps,
            "batch": self.batch, "rate": RATE, "decays": list(self.settings), "folds": self.folds,
        }  # fmt: skip

    def mark(self, place: int) -> bytes:
        """Return the bytes that an image is known by."""
        return self.vectors[place].tobytes()

    def fit(
        self, pool: Pool, judged: np.ndarray, *, seed: int, settings: Sequence[float],
        keep: Path | None = None,
    ) -> np.ndarray:  # fmt: skip
        """Teach a head for each setting and return its answers.

        Args:
            pool: what teaches.
            judged: places to answer for.
            seed: decides the order of teaching.
            settings: decays.
            keep: not used: it takes a second.

        Returns:
            Probabilities, shape (settings, judged, all classes of all questions).
        """
        rng = rng_for(seed, "usefulness", "linear")
        middle, spread = _moments(self.vectors[pool.places])
        learner = _Heads(self.vectors.shape[1], self.widths, np.asarray(settings, np.float32))
        # The products are small: threads that wait for each other cost forty times the work.
        with threadpool_limits(1, user_api="blas"):
            for step in range(self.steps):
                rows = rng.choice(len(pool.places), size=self.batch, p=pool.chances)
                x = self._rows(pool, rows, rng)
                rate = RATE * 0.5 * (1 + math.cos(math.pi * step / self.steps))
                learner.step((x - middle) / spread, pool.values[rows], rate)
            return learner.answers((self.vectors[judged] - middle) / spread)

    def _rows(self, pool: Pool, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        x = self.vectors[pool.places[rows]]
        if not pool.strong:
            return x
        which = rng.integers(0, self.copies.shape[1] + 1, len(rows))
        copied = self.copies[pool.places[rows], np.maximum(which - 1, 0)]
        return np.where((which == 0)[:, None] | ~np.isfinite(copied), x, copied)


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    middle, spread = x.mean(axis=0), x.std(axis=0)
    # A column that says nothing is left at zero; the rest shrink with their number, so that one
    # rate serves narrow and wide encoders.
    quiet = spread < SPREAD_FLOOR * np.maximum(np.abs(middle), 1e-12)
    return middle, np.where(quiet, np.inf, spread) * np.float32(math.sqrt(x.shape[1]))


class _Heads:
    """Weights of all settings side by side, with AdamW's moments."""

    def __init__(self, channels: int, widths: Sequence[int], decays: np.ndarray) -> None:
        self.widths, self.decays, self.classes = tuple(widths), decays, int(sum(widths))
        shape = (channels + 1, len(decays), self.classes)
        self.weights = np.zeros(shape, np.float32)
        self.first, self.second = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.count = 0

    def step(self, x: np.ndarray, values: np.ndarray, rate: float) -> None:
        """Take one step of AdamW; the constant term is not decayed."""
        x = _with_one(x)
        wrong = self._softmax(x)
        start = 0
        for width, column in zip(self.widths, values.T, strict=True):
            known = np.isfinite(column)
            truth = np.eye(width, dtype=np.float32)[np.nan_to_num(column).astype(int)]
            block = wrong[:, :, start : start + width]
            block -= truth[:, None, :]
            block *= known[:, None, None] / max(int(known.sum()), 1)
            start += width
        slope = (x.T @ wrong.reshape(len(x), -1)).reshape(self.weights.shape)
        self.count += 1
        self.first += (1 - FIRST) * (slope - self.first)
        self.second += (1 - SECOND) * (slope**2 - self.second)
        down = self.first / (1 - FIRST**self.count)
        down /= np.sqrt(self.second / (1 - SECOND**self.count)) + SMALL
        self.weights[:-1] *= 1 - rate * self.decays[:, None]
        self.weights -= rate * down

    def answers(self, x: np.ndarray) -> np.ndarray:
        """Return probabilities, shape (settings, n, classes)."""
        return self._softmax(_with_one(x)).transpose(1, 0, 2)

    def _softmax(self, x: np.ndarray) -> np.ndarray:
        flat = self.weights.reshape(len(self.weights), -1)
        said = (x @ flat).reshape(len(x), len(self.decays), self.classes)
        start = 0
        for width in self.widths:
            block = said[:, :, start : start + width]
            block -= block.max(axis=2, keepdims=True)
            np.exp(block, out=block)
            block /= block.sum(axis=2, keepdims=True)
            start += width
        return said


def _with_one(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1, dtype=np.float32)
