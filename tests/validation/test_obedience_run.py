"""The whole of `generate obey` with generators of plain code: one that obeys, one that is deaf."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tasks"))
from toy_oracle_eyes import SIDE, toy_eyes, toy_image

from retinaforge.core import Refusal
from retinaforge.reports.obedience_page import write_obedience_page
from retinaforge.tasks.obey_plan import (
    LADDER,
    NATURAL,
    ONE_FACT,
    SAME,
    PlanSizes,
    exchanged,
    levels_of,
    plan_of,
)
from retinaforge.tasks.oracle_words import WORD, presence, truth_of
from retinaforge.tasks.pairs import read_pairs
from retinaforge.validation import obedience_run, obedience_scores
from retinaforge.validation.obedience_run import ObeyOptions, judge_obedience

SIZES = PlanSizes(bases=20, ladders=8, natural=10, same=3, captions=2)
WORDS = ("eye", "pigmentation", "hard_exudate")


class ToyOracle:
    """Reads toy eyes from their pixels."""

    side_px, about = SIDE, {"took": {"eyes": 1}, "asked": {"autoencoder": None}}

    def read(self, pixels, inside=None):
        return [{"network": self._one(p.astype(float)), "closed": {}} for p in pixels]

    def _one(self, p):
        left, right = p[20:28, 8:14, 0].mean(), p[20:28, -14:-8, 0].mean()
        # Lesions lie on the other side of the middle than the disc.
        half = p[8:40, 6:24, 1] if right > left else p[8:40, 24:42, 1]
        bright = float((half > 1.25 * np.median(half)).mean())
        said = {"eye": float(right > left), "pigmentation": -float(np.median(p[..., 0])),
                "hard_exudate": 400 * bright, "dr_grade": 40 * bright}  # fmt: skip
        return said | {presence("hard_exudate"): float(bright > 0.005)}


def painter(deaf):
    def draw(requests, folder):
        folder.mkdir(parents=True, exist_ok=True)
        everyone = [request.wording.record for request in requests]
        for request in requests:
            rng = np.random.default_rng(request.number)
            record = everyone[rng.integers(len(everyone))] if deaf else request.wording.record
            seed = request.seed % 1000
            Image.fromarray(toy_image(record, seed)).save(folder / f"{request.stem}.png")
        return []

    return draw


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch):
    monkeypatch.setattr(obedience_scores, "RESAMPLES", 200)
    monkeypatch.setattr(obedience_scores, "SHUFFLES", 200)


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eyes")
    return toy_eyes(folder, 30), toy_eyes(folder, 60, "test", first=200)


def judged(eyes, out, *, deaf=False, **more):
    return judge_obedience(
        painter(deaf), ToyOracle(), *eyes, out, side_px=SIDE,
        options=ObeyOptions(SIZES, WORDS, train_seen=20),
        about={"model": "toy", "records": "toy", "held_out": 60, "command": "toy"}, **more,
    )  # fmt: skip


def test_one_fact_differs_and_the_noise_stays(eyes):
    held = [each.record for each in eyes[1]]
    rows = [row for row in plan_of(held, SIZES, WORDS) if row.design == ONE_FACT]
    mine = [row for row in rows if row.word == "pigmentation"]
    first = [row for row in mine if row.base == mine[0].base]
    assert [row.level for row in first] == ["low", "middle", "high"]
    assert len({row.seed for row in first}) == 1
    assert first[0].value < first[1].value < first[2].value
    for row in first:
        base = next(r for r in held if r.image == row.base)
        differ = {k for k, f in row.record.facts.items() if f.value != base.value(k)}
        assert differ <= {"pigmentation"}
    assert all(row.said for row in mine)


def test_the_donor_has_what_is_asked_for(eyes):
    held = {each.record.image: each.record for each in eyes[1]}
    for row in plan_of(list(held.values()), SIZES, WORDS):
        if row.word:
            assert truth_of(held[row.donor])[row.word] == row.value


def test_a_grade_takes_its_lesions_along_and_a_lesion_leaves_the_grade_unsaid(eyes):
    base, donor = eyes[1][0].record, eyes[1][1].record
    graded = exchanged(base, donor, WORD["dr_grade"])
    assert graded.value("hard_exudate") == donor.value("hard_exudate")
    assert exchanged(base, donor, WORD["hard_exudate"]).value("dr_grade") is None


def test_a_word_of_one_level_is_not_asked(eyes):
    held = [each.record for each in eyes[1]]
    assert levels_of(WORD["drusen"], held) == {}
    assert list(levels_of(WORD["hard_exudate"], held)) == ["none", "few", "many"]


def test_the_plan_has_all_its_designs(eyes):
    rows = plan_of([each.record for each in eyes[1]], SIZES, ("eye",))
    assert {row.design for row in rows} == {ONE_FACT, LADDER, NATURAL, SAME}
    same = [row for row in rows if row.design == SAME]
    assert len(same) == 6
    assert len({row.seed for row in same}) == 6
    assert len({row.text for row in same}) == 2


def test_captions_are_asked_as_they_were_taught(eyes):
    taught = PlanSizes(bases=4, ladders=2, natural=4, same=2, captions=1, places=False,
                       only=("eye", "pigmentation"), most_words=60)  # fmt: skip
    held = [each.record for each in eyes[1]]
    rows = plan_of(held, taught)
    assert {row.word for row in rows if row.design == ONE_FACT} == {"eye", "pigmentation"}
    assert all(len(row.text.split()) <= 60 for row in rows)
    assert not any("exudate" in row.text.lower() for row in rows)
    with pytest.raises(Refusal, match="a word that the captions speak of"):
        plan_of(held, taught, ["hard_exudate"])


def test_odd_words_and_lonely_eyes_are_refused(eyes):
    with pytest.raises(Refusal, match="words of eye, dr_grade"):
        plan_of([each.record for each in eyes[1]], SIZES, ("halo",))
    with pytest.raises(Refusal, match="at least two held-out eyes"):
        plan_of([eyes[1][0].record], SIZES)


def test_an_obedient_generator_obeys(eyes, tmp_path):
    told = judged(eyes, tmp_path, embed=lambda p: p[:, ::6, ::6].reshape(len(p), -1) / 255.0)
    assert {row["word"]: row["verdict"] for row in told["words"]} == dict.fromkeys(WORDS, "obeys")
    assert told["ladder"]["lesions"]["samples"]["slope"]["value"] > 0.2
    assert told["spread"]["samples"]["value"] < told["spread"]["real"]["value"]
    assert 0 <= told["memory"]["share_above"] <= 1
    pairs = read_pairs(tmp_path / "natural.jsonl")
    assert len(pairs) == SIZES.natural
    assert all(pair.synthetic and pair.path.is_file() for pair in pairs)
    text = write_obedience_page(tmp_path).read_text(encoding="utf-8")
    assert "Every image on this page is synthetic" in text
    assert "3 of 3 words" in text
    assert "http" not in text.replace("http://www.w3.org", "")


def test_a_deaf_generator_does_not(eyes, tmp_path):
    told = judged(eyes, tmp_path, deaf=True)
    assert "obeys" not in {row["verdict"] for row in told["words"]}
    assert told["spread"]["reason"] == "no encoder was named"
    assert "0 of 3 words" in write_obedience_page(tmp_path).read_text(encoding="utf-8")


def test_another_plan_in_the_folder_is_refused(eyes, tmp_path):
    judged(eyes, tmp_path)
    with pytest.raises(Refusal, match="begun with the same plan"):
        judge_obedience(painter(False), ToyOracle(), *eyes, tmp_path, side_px=SIDE,
                        options=ObeyOptions(SIZES, ("eye",)))  # fmt: skip


def test_an_image_that_is_missing_is_named(eyes, tmp_path):
    def draw(requests, folder):
        painter(False)(requests, folder)
        (folder / "synthetic_000003.png").unlink()
        return [("synthetic_000003", "x", "the flow ran away")]

    told = judge_obedience(draw, ToyOracle(), *eyes, tmp_path, side_px=SIDE,
                           options=ObeyOptions(SIZES, ("eye",)))  # fmt: skip
    assert told["failed"] == [["synthetic_000003", "x", "the flow ran away"]]


def test_a_page_of_nothing_is_refused(tmp_path):
    with pytest.raises(Refusal, match="generate obey"):
        write_obedience_page(tmp_path)


def test_an_oracle_asked_in_another_folder_says_how_to_name_its_eyes(tmp_path, monkeypatch):
    oracle = ToyOracle()
    oracle.about = {"asked": {"source": "records.jsonl"}}
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refusal, match=r"the eyes that judge was taught on.*no records.*--records"):
        obedience_run._own_records(oracle, Path("judge"))
    (tmp_path / "records.jsonl").write_text("", encoding="utf-8")
    assert obedience_run._own_records(oracle, Path("judge")) == Path("records.jsonl")
