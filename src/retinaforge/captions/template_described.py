"""The sentences of a topic that is no lesion: quality, ground, disc, vessels, macula, fibres."""

from __future__ import annotations

from collections.abc import Sequence

from retinaforge.captions import words
from retinaforge.captions.facts_catalogue import FACT
from retinaforge.captions.record import Fact
from retinaforge.captions.template_grammar import Dice, say
from retinaforge.captions.template_lesions import where
from retinaforge.captions.template_phrases import LABELS, OBJECTS, PHRASES, SENTENCES, SUBJECTS
from retinaforge.captions.template_sentence import CaptionSentence, joined, same_start, sentence

ALONE = frozenset(("disc_side", "fovea_in_view"))
"""Facts that read ill in a list."""
AGAIN = "It also has"
"""Begins a second sentence about the same."""
DECIMALS = {"cup_to_disc": (1, 2), "artery_vein_ratio": (2,), "tortuosity": (2, 3)}


def key_of(fact: Fact, dice: Dice) -> tuple[str, dict[str, str]]:
    """Return the word under which a fact stands in the tables, and what fills its slots."""
    kind = FACT[fact.name]
    if kind.kind == "flag":
        place = where(fact.places, dice)
        return ("yes" if fact.value else "no"), {"place": f" {place}" if place else ""}
    if kind.kind == "choice":
        place = where(fact.places, dice)
        return str(fact.value), {"place": f" {place}" if place else ""}
    value = float(fact.value)
    if kind.name == "pigmentation" or dice.chance() < 0.5:
        return words.bin_of(kind.bins, value).word, {}
    digits = dice.pick(DECIMALS.get(kind.name, (1, 2)))
    return "number", {"n": f"{value:.{digits}f}"}


def described(facts: Sequence[Fact], style: str, dice: Dice) -> list[CaptionSentence]:
    """Return the sentences of one topic that is no lesion, in drawn groups and order."""
    sentences: list[CaptionSentence] = []
    before = ""
    for group in dice.chunked(dice.shuffled(facts), 4 if style == "short" else 3):
        alone = [fact for fact in group if fact.name in ALONE and style == "full"]
        if alone:
            sentences += [_single(fact, dice) for fact in alone]
            before = ""
        if rest := [fact for fact in group if fact not in alone]:
            head, text = _group(rest, style, dice, before)
            before = "" if head == AGAIN else head
            used = tuple(fact.name for fact in rest)
            sentences.append(CaptionSentence(sentence(f"{head} {text}".lstrip()), used, 1))
    return sentences


def _single(fact: Fact, dice: Dice) -> CaptionSentence:
    word, slots = key_of(fact, dice)
    return CaptionSentence(
        sentence(say(SENTENCES[fact.name, word], dice, **slots)), (fact.name,), 1
    )


def _group(facts: Sequence[Fact], style: str, dice: Dice, before: str) -> tuple[str, str]:
    """Return the head of a sentence on a few facts, "" where it has none, and its rest.

    Args:
        facts: of one topic.
        style: "full" or "short".
        dice: draws the words.
        before: the head of the sentence before, "" where "It" could not mean the same.
    """
    topic = FACT[facts[0].name].topic
    keys = [(fact.name, *key_of(fact, dice)) for fact in facts]
    name, word, slots = keys[0]
    if style == "full" and len(facts) == 1 and (name, word) in SENTENCES and dice.chance() < 0.6:
        return "", say(SENTENCES[name, word], dice, **slots)
    phrases = [say(PHRASES[name, word], dice, **slots) for name, word, slots in keys]
    # "No blur and dust" would deny the dust too: what is denied comes last.
    phrases.sort(key=lambda phrase: phrase.startswith("no "))
    if style == "short":
        return f"{say(LABELS[topic], dice)}:", ", ".join(map(_bare, phrases))
    return _head(topic, dice, before), joined(phrases)


def _head(topic: str, dice: Dice, before: str) -> str:
    if topic in OBJECTS and dice.chance() < 0.15:
        return say(OBJECTS[topic], dice)
    head = say(SUBJECTS[topic], dice)
    return AGAIN if before and (same_start(before, head) or dice.chance() < 0.4) else head


def _bare(phrase: str) -> str:
    """Notes have no articles."""
    return phrase.removeprefix("a ").removeprefix("an ")
