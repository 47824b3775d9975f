"""The SMD card and the checklist: filled from the run, blank where only the authors know."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_card import drawn_card, write_run

from retinaforge.core import Refusal
from retinaforge.reports.card_files import write_card
from retinaforge.reports.checklists import BLANK, claim_items, smd_card

# Zamzmi et al., arXiv 2406.11143: the seven C.
SEVEN = ["Congruence", "Coverage", "Constraint", "Completeness", "Compliance", "Comprehension",
         "Consistency"]  # fmt: skip


def items(title: str) -> dict[str, str]:
    return next(dict(h["items"]) for h in smd_card(drawn_card()) if h["title"] == title)


def test_the_card_has_its_seven_headings() -> None:
    assert [heading["title"] for heading in smd_card(drawn_card())] == SEVEN


def test_what_the_run_knows_is_filled_in() -> None:
    assert items("Congruence")["kernel_distance in structure"].startswith("1.500 (1.400 to 1.600)")
    assert items("Congruence")["vessels: numbers spread differently"] == "51 of 51"
    assert items("Coverage")["sex F"].startswith("0.200")
    assert items("Constraint") == {"one_disc": "0.250 (0.150 to 0.350) fail; real 0.000"}
    assert items("Completeness")["Images"] == "23 scored of 24 found"
    assert items("Compliance")["Copies of real eyes"] == "1 of 16, against the real folder"
    assert items("Comprehension")["Failures found"] == "1 of 16 shows a real eye."
    assert items("Consistency")["Seed of this run"] == "7"


@pytest.mark.parametrize(
    ("title", "item"),
    [
        ("Completeness", "Labels, masks and metadata that come with each image"),
        ("Compliance", "Licence of the images"),
        ("Comprehension", "Generator, version, training"),
        ("Consistency", "Several seeds or versions of the generator"),
    ],
)
def test_what_only_the_authors_know_stays_blank(title: str, item: str) -> None:
    assert items(title)[item] == BLANK


def test_no_failure_is_not_called_none_at_all() -> None:
    card = drawn_card()
    card["verdict"] = []
    filled = dict(smd_card(card)[5]["items"])
    assert filled["Failures found"] == "none by these scores at this n"


def test_groups_stay_blank_where_none_were_asked_for() -> None:
    card = drawn_card()
    card["scores"] = [s for s in card["scores"] if s["family"] != "groups"]
    card["protocol"]["groups"] = []
    assert dict(smd_card(card)[1]["items"])["Groups of patients"] == BLANK
    assert dict(claim_items(card))["Demographics of the patients"] == BLANK


def test_the_checklist_counts_and_cites_the_run() -> None:
    said = dict(claim_items(drawn_card()))
    assert said["Sample size"] == "23 real images of 20 patients, 23 synthetic"
    assert said["Missing data"] == "files left out: 1, each named with its reason"
    assert said["Judges that have seen the data"] == "vessels (ours): hrf"
    assert said["Failure analysis"].startswith("failures in the verdict: 1;")
    assert said["Funding"] == BLANK
    card = drawn_card()
    card["sanity_panel"]["rows"] = []
    assert dict(claim_items(card))["Robustness or sensitivity analysis"] == BLANK


def test_the_card_and_the_checklist_are_written_as_files(tmp_path: Path) -> None:
    write_run(tmp_path)
    smd = write_card(tmp_path, "smd")
    assert smd.name == "smd-card.md"
    text = smd.read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        f"## {k}. {title}" for k, title in enumerate(SEVEN, start=1)
    ]
    assert "- **Licence of the images**: ____ (to be filled in by the authors)" in text
    assert "`/data/<generated>` against `/data/photographs`" in text
    claim = write_card(tmp_path, "claim").read_text()
    assert claim.count("\n- **") == len(claim_items(drawn_card()))


def test_a_folder_without_a_run_has_no_card(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="expected a folder that `retinaforge validate` wrote"):
        write_card(tmp_path, "smd")
