"""Numbers as text: as many digits as their size deserves, a real minus sign, p as journals do."""

from __future__ import annotations

import math
from typing import Any


def number(value: float | None, *, signed: bool = False) -> str:
    """Return a number with about three significant digits, or an em dash for None and NaN."""
    if value is None or not math.isfinite(value):
        return "—"
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3
    if 0 < size < 0.001 or size >= 1e6:
        text = f"{value:+.1e}" if signed else f"{value:.1e}"
    else:
        text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    return text.replace("-", "\u2212")


def interval(pair: list[float] | None, *, signed: bool = False) -> str:
    """Return "low to high", or nothing where there is no interval.

    An end that is tiny beside the other is told in its decimals: -0.0003 to 0.005.
    """
    if not pair:
        return ""
    widest = max((abs(end) for end in pair if end is not None), default=0.0)
    ends = [f"{end:{'+' if signed else ''}.4f}".replace("-", "\u2212")
            if end is not None and 5e-5 < abs(end) < 0.001 <= widest else number(end, signed=signed)
            for end in pair]  # fmt: skip
    return " to ".join(ends)


def p_value(p: float | None) -> str:
    """Return "p < 0.001", "p = 0.012", or nothing."""
    if p is None:
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def unit_suffix(card: dict[str, Any]) -> str:
    """Return " (dB)" for a card with a unit, nothing for a bare number."""
    unit = card.get("unit", "1")
    return "" if unit in ("1", "", "the score's own") else f" ({unit})"
