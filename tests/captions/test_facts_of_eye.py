"""The catalogue of facts, and the seven fields as a view of a record."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from retinaforge.captions import words
from retinaforge.captions.facts import (
    FACTS,
    LESIONS,
    SEVEN_FIELDS,
    FactKind,
    check_place,
    check_value,
    fact_kind,
    seven_fields,
)
from retinaforge.captions.facts_card import facts_card, words_card
from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.core import Refusal


def test_names_are_unique_and_fields_known() -> None:
    assert len({each.name for each in FACTS}) == len(FACTS)
    assert {each.field for each in FACTS} <= set(SEVEN_FIELDS)
    assert len(LESIONS) == 14


@pytest.mark.parametrize("kind", [each for each in FACTS if each.diagnosis], ids=lambda k: k.name)
def test_no_diagnosis_is_said_unasked(kind: FactKind) -> None:
    assert not kind.unasked


@pytest.mark.parametrize("kind", [each for each in FACTS if each.bins], ids=lambda k: k.name)
def test_bins_are_contiguous_and_cover_the_range(kind: FactKind) -> None:
    assert kind.bins[0].low <= kind.low
    assert kind.bins[-1].high > min(kind.high, 1e9)
    for one, next_one in zip(kind.bins, kind.bins[1:], strict=False):
        assert one.high == next_one.low


def test_an_edge_belongs_to_the_upper_bin() -> None:
    assert words.bin_of(words.CUP, 0.6).word == "large"
    assert words.bin_of(words.CUP, 0.5999).word == "moderate"
    assert [words.bin_of(words.COUNT, n).word for n in (0, 1, 5, 6, 20, 21)] == [
        "none", "single", "few", "several", "several", "numerous",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no word for nan"):
        words.bin_of(words.CUP, math.nan)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("eye", "OD"),
        ("blur", False),
        ("cup_to_disc", 1),
        ("hard_exudate", 12),
        ("hard_exudate", True),
        ("dr_grade", 4),
        ("dr_grade", 2.0),
        ("keywords", "anything"),
    ],
)
def test_what_fits_is_returned(name: str, value: object) -> None:
    assert check_value(name, value) == value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("eye", "right", "eye to be 'OD' or 'OS'"),
        ("blur", 1, "blur to be true or false"),
        ("cup_to_disc", 1.2, "cup_to_disc to be a number from 0 to 1"),
        ("cup_to_disc", math.nan, "cup_to_disc to be a number"),
        ("cup_to_disc", True, "cup_to_disc to be a number"),
        ("hard_exudate", -1, "hard_exudate to be a count"),
        ("hard_exudate", 1.5, "hard_exudate to be a count"),
        ("dr_grade", 5, "dr_grade to be a whole grade from 0 to 4"),
        ("keywords", 3, "keywords to be words"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: object, expected: str) -> None:
    with pytest.raises(Refusal, match=expected):
        check_value(name, value)  # type: ignore[arg-type]


def test_an_unknown_fact_or_place_is_refused_in_words() -> None:
    with pytest.raises(Refusal, match=r"expected a fact of the catalogue .*; got 'cup'; name it"):
        fact_kind("cup")
    with pytest.raises(Refusal, match="drusen to lie in superior temporal"):
        check_place("drusen", "behind")


def test_the_seven_fields_say_what_is_known_and_no_more() -> None:
    facts = [
        Fact("eye", "OS", "t"),
        Fact("quality", "usable", "t"),
        Fact("haze", True, "t"),
        Fact("cup_to_disc", 0.61234, "t"),
        Fact("hard_exudate", 12, "t", ("macula",)),
        Fact("dr_grade", 2, "t"),
        Fact("cataract", True, "t"),
        Fact("age", 67, "t"),
    ]
    record = EyeRecord("a.png", {each.name: each for each in facts}, report="Free text.")
    assert seven_fields(record) == {
        "Eye": "OS",
        "Image_quality": "quality: usable; haze: yes",
        "Subclinical_label": "cup to disc: 0.6123; hard exudate: 12 (macula)",
        "Disease_label": "cataract: yes",
        "Grade_label": "moderate non-proliferative diabetic retinopathy",
        "General_label": "age: 67 years",
        "Report_label": "Free text.",
    }
    assert tuple(seven_fields(EyeRecord("b.png"))) == SEVEN_FIELDS
    assert not any(seven_fields(EyeRecord("b.png")).values())


def test_the_documents_have_the_tables_of_today() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "caption-facts.md"
    assert facts_card() in page.read_text()
    assert words_card() in page.read_text()
