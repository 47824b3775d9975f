"""How words for a fact are written as patterns; tables in `parse_looks` and `parse_findings`.

A rule that `exists` may be denied ("no drusen", "the reflex is absent"); the others name a value
("a pale rim"). Spelling is British or American.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from retinaforge.captions import words
from retinaforge.captions.facts_catalogue import FACT
from retinaforge.captions.record import Value

LINK: Final = (
    r"(?:\s+(?:is|are|was|were|be|appears?|appeared|seems?|looks?|remains?|runs?|run|with|of))+\s+"
    r"(?:(?:generally|overall|very|rather|quite|somewhat|slightly|mildly|moderately|markedly|"
    r"clearly|also|of|with|a|an|healthy|and|normal|relatively)\s+)*?"
)
END: Final = r"(?=\s*(?:[,.;]|(?:and|with|but)\b|$))"
GAP: Final = r"[\s-]+(?:(?!(?:and|or|with|of|in|no|is|are|the|but|at|to)\s)[\w/-]+\s+){0,2}?"


class Rule(NamedTuple):
    """Words for a fact with a value.

    Attributes:
        fact, value: what the words mean.
        pattern: the words.
        exists: they can be denied.
        low, high: the numbers that they allow, inclusive; NaN where there are none.
        cased: the pattern reads the text as it is written; the others read it in lower case.
    """

    fact: str
    value: Value
    pattern: re.Pattern[str]
    exists: bool = False
    low: float = float("nan")
    high: float = float("nan")
    cased: bool = False


def rule(fact: str, value: Value, pattern: str, exists: bool = False) -> Rule:
    """Return a rule for words that mean `value` of `fact`.

    The pattern is of lower-case words, but for abbreviations in "(?-i:OD)", which are read as
    they are written.
    """
    low, high = _range(fact, value)
    cased = "(?-i:" in pattern
    compiled = re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE if cased else re.NOFLAG)
    return Rule(fact, value, compiled, exists, low, high, cased)


def _range(fact: str, value: Value) -> tuple[float, float]:
    kind = FACT.get(fact)
    if kind is None or kind.kind == "count":
        return 1, words.INFINITE
    if kind.kind == "grade":
        return (1, kind.high) if value is True else (float(value), float(value))
    if value == "normal" and fact == "cup_to_disc":
        return 0, _below(words.CUP[-1].low)
    for each in kind.bins:
        if each.word == value:
            return each.low, _below(each.high)
    return float("nan"), float("nan")


def _below(edge: float) -> float:
    """A bin ends before its edge; what is said with three decimals must stay inside."""
    return edge - 1e-6


def both(fact: str, value: Value, adjective: str, noun: str, exists: bool = False) -> list[Rule]:
    """ "A pale rim", "the rim is pale" and, in notes, "rim pale" and "rim: pale"."""
    ahead = rf"(?:{adjective}){GAP}(?:{noun})"
    behind = rf"(?:{noun}){LINK}(?:{adjective})"
    noted = rf"(?:{noun})\s*:?\s+(?:{adjective}){END}"
    return [rule(fact, value, each, exists) for each in (ahead, behind, noted)]
