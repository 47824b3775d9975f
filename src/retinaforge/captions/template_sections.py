"""Which sentences tell each topic of a caption."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from retinaforge.captions.record import Fact
from retinaforge.captions.template_described import described
from retinaforge.captions.template_grammar import Dice
from retinaforge.captions.template_lesion_sentences import lesions
from retinaforge.captions.template_people import Told, person, verdict
from retinaforge.captions.template_sentence import CaptionSentence, sentence

Topics = tuple[str, ...]
DRAWN_TOPICS: Topics = ("ground", "disc", "vessels", "macula", "fibres", "lesions")
Section = Callable[[Sequence[Fact], str, Dice], list[CaptionSentence]]


def _told(write: Callable[[Sequence[Fact], str, Dice], list[Told]]) -> Section:
    def section(facts: Sequence[Fact], style: str, dice: Dice) -> list[CaptionSentence]:
        return [
            CaptionSentence(sentence(text), names, 2) for text, names in write(facts, style, dice)
        ]

    return section


def _nothing(facts: Sequence[Fact], style: str, dice: Dice) -> list[CaptionSentence]:
    """The eye is told by the opening."""
    return []


SECTIONS: Mapping[str, Section] = {
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
