"""The contamination ledger: spellings, parts, sources, and what validation makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retinaforge.encoders import FAMILIES, random_vit
from retinaforge.encoders.ledger import (
    _book,
    held_out,
    known_set,
    knows,
    seen,
    spellings,
    title_of,
    warning,
)
from retinaforge.validation.ledger import _of_encoder

CARD = random_vit("tiny", 0).card
FLAIR = replace(CARD, family="flair", training_sets=("idrid", "eyepacs", "hrf", "odir"))


@pytest.mark.parametrize(
    ("spelt", "known"),
    [
        ("IDRiD", "idrid"), ("idrid_grading", "idrid"), ("idrid-segmentation", "idrid"),
        ("Drishti-GS", "drishti_gs1"), ("drishti_gs_crops", "drishti_gs1"), ("CHASE-DB1",
        "chase_db1"), ("LES-AV", "les_av"), ("hei_med", "hei_med"), ("odir", "odir"),
        ("drive", "drive"), ("hrf", "hrf"), ("messidor", "messidor"), ("our-clinic", None),
    ],
)  # fmt: skip
def test_spellings_of_a_data_set_are_one(spelt: str, known: str | None) -> None:
    assert known_set(spelt) == known


def test_no_spelling_means_two_sets() -> None:
    sets = _book()["sets"]
    spelt = [*sets, *(alias for entry in sets.values() for alias in entry["aliases"])]
    assert len(spelt) == len(set(spelt))
    assert title_of("idrid_grading") == "IDRiD"
    assert title_of("our-clinic") == "our-clinic"


def test_every_line_has_a_known_set_a_part_and_a_source() -> None:
    families = {family.name for family in FAMILIES}
    for entry in _book()["families"]:
        assert entry["family"] in families, entry["family"]
        assert len(entry["source"]) > 10
        for name, line in entry["sets"].items():
            assert name in _book()["sets"], name
            assert line["part"] in ("all", "train", "some", "unknown")
        assert not set(entry.get("held_out", ())) & set(entry["sets"])
        assert all(known_set(name) == name for name in entry.get("held_out", ()))


def test_families_and_ledger_name_the_same_sets() -> None:
    entries = {entry["family"]: set(entry["sets"]) for entry in _book()["families"]}
    for family in FAMILIES:
        named = set(family.training_sets)
        assert named <= entries.get(family.name, named), family.name


def test_a_sighting_says_which_part_and_whence() -> None:
    found = seen(FLAIR, ["idrid_grading", "drive", "our-clinic"])
    assert [(s.dataset, s.known_as, s.part) for s in found] == [("idrid_grading", "idrid", "train")]
    assert "jusiro/FLAIR" in found[0].source
    words = warning("flair", found)
    assert words.startswith(
        "flair has learnt from these data, so it is no independent judge: idrid"
    )
    assert "its training half" in words
    assert warning("flair", []) == ""
    assert "refuge" in held_out("flair")


def test_the_card_decides_and_overlapping_sets_count() -> None:
    assert seen(replace(FLAIR, training_sets=()), ["idrid"]) == []
    card = replace(CARD, family="own", training_sets=("messidor",))
    found = seen(card, ["Messidor-2"])
    assert found[0].known_as == "messidor"
    assert "MESSIDOR-2 contains" in found[0].note
    assert found[0].part == "unknown"


def test_lvm_med_carries_its_authors_warning() -> None:
    card = replace(CARD, family="lvm-med", training_sets=("aptos2019",))
    assert "warn of test images" in seen(card, ["APTOS"])[0].note


def test_validation_takes_the_ledger_before_the_words() -> None:
    rows = _of_encoder("encoder flair:x", FLAIR, ["drive", "idrid_grading"])
    assert [row["dataset"] for row in rows] == ["idrid_grading"]
    assert rows[0]["part"] == "train"
    # A set that stands in the words, but not on record for a family that is: the record counts.
    said = replace(FLAIR, training_data="everything but drive")
    assert _of_encoder("e", said, ["drive"]) == []
    # Nobody keeps a record of this one: its own words are searched, in any spelling.
    own = replace(CARD, family="own", training_data="idrid_segmentation (22 images)")
    assert not knows(own)
    assert [row["dataset"] for row in _of_encoder("e", own, ["idrid_grading"])] == ["idrid_grading"]
    assert "idrid_segmentation" in spellings("idrid_grading")
