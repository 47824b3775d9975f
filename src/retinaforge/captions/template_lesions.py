"""Lesions in words: how many of what, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from retinaforge.captions import words
from retinaforge.captions.facts_catalogue import HALVES, LESIONS, QUADRANTS
from retinaforge.captions.record import Fact
from retinaforge.captions.template_grammar import Dice, say
from retinaforge.captions.template_sentence import joined

BLOOD: Final = "haemorrhage"
BLEEDS: Final = frozenset(
    ("haemorrhage_dot", "haemorrhage_flame", "preretinal_haemorrhage", "disc_haemorrhage")
)
NUMBER_WORDS: Final = (
    "zero", "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
MOST_COUNTED: Final = 60
"""Beyond this nobody counts lesions by eye; a word stands for the number."""

QUANTITY: Final[dict[str, str]] = {
    "few": "[a few|a small number of|a handful of|occasional|few]",
    "several": "[several|multiple|a number of|a moderate number of]",
    "numerous": "[numerous|many|a large number of|abundant|countless]",
}


class Noun(NamedTuple):
    """What a lesion is called: one, several, and bare where nobody counted or there is none."""

    one: str
    many: str
    bare: str


NOUNS: Final[dict[str, Noun]] = {
    "microaneurysm": Noun(
        "microaneurysm", "[microaneurysms|retinal microaneurysms]", "microaneurysms"
    ),
    "haemorrhage_dot": Noun(
        "[dot|blot|intraretinal] haemorrhage",
        "[dot|blot|dot and blot|dot-blot|intraretinal] haemorrhages",
        "[dot|blot|dot and blot|dot-blot|intraretinal] haemorrhages",
    ),
    "haemorrhage_flame": Noun(
        "[flame|flame-shaped] haemorrhage",
        "[flame|flame-shaped] haemorrhages",
        "[flame|flame-shaped] haemorrhages",
    ),
    "hard_exudate": Noun(
        "[hard|lipid|yellow] exudate", "[hard|lipid|yellow] exudates", "[hard|lipid] exudates"
    ),
    "cotton_wool_spot": Noun(
        "[cotton-wool|cotton wool] spot|soft exudate",
        "[cotton-wool|cotton wool] spots|soft exudates",
        "[cotton-wool|cotton wool] spots|soft exudates",
    ),
    "neovascularisation": Noun(
        "[tuft|frond] of new vessels|focus of neovascularisation",
        "[tufts|fronds] of new vessels|foci of neovascularisation",
        "new vessels",
    ),
    "irma": Noun(
        "intraretinal microvascular abnormality|area of IRMA",
        "intraretinal microvascular abnormalities|areas of IRMA",
        "intraretinal microvascular abnormalities",
    ),
    "venous_beading": Noun(
        "beaded venous segment|segment of venous beading",
        "beaded venous segments|segments of venous beading",
        "beaded venous segments|beaded veins",
    ),
    "preretinal_haemorrhage": Noun(
        "[preretinal|boat-shaped|subhyaloid] haemorrhage",
        "[preretinal|boat-shaped|subhyaloid] haemorrhages",
        "[preretinal|subhyaloid] haemorrhages",
    ),
    "drusen": Noun("druse", "drusen", "drusen"),
    "geographic_atrophy": Noun(
        "[patch|area|zone] of geographic atrophy",
        "[patches|areas|zones] of geographic atrophy",
        "[patches|areas] of geographic atrophy",
    ),
    "laser_scar": Noun(
        "[laser|photocoagulation] scar",
        "[laser|photocoagulation] scars",
        "[laser|photocoagulation] scars",
    ),
    "pigment_change": Noun(
        "[area|patch|focus] of [pigment|pigmentary] change|pigment clump",
        "[areas|patches|foci] of [pigment|pigmentary] change|pigment clumps",
        "[pigment|pigmentary] changes",
    ),
    "disc_haemorrhage": Noun(
        "[disc|splinter|disc margin] haemorrhage",
        "[disc|splinter|disc margin] haemorrhages",
        "[disc|splinter] haemorrhages",
    ),
    "haemorrhage": Noun(
        "[retinal |]haemorrhage", "[retinal |]haemorrhages", "[retinal |]haemorrhages"
    ),
}

QUADRANT_SHORT: Final = {
    "superior temporal": "[superior temporal|superotemporal|upper temporal]",
    "inferior temporal": "[inferior temporal|inferotemporal|lower temporal]",
    "superior nasal": "[superior nasal|superonasal|upper nasal]",
    "inferior nasal": "[inferior nasal|inferonasal|lower nasal]",
}
REGION_WORDS: Final = {
    "fovea": "[at|close to|around] the fovea",
    "macula": "[in|at|within] the macula",
    "disc": "[near|around|close to|next to] the optic disc",
    "periphery": "in the [periphery|retinal periphery]",
}
HALF_WORDS: Final = {
    "superior": "[in the superior retina|superiorly|in the upper half]",
    "inferior": "[in the inferior retina|inferiorly|in the lower half]",
    "temporal": "[in the temporal retina|temporally]",
    "nasal": "[in the nasal retina|nasally]",
}


def _divided(found: set[str], dice: Dice) -> set[str]:
    quadrants, regions = found & set(QUADRANTS), found & set(REGION_WORDS)
    if not quadrants or not regions or found - quadrants - regions:
        return found
    chance = dice.chance()
    return quadrants if chance < 0.4 else regions if chance < 0.8 else found


def where(places: Sequence[str], dice: Dice) -> str:
    """Say where, "in the macula and near the optic disc"; "" without any place.

    Quadrants divide the whole field and so do regions: where both are known, one of the two is
    said whole more often than both, and never a part of one, which would deny the rest.
    """
    found = _divided(set(places), dice)
    parts: list[str] = []
    quadrants = [each for each in QUADRANTS if each in found]
    if len(quadrants) == len(QUADRANTS):
        parts.append(say("in all [four |]quadrants|in [each|every] quadrant", dice))
    elif quadrants:
        named = joined([say(QUADRANT_SHORT[each], dice) for each in dice.shuffled(quadrants)])
        plural = "quadrants" if len(quadrants) > 1 else "quadrant"
        parts.append(say(f"in the {{named}} [{plural}|{plural}|retina]", dice, named=named))
    parts += [say(said, dice) for each, said in REGION_WORDS.items() if each in found]
    parts += [say(HALF_WORDS[each], dice) for each in HALVES if each in found]
    return joined(dice.shuffled(parts))


def counted(fact: Fact, dice: Dice, brief: bool = False) -> tuple[str, bool]:
    """Say how many of a lesion, and whether the verb is singular.

    Args:
        fact: a lesion that is there: a count above 0, or True.
        dice: draws synonyms, and the number or a word for it.
        brief: digits and bare words, as in notes.
    """
    noun = NOUNS[fact.name]
    if fact.value is True:
        return say(noun.bare, dice), False
    count = int(fact.value)
    if count == 1:
        name = say(noun.one, dice)
        article = "an" if name[0] in "aeiou" else "a"
        first = "[1|single|solitary]" if brief else f"[a single|one|{article} solitary|{article}]"
        first = first.replace("an solitary", "a solitary")
        return f"{say(first, dice)} {name}", True
    exact = count <= MOST_COUNTED and dice.chance() < 0.5
    if exact:
        amount = str(count) if brief or count >= len(NUMBER_WORDS) else NUMBER_WORDS[count]
    else:
        amount = say(QUANTITY[words.bin_of(words.COUNT, count).word], dice)
    return f"{amount} {say(noun.many, dice)}", False


def absent(names: Sequence[str], dice: Dice) -> list[str]:
    """Say bare names of lesions that are not there, one word for all kinds of bleeding."""
    left = list(names)
    said: list[str] = []
    if set(left) >= BLEEDS and dice.chance() < 0.6:
        left = [each for each in left if each not in BLEEDS]
        said.append(say(f"{BLOOD}s|retinal {BLOOD}s", dice))
    said += [say(NOUNS[each].bare, dice) for each in left]
    return dice.shuffled(said)


def all_absent(names: Sequence[str]) -> bool:
    """Say whether these are all the lesions that the catalogue has."""
    return set(names) >= set(LESIONS)
