"""A caption's length in words, kept within what was asked for as far as the facts allow."""

from __future__ import annotations

from collections.abc import Sequence

from retinaforge.captions.template_grammar import Dice, say
from retinaforge.captions.template_sentence import CaptionSentence

EMPTY = (
    "[The photograph|The picture|The image] was taken with a [fundus|retinal] camera.",
    "It is a [single|still] [colour photograph|photograph in colour] of the [back|inside] "
    "of the eye.",
)
"""True of every colour fundus photograph; said only to reach the fewest words."""


def fitted(
    sentences: Sequence[CaptionSentence], words: tuple[int, int], dice: Dice
) -> tuple[list[CaptionSentence], str]:
    """Return the sentences within the range of words, and a note where that was not possible.

    Too long: the sentences that tell least of the eye go first, a sentence that tells of
    something abnormal last. Too short: what is true of every fundus photograph is added.
    """
    kept = list(sentences)
    length = sum(each.words for each in kept)
    while length > words[1] and len(kept) > 1:
        least = min(range(len(kept)), key=lambda n: _worth(kept[n], n))
        length -= kept.pop(least).words
    for each in EMPTY:
        if length < words[0]:
            kept.append(CaptionSentence(say(each, dice), ()))
            length += kept[-1].words
    if length > words[1]:
        return kept, f"{length} words: the shortest sentence is longer than {words[1]}"
    if length < words[0]:
        return kept, f"{length} words: the record's facts do not fill {words[0]}"
    return kept, ""


def _worth(sentence: CaptionSentence, place: int) -> tuple[int, bool, int, int]:
    """The least worth goes first; "It also" before what it points back to."""
    points_back = sentence.text.startswith("It ")
    return sentence.weight, not points_back, -sentence.words, place
