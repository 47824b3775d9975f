"""When is a text true of an image? Words as bits."""

from __future__ import annotations

import numpy as np
import pytest

from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.tasks.contrast_facts import (
    agreement,
    allows,
    bit_of,
    bits_of,
    columns,
    every,
    said_of,
)
from retinaforge.tasks.contrast_words import sentences_of


def eye(**facts) -> EyeRecord:
    """Return a record of plain values; a tuple is a value with its places."""
    found = {}
    for name, value in facts.items():
        value, *places = value if isinstance(value, tuple) else (value,)
        found[name] = Fact(name, value, "told", tuple(places))
    return EyeRecord(image="a.png", facts=found)


KNOWN = np.stack([
    bits_of(eye(eye="OD", cup_to_disc=0.7, drusen=0, hard_exudate=(8, "superior temporal"))),
    bits_of(eye(eye="OS", cup_to_disc=0.2, drusen=30, hard_exudate=0)),
    bits_of(eye(eye="OS")),
])  # fmt: skip


@pytest.mark.parametrize(
    ("sentence", "true"),
    [
        ("This is a fundus photograph of the right eye.", [True, False, False]),
        ("The optic disc has a large cup.", [True, False, False]),
        ("The optic disc has a small cup.", [False, True, False]),
        ("The vertical cup-to-disc ratio is 0.68.", [True, False, False]),
        ("No drusen are seen.", [True, False, False]),
        ("There are numerous drusen.", [False, True, False]),
        ("There are hard exudates in the superior temporal quadrant.", [True, False, False]),
        ("There are hard exudates in the inferior nasal quadrant.", [False, False, False]),
        ("There are no hard exudates.", [False, True, False]),
        ("A pleasant picture.", [True, True, True]),
    ],
)
def test_a_sentence_is_true_of_whom_it_fits(sentence, true) -> None:
    assert allows(KNOWN, [said_of(sentence)]).tolist() == true


def test_what_nobody_told_apart_answers_to_the_whole_word_alone() -> None:
    known = np.stack([
        bits_of(eye(haemorrhage=0)), bits_of(eye(haemorrhage=5)),
        bits_of(eye(macular_degeneration=True)), bits_of(eye(amd_stage=0)),
    ])  # fmt: skip
    for sentence, true in (
        ("No haemorrhages are seen.", [True, False, False, False]),
        ("There are no flame haemorrhages.", [True, False, False, False]),
        ("Signs of age-related macular degeneration.", [False, False, True, False]),
        ("There is no age-related macular degeneration.", [False, False, False, True]),
    ):
        assert allows(known, [said_of(sentence)]).tolist() == true, sentence


def test_a_text_is_true_only_where_all_its_sentences_are() -> None:
    texts = [["Left eye.", "No hard exudates."], ["Left eye.", "No drusen."], ["Left eye."]]
    found = agreement(KNOWN, [[said_of(s) for s in text] for text in texts])
    assert found.tolist() == [[False] * 3, [True, False, True], [False, False, True]]


def test_what_is_hedged_says_nothing() -> None:
    assert said_of("There are possibly some drusen.") == {}


def test_bits_of_values() -> None:
    assert bit_of("drusen", True) == every("drusen") & ~1
    assert bit_of("drusen", False) == bit_of("drusen", 0) == 1
    assert bit_of("cup_to_disc", 0.4) == 2  # a bin begins at its lowest value
    assert bit_of("dr_grade", 3) == 8
    known = bits_of(eye(drusen=(3, "macula")))
    assert known[columns()["drusen@macula"]] == 2
    assert known[columns()["drusen@disc"]] == 1
    assert known[columns()["eye"]] == 0


def test_a_numbers_point_ends_no_sentence() -> None:
    text = "The ratio is 0.64. Vessels are straight; no drusen."
    assert sentences_of(text) == ["The ratio is 0.64.", "Vessels are straight;", "no drusen."]
