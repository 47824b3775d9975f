"""Fit the scores and limits of the anatomy checks, for `anatomy_checks.py`.

Scores: ridge logistic regression of undamaged eyes against those with one kind of damage, each
side of the same weight. Limits: see `limits_of`. Scores of undamaged eyes are taken from eight
folds by patient, so that a score is not asked about eyes that it was fitted on.
"""

from __future__ import annotations

import zlib
from itertools import product
from typing import Any

import numpy as np
from scipy.optimize import minimize

from retinaforge.audits.anatomy_checks import CHECKS
from retinaforge.audits.damage_scores import NUMBERS
from retinaforge.audits.scores import FARTHEST, Score

DAMAGE_OF = {
    "disc_erased": ("disc-erased",),
    "second_disc": ("extra-disc",),
    "fovea_missing": ("misplaced-fovea",),
    "cut_off": ("vessels-cut-off",),
    "broken": ("broken-vessels",),
    "adrift": ("floating-trees", "floating-vessels"),
    "arteries_erased": ("arteries-erased",),
    "thick": ("thick-vessels",),
    "thin": ("thin-vessels",),
    "dropped": ("dropped-vessels",),
    "widened_outwards": ("widened-outwards",),
}
RIDGE, SIDE, FOLDS = 2.0, 50.0, 8
BUDGET, MARGIN = 0.015, 0.1
"""Share of undamaged eyes that may fail a check; how much further from the median than the most
extreme of the others a limit lies."""
RIM = {"roundness": (0.995, None), "darkness": (None, 0.005)}
"""No limit is tighter: half a percent of a 512 px field is the rim that its raster may miss."""

Row = dict[str, Any]
Limits = dict[str, tuple[float | None, float | None]]


def known(rows: list[Row], name: str) -> list[Row]:
    """Return the rows from which a score can be had."""
    return [row for row in rows if not isinstance(row["numbers"][name], str)]


def matrix(rows: list[Row], name: str) -> np.ndarray:
    """Return the numbers of a score, shape (rows, numbers)."""
    return np.array([[row["numbers"][name].get(k, np.nan) for k in NUMBERS[name]] for row in rows],
                    dtype=float).reshape(len(rows), len(NUMBERS[name]))  # fmt: skip


def fit(name: str, sound: np.ndarray, damaged: np.ndarray) -> Score:
    """Fit one score to the numbers of undamaged and damaged eyes."""
    middle, scale = np.nanmean(sound, axis=0), np.nanstd(sound, axis=0) + 1e-6
    x = np.concatenate([sound, damaged])
    z = np.clip(np.nan_to_num((x - middle) / scale), -FARTHEST, FARTHEST)
    y = np.repeat([0.0, 1.0], [len(sound), len(damaged)])
    weight = np.where(y == 1, SIDE / len(damaged), SIDE / len(sound))

    def loss(b: np.ndarray) -> tuple[float, np.ndarray]:
        t = z @ b[:-1] + b[-1]
        slope = weight * (1 / (1 + np.exp(-t)) - y)
        value = (weight * (np.logaddexp(0, t) - y * t)).sum() + RIDGE / 2 * (b[:-1] ** 2).sum()
        return float(value), np.append(z.T @ slope + RIDGE * b[:-1], slope.sum())

    b = minimize(loss, np.zeros(z.shape[1] + 1), jac=True, method="L-BFGS-B").x
    short = [tuple(round(float(v), 5) for v in part) for part in (middle, scale, b[:-1])]
    return Score(NUMBERS[name], *short, round(float(b[-1]), 5))


def fold(row: Row) -> int:
    """Return the fold of a row, by patient."""
    return zlib.crc32(row["patient"].encode()) % FOLDS


def fit_all(sound: list[Row], damaged: list[Row]) -> dict[str, Score]:
    """Fit every score; write each undamaged and damaged row's score out of fold into the row."""
    scores = {}
    for name in NUMBERS:
        own = known(sound, name)
        hurt = known([row for row in damaged if row["kind"] in DAMAGE_OF[name]], name)
        scores[name] = fit(name, matrix(own, name), matrix(hurt, name))
        for k in range(FOLDS):
            part = fit(name, matrix([r for r in own if fold(r) != k], name),
                       matrix([r for r in hurt if fold(r) != k], name))  # fmt: skip
            for row in (*own, *hurt):
                if fold(row) == k:
                    row.setdefault("out_of_fold", {})[name] = part.log_odds(row["numbers"][name])
    return scores


def limits_of(sound: list[Row], damaged: list[Row]) -> Limits:
    """Return limits of every reading.

    A share of the undamaged eyes (BUDGET, rounded down) may fail each check: of all ways to take
    so many of the most extreme in its scores, the one that lets most damage be found. All others
    keep every limit, which lies 10 % further from the median than the most extreme of them.
    """
    limits: Limits = {}
    for check in CHECKS:
        names = [r.name for r in check.readings if r.name in NUMBERS]
        allowed = int(BUDGET * len(sound))
        shares = [sum((_highest(sound, n, k) for n, k in zip(names, counts, strict=True)), ())
                  for counts in product(range(allowed + 1), repeat=len(names))]  # fmt: skip
        out = max(
            (frozenset(share) for share in shares if len(set(share)) <= allowed),
            key=lambda out: sum(_found(damaged, n, _top(sound, n, out)) for n in names),
        )  # fmt: skip
        for name in names:
            limits[name] = (None, _top(sound, name, out))
        for reading in check.readings:
            if reading.name not in NUMBERS:
                limits[reading.name] = _plain(sound, reading.name, reading.low, reading.high)
    for name, side in product(RIM, (0, 1)):
        pair, rim = list(limits[name]), RIM[name][side]
        if rim is not None:
            pair[side] = (min, max)[side](pair[side], rim)  # type: ignore[type-var]
            limits[name] = (pair[0], pair[1])
    return limits


def _highest(sound: list[Row], name: str, count: int) -> tuple[str, ...]:
    rows = sorted(known(sound, name), key=lambda r: -r["out_of_fold"][name])
    return tuple(row["stem"] for row in rows[:count])


def _top(sound: list[Row], name: str, out: frozenset[str]) -> float:
    x = np.array([r["out_of_fold"][name] for r in known(sound, name) if r["stem"] not in out])
    return _round(float(x.max() + MARGIN * (x.max() - np.median(x))))


def _found(damaged: list[Row], name: str, limit: float) -> float:
    own = known([row for row in damaged if row["kind"] in DAMAGE_OF[name]], name)
    return float(np.mean([row["out_of_fold"][name] > limit for row in own]))


def _plain(sound: list[Row], name: str, low: str, high: str) -> tuple[float | None, float | None]:
    if name == "fovea_side":
        return 0.0, None
    x = np.array([r["plain"][name] for r in sound if not isinstance(r["plain"][name], str)])
    middle = float(np.median(x))
    return (
        _round(float(x.min()) - MARGIN * (middle - float(x.min()))) if low else None,
        _round(float(x.max()) + MARGIN * (float(x.max()) - middle)) if high else None,
    )


def _round(value: float) -> float:
    return float(f"{value:.4g}")
