"""Where something lies, as words say it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from retinaforge.captions.facts_catalogue import QUADRANTS

_UP, _DOWN = r"(?:superior|upper|supero)", r"(?:inferior|lower|infero)"
_IN: Final = (
    r"(?:(?:in|at|within|over|around|near|close\s+to|next\s+to|adjacent\s+to|surrounding|involving|"
    r"throughout|along|towards?|of|on|by)\s+(?:and\s+around\s+)?(?:the\s+)?)"
)
_HAS: Final = r"(?=\s+(?:also\s+)?(?:shows?|has|contains?|reveals?|demonstrates?|exhibits?|with)\b)"
_THEN: Final = r"(?=\s*:|\s+(?:[\w-]+\s+){0,2}?[\w-]+,?\s+with\b)"
"""Where a note or a sentence is about one region: "Macula: drusen", "the macula is flat, with"."""
_DISC: Final = r"(?:optic\s+)?(?:dis[ck]|nerve\s+head|papilla)(?:\s+margin)?"
PLACE_RULES: Final[tuple[tuple[tuple[str, ...], re.Pattern[str]], ...]] = tuple(
    (places, re.compile(rf"\b(?:{pattern})", re.IGNORECASE))
    for places, pattern in (
        (QUADRANTS, r"(?:in\s+)?(?:all|each|every)\s+(?:the\s+)?(?:four\s+)?quadrants?"),
        (QUADRANTS, r"in\s+(?:the\s+)?(?:four|4)\s+quadrants"),
        (("superior temporal",), rf"{_UP}[\s-]*temporal(?:ly)?\b|temporal\s+superior\b"),
        (("inferior temporal",), rf"{_DOWN}[\s-]*temporal(?:ly)?\b|temporal\s+inferior\b"),
        (("superior nasal",), rf"{_UP}[\s-]*nasal(?:ly)?\b"),
        (("inferior nasal",), rf"{_DOWN}[\s-]*nasal(?:ly)?\b"),
        (("fovea",), rf"{_IN}(?:fovea|foveola|foveal\s+cent(?:re|er))\b|"
                     r"(?:peri|para|sub)-?foveal(?:ly)?\b"),
        (("macula",), rf"{_IN}(?:macula|macular\s+(?:area|region)|central\s+macula)\b"),
        (("macula",), rf"macula(?:r\s+(?:area|region))?(?:{_HAS}|{_THEN})|"
                      r"macular(?=\s+(?:hard|drusen|exud|micro|haem|hem|pigment|dot))"),
        (("disc",), rf"{_IN}{_DISC}\b|peri-?papillary\b"),
        (("periphery",), rf"{_IN}(?:(?:retinal|mid|far|extreme)[\s-]*)*periphery\b|"
                         r"peripheral(?:ly)?(?:\s+retina)?\b"),
        (("periphery",), r"periphery(?=\s*:)|(?:mid|far|retinal)[\s-]periphery\b"),
        ((), rf"{_IN}posterior\s+pole\b"),
        (("superior",), r"(?:superior(?:ly)?|upper)\b"),
        (("inferior",), r"(?:inferior(?:ly)?|lower)\b"),
        (("temporal",), r"temporal(?:ly)?\b"),
        (("nasal",), r"nasal(?:ly)?\b"),
    )
)  # fmt: skip


CHAINED: Final = re.compile(
    r"\s*(?:,|and|or)\s+(?:the\s+)?(?:retinal\s+)?(?P<region>fovea|macula|periphery)\b",
    re.IGNORECASE,
)


class Place(NamedTuple):
    """Words for one or several places, and where they stand."""

    places: tuple[str, ...]
    start: int
    end: int


def read_places(text: str, eaten: bytearray) -> list[Place]:
    """Return the places that words name where nothing else was read, in their order."""
    found: list[Place] = []
    for places, pattern in PLACE_RULES:
        for match in pattern.finditer(text):
            start, end = match.span()
            if not any(eaten[start:end]):
                eaten[start:end] = b"\2" * (end - start)
                found.append(Place(places, start, end))
    found += _chained(text, eaten, found)
    return sorted(found, key=lambda place: place.start)


def _chained(text: str, eaten: bytearray, found: Sequence[Place]) -> list[Place]:
    """Return regions named right after a place, without a preposition of their own."""
    more: list[Place] = []
    for place in found:
        match = CHAINED.match(text, place.end)
        if match and not any(eaten[match.start("region") : match.end("region")]):
            eaten[match.start("region") : match.end("region")] = b"\2" * len(match["region"])
            more.append(Place((match["region"].lower(),), *match.span("region")))
    return more
