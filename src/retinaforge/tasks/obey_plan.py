"""Which captions a generator is asked with, so that one word at a time can be held against images.

One fact: the record of a held-out eye (the base) in which one fact, and what hangs on it, is
exchanged for that of another held-out eye (the donor), at each of a few levels; words and noise of
a base stay the same. The donors' own images, read by the same oracle, say how well anything that
shows what they show could be read: the ceiling has the same values in the same shares.

Ladder: a base asked with the lesions of donors of grade 0, 1, 2, 3, 4, the noise fixed
(RetinaLogos's demonstration, arXiv 2505.12887v3, figure 4). Natural: held-out records as they are.
Same caption: one record, one caption, many seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from retinaforge.captions.focus import focus
from retinaforge.captions.record import EyeRecord
from retinaforge.captions.template import write_caption_with_sources
from retinaforge.core import Refusal, rng_for, seed_for
from retinaforge.tasks.obey_levels import levels_of, stands_alone
from retinaforge.tasks.oracle_words import DIABETIC_LESIONS, WORD, WORDS, Word, true_value

ONE_FACT, LADDER, NATURAL, SAME = "one fact", "ladder", "natural", "same caption"
ATTEMPTS = 8
WORDS_OF_CAPTION = (20, 150)
"""Fewest and most words: what is asked for must not be cut off by the text encoder."""
GRADES = range(5)


@dataclass(frozen=True)
class Asked:
    """One image that is asked for.

    Attributes:
        design: which part of the plan it is of.
        word: what it is asked for, "" where as a whole.
        level: the level in words.
        value: the fact as a number, as `oracle_words.true_value` has it; NaN without a word.
        base: the held-out eye whose other facts it keeps.
        donor: the held-out eye that has what is asked for; its own image is the ceiling.
        seed: of the noise.
        record: all facts that are asked for.
        text: the caption.
        said: whether the caption states the word.
    """

    design: str
    word: str
    level: str
    value: float
    base: str
    donor: str
    seed: int
    record: EyeRecord
    text: str
    said: bool

    def as_row(self) -> dict[str, Any]:
        """Return plain data without the record."""
        value = self.value if math.isfinite(self.value) else None
        return {"design": self.design, "word": self.word, "level": self.level, "value": value,
                "base": self.base, "donor": self.donor, "seed": self.seed, "said": self.said,
                "text": self.text}  # fmt: skip


@dataclass(frozen=True)
class PlanSizes:
    """How much is asked.

    Attributes:
        bases: held-out eyes a word.
        ladders: held-out eyes whose severity is raised.
        natural: held-out captions as they are.
        same: seeds of one caption, for each of `captions`.
        captions: captions of which many are drawn.
        seed: decides bases, donors, words and noise.
        diagnosis: captions name grades and diseases, as the generator's captions did.
        only: facts that captions speak of, as the generator's did; all where empty. A word that
            is not among them was never taught, and is not asked for.
        places: captions say where lesions lie.
        most_words: longest caption.
    """

    bases: int = 24
    ladders: int = 16
    natural: int = 96
    same: int = 12
    captions: int = 4
    seed: int = 0
    diagnosis: bool = False
    only: tuple[str, ...] = ()
    places: bool = True
    most_words: int = WORDS_OF_CAPTION[1]


def plan_of(
    held_out: Sequence[EyeRecord], sizes: PlanSizes, words: Sequence[str] | None = None
) -> list[Asked]:
    """Return everything that is asked for.

    Args:
        held_out: records of eyes that the generator did not learn from.
        sizes: how much.
        words: which words; None: all that can be asked.

    Raises:
        Refusal: expected words of the catalogue, or at least two held-out eyes.
    """
    if odd := sorted(set(words or ()) - set(WORD)):
        raise Refusal(f"words of {', '.join(WORD)}", ", ".join(odd), "leave them out")
    if len(held_out) < 2:
        raise Refusal("at least two held-out eyes", f"{len(held_out)}", "hold more out")
    taught = [word for word in WORDS if not sizes.only or word.name in sizes.only]
    wanted = [word for word in taught if words is None or word.name in words]
    if not wanted:
        raise Refusal(
            "a word that the captions speak of",
            f"{', '.join(words or ())} of captions on {', '.join(sizes.only)}",
            "name words that the generator was taught, or leave --only out",
        )
    rows = [row for word in wanted for row in _one_fact(word, held_out, sizes)]
    rows += _ladders(held_out, sizes)
    rows += _natural(held_out, sizes)
    rows += _same(held_out, sizes)
    return rows


def _one_fact(word: Word, held_out: Sequence[EyeRecord], sizes: PlanSizes) -> Iterator[Asked]:
    levels = levels_of(word, held_out)
    bases = _bases(word, held_out, sizes)
    for name, donors in levels.items():
        order = rng_for(sizes.seed, "donors", word.name, name).permutation(len(donors))
        for place, base in enumerate(bases):
            donor = donors[order[place % len(order)]]
            record = exchanged(base, donor, word)
            yield from _asked(ONE_FACT, word, name, base, donor, record, sizes)


def _bases(word: Word, held_out: Sequence[EyeRecord], sizes: PlanSizes) -> list[EyeRecord]:
    """Return bases: of good quality unless the view is asked for, so that words can show."""
    view = word.name in ("quality", "blur", "haze")
    good = [r for r in held_out if view or r.value("quality") in (None, "good")]
    good = good if len(good) >= 2 else list(held_out)
    order = rng_for(sizes.seed, "bases", word.name).permutation(len(good))[: sizes.bases]
    return [good[i] for i in order]


def exchanged(base: EyeRecord, donor: EyeRecord, word: Word) -> EyeRecord:
    """Return a record with one word's facts taken from another's."""
    taken = (word.name, *word.along)
    facts = {k: f for k, f in base.facts.items() if k not in taken and k not in word.without}
    facts |= {name: donor.facts[name] for name in taken if name in donor.facts}
    return replace(base, facts=facts)


def _asked(
    design: str, word: Word, level: str, base: EyeRecord, donor: EyeRecord, record: EyeRecord,
    sizes: PlanSizes, turn: int = 0,
) -> Iterator[Asked]:  # fmt: skip
    value = true_value(word, donor.value(word.name))
    text, said = worded(record, word, sizes, base.image)
    if not said and not _silence_says_it(word, value):
        return
    seed = seed_for(sizes.seed, "noise", design, base.image, turn)
    yield Asked(design, word.name, level, value, base.image, donor.image, seed, record, text, said)


def _silence_says_it(word: Word, value: float) -> bool:
    """Say whether a caption without the word asks for this value: captions leave absences out."""
    return word.kind in ("count", "flag", "grade") and value == 0


def worded(record: EyeRecord, word: Word | None, sizes: PlanSizes, name: str) -> tuple[str, bool]:
    """Return a caption that states a word, and whether it does.

    The words are drawn by the base's name alone, so that a base's captions differ little else.
    """
    text, said = "", False
    record = focus(record, sizes.only, places=sizes.places)
    for attempt in range(ATTEMPTS):
        caption = write_caption_with_sources(
            record, rng=rng_for(sizes.seed, "words", name, attempt), share=1.0,
            words=(WORDS_OF_CAPTION[0], sizes.most_words), diagnosis=sizes.diagnosis,
        )  # fmt: skip
        text, said = caption.text, word is None or _states(caption.facts(), word)
        if said:
            break
    return text, said


def _states(facts: Sequence[str], word: Word) -> bool:
    if word.name == "dr_grade":
        return any(name in facts for name in (word.name, *DIABETIC_LESIONS))
    return word.name in facts


def _ladders(held_out: Sequence[EyeRecord], sizes: PlanSizes) -> Iterator[Asked]:
    """Yield each base with the lesions of typical donors of grade 0 to 4."""
    word = WORD["dr_grade"]
    typical = {grade: _typical(held_out, grade) for grade in GRADES}
    if not all(typical.values()):
        return
    for place, base in enumerate(_bases(word, held_out, replace(sizes, bases=sizes.ladders))):
        for grade, donors in typical.items():
            donor = donors[place % len(donors)]
            record = exchanged(base, donor, word)
            yield from _asked(LADDER, word, str(grade), base, donor, record, sizes)


def _typical(held_out: Sequence[EyeRecord], grade: int) -> list[EyeRecord]:
    """Return the eyes of a grade, those with about its median number of lesions first; the half
    that is farthest from it is left out."""
    rows = [r for r in held_out if r.value("dr_grade") == grade and stands_alone(WORD["blur"], r)
            and not r.value("blur")]  # fmt: skip
    total = {r.image: lesions_in(r) for r in rows}
    middle = float(np.median(list(total.values()))) if rows else 0.0
    rows.sort(key=lambda r: (abs(math.log1p(total[r.image]) - math.log1p(middle)), r.image))
    return rows[: max(1, (len(rows) + 1) // 2)] if rows else []


def lesions_in(record: EyeRecord) -> float:
    """Return how many diabetic lesions a record counts."""
    values: Mapping[str, Any] = {name: record.value(name) or 0 for name in DIABETIC_LESIONS}
    return float(sum(values.values()))


def _natural(held_out: Sequence[EyeRecord], sizes: PlanSizes) -> Iterator[Asked]:
    order = rng_for(sizes.seed, "natural").permutation(len(held_out))[: sizes.natural]
    for base in (held_out[i] for i in order):
        yield _whole(NATURAL, base, sizes, 0)


def _same(held_out: Sequence[EyeRecord], sizes: PlanSizes) -> Iterator[Asked]:
    order = rng_for(sizes.seed, "same").permutation(len(held_out))[: sizes.captions]
    for base in (held_out[i] for i in order):
        for turn in range(sizes.same):
            yield _whole(SAME, base, sizes, turn)


def _whole(design: str, base: EyeRecord, sizes: PlanSizes, turn: int) -> Asked:
    text, _ = worded(base, None, sizes, base.image)
    seed = seed_for(sizes.seed, "noise", design, base.image, turn)
    return Asked(design, "", "", math.nan, base.image, base.image, seed, base, text, True)
