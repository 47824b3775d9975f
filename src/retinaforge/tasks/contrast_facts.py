"""When a text is true of an image: both as sets of words a fact.

A record's value falls into one of a fact's words ("large" cup, "several" exudates); a text leaves
some words open ("exudates are present" leaves all but "none"). Both become bits, a column a fact,
so that a batch of texts is held against a batch of images in a few operations. Places of lesions
have columns of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

import numpy as np
from jaxtyping import Bool, UInt32

from retinaforge.captions.claims import GROUPS, Claim
from retinaforge.captions.facts import FACTS, LESIONS, PLACES, UNSORTED, UNSTAGED, FactKind
from retinaforge.captions.parse import read_claims
from retinaforge.captions.record import EyeRecord, Fact, Value

Said = Mapping[int, int]
"""What a text leaves open, by column: one bit a word."""
PRESENT, ABSENT = 2, 1


@cache
def columns() -> Mapping[str, int]:
    """Return the column of each fact, and of each place of each lesion as "lesion@place"."""
    told = [kind.name for kind in FACTS if kind.kind != "text"]
    where = [f"{lesion}@{place}" for lesion in LESIONS for place in PLACES]
    return {name: column for column, name in enumerate((*told, *where))}


@cache
def topics() -> tuple[str, ...]:
    """Return the part of a caption that each column is told in; "places" for those of lesions."""
    kinds = _kinds()
    return tuple(kinds[name].topic if name in kinds else "places" for name in columns())


@cache
def sizes() -> tuple[int, ...]:
    """Return the number of words of each column."""
    return tuple(every(n).bit_length() if n in _kinds() else 2 for n in columns())


def row_of(said: Said) -> UInt32[np.ndarray, "count"]:
    """Return what a text leaves open, a column a fact; 0 where it is silent."""
    row = np.zeros(len(columns()), np.uint32)
    for column, words in said.items():
        row[column] = words
    return row


@cache
def _kinds() -> Mapping[str, FactKind]:
    return {kind.name: kind for kind in FACTS if kind.kind != "text"}


def bit_of(name: str, value: Value) -> int:
    """Return the bits of the words that a value may be told by; 0 where there is none.

    A finding that nobody counted may be any number but none.
    """
    kind = _kinds()[name]
    if kind.kind == "flag":
        return PRESENT if value else ABSENT
    if kind.kind == "choice":
        return 1 << kind.values.index(str(value)) if value in kind.values else 0
    if kind.kind == "count" and isinstance(value, bool):
        return every(name) & ~ABSENT if value else ABSENT
    if kind.kind == "grade":
        return 1 << int(value)
    words = [number for number, word in enumerate(kind.bins) if word.holds(float(value))]
    return sum(1 << number for number in words)


def every(name: str) -> int:
    """Return the bits of all words of a fact."""
    kind = _kinds()[name]
    count = {"flag": 2, "choice": len(kind.values), "grade": len(kind.values)}
    return (1 << count.get(kind.kind, len(kind.bins))) - 1


def bits_of(record: EyeRecord) -> UInt32[np.ndarray, "count"]:
    """Return what is known of an eye, a word a fact; 0 where it is not known."""
    found, known = np.zeros(len(columns()), np.uint32), columns()
    staged = {disease: grade for grade, disease in UNSTAGED.items()}
    for name, fact in _with_kinds(record).items():
        if name in known:
            found[known[name]] = bit_of(name, fact.value)
        if name in staged and fact.value and staged[name] not in record.facts:
            found[known[staged[name]]] = every(staged[name]) & ~ABSENT
        if name in LESIONS and (fact.places or not fact.value):
            for place in PLACES:
                here = place in fact.places
                found[known[f"{name}@{place}"]] = PRESENT if here else ABSENT
    return found


def _with_kinds(record: EyeRecord) -> Mapping[str, Fact]:
    """Return the facts; where there is no haemorrhage at all there is none of any kind."""
    unsorted = record.facts.get(UNSORTED)
    if unsorted is None or unsorted.value:
        return record.facts
    none = {kind: Fact(kind, False, unsorted.source) for kind in GROUPS[UNSORTED]}
    return {**none, **record.facts}


def said_of(sentence: str) -> Said:
    """Return what a sentence leaves open, by `captions.parse`; what it hedges says nothing."""
    found: dict[int, int] = {}
    for claim in read_claims(sentence).claims:
        if not claim.hedged:
            for name, words in _open(claim):
                column = columns()[name]
                found[column] = found.get(column, words) & words
    return {column: words for column, words in found.items() if words}


def _open(claim: Claim) -> Iterator[tuple[str, int]]:
    """Yield the words that a claim leaves open, a fact or a place of a lesion at a time."""
    if claim.fact in GROUPS:
        # "Some haemorrhage" is no word of a single kind of them.
        yield from ((name, ABSENT) for name in GROUPS[claim.fact] if claim.negated)
        return
    if claim.fact not in _kinds():
        return
    lesion = claim.fact in LESIONS
    if lesion:
        here = ABSENT if claim.negated else PRESENT
        yield from ((f"{claim.fact}@{place}", here) for place in claim.places)
    if not (claim.negated and claim.places):
        words = _within(claim)
        yield claim.fact, every(claim.fact) & ~words if claim.negated else words


def _within(claim: Claim) -> int:
    """Return the words that a claim's value, or its range of numbers, may fall into."""
    kind = _kinds()[claim.fact]
    if kind.kind in ("choice", "flag"):
        return bit_of(claim.fact, claim.value)
    if kind.kind == "grade":
        grades = range(len(kind.values))
        return sum(1 << grade for grade in grades if claim.low <= grade <= claim.high)
    if isinstance(claim.value, str):
        return sum(1 << i for i, word in enumerate(kind.bins) if word.word == claim.value)
    reach = enumerate(kind.bins)
    return sum(1 << i for i, word in reach if claim.low < word.high and claim.high >= word.low)


def allows(known: UInt32[np.ndarray, "n count"], said: Iterable[Said]) -> Bool[np.ndarray, "n"]:
    """Return of which images all of the sentences are true; what is not known of one is not."""
    true = np.ones(len(known), bool)
    for sentence in said:
        for column, open_words in sentence.items():
            true &= (known[:, column] & np.uint32(open_words)) != 0
    return true


def agreement(
    known: UInt32[np.ndarray, "n count"], texts: Sequence[Sequence[Said]]
) -> Bool[np.ndarray, "n m"]:
    """Return which text is true of which image."""
    return np.stack([allows(known, said) for said in texts], axis=1)
