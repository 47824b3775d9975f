"""Captions with one fact turned round: which words does a score see?

A caption and its twin are written by the same grammar from the same draws; the twin's record says
of one fact what is not so. A score that sees the fact prefers the true one. The true ones say yes
and no in equal shares, so that a liking for one of the words gains nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from retinaforge.captions.facts import FACT, QUADRANTS
from retinaforge.captions.record import EyeRecord, Fact, Value
from retinaforge.captions.template import write_caption_with_sources
from retinaforge.core import rng_for

TRIES = 8
NUMEROUS = 21


@dataclass(frozen=True)
class Flip:
    """A fact and how it is turned round.

    Attributes:
        name: what is asked, such as "cup small or large".
        fact: of the catalogue.
        side: which of two sides a record is on, "" for neither; the untrue twin takes the fact of
            an eye of the other side.
    """

    name: str
    fact: str
    side: Callable[[Fact], str]


@dataclass(frozen=True)
class Twins:
    """One image with a true caption and its untrue twin.

    Attributes:
        image: place of the pair among those handed over.
        flip: name of the fact.
        side: of the true caption.
        true, untrue: the captions.
        true_sentence, untrue_sentence: the sentences alone that tell the fact.
    """

    image: int
    flip: str
    side: str
    true: str
    untrue: str
    true_sentence: str
    untrue_sentence: str


def _two(low: Value, high: Value) -> Callable[[Fact], str]:
    return lambda fact: str(fact.value) if fact.value in (low, high) else ""


def _flag(fact: Fact) -> str:
    return "yes" if fact.value else "no"


def _word(name: str, low: str, high: str) -> Callable[[Fact], str]:
    words = {word.word: word for word in FACT[name].bins}

    def side(fact: Fact) -> str:
        return next((w for w in (low, high) if words[w].holds(float(fact.value))), "")

    return side


def _amount(fact: Fact) -> str:
    count = 0 if isinstance(fact.value, bool) else int(fact.value)
    return "few" if 1 <= count <= 5 else "numerous" if count >= NUMEROUS else ""


def _half(fact: Fact) -> str:
    """Return the only half of the retina where something lies."""
    halves = {place.split()[0] for place in fact.places if place in QUADRANTS}
    return halves.pop() if len(halves) == 1 else ""


COMMON = (
    "microaneurysm", "haemorrhage_dot", "haemorrhage_flame", "hard_exudate", "cotton_wool_spot",
    "neovascularisation", "drusen", "geographic_atrophy", "laser_scar", "disc_haemorrhage",
)  # fmt: skip
FLIPS: tuple[Flip, ...] = (
    Flip("eye: right or left", "eye", _two("OD", "OS")),
    Flip("quality: good or poor", "quality", _two("good", "reject")),
    Flip("blur: yes or no", "blur", _flag),
    Flip("haze: yes or no", "haze", _flag),
    Flip("illumination: uneven or even", "illumination", _flag),
    Flip("fundus: light or dark", "pigmentation", _word("pigmentation", "light", "dark")),
    Flip("tessellation: yes or no", "tessellation", _flag),
    Flip("cup: small or large", "cup_to_disc", _word("cup_to_disc", "small", "large")),
    Flip("rim notch: yes or no", "rim_notch", _flag),
    Flip("peripapillary atrophy: yes or no", "peripapillary_atrophy", _flag),
    Flip("vessels: sparse or dense", "vessel_density", _word("vessel_density", "sparse", "dense")),
    Flip("vessels: straight or tortuous", "tortuosity",
         _word("tortuosity", "straight", "tortuous")),
    Flip("arteries: narrow or wide", "artery_vein_ratio",
         _word("artery_vein_ratio", "narrow", "wide")),
    Flip("foveal reflex: yes or no", "foveal_reflex", _flag),
    Flip("nerve fibre layer: visible or faint", "nerve_fibre_layer", _two("visible", "faint")),
    *(Flip(f"{name.replace('_', ' ')}: yes or no", name, _flag) for name in COMMON),
    Flip("microaneurysms: few or numerous", "microaneurysm", _amount),
    Flip("hard exudates: few or numerous", "hard_exudate", _amount),
    Flip("hard exudates: above or below", "hard_exudate", _half),
)  # fmt: skip


def twins(
    records: Sequence[EyeRecord], flip: Flip, *, most: int = 200, seed: int = 0
) -> list[Twins]:
    """Return captions with their twins, as many of either side.

    Args:
        records: of the images.
        flip: what is turned round.
        most: captions at most.
        seed: of choice and words.

    Returns:
        At most `most`; none where one side has no record.
    """
    rng = rng_for(seed, "twins", flip.name)
    sides = _by_side(records, flip)
    if len(sides) != 2:
        return []
    each = min(most // 2, *(len(places) for places in sides.values()))
    found: list[Twins] = []
    for side, places in sides.items():
        (other,) = set(sides) - {side}
        for place in rng.permutation(places)[:each]:
            donor = records[int(rng.choice(sides[other]))].facts[flip.fact]
            made = _written(records[place], flip, donor, seed=seed)
            if made is not None:
                found.append(Twins(int(place), flip.name, side, *made))
    return found


def _by_side(records: Sequence[EyeRecord], flip: Flip) -> Mapping[str, list[int]]:
    sides: dict[str, list[int]] = {}
    for place, record in enumerate(records):
        fact = record.facts.get(flip.fact)
        if fact is not None and (side := flip.side(fact)):
            sides.setdefault(side, []).append(place)
    return sides


def _written(
    record: EyeRecord, flip: Flip, donor: Fact, *, seed: int
) -> tuple[str, str, str, str] | None:
    """Write both captions, of the draws tried those that differ in the fewest sentences."""
    other, best = replace(record, facts={**record.facts, flip.fact: donor}), None
    for number in range(TRIES):
        parts = (seed, "caption", record.image, flip.name, number)
        true, untrue = (
            write_caption_with_sources(r, rng=rng_for(*parts), style="full")
            for r in (record, other)
        )
        if flip.fact not in true.facts() or flip.fact not in untrue.facts():
            continue
        differ = len({s.text for s in true.sentences} ^ {s.text for s in untrue.sentences})
        if best is None or differ < best[0]:
            best = differ, true.text, untrue.text
        if differ <= 2:
            break
    if best is None:
        return None
    alone = [_alone(r, flip.fact, seed) for r in (record, other)]
    return best[1], best[2], *alone


def _alone(record: EyeRecord, fact: str, seed: int) -> str:
    """Return a sentence that tells one fact and no other."""
    only = replace(record, facts={fact: record.facts[fact]})
    rng = rng_for(seed, "sentence", record.image, fact)
    caption = write_caption_with_sources(only, rng=rng, style="full", words=(1, 210), share=1.0)
    return next(s.text for s in caption.sentences if fact in s.facts)


__all__ = ["FLIPS", "Flip", "Twins", "twins"]
