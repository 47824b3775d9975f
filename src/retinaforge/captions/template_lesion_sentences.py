"""The sentences on lesions: what is there with number and place, what is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from retinaforge.captions.record import Fact
from retinaforge.captions.template_grammar import Dice, say
from retinaforge.captions.template_lesions import absent, all_absent, counted, where
from retinaforge.captions.template_sentence import CaptionSentence, joined, same_start, sentence

T = TypeVar("T")
PLACED: Final = (
    "{place}, [there {be}|one sees] {amount}|{amount} {be} [seen|present|visible|noted] {place}|"
    "There {be} {amount} {place}|The [retina|fundus] shows {amount} {place}"
)
LISTED: Final = (
    "There {be} {listed}|The [retina|fundus|posterior segment] [shows|contains] {listed}|"
    "{listed} {every} [seen|present|visible|noted]|One [sees|notes] {listed}"
)


def lesions(facts: Sequence[Fact], style: str, dice: Dice) -> list[CaptionSentence]:
    """Return the sentences on lesions: what is there with number and place, what is not."""
    there = [fact for fact in facts if fact.value]
    away = [fact.name for fact in facts if not fact.value]
    sentences: list[CaptionSentence] = []
    for group in dice.chunked(dice.shuffled(there), 3):
        sentences.append(_afresh(_present, group, style, dice, sentences))
    if all_absent(away) and dice.chance() < 0.4:
        text = say(
            "[No [retinal |]lesions are [seen|visible|present]|The retina is free of lesions|"
            "There are no [retinal |]lesions]",
            dice,
        )
        return [*sentences, CaptionSentence(sentence(text), tuple(away), 1)]
    for names in dice.chunked(dice.shuffled(away), 6, 2):
        sentences.append(_afresh(_absent, names, style, dice, sentences))
    return sentences if dice.chance() < 0.7 else sentences[::-1]


def _afresh(
    write: Callable[[Sequence[T], str, Dice], CaptionSentence],
    items: Sequence[T],
    style: str,
    dice: Dice,
    before: Sequence[CaptionSentence],
) -> CaptionSentence:
    """Write a sentence, and again if it begins as the one before; three times at most."""
    written = write(items, style, dice)
    for _ in range(2):
        if style == "short" or not before or not same_start(before[-1].text, written.text):
            break
        written = write(items, style, dice)
    return written


def _present(facts: Sequence[Fact], style: str, dice: Dice) -> CaptionSentence:
    """One sentence; a lesion without a place comes last, else it would take its neighbour's."""
    used = tuple(fact.name for fact in facts)
    ordered = sorted(facts, key=lambda fact: not fact.places)
    said = [(*counted(fact, dice, style == "short"), where(fact.places, dice)) for fact in ordered]
    listed = joined([f"{amount} {place}".rstrip() for amount, _, place in said])
    if style == "short":
        return CaptionSentence(sentence(listed), used, 2)
    amount, singular, place = said[0]
    slots = {
        "amount": amount,
        "place": place,
        "listed": listed,
        "be": "is" if singular else "are",
        "every": "is" if singular and len(said) == 1 else "are",
    }
    frame = PLACED if len(said) == 1 and place else LISTED
    return CaptionSentence(sentence(say(frame, dice, **slots)), used, 2)


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
