"""Captions before a clinician: the sample, and what the answers come to."""

from __future__ import annotations

import json

import numpy as np
import pytest
from toy_eyes import toy_pairs

from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.core import Refusal
from retinaforge.reports.checklist_page import agreement_markdown, write_checklist_page
from retinaforge.tasks.checklist import ITEMS, sample_pairs, write_checklist
from retinaforge.tasks.checklist_answers import Reader, read_answers
from retinaforge.tasks.checklist_read import (
    ALL,
    agreement,
    agreement_statistics,
    gwet_ac1,
    observed,
)
from retinaforge.tasks.pairs import Pair


def graded(number: int, grade: int) -> Pair:
    record = EyeRecord(f"{number}.png", {"dr_grade": Fact("dr_grade", grade, "told")})
    return Pair(__file__, "A caption.", record=record)


def test_the_sample_takes_from_each_stratum_in_turn() -> None:
    pairs = [graded(n, 0) for n in range(60)] + [graded(100 + n, 4) for n in range(3)]
    drawn = sample_pairs(pairs, 10, seed=1)
    assert drawn.counts == {
        "diabetic retinopathy grade 0": (60, 7), "diabetic retinopathy grade 4": (3, 3),
    }  # fmt: skip
    assert [p.name for p in sample_pairs(pairs, 10, seed=1).pairs] == [p.name for p in drawn.pairs]
    assert len(sample_pairs(pairs, 500).pairs) == 63
    with pytest.raises(Refusal, match="captions to check, at least one; got 0 captions, 4 asked"):
        sample_pairs([], 4)


def test_the_page_holds_all_and_hides_what_would_bias(tmp_path) -> None:
    pairs = toy_pairs(tmp_path, 6)
    lost = Pair(tmp_path / "gone.png", "The right eye.")
    told = write_checklist(sample_pairs([*pairs, lost], 7), tmp_path / "out", {"seed": 0})
    assert [row["name"] for row in told["left_out"]] == ["gone.png"]
    page = write_checklist_page(tmp_path / "out").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 6
    assert "http" not in page.replace("http-equiv", "")
    assert "quality good" not in page  # the stratum
    assert told["sample"] in page
    content = page.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    rows = json.loads(content)["rows"]
    assert {row["text"] for row in rows} == {pair.text for pair in pairs}
    assert set(rows[0]) == {"name", "text", "parts", "picture"}
    with pytest.raises(Refusal, match="a folder that `retinaforge captions checklist` wrote"):
        write_checklist_page(tmp_path)


def test_a_caption_cannot_end_the_script(tmp_path) -> None:
    pair = toy_pairs(tmp_path, 1)[0]
    evil = Pair(pair.path, "</script><b>right</b> eye.", synthetic=True)
    write_checklist(sample_pairs([evil], 1), tmp_path, {})
    assert "</script><b>" not in write_checklist_page(tmp_path).read_text(encoding="utf-8")


def reader(name: str, answers: list[str], sample: str = "s") -> Reader:
    """Return a reader who answers two items of each image in turn."""
    items = ["optic", "lesion"]
    votes = {(f"{k // 2}.png", items[k % 2]): a for k, a in enumerate(answers) if a}
    return Reader(name, sample, votes, {})


C, W, N = "correct", "wrong", "not said"


def test_statistics_of_two_readers() -> None:
    told = agreement_statistics([
        reader("a", [C, C, W, C, C, W, N, C, C, C]), reader("b", [C, W, W, C, C, W, N, C, C, C]),
    ])  # fmt: skip
    optic, lesion = told["items"]["optic"], told["items"]["lesion"]
    assert optic["counts"] == {"correct": 6, "wrong": 2, "not said": 2}
    assert optic["accuracy"]["value"] == 0.75
    assert optic["accuracy"]["interval"] == pytest.approx([0.4093, 0.9285], abs=1e-4)
    assert optic["kappa"] == 1
    assert optic["kappa_kind"] == "Cohen"
    # Lesion: 4 of 5 agree; rates correct .8 and .6, wrong .2 and .4: chance 0.56.
    assert lesion["observed"] == 0.8
    assert lesion["kappa"] == pytest.approx((0.8 - 0.56) / (1 - 0.56))
    assert told["items"]["macula"]["accuracy"]["reason"] == "nothing said on it"
    assert told["items"][ALL]["cells"] == 10
    assert told["wrong"][0] == {"name": "1.png", "item": "optic", "readers": ["a", "b"]}
    text = agreement_markdown(told)
    assert "| optic | 6 | 2 | 2 | 0.750 (0.409 to 0.929) | 1.000 | 1.000 | 1.000 |" in text


def test_gwets_ac1_of_his_own_example() -> None:
    """Gwet 2008, table 3: 125 subjects, 118 both yes, 5 and 2 apart, none both no."""
    table = np.array([[2, 0]] * 118 + [[1, 1]] * 7)
    assert observed(table) == pytest.approx(118 / 125)
    share = 243 / 250
    chance = 2 * share * (1 - share)
    assert gwet_ac1(table) == pytest.approx((118 / 125 - chance) / (1 - chance))
    assert gwet_ac1(table) > 0.94


def test_three_readers_take_fleiss_and_all_alike_has_no_kappa() -> None:
    three = [reader(n, [C, W, C, C, W, C]).votes for n in "abc"]
    assert agreement(three)["kappa_kind"] == "Fleiss"
    assert agreement(three)["kappa"] == pytest.approx(1)
    alike = agreement([reader(n, [C] * 6).votes for n in "ab"])
    assert alike["kappa"] is None
    assert alike["reason"] == "all answers are the same: kappa is 0 / 0"
    assert alike["ac1"] == 1
    assert agreement(three[:1])["reason"] == "one reader"


def test_answers_are_read_as_json_and_as_csv(tmp_path) -> None:
    answers = [
        {"name": "a.png", "item": item, "answer": C if k else W, "note": 'a "note", here'}
        for k, item in enumerate(ITEMS)
    ]
    answers[1]["answer"] = ""
    (tmp_path / "a.json").write_text(
        json.dumps({"format": 1, "sample": "s", "reader": "Ann", "answers": answers})
    )
    head = "reader,sample,name,item,answer,note"
    lines = [
        '"Ann","s","a.png","{item}","{answer}","a ""note"", here"'.format(**a) for a in answers
    ]
    (tmp_path / "a.csv").write_text("\r\n".join([head, *lines]) + "\r\n")
    one, other = read_answers(tmp_path / "a.json"), read_answers(tmp_path / "a.csv")
    assert one == other
    assert len(one.votes) == 4
    assert one.notes == {"a.png": 'a "note", here'}


def test_refusals(tmp_path) -> None:
    row = {"name": "a", "item": "optic", "answer": "maybe"}
    (tmp_path / "y.json").write_text(json.dumps({"sample": "s", "reader": "", "answers": [row]}))
    with pytest.raises(Refusal, match="'maybe'"):
        read_answers(tmp_path / "y.json")
    with pytest.raises(Refusal, match="answers to one sample; got answers to s, t"):
        agreement_statistics([reader("a", [C]), reader("b", [C], "t")])
    with pytest.raises(Refusal, match="each reader once; got 'a' twice"):
        agreement_statistics([reader("a", [C]), reader("a", [W])])


@pytest.mark.parametrize(
    ("name", "content", "came"),
    [
        ("x.json", b"{", r"no JSON \(Expecting property name"),
        ("x.json", b"[]", "a JSON list, not an object"),
        ("x.json", b'{"rows": []}', "JSON without reader, sample, answers"),
        (
            "x.json",
            b'{"reader": 3, "sample": ["s"], "answers": []}',
            "reader and sample is no text",
        ),
        ("x.json", b'{"reader": "a", "sample": "s", "answers": 5}', "answers are no list"),
        ("x.json", b'{"reader": "a", "sample": "s", "answers": ["b"]}', "answer 1 without name"),
        (
            "x.json",
            b'{"reader": "a", "sample": "s", "answers": [{"name": "1", "item": "optic", '
            b'"answer": ["correct"]}]}',
            "answer 1 without name, item, answer in words",
        ),
        ("x.csv", b"", "a table without the columns reader, sample, name, item, answer"),
        ("x.csv", b"reader,sample\na,s\n", "a table without the columns name, item, answer"),
        (
            "x.csv",
            b"reader,sample,name,item,answer\na,s,1,optic,correct\nb,s,1,optic,correct\n",
            "rows of several readers",
        ),
        ("x.csv", b"reader,sample,name,item,answer\na,s,1\n", "answer 1 without name, item"),
        ("x.json", b"\xff", "a file that is no text"),
        ("folder", None, "is a directory"),
        ("absent.json", None, "no such file or directory"),
    ],
)
def test_another_file_is_refused_in_words(tmp_path, name, content, came) -> None:
    (tmp_path / "folder").mkdir()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Refusal, match=f"the checklist page saved .*{came}") as refusal:
        read_answers(tmp_path / name)
    assert "Error(" not in str(refusal.value)
