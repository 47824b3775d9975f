"""Does one number put things in the order of another? Rank correlations over few things.

    ρ = corr(rank x, rank y)              Spearman, ties at their mean rank
    τ = (C − D) / √((P − Tx) (P − Ty))    Kendall's τ-b; C, D concordant and discordant of P pairs

p is two-sided by permutation of y (all orders where there are few, else random ones), which needs
no law and no absence of ties. Where things come in groups, the same within groups: ranks are taken
in each group, brought to mean 0, pooled, and y is permuted inside its group only, so that what sets
the groups apart cannot carry it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from retinaforge.core import Card, Refusal, rng_for

FEWEST = 5
PERMUTED, RESAMPLED = 20_000, 2_000
SLACK = 1e-9
"""Orders whose correlation ties with the one seen count as hits whatever rounding does."""

SPEARMAN_CARD = Card(
    name="spearman",
    version=1,
    measures="correlation of the ranks of two numbers over the same things; p two-sided by "
    "permutation, interval by resampling the things",
    range="[-1, 1]",
    direction="neither",
    unit="1",
    smallest_n=FEWEST,
    reference="Spearman, Am. J. Psychol. 15, 1904; permutation: Phipson and Smyth, Stat. Appl. "
    "Genet. Mol. Biol. 9, 2010",
    known_failure="things that come in kinds (reconstructions, drawn eyes) give a large value when "
    "any number tells the kinds apart: see it within groups; intervals over fewer than about 15 "
    "things are rough",
)
KENDALL_CARD = Card(
    name="kendall_tau_b",
    version=1,
    measures="share of pairs that two numbers put in the same order less the share that they put "
    "in opposite orders, corrected for ties",
    range="[-1, 1]",
    direction="neither",
    unit="1",
    smallest_n=FEWEST,
    reference="Kendall, Biometrika 33, 1945",
    known_failure="as of Spearman's",
)
RANK_CARDS = (SPEARMAN_CARD, KENDALL_CARD)


@dataclass(frozen=True)
class RankAgreement:
    """How far two numbers order things alike.

    Attributes:
        spearman, kendall: NaN where not defined.
        p: two-sided, by permutation; NaN where not defined.
        interval: 95 %, percentiles over resampled things; None where it cannot be given.
        interval_draws: 95 %, over the draws of the second number; None without draws.
        n: things that have both numbers.
        reason: why it is not defined.
    """

    spearman: float
    kendall: float
    p: float
    interval: tuple[float, float] | None
    interval_draws: tuple[float, float] | None
    n: int
    reason: str = ""


def rank_agreement(
    x: Float[np.ndarray, "n"],
    y: Float[np.ndarray, "n"],
    *,
    seed: int = 0,
    draws: Float[np.ndarray, "d n"] | None = None,
    groups: Sequence[str] | None = None,
    permuted: int = PERMUTED,
    resampled: int = RESAMPLED,
) -> RankAgreement:
    """Return the rank correlations of two numbers over the things that have both.

    Args:
        x: one number a thing; NaN where it has none.
        y: another, which is permuted.
        seed: decides permutations and resamples, the same for all x.
        draws: of y, one row a draw.
        groups: kind of each thing: then within groups (no interval over things is given, as a
            resample leaves groups with one).
        permuted: random orders, where not all are tried.
        resampled: resamples of the things; 0 for no interval over them.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    good = np.isfinite(x) & np.isfinite(y)
    if groups is not None:
        good &= _shared(np.asarray(groups, str), good)
    n = int(good.sum())
    names = None if groups is None else np.asarray(groups, str)[good]
    reason = _undefined(x[good], y[good], names, n)
    if reason:
        return RankAgreement(math.nan, math.nan, math.nan, None, None, n, reason)
    codes = np.zeros(n, np.int64) if names is None else np.unique(names, return_inverse=True)[1]
    x, y = x[good], y[good]
    rows = None if draws is None else np.asarray(draws, np.float64)[:, good]
    found = _within(x, y, codes, orders_of(tuple(codes.tolist()), seed, permuted), rows)
    if groups is not None:
        return found
    interval = _over_things(x, y, _resamples(n, seed, resampled)) if resampled else None
    tau: Any = stats.kendalltau(x, y)
    return replace(found, kendall=float(tau.statistic), interval=interval)


def _shared(names: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return which things have another of their group beside them."""
    return np.array([good[names == name].sum() >= 2 for name in names], bool)


def _undefined(x: np.ndarray, y: np.ndarray, names: np.ndarray | None, n: int) -> str:
    if n < FEWEST:
        where = "" if names is None else " in groups of two or more"
        return f"{n} sets{where} have both numbers; at least {FEWEST} are needed"
    for values, what in ((x, "the score"), (y, "the outcome")):
        spread = [np.ptp(values)] if names is None else [
            np.ptp(values[names == name]) for name in np.unique(names)
        ]  # fmt: skip
        if max(spread) == 0:
            return f"{what} is the same in all sets{'' if names is None else ' of each group'}"
    return ""


def _within(
    x: np.ndarray, y: np.ndarray, codes: np.ndarray, found: tuple[np.ndarray, bool],
    draws: np.ndarray | None,
) -> RankAgreement:  # fmt: skip
    a, b = _ranks(x[None], codes)[0], _ranks(y[None], codes)[0]
    seen = float(a @ b)
    orders, exact = found
    hits = int((np.abs(b[orders] @ a) >= abs(seen) - SLACK).sum())
    p = hits / len(orders) if exact else (hits + 1) / (len(orders) + 1)
    drawn = None if draws is None else _span(_ranks(draws, codes) @ a)
    return RankAgreement(seen, math.nan, p, None, drawn, len(x))


def _ranks(rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return ranks of each row, taken and centred in each group, of length 1; NaN where alike."""
    ranked = np.full(rows.shape, math.nan)
    for code in np.unique(codes):
        own = codes == code
        part = stats.rankdata(rows[:, own], axis=1)
        ranked[:, own] = part - part.mean(axis=1, keepdims=True)
    ranked[~np.isfinite(rows).all(axis=1)] = math.nan
    length = np.sqrt((ranked**2).sum(axis=1, keepdims=True))
    with np.errstate(invalid="ignore"):
        return np.where(length > 0, ranked / np.where(length > 0, length, 1), math.nan)


@lru_cache(maxsize=8)
def orders_of(codes: tuple[int, ...], seed: int, count: int) -> tuple[np.ndarray, bool]:
    """Return orders of things that stay in their group, and whether they are all there are.

    Args:
        codes: group of each thing.
        seed: of random orders.
        count: of them, where there are more than so many.

    Returns:
        Places, shape (orders, n).
    """
    own = np.array(codes, np.int64)
    if len(set(codes)) == 1 and math.factorial(len(codes)) <= count:
        return np.array(list(permutations(range(len(codes)))), np.int64), True
    rng = rng_for(seed, "rank agreement", "orders")
    # Sorted by group, then by chance: the k-th place of a group gets its k-th by chance.
    keys = rng.random((count, len(codes))) + own[None]
    orders = np.empty((count, len(codes)), np.int64)
    orders[:, np.argsort(own, kind="stable")] = np.argsort(keys, axis=1)
    return orders, False


@lru_cache(maxsize=8)
def _resamples(n: int, seed: int, count: int) -> np.ndarray:
    return rng_for(seed, "rank agreement", "things").integers(0, n, (count, n))


def _over_things(x: np.ndarray, y: np.ndarray, taken: np.ndarray) -> tuple[float, float] | None:
    one = np.zeros(len(x), np.int64)
    return _span((_ranks(x[taken], one) * _ranks(y[taken], one)).sum(axis=1))


def _span(values: np.ndarray) -> tuple[float, float] | None:
    """Return the 95 % interval of what is defined; None where less than half is."""
    known = values[np.isfinite(values)]
    if len(known) * 2 < len(values):
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def smallest_p(n: int, permuted: int = PERMUTED) -> float:
    """Return the smallest two-sided p that orders of n things can give."""
    count = math.factorial(n)
    return 2 / count if count <= permuted else 1 / (permuted + 1)


def smallest_shown(n: int, tests: int, *, level: float = 0.05) -> float:
    """Return about how large |ρ| must be for the smallest p of a family to stay below a level.

    By Student's t with n − 2 degrees of freedom at level / tests, two-sided: what so few things can
    show at all.

    Args:
        n: things.
        tests: of the family, corrected by Holm (whose first step is Bonferroni's).
        level: of the family.

    Returns:
        NaN where even a perfect order could not be shown: its p, corrected, is above the level.

    Raises:
        Refusal: "expected at least 5 things and a test ...; got ...".
    """
    if n < FEWEST or tests < 1:
        raise Refusal(f"at least {FEWEST} things and a test", f"{n} and {tests}", "give more")
    if smallest_p(n) * tests > level:
        return math.nan
    t = float(stats.t.isf(level / tests / 2, n - 2))
    return t / math.sqrt(n - 2 + t * t)
