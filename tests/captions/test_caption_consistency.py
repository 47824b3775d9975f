"""Several drafts of one caption: what contradicts is dropped, what most say is kept."""

from __future__ import annotations

import pytest

from retinaforge.captions import EyeRecord, Fact
from retinaforge.captions.answers_clash import clash, supports
from retinaforge.captions.claims import Claim
from retinaforge.captions.parse import read_claims
from retinaforge.captions.writer import CaptionAnswer, CaptionRequest
from retinaforge.captions.writer_consistent import SelfConsistentWriter, choose

RECORD = EyeRecord("1.png", {"eye": Fact("eye", "OD", "test")})


def claim(text: str) -> Claim:
    return read_claims(text).claims[0]


def chosen(*drafts: str):
    return choose([read_claims(draft).claims for draft in drafts], RECORD)


def test_the_majority_is_kept_and_who_contradicts_it_is_outvoted():
    choice = chosen("Three hard exudates.", "Nine hard exudates.", "Three hard exudates, drusen.")
    assert (choice.kept, choice.outvoted) == (0, 1)
    assert choice.agreement == pytest.approx(2 / 3)


def test_of_agreeing_drafts_the_one_that_says_more_of_what_is_shared_is_kept():
    choice = chosen(
        "Right eye.", "Right eye, no drusen.", "Right eye, no drusen. Blurred disc margin."
    )
    assert choice.kept == 1


def test_drafts_that_contradict_themselves_or_the_record_have_no_vote():
    choice = chosen(
        "No drusen. Three drusen.", "Left eye with drusen.", "Left eye with drusen.",
        "Right eye without drusen.",
    )  # fmt: skip
    assert (choice.kept, choice.itself, choice.record, choice.outvoted) == (3, 1, 2, 0)
    assert choice.words(4) == (
        "4 drafts: 1 contradict themselves, 2 the record, 0 the majority; agreement 1.00"
    )


def test_a_hedged_claim_contradicts_nothing():
    assert chosen("Possibly a left eye.").kept == 0


def test_where_every_draft_is_dropped_none_is_kept():
    assert chosen("Left eye.", "Left eye.").kept is None


def test_clash_and_support():
    none, two, few = (claim(f"{count} drusen.") for count in ("No", "Two", "Several"))
    assert clash(none, two)
    assert clash(two, few)
    assert not clash(claim("Two drusen superior."), claim("Nine drusen inferior."))
    assert clash(claim("No haemorrhages."), claim("Two flame haemorrhages."))
    grade = claim("Moderate non-proliferative diabetic retinopathy.")
    assert clash(claim("No diabetic retinopathy."), grade)
    assert supports(claim("The cup is large."), claim("A cup-to-disc ratio of 0.7."))
    assert not supports(none, two)


class Drafts:
    name, version, looks, leaves, threads = "drafts", "1", False, "", 1

    def __init__(self, *answers: CaptionAnswer) -> None:
        self.answers, self.seeds = list(answers), []

    def write(self, request: CaptionRequest) -> CaptionAnswer:
        self.seeds.append(request.seed)
        return self.answers.pop(0)


def test_the_writer_keeps_one_and_pays_for_all():
    right = CaptionAnswer("Right eye.", cost=1.0, tokens_in=10, tokens_out=1, prompt="p")
    wrong = CaptionAnswer("Left eye.", cost=1.0, tokens_in=10, tokens_out=1, prompt="p")
    none = CaptionAnswer(status="refused", reason="empty", cost=1.0, tokens_in=10, tokens_out=0)
    drafts = Drafts(wrong, none, right)
    answer = SelfConsistentWriter(drafts, 3).write(CaptionRequest(RECORD, seed=7))
    assert (answer.text, answer.cost, answer.tokens_in) == ("Right eye.", 3.0, 30)
    assert answer.attempts == 3
    assert "2 drafts: 0 contradict themselves, 1 the record" in answer.notes[-1]
    assert len(set(drafts.seeds)) == 3
    dropped = SelfConsistentWriter(Drafts(wrong, wrong), 2).write(CaptionRequest(RECORD))
    assert (dropped.status, dropped.text) == ("refused", "")
    assert "2 the record" in dropped.reason
    empty = SelfConsistentWriter(Drafts(none, none), 2).write(CaptionRequest(RECORD))
    assert (empty.status, empty.reason) == ("refused", "empty")
