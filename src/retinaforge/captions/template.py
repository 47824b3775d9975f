"""Captions from records by a grammar: nothing is said that stands in no fact.

    caption = write_caption(record, rng=np.random.default_rng(7))

The same generator gives the same words. A diagnosis is named only when it is asked for; what a
word means in numbers stands in `captions.words`; every sentence carries the facts that it used
(`write_caption_with_sources`), as Fundus-R1 and FundusExpert ask of captions from labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from retinaforge.captions.facts_catalogue import FACT, FactKind
from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.captions.template_grammar import Dice
from retinaforge.captions.template_length import fitted
from retinaforge.captions.template_opening import opening
from retinaforge.captions.template_sections import DRAWN_TOPICS, SECTIONS, Topics
from retinaforge.captions.template_sentence import CaptionSentence
from retinaforge.core import Refusal

Style = Literal["full", "short"]
TOPICS: Topics = tuple(SECTIONS)
STYLES: tuple[Style, ...] = ("full", "short")
ABNORMAL = frozenset(
    (
        ("disc_margin", "blurred"),
        ("disc_colour", "pale"),
        ("nerve_fibre_layer", "defect"),
        ("quality", "reject"),
        ("quality", "usable"),
    )
)


class Caption(NamedTuple):
    """A caption, sentence by sentence.

    Attributes:
        text: the whole.
        sentences: in order, each with the names of the facts that it used.
        style: "full" sentences or "short" notes.
        note: "" or why the asked number of words could not be kept.
    """

    text: str
    sentences: tuple[CaptionSentence, ...]
    style: Style
    note: str

    def facts(self) -> tuple[str, ...]:
        """Return the names of all facts stated, in order."""
        return tuple(dict.fromkeys(name for each in self.sentences for name in each.facts))


def write_caption(
    record: EyeRecord,
    *,
    rng: np.random.Generator,
    diagnosis: bool = False,
    person: bool = False,
    words: tuple[int, int] = (20, 210),
    order: Sequence[str] | None = None,
    style: Style | None = None,
    share: float | None = None,
) -> str:
    """Return one caption of one eye; see `write_caption_with_sources` for the arguments."""
    return write_caption_with_sources(
        record,
        rng=rng,
        diagnosis=diagnosis,
        person=person,
        words=words,
        order=order,
        style=style,
        share=share,
    ).text


def write_caption_with_sources(
    record: EyeRecord,
    *,
    rng: np.random.Generator,
    diagnosis: bool = False,
    person: bool = False,
    words: tuple[int, int] = (20, 210),
    order: Sequence[str] | None = None,
    style: Style | None = None,
    share: float | None = None,
) -> Caption:
    """Return one caption of one eye with the facts behind each sentence.

    Args:
        record: what is known of the eye.
        rng: draws words, order and style; equal generators give equal captions.
        diagnosis: name diseases and grades too.
        person: name age, sex, ethnicity and camera too.
        words: fewest and most words. With too few facts the caption is shorter, and `note` says so.
        order: topics in order, of `TOPICS`; topics not named are left out. Drawn if None.
        style: "full" sentences or "short" notes; drawn if None, full four times of five.
        share: which part of the facts to state, 0-1; drawn from 0.6-1 if None. What is abnormal
            is always stated.

    Raises:
        Refusal: for an unknown topic or style, or a range of words that holds none.
    """
    _check(words, order, style)
    dice = Dice(rng)
    drawn: Style = style or ("short" if dice.chance() < 0.2 else "full")
    known = {
        name: fact for name, fact in record.facts.items() if _may_say(FACT[name], diagnosis, person)
    }
    part = 0.6 + 0.4 * dice.chance() if share is None else share
    said = {name: fact for name, fact in known.items() if _must(fact) or dice.chance() < part}
    topics = tuple(order) if order is not None else _drawn_order(dice)
    text = _sentences(said, topics, drawn, dice)
    if _length(text) < words[0] and len(said) < len(known):
        text = _sentences(known, topics, drawn, dice)
    if _length(text) < words[0] and drawn == "short" and style is None:
        drawn, text = "full", _sentences(known, topics, "full", dice)
    kept, note = fitted(text, words, dice)
    return Caption(" ".join(each.text for each in kept), tuple(kept), drawn, note)


def _check(words: tuple[int, int], order: Sequence[str] | None, style: str | None) -> None:
    if not 0 <= words[0] <= words[1] or words[1] < 1:
        raise Refusal("words as (fewest, most)", repr(words), "give for example (20, 210)")
    if style is not None and style not in STYLES:
        raise Refusal("the style full or short", repr(style), "leave it out to have it drawn")
    if odd := [each for each in order or () if each not in SECTIONS]:
        raise Refusal(f"topics of {', '.join(SECTIONS)}", ", ".join(odd), "remove the others")


def _may_say(kind: FactKind, diagnosis: bool, person: bool) -> bool:
    if kind.name == "keywords":
        return False
    return kind.unasked or (diagnosis if kind.diagnosis else person)


def _must(fact: Fact) -> bool:
    """What is abnormal, the side, and the verdict that was asked for, are never left out."""
    kind = FACT[fact.name]
    if kind.kind == "count":
        return bool(fact.value)
    if kind.topic in ("eye", "verdict", "person"):
        return True
    if kind.kind == "flag" and kind.name not in ("fovea_in_view", "foveal_reflex"):
        return bool(fact.value)
    return (fact.name, fact.value) in ABNORMAL


def _drawn_order(dice: Dice) -> Topics:
    """The side and the quality mostly come first, the verdict mostly last."""
    middle = dice.shuffled(DRAWN_TOPICS)
    first = ("person", "eye", "quality")
    if dice.chance() < 0.15:
        return ("eye", *middle, "quality", "person", "verdict")
    return (*first, *middle, "verdict")


def _sentences(
    said: Mapping[str, Fact], topics: Topics, style: Style, dice: Dice
) -> list[CaptionSentence]:
    told: set[str] = set()
    sentences: list[CaptionSentence] = []
    if "eye" in topics:
        first = opening(said, style, dice, with_quality="quality" in topics)
        told.update(first.facts)
        sentences.append(first)
    for topic in topics:
        here = [
            fact for name, fact in said.items() if FACT[name].topic == topic and name not in told
        ]
        if here:
            sentences += SECTIONS[topic](here, style, dice)
    if "eye" in topics and topics[0] not in ("eye", "person"):
        sentences.append(sentences.pop(0))
    return sentences


def _length(sentences: Sequence[CaptionSentence]) -> int:
    return sum(each.words for each in sentences)
