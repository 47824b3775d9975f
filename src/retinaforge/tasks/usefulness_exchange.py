"""How many synthetic images equal one real one.

Let V(n) be the score with n photographs (real+real arms) and S(m) with N photographs and m
synthetic images. The n* at which V(n*) = S(m) is read off the line through V's running maximum;
then m synthetic images stand for n* − N photographs, and m / (n* − N) for one. Where S(m) does not
exceed V(N) they stand for none; where it exceeds all of V they stand for more than were at hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from retinaforge.tasks.usefulness_scores import number


def exchange(
    sizes: Sequence[float],
    values: Sequence[float],
    draws: np.ndarray,
    synthetic: Sequence[tuple[float, float, np.ndarray]],
) -> list[dict]:
    """Return what each amount of synthetic images is worth in photographs.

    Args:
        sizes: numbers of photographs, rising; the first is N.
        values: V at each.
        draws: of V, shape (sizes, draws).
        synthetic: (m, S(m), draws of S(m)) for each amount.

    Returns:
        One row an amount: synthetic, worth (n* − N) with interval, per_real (m / worth; None where
        none), reason.
    """
    rows = []
    for count, value, own in synthetic:
        worth, reason = worth_of(sizes, values, value)
        each = np.array([worth_of(sizes, v, s)[0] for v, s in zip(draws.T, own, strict=True)])
        known = each[np.isfinite(each)]
        interval = None
        if math.isfinite(worth) and len(known) >= len(each) / 2:
            interval = [float(x) for x in np.quantile(known, [0.025, 0.975])]
        per_real = count / worth if math.isfinite(worth) and worth > 0 else math.nan
        rows.append({"synthetic": count, "worth": number(worth), "interval": interval,
                     "per_real": number(per_real), "reason": reason})  # fmt: skip
    return rows


def worth_of(sizes: Sequence[float], values: Sequence[float], value: float) -> tuple[float, str]:
    """Return how many photographs beyond the first size give a value, and what limits it."""
    v = np.asarray(values, np.float64)
    if not np.isfinite(v).all() or not math.isfinite(value):
        return math.nan, "a score on the way is not defined"
    best = np.maximum.accumulate(v)
    if value <= best[0]:
        return 0.0, "no better than the photographs alone: they stand for none"
    if value > best[-1]:
        return float(sizes[-1] - sizes[0]), "better than all photographs at hand: at least so many"
    k = int(np.searchsorted(best, value, side="left"))
    share = (value - best[k - 1]) / (best[k] - best[k - 1])
    return float(sizes[k - 1] + share * (sizes[k] - sizes[k - 1]) - sizes[0]), ""
