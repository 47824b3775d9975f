"""From words back to claims: our own captions whole, free text as far as it is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from caption_cases import random_record
from free_captions import READ_BEFORE, UNSEEN, Said, record_of

from retinaforge.captions.claims import Claim, FactScores, agrees, fact_scores
from retinaforge.captions.facts import QUADRANTS, REGIONS
from retinaforge.captions.parse import read_claims
from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.captions.template import STYLES, Style, write_caption_with_sources


def only(text: str, fact: str) -> Claim:
    (claim,) = read_claims(text).of(fact)
    return claim


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_our_own_captions_are_read_back_whole(style: Style, share: float) -> None:
    rng = np.random.default_rng(round(share * 10))
    total = FactScores(0, 0, 0, 0, 0)
    for _ in range(50):
        record = random_record(rng)
        caption = write_caption_with_sources(
            record, rng=rng, diagnosis=True, person=True, share=share, style=style
        )
        stated = EyeRecord("a.png", {name: record.facts[name] for name in caption.facts()})
        claims = read_claims(caption.text).claims
        scores = fact_scores(claims, stated, facts=caption.facts())
        assert (scores.precision, scores.recall) == (1, 1), caption.text
        assert not any(claim.hedged for claim in claims), caption.text
        total += scores
        for claim in claims:
            known = set(stated.facts[claim.fact].places) if claim.fact in stated.facts else set()
            if known and not claim.negated:
                parts = (known, known & set(QUADRANTS), known & set(REGIONS))
                assert set(claim.places) in parts
                assert claim.places
    assert total.told > 300


@pytest.mark.parametrize(
    ("captions", "right", "wrong", "told", "untold"),
    [(READ_BEFORE, 118, 0, 126, 0), (UNSEEN, 55, 1, 61, 6)],
    ids=["read before", "unseen"],
)
def test_free_text_is_read_as_well_as_the_documents_say(
    captions: tuple[tuple[str, Said], ...], right: int, wrong: int, told: int, untold: int
) -> None:
    total = FactScores(0, 0, 0, 0, 0)
    for text, said in captions:
        total += fact_scores(read_claims(text).claims, record_of(said), facts=tuple(said))
    assert (total.unknown, total.places_wrong) == (0, 0)
    # Better is welcome, but the documents must then be measured again.
    assert (total.right, total.wrong, total.told, total.untold) == (right, wrong, told, untold)


@pytest.mark.parametrize(
    ("text", "fact", "negated"),
    [
        ("No drusen.", "drusen", True),
        ("There are no haemorrhages, exudates or drusen.", "drusen", True),
        ("Neither exudates nor drusen.", "drusen", True),
        ("The retina is free of exudates and drusen.", "drusen", True),
        ("Exudates and drusen are absent.", "drusen", True),
        ("Drusen were not detected.", "drusen", True),
        ("Without any sign of drusen.", "drusen", True),
        ("The findings do not suggest drusen.", "drusen", True),
        ("No exudates, but drusen are present.", "drusen", False),
        ("No exudates. Drusen.", "drusen", False),
        ("No exudates; drusen at the macula.", "drusen", False),
        ("No exudates are seen, and there are drusen.", "drusen", False),
        ("Drusen, no exudates.", "drusen", False),
        ("Not only exudates but also drusen.", "drusen", False),
        ("Drusen are present. Exudates are absent.", "drusen", False),
    ],
)
def test_negation_reaches_as_far_as_it_should(text: str, fact: str, negated: bool) -> None:
    assert only(text, fact).negated is negated


@pytest.mark.parametrize(
    ("text", "fact", "hedged"),
    [
        ("Possible drusen.", "drusen", True),
        ("Cannot exclude glaucoma.", "glaucoma", True),
        ("Drusen cannot be excluded.", "drusen", True),
        ("Findings suspicious for neovascularization.", "neovascularisation", True),
        ("The findings do not suggest drusen.", "drusen", False),
        ("Drusen; possibly exudates.", "drusen", False),
        ("Suspected glaucoma.", "glaucoma", False),
    ],
)
def test_hedges_are_seen(text: str, fact: str, hedged: bool) -> None:
    assert only(text, fact).hedged is hedged
    assert not (hedged and only(text, fact).negated)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("Three microaneurysms.", 3, 3),
        ("12 microaneurysms.", 12, 12),
        ("A single microaneurysm.", 1, 1),
        ("A microaneurysm.", 1, 1),
        ("A few scattered small microaneurysms.", 2, 5),
        ("Several microaneurysms.", 6, 20),
        ("Numerous retinal microaneurysms.", 21, math.inf),
        ("Two to three microaneurysms.", 2, 3),
        ("4-6 microaneurysms.", 4, 6),
        ("More than ten microaneurysms.", 10, math.inf),
        ("One sees countless tiny microaneurysms.", 21, math.inf),
        ("One notes five medium-sized red microaneurysms.", 5, 5),
        ("Microaneurysms.", 1, math.inf),
        ("Grade 2. Microaneurysms.", 1, math.inf),
    ],
)
def test_counts(text: str, low: float, high: float) -> None:
    claim = only(text, "microaneurysm")
    assert (claim.low, claim.high) == (low, high)


@pytest.mark.parametrize(
    ("text", "fact", "low", "high"),
    [
        ("Cup-to-disc ratio of 0.6.", "cup_to_disc", 0.55, 0.65),
        ("CDR 0.65", "cup_to_disc", 0.645, 0.655),
        ("C/D = 0,4", "cup_to_disc", 0.35, 0.45),
        ("a cup to disc ratio of 60%", "cup_to_disc", 0.595, 0.605),
        ("C:D ratio 0.6-0.7.", "cup_to_disc", 0.55, 0.75),
        ("a normal cup-to-disc ratio", "cup_to_disc", 0, 0.6),
        ("a large cup", "cup_to_disc", 0.6, math.inf),
        ("A/V ratio 2:3", "artery_vein_ratio", 0.617, 0.717),
        ("vessel density of 2.1 mm/mm²", "vessel_density", 2.05, 2.15),
        ("a 54-year-old man", "age", 53.5, 54.5),
    ],
)
def test_numbers_and_words_for_them(text: str, fact: str, low: float, high: float) -> None:
    claim = only(text, fact)
    assert claim.low == pytest.approx(low, abs=1e-3)
    assert claim.high == pytest.approx(high, abs=1e-3)


def test_the_horizontal_ratio_is_not_the_vertical_one() -> None:
    assert not read_claims("A horizontal cup-to-disc ratio of 0.6.").claims


@pytest.mark.parametrize(
    ("text", "side"),
    [("Right eye.", "OD"), ("OS", "OS"), ("oculus dexter", "OD"), ("fundus of the LE", "OS")],
)
def test_sides(text: str, side: str) -> None:
    assert only(text, "eye").value == side


def test_small_words_are_no_sides() -> None:
    assert not read_claims("The os and the od of le monde, re the re-read.").of("eye")


@pytest.mark.parametrize(
    ("text", "fact", "places"),
    [
        ("Drusen in the macula.", "drusen", ("macula",)),
        ("In the macula, there are drusen.", "drusen", ("macula",)),
        ("The macula shows drusen.", "drusen", ("macula",)),
        ("Superotemporal drusen.", "drusen", ("superior temporal",)),
        ("Drusen superiorly and nasally.", "drusen", ("superior", "nasal")),
        ("Drusen in all four quadrants.", "drusen", QUADRANTS),
        ("Drusen around the fovea; exudates in the periphery.", "drusen", ("fovea",)),
        ("Drusen and exudates in the macula.", "drusen", ("macula",)),
        ("Drusen in the macula and exudates.", "hard_exudate", ()),
        ("Drusen, along with exudates in the macula.", "drusen", ()),
        ("Drusen in the macula and periphery.", "drusen", ("macula", "periphery")),
        ("Macula: drusen.", "drusen", ("macula",)),
        ("The macula is flat, with no drusen.", "drusen", ("macula",)),
        ("Thinning of the inferior rim.", "rim_notch", ("inferior",)),
        ("The macula is flat. Drusen.", "drusen", ()),
    ],
)
def test_places_go_to_their_finding(text: str, fact: str, places: tuple[str, ...]) -> None:
    assert set(only(text, fact).places) == set(places)


def test_spans_are_the_words_themselves() -> None:
    read = read_claims("In the LEFT EYE, Drusen and a C/D ratio of 0.30 are seen; İ.")
    assert [read.text[slice(*claim.span)] for claim in read.claims] == [
        "LEFT EYE",
        "Drusen",
        "C/D ratio of 0.30",
    ]
    assert all(claim.words == read.text[slice(*claim.span)] for claim in read.claims)


@pytest.mark.parametrize("text", ["", " ", "...", "no", "No.", "I cannot help with that."])
def test_nothing_is_read_out_of_nothing(text: str) -> None:
    assert read_claims(text).claims == ()


def known(name: str, value: object, *places: str) -> EyeRecord:
    return EyeRecord("a.png", {name: Fact(name, value, "t", places)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "record", "verdict"),
    [
        ("Several drusen.", known("drusen", 10), True),
        ("Several drusen.", known("drusen", 3), False),
        ("Several drusen.", known("drusen", True), True),
        ("Drusen.", known("drusen", 0), False),
        ("No drusen.", known("drusen", False), True),
        ("No drusen.", known("irma", 0), None),
        ("No drusen in the macula.", known("drusen", 4, "periphery"), True),
        ("No drusen in the macula.", known("drusen", 4, "macula"), False),
        ("No drusen in the macula.", known("drusen", 4), None),
        ("No drusen in the macula.", known("drusen", 0), True),
        ("No tortuosity.", known("tortuosity", 1.02), True),
        ("Three clusters of drusen.", known("drusen", 30), True),
        ("Two drusen superiorly.", known("drusen", 4, "superior", "inferior"), True),
        ("No glaucoma.", known("glaucoma", 1), False),
        ("No glaucoma.", known("glaucoma", 0), True),
        ("Diabetic retinopathy.", known("dr_grade", 3), True),
        ("Moderate NPDR.", known("dr_grade", 3), False),
        ("No haemorrhages.", known("haemorrhage_dot", 2), False),
        ("No haemorrhages.", known("haemorrhage_dot", 0), None),
        ("Retinal haemorrhages.", known("haemorrhage_dot", 2), True),
    ],
)
def test_a_record_bears_a_claim_out_or_not(
    text: str, record: EyeRecord, verdict: bool | None
) -> None:
    (claim,) = read_claims(text).claims
    assert agrees(claim, record) is verdict


def test_scores_count_what_is_told_wrong_and_left_out() -> None:
    facts = {"drusen": 4, "irma": 0, "eye": "OD", "cup_to_disc": 0.3}
    record = EyeRecord("a.png", {name: Fact(name, value, "t") for name, value in facts.items()})
    claims = read_claims("Left eye with drusen, IRMA and a small cup. Hard exudates.").claims
    scores = fact_scores(claims, record)
    assert scores == FactScores(right=2, wrong=2, unknown=1, told=2, untold=2)
    assert (scores.precision, scores.recall) == (0.4, 0.5)
    assert math.isnan(fact_scores((), EyeRecord("a.png")).precision)
