"""Shares of images: those that fail an anatomy check, those of good quality.

    share = k / n, with Wilson's interval; real and synthetic differ by Fisher's exact test,
    corrected over all checks (Holm)

References:
    E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927); R. A. Fisher, 1935.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from retinaforge.audits.anatomy_checks import CHECKS
from retinaforge.audits.quality import GRADE_CARD
from retinaforge.core import Card, Score
from retinaforge.metrics import holm
from retinaforge.validation.eye import Measured
from retinaforge.validation.fidelity import Sides

SMALLEST_N = 5


def anatomy_scores(sides: Sides) -> list[Score]:
    """Return for each check the share of synthetic images that fail it, beside the real one."""
    lines = [
        _share(check.card, _failed(sides.synthetic, check.card.name),
               _failed(sides.real, check.card.name), family="anatomy")
        for check in CHECKS
    ]  # fmt: skip
    any_card = Card(
        name="anatomy_any", version=1,
        measures="share of images that fail at least one anatomy check", range="[0, 1]",
        direction="lower is better", unit="1", smallest_n=SMALLEST_N,
        reference="retinaforge.audits.anatomy_checks",
        known_failure="as good as the checks and the networks behind them: see the real side",
    )  # fmt: skip
    lines.append(
        _share(any_card, _failed_any(sides.synthetic), _failed_any(sides.real), family="anatomy")
    )
    return _corrected(lines)


def quality_score(sides: Sides) -> list[Score]:
    """Return the share of synthetic images that are not graded good, beside the real one."""
    graded = [[m.row["grade"].get("grade") for m in s] for s in (sides.synthetic, sides.real)]
    poor = [[None if g is None else g != "good" for g in side] for side in graded]
    return [_share(GRADE_CARD, poor[0], poor[1], family="quality")]


COVERAGE_CARD = Card(
    name="group_coverage", version=1,
    measures="share of a group's real images that have a synthetic image within the distance of "
    "their fifth nearest real neighbour", range="[0, 1]",
    direction="higher is better", unit="1", smallest_n=SMALLEST_N,
    reference="coverage of Naeem et al., ICML 2020, over the real images of one group",
    known_failure="a group that looks like others is covered by images of these",
)  # fmt: skip


def share_score(card: Card, k: int, n: int, where: dict[str, str]) -> Score:
    """Return k of n as a score with Wilson's interval; NaN below the card's smallest n."""
    if n < card.smallest_n:
        reason = f"{n} images, needs {card.smallest_n}"
        return Score(card, math.nan, _interval(k, n), n, where, reason)
    return Score(card, k / n, _interval(k, n), n, where)


def _failed(side: Sequence[Measured], check: str) -> list[bool | None]:
    passed = [m.row["checks"].get(check, {}).get("passed") for m in side]
    return [None if p is None else not p for p in passed]


def _failed_any(side: Sequence[Measured]) -> list[bool | None]:
    every = [[c.get("passed") for c in m.row["checks"].values()] for m in side]
    return [None if all(p is None for p in eye) else False in eye for eye in every]


def _share(
    card: Card, synthetic: Sequence[bool | None], real: Sequence[bool | None], *, family: str
) -> Score:
    k, n = _count(synthetic)
    k_real, n_real = _count(real)
    extra: dict[str, Any] = {
        "n_real": n_real, "n_synthetic": n, "unjudged_real": len(real) - n_real,
        "unjudged_synthetic": len(synthetic) - n, "failed": k, "failed_real": k_real,
        "value_real": k_real / n_real if n_real else None,
        "interval_real": _interval(k_real, n_real), "p": None,
    }  # fmt: skip
    if n < SMALLEST_N:
        reason = f"judged on {n} images only, needs {SMALLEST_N}"
        return Score(card, math.nan, None, n, {"family": family}, reason, extra)
    if n_real >= SMALLEST_N:
        table = [[k, n - k], [k_real, n_real - k_real]]
        tested: Any = stats.fisher_exact(table)
        extra["p"] = float(tested.pvalue)
    return Score(card, k / n, _interval(k, n), n, {"family": family}, "", extra)


def _count(flags: Sequence[bool | None]) -> tuple[int, int]:
    known = [flag for flag in flags if flag is not None]
    return sum(known), len(known)


def _interval(k: int, n: int) -> tuple[float, float] | None:
    if n == 0:
        return None
    low, high = np.asarray(proportion_confint(k, n, method="wilson"), dtype=float)
    return float(low), float(high)


def _corrected(lines: list[Score]) -> list[Score]:
    """Add Holm's p to the extras of those lines that have a p."""
    tested = [line for line in lines if line.extra.get("p") is not None]
    for line, p in zip(tested, holm([line.extra["p"] for line in tested]), strict=True):
        line.extra["p_holm"] = float(p)
    return lines
