"""The sentences of each topic of a caption."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from retinaforge.captions import words
from retinaforge.captions.facts_catalogue import FACT
from retinaforge.captions.record import Fact
from retinaforge.captions.template_grammar import Dice, say
from retinaforge.captions.template_lesions import absent, all_absent, counted, joined, where
from retinaforge.captions.template_people import Told, person, verdict
from retinaforge.captions.template_phrases import LABELS, OBJECTS, PHRASES, SENTENCES, SUBJECTS

Topics = tuple[str, ...]
DRAWN_TOPICS: Topics = ("ground", "disc", "vessels", "macula", "fibres", "lesions")
ALONE = frozenset(("disc_side", "fovea_in_view"))
"""Facts that read ill in a list."""
AGAIN = "It also has"
"""Begins a second sentence about the same."""
DECIMALS = {"cup_to_disc": (1, 2), "artery_vein_ratio": (2,), "tortuosity": (2, 3)}


class CaptionSentence(NamedTuple):
    """One sentence.

    Attributes:
        text: the words, with their full stop.
        facts: names of the facts that it states.
        weight: 0 frame, 1 ordinary findings, 2 abnormal or asked-for ones; the lighter go first
            where a caption is too long.
    """

    text: str
    facts: tuple[str, ...]
    weight: int = 0

    @property
    def words(self) -> int:
        """Number of words, parted by spaces."""
        return self.text.count(" ") + 1


def opening(
    said: Mapping[str, Fact], style: str, dice: Dice, with_quality: bool
) -> CaptionSentence:
    """Return the first sentence: a fundus photograph, of which eye, of which quality."""
    eye, quality = said.get("eye"), said.get("quality") if with_quality else None
    if quality is not None and dice.chance() < 0.4:
        quality = None
    used = tuple(each.name for each in (eye, quality) if each is not None)
    side = _side(eye, dice)
    kind = say("[colour fundus|fundus|colour retinal|retinal] [photograph|image]", dice)
    if style == "short":
        fine = f", {say(PHRASES['quality', str(quality.value)], dice)}" if quality else ""
        head = say("{Side}|{Kind}, {side}", dice, Side=side, Kind=kind, side=side) if eye else kind
        return CaptionSentence(sentence(head + fine), used, 2)
    fine = f" of {say(PHRASES['quality', str(quality.value)], dice)}" if quality else ""
    article = "an" if kind[0] in "aeiou" else "a"
    if not eye:
        text = say(
            "[This is|The picture is] {a} {kind}{fine}", dice, a=article, kind=kind, fine=fine
        )
    else:
        text = say(
            "[This is|Shown is|Here is|The picture shows] {a} {kind}{fine} of the {side}|"
            "{A} {kind} of the {side}{fine}|[This|The] {kind}{fine} shows the {side}",
            dice,
            a=article,
            A=article.capitalize(),
            kind=kind,
            fine=fine,
            side=side,
        )
    return CaptionSentence(sentence(text), used, 2)


def _side(eye: Fact | None, dice: Dice) -> str:
    if eye is None:
        return ""
    side = "right" if eye.value == "OD" else "left"
    return say(
        f"[{side} eye|{side} eye|{side} eye|{side} eye ({eye.value})|{side} retina|{side} fundus]",
        dice,
    )


def sentence(text: str) -> str:
    """Return the text with a capital and a full stop."""
    return text[0].upper() + text[1:] + "."


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
    return AGAIN if before and (before == head or dice.chance() < 0.4) else head


def _bare(phrase: str) -> str:
    """Notes have no articles."""
    return phrase.removeprefix("a ").removeprefix("an ")


def lesions(facts: Sequence[Fact], style: str, dice: Dice) -> list[CaptionSentence]:
    """Return the sentences on lesions: what is there with number and place, what is not."""
    there = [fact for fact in facts if fact.value]
    away = [fact.name for fact in facts if not fact.value]
    sentences = [_present(group, style, dice) for group in dice.chunked(dice.shuffled(there), 3)]
    if all_absent(away) and dice.chance() < 0.4:
        text = say(
            "[No [retinal |]lesions are [seen|visible|present]|The retina is free of lesions|"
            "There are no [retinal |]lesions]",
            dice,
        )
        return [*sentences, CaptionSentence(sentence(text), tuple(away), 1)]
    for group in dice.chunked(dice.shuffled(away), 6) if len(away) != 14 else [away]:
        sentences.append(_absent(group, style, dice))
    return dice.shuffled(sentences) if dice.chance() < 0.3 else sentences


def _present(facts: Sequence[Fact], style: str, dice: Dice) -> CaptionSentence:
    """One sentence; a lesion without a place comes last, else it would take its neighbour's."""
    used = tuple(fact.name for fact in facts)
    ordered = sorted(facts, key=lambda fact: not fact.places)
    said = [(*counted(fact, dice, style == "short"), where(fact.places, dice)) for fact in ordered]
    listed = joined([f"{amount} {place}".rstrip() for amount, _, place in said])
    if style == "short":
        return CaptionSentence(sentence(listed), used, 2)
    singular = said[0][1]
    if len(said) == 1 and said[0][2]:
        amount, _, place = said[0]
        text = say(
            "{place}, [there {be}|one sees] {amount}|{amount} {be} [seen|present|visible|noted] "
            "{place}|There {be} {amount} {place}|The [retina|fundus] shows {amount} {place}",
            dice,
            place=place,
            amount=amount,
            be="is" if singular else "are",
        )
        return CaptionSentence(sentence(text), used, 2)
    be = "is" if singular else "are"
    every = "is" if singular and len(said) == 1 else "are"
    text = say(
        "There {be} {listed}|The [retina|fundus|posterior segment] [shows|contains] {listed}|"
        "{listed} {every} [seen|present|visible|noted]|One [sees|notes] {listed}",
        dice,
        be=be,
        every=every,
        listed=listed,
    )
    return CaptionSentence(sentence(text), used, 2)


def _absent(names: Sequence[str], style: str, dice: Dice) -> CaptionSentence:
    said = absent(names, dice)
    if style == "short":
        return CaptionSentence(sentence(f"no {joined(said, 'or')}"), tuple(names), 1)
    text = say(
        "No {either} are [seen|present|visible]|There are no {either}|{both} are [absent|not seen]|"
        "The [retina|fundus] is free of {both}|The [retina|fundus] shows no {either}",
        dice,
        either=joined(said, "or"),
        both=joined(said),
    )
    return CaptionSentence(sentence(text), tuple(names), 1)


def _told(write: Callable[[Sequence[Fact], str, Dice], list[Told]]):
    def section(facts: Sequence[Fact], style: str, dice: Dice) -> list[CaptionSentence]:
        return [
            CaptionSentence(sentence(text), names, 2) for text, names in write(facts, style, dice)
        ]

    return section


def _nothing(facts: Sequence[Fact], style: str, dice: Dice) -> list[CaptionSentence]:
    """The eye is told by the opening."""
    return []


SECTIONS: Mapping[str, Callable[[Sequence[Fact], str, Dice], list[CaptionSentence]]] = {
    "eye": _nothing,
    "quality": described,
    "ground": described,
    "disc": described,
    "vessels": described,
    "macula": described,
    "fibres": described,
    "lesions": lesions,
    "verdict": _told(verdict),
    "person": _told(person),
}
