"""The catalogue of facts and the meaning of words as Markdown tables, for the documents."""

from __future__ import annotations

from retinaforge.captions import words
from retinaforge.captions.facts_catalogue import FACTS, FactKind


def facts_card() -> str:
    """Return the table of facts, one row each."""
    rows = [f"| `{k.name}` | {k.meaning} | {_values(k)} | {k.field} | {_when(k)} |" for k in FACTS]
    head = "| fact | meaning | values | field | said |"
    return "\n".join([head, "|---|---|---|---|---|", *rows]) + "\n"


def words_card() -> str:
    """Return the table of words for numbers."""
    rows = []
    for kind in FACTS:
        if kind.bins and kind.kind == "number":
            said = ", ".join(f"{each.word} {_span(each)}" for each in kind.bins)
            rows.append(f"| `{kind.name}` | {said} |")
    counts = ", ".join(f"{each.word} {_whole(each)}" for each in words.COUNT)
    rows.append(f"| every lesion | {counts} |")
    return "\n".join(["| fact | words |", "|---|---|", *rows]) + "\n"


def _values(kind: FactKind) -> str:
    if kind.kind == "choice":
        return ", ".join(f"`{each}`" for each in kind.values)
    if kind.kind == "grade":
        return ", ".join(f"{grade} {each}" for grade, each in enumerate(kind.values))
    if kind.kind == "number":
        return f"{kind.low:g}-{kind.high:g} {kind.unit}".rstrip()
    return {"flag": "true, false", "count": "0, 1, 2, ...; true, false", "text": "words"}[kind.kind]


def _when(kind: FactKind) -> str:
    if kind.name == "keywords":
        return "never"
    return "always" if kind.unasked else "diagnosis" if kind.diagnosis else "person"


def _span(each: words.Bin) -> str:
    if each.low == -words.INFINITE:
        return f"< {each.high:.4g}"
    return (
        f">= {each.low:.4g}"
        if each.high == words.INFINITE
        else f"{each.low:.4g} to < {each.high:.4g}"
    )


def _whole(each: words.Bin) -> str:
    if each.high == words.INFINITE:
        return f"{each.low} or more"
    return f"{each.low}" if each.high - each.low == 1 else f"{each.low}-{each.high - 1:g}"
