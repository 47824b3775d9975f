"""From words to what they claim: a caption's findings, with numbers, places, denials and hedges.

    read_claims("No haemorrhages; a large cup in the right eye.").claims

Reads our own templates whole and ophthalmologists' free text as far as its words are known
(`captions.parse_words`); how far is measured in docs/explanation/captions.md. What it does not
know it passes over in silence: an unread word is no claim.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple

from retinaforge.captions import words
from retinaforge.captions.claims import GROUPS, Claim, Claims
from retinaforge.captions.facts_catalogue import FACT
from retinaforge.captions.parse_findings import LESION_RULES, VERDICT_RULES
from retinaforge.captions.parse_looks import RULES, STEMS
from retinaforge.captions.parse_numbers import NUMBER_RULES, read_count, read_number
from retinaforge.captions.parse_places import Place, read_places
from retinaforge.captions.parse_scope import (
    BREAK,
    SENTENCE_END,
    Mention,
    denied,
    hedged,
)
from retinaforge.captions.parse_words import Rule
from retinaforge.captions.record import Value

CAMERA: Final = re.compile(r"\b[Cc]amera:?\s+(?P<name>[A-Z][^.;]*)")
LISTED: Final = re.compile(
    r"^(?:,|,?\s+(?:and|or))\s+(?:(?!(?:with|in|at|along|is|are|has|have|there)\b)[\w-]+\s+){0,4}$",
    re.IGNORECASE,
)
"""What may stand between two lesions that share the place after them."""
PLACED: Final = frozenset(("rim_notch", "nerve_fibre_layer", "myelinated_fibres"))
LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
"""Keeps the length of any text, which str.lower does not."""
BY_FACT: Final = tuple(
    (fact, tuple(rules))
    for fact, rules in groupby((*VERDICT_RULES, *LESION_RULES, *RULES), key=lambda rule: rule.fact)
)


class Found(NamedTuple):
    """Words that name a fact, before negation, number and place are read."""

    start: int
    end: int
    fact: str
    value: Value
    low: float
    high: float
    exists: bool

    @property
    def lesion(self) -> bool:
        """Say whether it can be counted."""
        return self.fact in GROUPS or FACT[self.fact].kind == "count"

    @property
    def placed(self) -> bool:
        """Say whether words for a place may belong to it."""
        return self.lesion or self.fact in PLACED


@lru_cache(maxsize=4096)
def read_claims(text: str) -> Claims:
    """Return all that a text claims, in its order; texts read lately are remembered."""
    eaten = bytearray(len(text))
    found = sorted(_found(text, eaten))
    places = read_places(text, eaten)
    blank = _blanked(text, places)
    claims: list[Claim] = []
    start = 0
    for end in (*(match.end() for match in SENTENCE_END.finditer(text)), len(text)):
        here = [each for each in found if start <= each.start < end]
        if here:
            where = [each for each in places if start <= each.start < end]
            claims += _sentence(text, blank, (start, end), here, where)
        start = end
    return Claims(text, tuple(claims))


def _found(text: str, eaten: bytearray) -> Iterator[Found]:
    for fact, pattern in NUMBER_RULES:
        for match in _free(pattern, text, eaten):
            span = read_number(match)
            yield Found(*match.span(), fact, span.value, span.low, span.high, False)
    for match in _free(CAMERA, text, eaten):
        yield Found(*match.span(), "camera", match["name"].strip(), math.nan, math.nan, False)
    lower = text.translate(LOWER)
    for fact, rules in BY_FACT:
        if fact not in STEMS or any(stem in lower for stem in STEMS[fact]):
            for rule in rules:
                for match in _free(rule.pattern, text if rule.cased else lower, eaten):
                    yield _of_rule(rule, match)


def _of_rule(rule: Rule, match: re.Match[str]) -> Found:
    return Found(*match.span(), rule.fact, rule.value, rule.low, rule.high, rule.exists)


def _free(pattern: re.Pattern[str], text: str, eaten: bytearray) -> Iterator[re.Match[str]]:
    """Yield matches over words that nothing has read yet, and mark them as read."""
    for match in pattern.finditer(text):
        start, end = match.span()
        if not any(eaten[start:end]):
            eaten[start:end] = b"\1" * (end - start)
            yield match


def _blanked(text: str, places: Sequence[Place]) -> str:
    """Return the text with the words for places replaced by spaces."""
    letters = list(text)
    for place in places:
        letters[place.start : place.end] = " " * (place.end - place.start)
    return "".join(letters)


def _sentence(
    text: str,
    blank: str,
    bounds: tuple[int, int],
    found: Sequence[Found],
    places: Sequence[Place],
) -> list[Claim]:
    mentions = [Mention(each.start, each.end, each.exists) for each in found]
    no, maybe = denied(mentions, blank, bounds), hedged(mentions, blank, bounds)
    lie = _attached(text, found, places, no)
    claims: list[Claim] = []
    before = bounds[0]
    for n, each in enumerate(found):
        low, high = _range(each, text[before : each.start], no[n])
        claims.append(
            Claim(
                each.fact,
                each.value,
                low,
                high,
                tuple(lie[n]),
                no[n],
                maybe[n],
                text[each.start : each.end],
                (each.start, each.end),
            )
        )
        before = each.end
    return claims


def _range(found: Found, before: str, negated: bool) -> tuple[float, float]:
    """Return the numbers that the words allow; a denied lesion or disease is denied as a whole."""
    if found.lesion and not negated:
        return read_count(before) or (1, words.INFINITE)
    if negated and found.fact == "glaucoma":
        return 1, found.high
    return found.low, found.high


def _attached(
    text: str, found: Sequence[Found], places: Sequence[Place], negated: Sequence[bool]
) -> list[list[str]]:
    """Give each place to the finding it follows; to the next where it leads or is an adjective."""
    lie = [_own_places(each, text) for each in found]
    leading: list[Place] = []
    for place in places:
        n = _owner(text, found, place)
        if n is None:
            leading.append(place)
        else:
            lie[n] += [each for each in place.places if each not in lie[n]]
    for n, each in enumerate(found):
        ahead = [place for place in leading if place.end <= each.start]
        if each.placed and not lie[n]:
            lie[n] += [name for place in ahead for name in place.places if name not in lie[n]]
    _share_back(text, found, lie, negated)
    return lie


def _own_places(found: Found, text: str) -> list[str]:
    """Return the places inside the words of a finding: "thinning of the inferior rim"."""
    if found.fact not in PLACED:
        return []
    words_ = text[found.start : found.end]
    return [name for place in read_places(words_, bytearray(len(words_))) for name in place.places]


def _owner(text: str, found: Sequence[Found], place: Place) -> int | None:
    after = [n for n, each in enumerate(found) if each.start >= place.end]
    if after and found[after[0]].placed and _adjective(text, place, found[after[0]]):
        return after[0]
    for n in range(len(found) - 1, -1, -1):
        each = found[n]
        if each.end <= place.start and each.placed:
            return None if BREAK.search(text, each.end, place.start) else n
    return None


def _adjective(text: str, place: Place, found: Found) -> bool:
    """Say whether a place stands right before its finding: "superotemporal haemorrhages"."""
    said = text[place.start : place.end]
    return not text[place.end : found.start].strip() and " the " not in said and said[-2:] != "ly"


def _share_back(
    text: str, found: Sequence[Found], lie: list[list[str]], negated: Sequence[bool]
) -> None:
    """ "Microaneurysms and exudates in the macula": the place belongs to both."""
    for n in range(len(found) - 2, -1, -1):
        listed = LISTED.search(text[found[n].end : found[n + 1].start])
        same = found[n].lesion and found[n + 1].lesion and negated[n] == negated[n + 1]
        if listed and same and lie[n + 1] and not lie[n]:
            lie[n] += lie[n + 1]
