"""What words claim of an eye, and whether a record bears it out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from retinaforge.captions.facts_catalogue import (
    FACT,
    HALVES,
    LESIONS,
    QUADRANTS,
    REGIONS,
    UNSORTED,
    UNSTAGED,
)
from retinaforge.captions.record import EyeRecord, Fact, Value

GROUPS: dict[str, tuple[str, ...]] = {
    "haemorrhage": (
        "haemorrhage_dot",
        "haemorrhage_flame",
        "preretinal_haemorrhage",
        "disc_haemorrhage",
    ),
    "lesion": LESIONS,
}
"""Words for any of several facts: denied, they deny each; asserted, they assert one of them."""


@dataclass(frozen=True)
class Claim:
    """One thing that a caption says.

    Attributes:
        fact: a name of the catalogue, or of `GROUPS`.
        value: a choice's value, True or False of a flag, a bin's word, or the number said;
            True where a lesion or disease is asserted without number or grade.
        low, high: the numbers that the words allow, inclusive; NaN for choices, flags and texts.
        places: where, in the catalogue's words.
        negated: the words deny it; `value`, `low` and `high` are of what is denied.
        hedged: the words leave it open ("possibly", "cannot exclude").
        words: the words that name it.
        span: their first character and the one after their last, in the caption.
    """

    fact: str
    value: Value
    low: float = math.nan
    high: float = math.nan
    places: tuple[str, ...] = ()
    negated: bool = False
    hedged: bool = False
    words: str = ""
    span: tuple[int, int] = (0, 0)

    @property
    def is_count(self) -> bool:
        """Say whether it is about something that can be counted."""
        return self.fact in GROUPS or FACT[self.fact].kind == "count"


class Claims(NamedTuple):
    """All that a caption says, in its order."""

    text: str
    claims: tuple[Claim, ...]

    def of(self, fact: str) -> tuple[Claim, ...]:
        """Return the claims about one fact."""
        return tuple(each for each in self.claims if each.fact == fact)


def agrees(claim: Claim, record: EyeRecord) -> bool | None:
    """Say whether the record bears a claim out; None where it does not know.

    A hedged claim is judged as if it were plain. A denied lesion with a place agrees where the
    record has none there.
    """
    fact = fact_for(claim, record)
    if fact is None:
        return _group_agrees(claim, record) if claim.fact in GROUPS else None
    held = _holds(claim, fact)
    if claim.negated and claim.places and held:
        # None here; there may be some elsewhere.
        return not set(claim.places) & set(fact.places) if fact.places else None
    return held != claim.negated


def fact_for(claim: Claim, record: EyeRecord) -> Fact | None:
    """Return the fact of the record that a claim is about; None where it has none.

    A disease named without its stage is about the stage, or where nobody staged it about the fact
    that says it is there. Without haemorrhages of any kind there are none of one kind.
    """
    fact = record.facts.get(claim.fact)
    if fact is None and claim.value is True:
        fact = record.facts.get(UNSTAGED.get(claim.fact, ""))
    if fact is None and claim.fact in GROUPS[UNSORTED]:
        unsorted = record.facts.get(UNSORTED)
        fact = unsorted if unsorted is not None and not unsorted.value else None
    return fact


def _group_agrees(claim: Claim, record: EyeRecord) -> bool | None:
    members = GROUPS[claim.fact]
    if any(record.value(name) for name in (*members, UNSORTED)):
        return not claim.negated
    known = {*record.facts, *(GROUPS[UNSORTED] if UNSORTED in record.facts else ())}
    return claim.negated if known.issuperset(members) else None


def _holds(claim: Claim, fact: Fact) -> bool:
    value = fact.value
    kind = FACT[fact.name].kind
    if kind == "text":
        return str(claim.value).lower() in str(value).lower()
    if kind in ("choice", "flag"):
        return claim.value == value
    if isinstance(value, bool):
        # Nobody counted: what is there may be any number.
        return value == (claim.high > 0)
    number = float(value)
    if kind == "count" and _in_part(claim, fact):
        # "Two superiorly": the others may lie elsewhere.
        return claim.low <= number
    return claim.low - 1e-9 <= number <= claim.high + 1e-9


def _in_part(claim: Claim, fact: Fact) -> bool:
    """Say whether a claim is of some of the places only: neither all quadrants nor all regions."""
    said, known = set(claim.places), set(fact.places)
    divisions = [known & set(division) for division in (QUADRANTS, REGIONS, HALVES)]
    return bool(said) and said < known and not any(part and part <= said for part in divisions)


class FactScores(NamedTuple):
    """A caption's claims against a record, with the counts behind each share.

    Attributes:
        right, wrong, unknown: claims that the record bears out, contradicts, is silent on.
        told, untold: facts of the record that some claim states rightly, or none.
        places_right, places_wrong: places of right claims that the record has, or lacks; only
            where the record gives places.
        places_untold: places of told facts that no claim names.
    """

    right: int
    wrong: int
    unknown: int
    told: int
    untold: int
    places_right: int = 0
    places_wrong: int = 0
    places_untold: int = 0

    @property
    def precision(self) -> float:
        """Share of claims that the record bears out; NaN without claims."""
        return _share(self.right, self.right + self.wrong + self.unknown)

    @property
    def recall(self) -> float:
        """Share of the record's facts that are rightly told; NaN without facts."""
        return _share(self.told, self.told + self.untold)

    def __add__(self, other: object) -> FactScores:
        """Add the counts of two captions."""
        if not isinstance(other, FactScores):
            return NotImplemented
        return FactScores(*(a + b for a, b in zip(tuple(self), tuple(other), strict=True)))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def fact_scores(
    claims: Iterable[Claim], record: EyeRecord, facts: Sequence[str] | None = None
) -> FactScores:
    """Count right, wrong and unsupported claims, and which facts were told.

    Args:
        claims: of `captions.parse.read_claims(caption).claims`.
        record: what is known of the eye.
        facts: the facts that ought to be told; all of the record that may be stated without
            being asked, if None.
    """
    wanted = (
        set(facts) if facts is not None else {name for name in record.facts if FACT[name].unasked}
    )
    counts = {True: 0, False: 0, None: 0}
    told: set[str] = set()
    places = {True: 0, False: 0}
    named: set[tuple[str, str]] = set()
    for claim in claims:
        verdict = agrees(claim, record)
        counts[verdict] += 1
        if verdict:
            told.update(_told_by(claim, record))
            for place in _checked_places(claim, record):
                places[place in record.facts[claim.fact].places] += 1
                named.add((claim.fact, place))
    return FactScores(
        counts[True],
        counts[False],
        counts[None],
        len(wanted & told),
        len(wanted - told),
        places[True],
        places[False],
        sum(
            (name, place) not in named for name in wanted & told for place in _places(name, record)
        ),
    )


def _told_by(claim: Claim, record: EyeRecord) -> tuple[str, ...]:
    """A denied group tells each of its facts; an asserted one tells none in particular."""
    fact = fact_for(claim, record)
    if fact is not None and fact.name == claim.fact:
        return (claim.fact, *GROUPS.get(claim.fact, ())) if claim.negated else (claim.fact,)
    if fact is not None and fact.name in UNSTAGED.values():
        return (fact.name,)
    if claim.fact not in GROUPS:
        return ()
    return GROUPS[claim.fact] if claim.negated else ()


def _places(name: str, record: EyeRecord) -> tuple[str, ...]:
    return record.facts[name].places if name in record.facts else ()


def _checked_places(claim: Claim, record: EyeRecord) -> tuple[str, ...]:
    fact = record.facts.get(claim.fact)
    return claim.places if fact is not None and fact.places and not claim.negated else ()
