"""Lint: each code found where its error is planted, and nothing found in true captions."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from caption_cases import random_record

from retinaforge.captions.lint import LintRules, lint, numbers
from retinaforge.captions.lint_codes import CODES, lint_card
from retinaforge.captions.parse import read_claims
from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.captions.template import write_caption, write_caption_with_sources

DOCS = Path(__file__).parents[2] / "docs"
ANY = LintRules(words=(0, 999))
BOX = ((0.1, 0.1, 0.2, 0.2),)
EYE = EyeRecord(
    "a.png",
    {
        fact.name: fact
        for fact in (
            Fact("eye", "OD", "t"),
            Fact("disc_side", "right", "t"),
            Fact("quality", "good", "t"),
            Fact("cup_to_disc", 0.35, "t"),
            Fact("disc_colour", "pink", "t"),
            Fact("foveal_reflex", True, "t"),
            Fact("microaneurysm", 12, "t", ("superior temporal",), BOX),
            Fact("hard_exudate", True, "t", ("macula", "fovea")),
            Fact("drusen", 0, "t"),
            Fact("haemorrhage_flame", 3, "t"),
            Fact("dr_grade", 2, "t"),
        )
    },
)


def tokens(text: str) -> int:
    return 300


class Strange:
    """Half of every text is unknown."""

    tokens, unknown = 2, 1

    def __init__(self, text: str) -> None:
        self.text = text

    def said(self) -> str:
        return "half of it"


PLANTED: tuple[tuple[str, str, LintRules], ...] = (
    ("side", "The left eye.", ANY),
    ("disc-side", "The disc lies on the left side of the image.", ANY),
    ("number", "A cup-to-disc ratio of 0.8.", ANY),
    ("word", "A large cup.", ANY),
    ("count", "Three microaneurysms.", ANY),
    ("count", "Numerous microaneurysms.", ANY),
    ("count-unchecked", "Three hard exudates.", ANY),
    ("place", "Microaneurysms in the macula.", ANY),
    ("contradicts-record", "Several drusen.", ANY),
    ("contradicts-record", "No microaneurysms.", ANY),
    ("contradicts-record", "No retinal haemorrhages.", ANY),
    ("contradicts-record", "A pale rim.", ANY),
    ("contradicts-record", "The foveal reflex is absent.", ANY),
    ("contradicts-itself", "No drusen. The macula shows drusen.", ANY),
    ("contradicts-itself", "The right eye. This left fundus is dark.", ANY),
    ("contradicts-itself", "A small cup with a cup-to-disc ratio of 0.5.", ANY),
    ("contradicts-itself", "No haemorrhages. Three flame haemorrhages.", ANY),
    ("unsupported", "Cotton wool spots are seen.", ANY),
    ("unsupported", "A vessel density of 2.1 mm/mm².", ANY),
    ("no-region", "Hard exudates.", LintRules(words=(0, 999), regions=("hard_exudate",))),
    ("diagnosis", "Signs of diabetic retinopathy.", ANY),
    ("diagnosis", "There is no glaucoma.", ANY),
    ("hedge", "Possible microaneurysms.", ANY),
    ("empty", "  ", ANY),
    ("too-short", "The right eye.", LintRules()),
    ("too-long", "The right eye, the right eye.", LintRules(words=(1, 5))),
    ("truncated", "The right eye.", LintRules(words=(0, 99), tokens=tokens)),
    ("unknown-tokens", "右眼 is right.", LintRules(words=(0, 99), unknown=Strange)),
    ("silent", "I am sorry, but I cannot help with that.", ANY),
)


@pytest.mark.parametrize(("code", "text", "rules"), PLANTED, ids=lambda v: str(v)[:40])
def test_a_planted_error_is_found(code: str, text: str, rules: LintRules) -> None:
    found = lint(text, EYE, rules)
    assert code in {each.code for each in found}, found
    (first, *_) = [each for each in found if each.code == code]
    assert first.message
    start, end = first.span
    assert (start, end) == (0, 0) or text[start:end].strip()


def test_every_code_is_planted_and_documented() -> None:
    assert {code for code, *_ in PLANTED} == {each.name for each in CODES}
    page = (DOCS / "reference" / "caption-facts.md").read_text()
    assert lint_card() in page


@pytest.mark.parametrize(
    "text",
    [
        "The right eye. A cup-to-disc ratio of 0.38. Twelve microaneurysms superotemporally.",
        "Hard exudates in the macula. No drusen. A few flame haemorrhages; a pink rim.",
        "Several microaneurysms in the superior temporal quadrant, two of them large.",
    ],
)
def test_what_is_true_is_let_alone(text: str) -> None:
    assert lint(text, EYE, ANY) == []


def test_our_own_captions_have_nothing_to_mend() -> None:
    rng = np.random.default_rng(4)
    for n in range(60):
        record = random_record(rng)
        asked = bool(n % 2)
        caption = write_caption_with_sources(record, rng=rng, diagnosis=asked)
        rules = LintRules(diagnosis=asked, words=(0, 210) if caption.note else (20, 210))
        found = lint(caption.text, record, rules)
        # Random eyes and disc sides do not belong together; the record is right about both.
        assert found == [], (caption.text, found)


def test_the_tolerance_can_be_chosen() -> None:
    text = "A cup-to-disc ratio of 0.42."
    assert {each.code for each in lint(text, EYE, ANY)} == {"number"}
    wide = LintRules(words=(0, 99), tolerance={"cup_to_disc": 0.1})
    assert lint(text, EYE, wide) == []


def test_a_finding_says_what_was_expected_and_what_came() -> None:
    (found,) = lint("A cup-to-disc ratio of 0.80.", EYE, ANY)
    assert (found.expected, found.got, found.severity) == ("0.35", "0.8", "error")
    assert "0.445 outside the measured 0.35" in found.message
    (cut,) = lint("The right eye.", EYE, LintRules(words=(0, 9), tokens=tokens, most_tokens=256))
    assert cut.message == "44 of 300 tokens are lost to the text encoder"


def test_without_its_place_the_disc_follows_the_eye() -> None:
    record = EyeRecord("a.png", {"eye": Fact("eye", "OS", "t")})
    (found,) = lint("The optic disc lies on the right side of the image.", record, ANY)
    assert (found.code, found.severity, found.expected) == ("disc-side", "warning", "left")
    assert lint("The optic disc lies on the left side of the image.", record, ANY) == []
    said = "Left eye. The optic disc lies on the right side of the image."
    codes = [each.code for each in lint(said, EyeRecord("b.png"), ANY)]
    assert codes == ["unsupported", "disc-side"]
    (alone,) = lint("The disc is on the left.", EyeRecord("b.png"), ANY)
    assert alone.code == "unsupported"


def test_an_asserted_finding_with_its_region_passes() -> None:
    rules = LintRules(words=(0, 99), regions=("microaneurysm", "drusen"))
    assert lint("Twelve microaneurysms. No drusen.", EYE, rules) == []


def test_a_diagnosis_that_was_asked_for_is_checked() -> None:
    asked = LintRules(words=(0, 99), diagnosis=True)
    assert lint("Moderate NPDR.", EYE, asked) == []
    assert [each.code for each in lint("Severe NPDR.", EYE, asked)] == ["contradicts-record"]
    assert [each.code for each in lint("Glaucoma.", EYE, asked)] == ["unsupported"]


def test_some_here_and_none_there_do_not_exclude_each_other() -> None:
    record = EyeRecord("a.png", {"drusen": Fact("drusen", 8, "t", ("superior", "inferior"))})
    text = "Two drusen superiorly. Six drusen inferiorly. No drusen in the macula."
    assert lint(text, record, ANY) == []


def test_each_number_is_listed_with_its_error() -> None:
    text = "A cup-to-disc ratio of 0.5, a vessel density of 2.0 mm/mm² and a small cup."
    cup, density = numbers(text, EYE)
    assert (cup.fact, cup.said, cup.measured, cup.right) == ("cup_to_disc", 0.5, 0.35, False)
    assert cup.error == pytest.approx(0.15)
    assert (density.said, density.unit, density.right) == (2.0, "mm/mm2", False)
    assert math.isnan(density.measured)
    assert math.isnan(density.error)


WHOLE = LintRules(words=(0, 999), diagnosis=True)


@pytest.mark.parametrize(
    ("facts", "text", "codes"),
    [
        ({"haemorrhage": 3}, "Three retinal haemorrhages.", []),
        ({"haemorrhage": 3}, "Five haemorrhages.", ["count"]),
        ({"haemorrhage": 3}, "No haemorrhages.", ["contradicts-record"]),
        ({"haemorrhage": 3}, "Three dot haemorrhages.", ["unsupported"]),
        ({"haemorrhage": 3}, "No flame haemorrhages.", ["unsupported"]),
        ({"haemorrhage": 0}, "No haemorrhages. No flame haemorrhages.", []),
        ({"haemorrhage": False}, "Dot haemorrhages.", ["contradicts-record"]),
        ({"haemorrhage": 3, "drusen": 0}, "No retinal lesions.", ["contradicts-record"]),
        ({"macular_degeneration": True}, "Age-related macular degeneration.", []),
        ({"macular_degeneration": True}, "Late AMD.", ["unsupported"]),
        ({"macular_degeneration": True}, "No AMD.", ["contradicts-record"]),
        ({"macular_degeneration": True}, "No late AMD.", ["unsupported"]),
        ({"amd_stage": 2}, "AMD.", []),
    ],
)
def test_what_nobody_told_apart_is_not_told_apart(facts, text: str, codes: list[str]) -> None:
    record = EyeRecord("a.png", {name: Fact(name, value, "t") for name, value in facts.items()})
    assert [each.code for each in lint(text, record, WHOLE)] == codes


@pytest.mark.parametrize("value", [0, 1, 7, True, False])
def test_haemorrhages_of_no_kind_are_written_and_read_back(value) -> None:
    facts = {"haemorrhage": value, "macular_degeneration": True, "eye": "OD"}
    record = EyeRecord("a.png", {name: Fact(name, each, "t") for name, each in facts.items()})
    for seed in range(20):
        rng = np.random.default_rng(seed)
        text = write_caption(record, rng=rng, diagnosis=True, share=1.0)
        assert lint(text, record, WHOLE) == [], text
        assert {"haemorrhage", "amd_stage"} <= {c.fact for c in read_claims(text).claims}, text
        assert not re.search(r"\b(dot|blot|flame|early|late)\b", text), text
