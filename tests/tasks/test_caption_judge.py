"""A scripted model with known faults gets exactly LMOD's tags; known texts get known scores."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from retinaforge.captions import EyeRecord, Fact
from retinaforge.core import Refusal
from retinaforge.tasks.caption_judge import judge
from retinaforge.tasks.caption_judge_tags import SIGNS, TAGS, failure_tags
from retinaforge.tasks.caption_judge_text import bleu, meteor, rouge_l, words_of
from retinaforge.tasks.pairs import Pair


def record(synthetic: bool = False, **values) -> EyeRecord:
    facts = {"eye": "OD", "quality": "good", "dr_grade": 2, "hard_exudate": 3, "drusen": 0,
             "cup_to_disc": 0.35, "haze": False} | values  # fmt: skip
    kept = {name: Fact(name, v, "test") for name, v in facts.items() if v is not None}
    return EyeRecord("1.png", kept, synthetic=synthetic)


SOUND = "Right eye of good quality. Three hard exudates, hence diabetic retinopathy."
REJECT = record(quality="reject", dr_grade=None)
NO_FOVEA = record(fovea_in_view=False)
SCRIPT = [
    (SOUND, record(), {}),
    ("Left eye of good quality.", record(), {"misclassify"}),
    ("Severe non-proliferative diabetic retinopathy with three hard exudates.", record(),
     {"misclassify"}),
    ("Nine hard exudates.", record(), {"misclassify"}),
    ("No hard exudates are seen.", record(), {"misclassify"}),
    ("A cup-to-disc ratio of 0.8.", record(), {"misclassify"}),
    ("Several drusen are seen.", record(), {"hallucinate"}),
    ("The view is hazy.", record(), {"hallucinate"}),
    ("Two cotton wool spots.", record(), {}),
    ("Two cotton wool spots.", record(synthetic=True), {"hallucinate"}),
    ("A 63-year-old woman.", record(), {"hallucinate"}),
    ("Moderate non-proliferative diabetic retinopathy.", record(), {"unjustified"}),
    ("Glaucoma. The cup-to-disc ratio is 0.35.", record(), {"unjustified"}),
    ("Two drusen superior. No drusen are seen.", record(drusen=None), {"inconsistent"}),
    ("No diabetic retinopathy. Three microaneurysms.", record(dr_grade=None), {"inconsistent"}),
    ("Mild non-proliferative diabetic retinopathy with three hard exudates.",
     record(dr_grade=None), {"inconsistent"}),
    ("Moderate non-proliferative diabetic retinopathy with new vessels.", record(dr_grade=None),
     {"inconsistent"}),
    ("No diabetic retinopathy. Vein occlusion with flame haemorrhages.", record(dr_grade=None), {}),
    ("No diabetic retinopathy. One disc haemorrhage.", record(dr_grade=None), {}),
    ("Proliferative diabetic retinopathy with neovascularisation.", REJECT, {"fail-to-abstain"}),
    ("The image is ungradable.", REJECT, {}),
    ("Possibly diabetic retinopathy.", REJECT, {}),
    ("The foveal reflex is present.", NO_FOVEA, {"fail-to-abstain"}),
    ("OCT shows intraretinal fluid.", record(), {"no-knowledge"}),
    ("The cup-to-disc ratio is 1.4.", record(), {"no-knowledge"}),
    ("The drusen indicate diabetic retinopathy.", record(drusen=None), {"no-knowledge"}),
    ("The fovea lies in the centre of the optic disc.", record(), {"no-knowledge"}),
    ("Left eye with drusen, and glaucoma; the cornea is clear.", record(drusen=0),
     {"misclassify", "hallucinate", "unjustified", "no-knowledge"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "true", "tags"), SCRIPT)
def test_a_scripted_model_gets_exactly_its_tags(text, true, tags):
    assert set(failure_tags(text, true)) == set(tags), failure_tags(text, true)


def test_every_tag_is_in_the_script():
    assert {tag for _, _, tags in SCRIPT for tag in tags} == set(TAGS)
    assert len(SIGNS) == 8


def test_tags_name_the_words_that_earned_them():
    assert failure_tags("Left eye. Several drusen.", record()) == {
        "misclassify": ("Left eye",), "hallucinate": ("drusen",),
    }  # fmt: skip


def pair(text: str, name: str = "1.png", texts=(), true=None, writer="m") -> Pair:
    return Pair(Path(name), text, texts, replace(true or record(), image=name), writer=writer)


def test_judge_counts_captions_facts_and_words():
    said = [pair(SOUND), pair("Left eye. Several drusen.", "2.png"), pair("x", "9.png")]
    truth = [pair(SOUND), pair("Right eye.", "2.png"), pair("Right eye.", "3.png")]
    told = judge(said, truth)
    assert (told["captions"], told["not_among_truth"], told["without_caption"]) == (2, 1, 1)
    assert told["tags"]["hallucinate"]["captions"] == 1
    assert told["tags"]["none"]["share"] == 0.5
    low, high = told["tags"]["none"]["low"], told["tags"]["none"]["high"]
    assert 0 < low < 0.5 < high < 1
    facts = told["facts"]
    # Of the first caption four claims are right (eye, quality, exudates, retinopathy), of the
    # second none of two; each record has six facts that may be told unasked.
    assert (facts["right"], facts["wrong"]) == (4, 2)
    assert facts["precision"] == pytest.approx(4 / 6)
    assert facts["recall"] == pytest.approx(3 / 12)
    assert facts["f1"] == pytest.approx(2 * (4 / 6) * 0.25 / (4 / 6 + 0.25))
    assert json.dumps(told)


def test_a_caption_judged_against_itself_is_whole():
    told = judge([pair(SOUND)], [pair(SOUND)])["text"]
    assert told["bleu"] == pytest.approx(1.0)
    assert told["rouge_l"] == 1.0
    assert told["meteor"] == pytest.approx(1 - 0.5 / len(words_of(SOUND)) ** 3)


def test_without_references_words_have_no_score():
    told = judge([pair(SOUND)], [pair("")])
    assert told["text"]["bleu"] is None
    assert told["text"]["reason"] == "no reference has a text"


def test_a_caption_without_words_scores_nothing_and_hides_no_other():
    said = [pair(SOUND), pair(" ", "2.png")]
    told = judge(said, [pair(SOUND), pair(SOUND, "2.png"), pair("Eye.", "3.png")])["text"]
    whole = judge(said[:1], [pair(SOUND)])["text"]
    assert told["rouge_l"] == pytest.approx(whole["rouge_l"] / 2)
    assert told["meteor"] == pytest.approx(whole["meteor"] / 2)
    assert told["n"] == 2
    wordless = judge(said, [pair(SOUND), pair(" ", "2.png")])["text"]
    assert (wordless["n"], wordless["rouge_l"]) == (1, whole["rouge_l"])


def test_other_images_are_refused():
    with pytest.raises(Refusal, match="captions of images that --against holds; got none of 1"):
        judge([pair("x", "a.png")], [pair("x", "b.png")])


def test_meteor_of_published_examples():
    """Wikipedia's worked examples of METEOR: 0.9977 and 0.9654."""
    cat = words_of("the cat sat on the mat")
    assert meteor(cat, [cat]) == pytest.approx(0.9977, abs=5e-5)
    assert meteor(words_of("the cat was sat on the mat"), [cat]) == pytest.approx(0.9654, abs=5e-5)
    assert meteor(["a", "dog"], [cat]) == 0
    assert meteor([], [cat]) == 0
    assert math.isnan(meteor(cat, [[]]))


def test_bleu_and_rouge_agree_with_torchmetrics():
    functional = pytest.importorskip("torchmetrics.functional.text")
    rng = random.Random(0)
    vocabulary = ["a", "few", "small", "red", "dots", "near", "the", "disc", "and", "fovea"]

    def draw() -> list[str]:
        return rng.choices(vocabulary, k=rng.randint(5, 25))

    said = [draw() for _ in range(30)]
    truth = [[draw(), [*text[: len(text) // 2 + 3], *draw()]] for text in said]
    joined = [" ".join(text) for text in said]
    refs = [[" ".join(ref) for ref in each] for each in truth]
    assert bleu(said, truth) == pytest.approx(float(functional.bleu_score(joined, refs)), abs=1e-6)
    for text, each, words, theirs in zip(said, truth, joined, refs, strict=True):
        best = max(
            float(functional.rouge_score(words, ref, rouge_keys="rougeL")["rougeL_fmeasure"])
            for ref in theirs
        )
        assert rouge_l(text, each) == pytest.approx(best, abs=1e-6)


def test_words():
    assert words_of("A cup-to-disc ratio of 0.45.") == [
        "a", "cup", "-", "to", "-", "disc", "ratio", "of", "0.45", ".",
    ]  # fmt: skip
    assert bleu([["a", "b"]], [[["a", "b"]]]) == 0.0
    assert math.isnan(bleu([[]], [[["a"]]]))
