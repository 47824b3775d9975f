"""Diagnoses and the person, in words; said only when asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from retinaforge.captions.facts_catalogue import FACT
from retinaforge.captions.record import Fact
from retinaforge.captions.template_grammar import Dice, say
from retinaforge.captions.template_sentence import joined

NPDR: Final = "[non-proliferative diabetic retinopathy|NPDR|nonproliferative diabetic retinopathy]"
AMD: Final = "[age-related macular degeneration|AMD]"
GRADES: Final[dict[tuple[str, int], str]] = {
    # Grade 0 is said after "no".
    ("dr_grade", 0): "diabetic retinopathy",
    ("dr_grade", 1): f"mild {NPDR}",
    ("dr_grade", 2): f"moderate {NPDR}",
    ("dr_grade", 3): f"severe {NPDR}",
    ("dr_grade", 4): "[proliferative diabetic retinopathy|PDR]",
    ("macular_oedema", 0): "[diabetic |]macular oedema",
    ("macular_oedema", 1): "[diabetic |]macular oedema [away from|outside] the centre",
    ("macular_oedema", 2): "[centre-involving macular oedema|macular oedema at the centre]",
    ("amd_stage", 0): AMD,
    ("amd_stage", 1): f"early {AMD}",
    ("amd_stage", 2): f"intermediate {AMD}",
    ("amd_stage", 3): f"[late|advanced] {AMD}",
    ("glaucoma", 0): "glaucoma",
    ("glaucoma", 1): "suspected glaucoma",
    ("glaucoma", 2): "[glaucoma|glaucomatous optic neuropathy]",
}
DISEASES: Final = {
    "hypertensive_retinopathy": "hypertensive retinopathy",
    "pathological_myopia": "[pathological|pathologic] myopia",
    "cataract": "[cataract|lens opacity]",
    "vein_occlusion": "retinal vein occlusion",
    "macular_degeneration": AMD,
    "diabetes": "[diabetes|diabetes mellitus]",
}


MADE: Final = "[The findings are those of|The diagnosis is|This is an eye with]"
RULED_OUT: Final = (
    "[There is no|There is no sign of|There are no signs of|The findings do not suggest]"
)
Told = tuple[str, tuple[str, ...]]
"""A sentence without its full stop, and the facts that it states."""


def verdict(facts: Sequence[Fact], style: str, dice: Dice) -> list[Told]:
    """Return the diagnoses that were made in one sentence, those ruled out in another."""
    ordered = dice.shuffled(facts)
    there = [fact for fact in ordered if fact.value]
    away = [fact for fact in ordered if not fact.value]
    heads = ("Diagnosis:", "No") if style == "short" else (say(MADE, dice), say(RULED_OUT, dice))
    told: list[Told] = []
    for group, head, word in ((there, heads[0], "and"), (away, heads[1], "or")):
        if group:
            said = joined([_disease(fact, dice) for fact in group], word)
            told.append((f"{head} {said}", tuple(fact.name for fact in group)))
    return told


def _disease(fact: Fact, dice: Dice) -> str:
    if FACT[fact.name].kind == "grade":
        return say(GRADES[fact.name, int(fact.value)], dice)
    return say(DISEASES[fact.name], dice)


def person(facts: Sequence[Fact], style: str, dice: Dice) -> list[Told]:
    """Return who was photographed, and by which camera."""
    known = {fact.name: fact.value for fact in facts}
    noun = {"female": "woman", "male": "man"}.get(str(known.get("sex", "")), "person")
    age = f"{float(known['age']):.0f}-year-old " if "age" in known else ""
    group = str(known.get("ethnicity", ""))
    told: list[Told] = []
    if names := tuple(name for name in ("age", "sex", "ethnicity") if name in known):
        told.append((_who(noun, age, group, style, dice), names))
    if "camera" in known:
        head = "Camera:" if style == "short" else "The photograph was taken with the camera"
        told.append((f"{head} {known['camera']}", ("camera",)))
    return told


def _who(noun: str, age: str, group: str, style: str, dice: Dice) -> str:
    who = f"{age}{noun}{f' ({group})' if group else ''}"
    head = say("[The patient is|The person is|Photographed was]", dice)
    if noun == "person" and not age:
        return f"Ethnicity of the person: {group}"
    if style == "short":
        return who
    return f"{head} {'an' if age[:1] == '8' or age[:2] in ('11', '18') else 'a'} {who}"
