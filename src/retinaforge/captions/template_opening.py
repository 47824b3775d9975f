"""The first sentence: a fundus photograph, of which eye, of which quality."""

from __future__ import annotations

from collections.abc import Mapping

from retinaforge.captions.record import Fact
from retinaforge.captions.template_grammar import Dice, say
from retinaforge.captions.template_phrases import PHRASES
from retinaforge.captions.template_sentence import CaptionSentence, sentence


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
