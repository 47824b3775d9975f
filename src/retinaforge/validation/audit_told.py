"""What every audit writes: audit.json, in the words that its page and the command line repeat."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from retinaforge.core import Card
from retinaforge.core.artefacts import environment, write_json

Level = Literal["failure", "caution", "pass", "open", "note"]
SURE = 0.05


def write_audit(
    out: Path,
    *,
    audit: str,
    title: str,
    asked: Sequence[tuple[str, str]],
    said: Sequence[dict[str, Any]],
    sections: Sequence[dict[str, Any]],
    results: Sequence[dict[str, Any]],
    cards: Sequence[Card],
    protocol: dict[str, Any],
    cautions: Sequence[str] = (),
    left_out: Sequence[dict[str, str]] = (),
) -> dict[str, Any]:
    """Write audit.json and return what it holds; what is NaN is null there.

    Args:
        out: folder.
        audit: which of the audits.
        title: of the page.
        asked: pairs of what was asked and the answer.
        said: verdicts, from `verdict`.
        sections: of the page: id, title, lead, figures, pictures, read, table.
        results: every number, for machines.
        cards: of the scores.
        protocol: how the numbers came about.
        cautions: to be read before the first number.
        left_out: name and reason of what was not judged.
    """
    content = {
        "audit": audit, "title": title, "asked": [list(pair) for pair in asked],
        "cautions": list(cautions), "said": list(said), "sections": list(sections),
        "results": list(results), "cards": [card.as_dict() for card in cards],
        "protocol": protocol, "left_out": list(left_out), "environment": environment(),
    }  # fmt: skip
    path = write_json(out / "audit.json", plain(content))
    return json.loads(path.read_text(encoding="utf-8"))


def verdict(level: Level, text: str) -> dict[str, Any]:
    """Return one sentence of judgement: found, maybe, nothing found, open; or a note."""
    return {"level": level, "text": text}


def span_words(interval: Sequence[float] | None, *, signed: bool = False) -> str:
    """Return " (low to high)" of an interval, nothing where there is none."""
    if not interval:
        return ""
    low, high = (f"{v:+.3f}" if signed else f"{v:.3f}" for v in interval)
    return f" ({low} to {high})"


def found_first(said: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return verdicts with what was found first, then maybe; else in their order."""
    order = {"failure": 0, "caution": 1}
    return sorted(said, key=lambda one: order.get(one["level"], 2))


def plain(value: Any) -> Any:
    """Return plain data for JSON: NaN and infinity as None, tuples as lists."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def p_words(p: float) -> str:
    """Return "p < 0.001" or "p = 0.012"; "no p value" where there is none."""
    if not math.isfinite(p):
        return "no p value"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def both_p(p: float, corrected: float) -> str:
    """Return a p value and the same corrected for its family."""
    if not math.isfinite(p):
        return p_words(p)
    return f"{p_words(p)}, corrected {p_words(corrected)}"
