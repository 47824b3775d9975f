"""Readers of known skill, as functions of what is shown, and what their numbers must come to.

A reader is a function (kind, item, rng) -> answers. What is planted follows in closed form:

    right with probability p                       accuracy p
    calls everything real with probability q       accuracy 1/2, called real q on both sides
    x ~ N(d' [synthetic], 1), thresholds t         hits, alarms and the AUC of six steps of normal
                                                   tails; of two images the share right Φ(d' / √2)
    keeps an image's own fair coin with            κ within a reader c², κ between two readers who
    probability c, else tosses another             share the coins c²
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

Answers = dict[str, str]
Reader = Callable[[str, str, np.random.Generator], Answers]
KINDS = ("real", "synthetic")
STEPS = (-0.7, -0.1, 0.5, 1.1, 1.7)
"""Thresholds of the normal reader, surely real to surely synthetic; the third is the call's."""


@dataclass(frozen=True)
class Script:
    """One scripted reader.

    Attributes:
        words: what it does.
        read: how it answers.
        planted: what must come out: (score, side or question) to value.
    """

    words: str
    read: Reader
    planted: dict[tuple[str, str], float] = field(default_factory=dict)


def _said(verdict: str, sure: int) -> Answers:
    return {"verdict": verdict, "confidence": str(sure)}


def skilled(p: float) -> Script:
    """Return a reader who is right with probability p, whatever is shown."""

    def read(kind: str, _: str, rng: np.random.Generator) -> Answers:
        right = rng.random() < p
        return _said(kind if right else KINDS[kind == "real"], int(rng.integers(1, 4)))

    # Confidence says nothing of being right: the area is that of the call and chance beneath it.
    planted = {("reader_accuracy", ""): p, ("called_real", "real"): p,
               ("called_real", "synthetic"): 1 - p, ("reader_auc", ""): p}  # fmt: skip
    return Script(f"right with probability {p:g}", read, planted)


def biased(q: float) -> Script:
    """Return a reader who calls images real with probability q and sees nothing."""

    def read(_: str, __: str, rng: np.random.Generator) -> Answers:
        return _said("real" if rng.random() < q else "synthetic", 2)

    planted = {("reader_accuracy", ""): 0.5, ("called_real", "real"): q,
               ("called_real", "synthetic"): q, ("d_prime", ""): 0.0,
               ("criterion", ""): float(stats.norm.ppf(q)), ("reader_auc", ""): 0.5}  # fmt: skip
    return Script(f"calls everything real with probability {q:g}", read, planted)


def normal(d: float) -> Script:
    """Return the reader of detection theory with sensitivity d'."""

    def read(kind: str, _: str, rng: np.random.Generator) -> Answers:
        step = int(np.searchsorted(STEPS, rng.normal(d * (kind == "synthetic"))))
        return _said(KINDS[step >= 3], step - 2 if step >= 3 else 3 - step)

    bins = [np.diff([0.0, *stats.norm.cdf(np.array(STEPS) - shift), 1.0]) for shift in (0, d)]
    below = np.cumsum(bins[0]) - bins[0]
    area = float((bins[1] * (below + bins[0] / 2)).sum())
    hit, alarm = float(bins[1][3:].sum()), float(bins[0][3:].sum())
    planted = {("reader_accuracy", ""): (hit + 1 - alarm) / 2, ("called_real", "real"): 1 - alarm,
               ("called_real", "synthetic"): 1 - hit, ("d_prime", ""): d,
               ("criterion", ""): STEPS[2] - d / 2, ("reader_auc", ""): area}  # fmt: skip
    return Script(f"normal reader, d' {d:g}", read, planted)


def keeping(c: float, coins: int) -> Script:
    """Return a reader who keeps an image's coin with probability c; `coins` names whose coins."""

    def read(_: str, item: str, rng: np.random.Generator) -> Answers:
        own = np.random.default_rng([coins, *item.encode()]).integers(2)
        kept = rng.random() < c
        return _said(KINDS[int(own if kept else rng.integers(2))], 1 + int(rng.integers(3)))

    planted = {("reader_accuracy", ""): 0.5, ("intra_reader_kappa", "verdict"): c * c}
    return Script(f"keeps an image's coin with probability {c:g}", read, planted)


def pairing(d: float) -> Script:
    """Return the normal reader of two images: the one that looks more synthetic is called so."""

    def read(kind: str, _: str, rng: np.random.Generator) -> Answers:
        right = rng.normal(d) > rng.normal()
        side = kind if right else {"left": "right", "right": "left"}[kind]
        return {"pair": side, "confidence": "2"}

    planted = {("reader_accuracy", ""): float(stats.norm.cdf(d / math.sqrt(2))),
               ("d_prime", ""): d, ("called_real", "called_left"): 0.5}  # fmt: skip
    return Script(f"normal reader of two images, d' {d:g}", read, planted)


def leaning(p: float) -> Script:
    """Return a reader of two images who takes the left one with probability p and sees nothing."""

    def read(_: str, __: str, rng: np.random.Generator) -> Answers:
        return {"pair": "left" if rng.random() < p else "right", "confidence": "1"}

    planted = {("reader_accuracy", ""): 0.5, ("called_real", "called_left"): p}
    return Script(f"takes the left image with probability {p:g}", read, planted)
