"""What a selection does to what is told: does it drop rare lesions, dark fundi, poor pictures?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from scipy.stats import fisher_exact

from retinaforge.captions.facts import FACTS, FactKind
from retinaforge.captions.record import EyeRecord, Value
from retinaforge.metrics.statistics import holm

LEFT_OUT = frozenset(("text",))


def word_of(kind: FactKind, value: Value) -> str:
    """Return the catalogue's word for a value; a finding that nobody counted is "present"."""
    if kind.kind == "flag":
        return "yes" if value else "no"
    if kind.kind == "grade":
        return kind.values[int(value)]
    if isinstance(value, bool):
        return "present" if value else "none"
    words = (word.word for word in kind.bins if word.holds(float(value))) if kind.bins else ()
    return next(iter(words), str(value)) if kind.kind in ("number", "count") else str(value)


def counted(records: Sequence[EyeRecord]) -> Mapping[str, Counter[str]]:
    """Return how often each word of each fact is true of a set; ages and free words left out."""
    found: dict[str, Counter[str]] = {}
    for kind in FACTS:
        if kind.kind in LEFT_OUT or (kind.kind == "number" and not kind.bins):
            continue
        words = [word_of(kind, r.facts[kind.name].value) for r in records if kind.name in r.facts]
        if words:
            found[kind.name] = Counter(words)
    return found


def composition(before: Sequence[EyeRecord], after: Sequence[EyeRecord]) -> list[dict[str, Any]]:
    """Return a row a word of a fact: how many before and after, and whether its share moved.

    Returns:
        Rows with fact, word, before, after (counts), share_before, share_after, kept (the share of
        those that stayed), p_holm (Fisher's exact test of those that stayed against those that
        went, over all words corrected after Holm; 1 where nobody went).
    """
    first, last, rows, ps = counted(before), counted(after), [], []
    for fact, words in first.items():
        there, left = sum(words.values()), sum(last.get(fact, Counter()).values())
        for word, count in sorted(words.items()):
            stayed = last.get(fact, Counter())[word]
            rows.append({
                "fact": fact, "word": word, "before": count, "after": stayed,
                "share_before": count / there, "share_after": stayed / left if left else None,
                "kept": stayed / count,
            })  # fmt: skip
            table = [[stayed, count - stayed], [left - stayed, there - left - count + stayed]]
            ps.append(float(fisher_exact(table).pvalue))  # pyright: ignore[reportAttributeAccessIssue]
    for row, p in zip(rows, holm(ps) if ps else [], strict=True):
        row["p_holm"] = float(p)
    return rows


def lost(rows: Sequence[Mapping[str, Any]], *, level: float = 0.05) -> list[str]:
    """Return in words what a selection drops more than the rest, surest first."""
    dropped = [
        row
        for row in rows
        if row["p_holm"] < level
        and row["share_after"] is not None
        and row["share_after"] < row["share_before"]
    ]
    return [
        f"{row['fact'].replace('_', ' ')}: {row['word']} falls from {row['share_before']:.1%} to "
        f"{row['share_after']:.1%} ({row['before']} to {row['after']} images)"
        for row in sorted(dropped, key=lambda row: row["p_holm"])
    ]
