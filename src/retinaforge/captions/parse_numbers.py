"""Numbers, places and how many, as words say them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from retinaforge.captions import words
from retinaforge.captions.parse_looks import RATIO
from retinaforge.captions.template_lesions import NUMBER_WORDS

NUMBER: Final = r"(?P<n>\d+(?:[.,]\d+)?)(?:\s*(?:-|to|–)\s*(?P<m>\d+(?:[.,]\d+)?))?(?:\s*(?P<p>%))?"
SAYS: Final = (
    r"(?:\s*\([^)]*\))?(?:\s*(?:is|of|was|measures|measured|amounts\s+to|estimated|at|as|about|"
    r"approximately|around|roughly|=|:|~|≈))*\s*"
)
AV: Final = (
    r"(?:arteriole-to-venule|artery-to-vein|arterio-?venous|arterioles?\s+to\s+venules?|a\s*[/:]\s*v|"
    r"av|artery[/-]vein)(?:\s+ratio)?"
)
NUMBER_RULES: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (fact, re.compile(pattern, re.IGNORECASE))
    for fact, pattern in (
        ("cup_to_disc", rf"\b(?<!horizontal ){RATIO}{SAYS}{NUMBER}"),
        ("cup_to_disc", rf"\bcup\s+of\s+{NUMBER}"),
        ("vessel_density", rf"\b(?:vessel|vascular)\s+(?:length\s+)?density{SAYS}{NUMBER}\s*mm"),
        ("artery_vein_ratio", rf"\b{AV}{SAYS}(?P<a>\d)\s*[:/]\s*(?P<b>\d)\b"),
        ("artery_vein_ratio", rf"\b{AV}{SAYS}{NUMBER}"),
        ("tortuosity", rf"\b(?:(?:mean|vessel|vascular)\s+)?tortuosity{SAYS}{NUMBER}"),
        ("age", rf"{NUMBER}[\s-]+(?:years?[\s-]+old|yrs?[\s-]+old|y/?o)\b"),
        ("age", rf"\baged\s+{NUMBER}"),
    )
)


class Span(NamedTuple):
    """What a number in words allows: the value said, and its inclusive range."""

    value: float
    low: float
    high: float


def read_number(match: re.Match[str]) -> Span:
    """Return the number and the range that its digits leave open: 0.6 is 0.55 to 0.65."""
    found = match.groupdict()
    if found.get("a"):
        value = int(found["a"]) / int(found["b"])
        return Span(value, value - 0.05, value + 0.05)
    low, near = _decimal(found["n"], bool(found["p"]))
    high = low
    if found.get("m"):
        high, near = _decimal(found["m"], bool(found["p"]))
    return Span((low + high) / 2, low - near, high + near)


def _decimal(text: str, percent: bool) -> tuple[float, float]:
    text = text.replace(",", ".")
    half = 0.5 * 10.0 ** -len(text.partition(".")[2])
    value = float(text)
    return (value / 100, half / 100) if percent else (value, half)


AMOUNTS: Final[tuple[tuple[str, str], ...]] = (
    ("numerous", r"numerous|many|abundant|countless|extensive|innumerable|a\s+large\s+number\s+of|"
                 r"profuse|widespread|confluent"),
    ("several", r"several|multiple|a\s+(?:moderate\s+)?number\s+of|a\s+moderate\s+number\s+of|"
                r"moderate\s+numbers?\s+of"),
    ("few", r"(?:a\s+|very\s+)?few|occasional|a\s+handful\s+of|a\s+small\s+number\s+of|sparse|"
            r"a\s+couple\s+of|rare"),
    ("single", r"a\s+(?:single|solitary|lone)|an\s+isolated|(?:single|solitary|isolated)|an?"),
)  # fmt: skip
_COUNTED: Final = "|".join(NUMBER_WORDS[1:])
ADJECTIVES: Final = (
    r"(?:(?!(?:and|or|of|with|in|on|at|to|by|from|no|not|is|are|was|were|has|have|the|which|that|"
    r"shows?|there|seen|present|visible|an?|few|several|many|multiple|numerous|single|"
    r"abundant|countless|occasional|innumerable|extensive|profuse|widespread|rare|solitary|sees|notes|"
    rf"{_COUNTED})[\s,])[a-z][\w/-]*[\s,]+){{0,4}}"
)
"""Words between a number and what is counted: "a few scattered small red dots"."""
COUNT_BEFORE: Final = re.compile(
    rf"(?:(?P<more>more\s+than|over|at\s+least|>)\s*)?"
    rf"\b(?:(?P<digits>\d+)(?:\s*(?:-|–|to)\s*(?P<upto>\d+))?|(?P<word>{_COUNTED})"
    rf"(?:\s+(?:to|or)\s+(?P<upword>{_COUNTED}))?|"
    + "|".join(f"(?P<{name}>{pattern})" for name, pattern in AMOUNTS)
    + rf")\s+{ADJECTIVES}$",
    re.IGNORECASE,
)


def read_count(before: str) -> tuple[float, float] | None:
    """Return the inclusive range of a count that ends the words before a lesion, if any."""
    match = COUNT_BEFORE.search(before[-90:])
    if match is None:
        return None
    found = match.groupdict()
    if found["digits"] or found["word"]:
        low = _whole(found["digits"] or found["word"])
        upto = found["upto"] or found["upword"]
        high = _whole(upto) if upto else low
        return (low, words.INFINITE) if found["more"] else (low, high)
    for each in words.COUNT:
        if found.get(each.word):
            return each.low, each.high - 1
    return None


def _whole(text: str) -> int:
    return int(text) if text.isdigit() else NUMBER_WORDS.index(text.lower())
