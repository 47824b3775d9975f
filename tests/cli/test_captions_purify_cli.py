"""`captions purify`, `adherence`, `checklist` and `train text-image` by the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from retinaforge import cli, encoders
from retinaforge.core import Refusal
from retinaforge.tasks.pairs import write_pairs

sys.path.insert(0, str(Path(__file__).parents[1] / "tasks"))
from colour_words import ColourWords
from toy_eyes import toy_pairs

run = CliRunner()


@pytest.fixture
def pairs(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(encoders, "load", lambda spec: ColourWords())
    write_pairs(tmp_path / "pairs", toy_pairs(tmp_path, 16))
    return tmp_path / "pairs"


def call(*words: object):
    return run.invoke(cli.app, [str(word) for word in words])


def test_purify_writes_three_arms(pairs, tmp_path) -> None:
    out = tmp_path / "out"
    result = call("captions", "purify", pairs, "--encoder", "x", "--out", out, "--least-side", 32)
    assert result.exit_code == 0, result.output
    assert str(out / "kept.jsonl") in result.stdout.replace("\n", "")
    told = json.loads((out / "purify.json").read_text())
    assert (told["pairs"], told["kept"]) == (16, 8)
    assert len((out / "random.jsonl").read_text().splitlines()) == 8


def test_purify_refuses_what_is_too_small(pairs, tmp_path) -> None:
    result = call("captions", "purify", pairs, "--encoder", "x", "--out", tmp_path / "o")
    assert isinstance(result.exception, Refusal)
    assert "16 with a short side below 128 px" in str(result.exception)
    assert "--least-side" in str(result.exception)
    assert "--most-characters" in str(result.exception)


def test_few_pairs_are_warned_of_and_many_are_not(pairs, tmp_path) -> None:
    words = ("--encoder", "x", "--least-side", 32)
    few = call("captions", "purify", pairs, *words, "--out", tmp_path / "few")
    assert "16 admitted pairs: below 20 the figures mean little" in few.stderr
    told = json.loads((tmp_path / "few" / "purify.json").read_text())
    assert (told["warning"][:2], told["card"]["smallest_n"]) == ("16", 20)
    write_pairs(tmp_path / "many", toy_pairs(tmp_path, 24))
    many = call("captions", "purify", tmp_path / "many", *words, "--out", tmp_path / "o", "--json")
    assert json.loads(many.stdout)["warning"] == ""
    assert "mean little" not in many.stderr
    fine = call("captions", "adherence", pairs, "--encoder", "x", "--json")
    assert json.loads(fine.stdout)["warning"] == ""
    rows = (pairs / "metadata.jsonl").read_text().splitlines()[:9]
    (tmp_path / "nine").mkdir()
    (tmp_path / "nine" / "metadata.jsonl").write_text("\n".join(rows))
    nine = call("captions", "adherence", tmp_path / "nine", "--encoder", "x", "--json")
    assert json.loads(nine.stdout)["warning"] == "9 images: below 10 the figures mean little"
    assert json.loads(nine.stdout)["card"]["smallest_n"] == 10
    assert "warning 9 images" in nine.stderr


def test_captions_shut_out_by_their_length_are_counted_with_the_flag(pairs, tmp_path) -> None:
    table = pairs / "metadata.jsonl"
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    for row in rows[:6]:
        row["text"] = row["text"] + " " * (1300 - len(row["text"]))
    table.write_text("\n".join(map(json.dumps, rows)))
    words = ("captions", "purify", pairs, "--encoder", "x", "--least-side", 32)
    result = call(*words, "--out", tmp_path / "o")
    told = "6 of 16 captions (38%) are longer than 1024 characters: --most-characters 1300 admits"
    assert told in " ".join(result.stderr.split())
    assert json.loads((tmp_path / "o" / "purify.json").read_text())["length"]["too_long"] == 6
    wide = call(*words, "--out", tmp_path / "w", "--most-characters", 1300)
    assert "longer than" not in wide.stderr
    assert json.loads((tmp_path / "w" / "purify.json").read_text())["admitted"] == 16


def test_adherence_names_what_it_could_not_read(pairs, tmp_path) -> None:
    good = call("captions", "adherence", pairs, "--encoder", "x", "--json")
    assert good.exit_code == 0, good.output
    assert json.loads(good.stdout)["whole"]["n"] == 16
    (tmp_path / "images" / "0003.png").write_bytes(b"")
    bad = call("captions", "adherence", pairs, "--encoder", "x", "--out", tmp_path / "a")
    assert bad.exit_code == 1
    assert "0003.png" in bad.stderr
    assert "AUROC" in bad.stdout
    assert json.loads((tmp_path / "a" / "adherence.json").read_text())["whole"]["n"] == 15


def test_checklist_and_its_answers(pairs, tmp_path) -> None:
    out = tmp_path / "check"
    result = call("captions", "checklist", pairs, "--sample", 5, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["captions"] == 5
    for name in "ab":
        answers = [{"name": "1", "item": "optic", "answer": "correct"}]
        saved = {"sample": told["sample"], "reader": name, "answers": answers}
        (tmp_path / f"{name}.json").write_text(json.dumps(saved))
    (tmp_path / "c.json").write_text("nothing")
    files = [tmp_path / f"{name}.json" for name in "abc"]
    read = call("captions", "checklist-read", *files, "--out", tmp_path / "agreed")
    assert read.exit_code == 1  # c.json is named
    assert "c.json" in read.stderr
    assert json.loads((tmp_path / "agreed/agreement.json").read_text())["readers"] == ["a", "b"]
    assert "| optic | 2 | 0 | 0 |" in (tmp_path / "agreed/agreement.md").read_text()
    assert isinstance(call("captions", "checklist-read", files[2]).exception, Refusal)


def test_train_text_image_by_the_line(tmp_path) -> None:
    write_pairs(tmp_path / "pairs", toy_pairs(tmp_path, 16))
    words = ("train", "text-image", "--pairs", tmp_path / "pairs", "--out", tmp_path / "run",
             "--steps", 2, "--batch", 4, "--size", 32, "--precision", "fp32", "--json")  # fmt: skip
    result = call(*words)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["state"], told["pairs"]) == ("trained", 14)
    assert json.loads(call(*words).stdout)["state"] == "found done"
    assert encoders.load(f"retina-text:{told['model']}").text(["left eye"]).shape == (1, 128)
    refused = call("train", "text-image", "--pairs", tmp_path, "--out", tmp_path, "--size", 50)
    assert "write --size 48" in str(refused.exception)


def spoilt(pairs: Path) -> None:
    """Put a row that is none, and one of wrong types, into the table."""
    table = pairs / "metadata.jsonl"
    odd = '{"file_name": "x.png", "text": null}'
    table.write_text("no json\n" + table.read_text() + odd + "\n")


NAMED = ("left out line 1: expected one JSON object a line", "left out line 18: expected columns")


def test_bad_rows_are_named_and_the_rest_is_purified(pairs, tmp_path) -> None:
    spoilt(pairs)
    words = ("--encoder", "x", "--least-side", 32, "--out", tmp_path / "o")
    result = call("captions", "purify", pairs, *words, "--json")
    assert result.exit_code == 1, result.output
    told = json.loads(result.stdout)
    assert (told["scored"], told["kept"]) == (16, 8)
    assert [row["name"] for row in told["left_out"]] == ["line 1", "line 18"]
    assert json.loads((tmp_path / "o" / "purify.json").read_text())["pairs"] == 18
    assert all(words in result.stderr for words in NAMED)


def test_bad_rows_are_named_and_the_rest_is_scored(pairs, tmp_path) -> None:
    spoilt(pairs)
    words = ("--encoder", "x", "--out", tmp_path / "o")
    result = call("captions", "adherence", pairs, *words)
    assert result.exit_code == 1, result.output
    told = json.loads((tmp_path / "o" / "adherence.json").read_text())
    assert told["whole"]["n"] == 16
    assert [row["name"] for row in told["left_out"]] == ["line 1", "line 18"]
    assert all(words in result.stderr for words in NAMED)


def test_bad_rows_are_named_and_the_rest_is_put_before_readers(pairs, tmp_path) -> None:
    spoilt(pairs)
    result = call("captions", "checklist", pairs, "--out", tmp_path / "o", "--json")
    assert result.exit_code == 1, result.output
    told = json.loads(result.stdout)
    assert told["captions"] == 16
    assert [row["name"] for row in told["left_out"]] == ["line 1", "line 18"]
    assert all(words in result.stderr for words in NAMED)


def test_a_split_that_nobody_has_is_refused_by_name(pairs, tmp_path) -> None:
    for words in (("purify", pairs, "--encoder", "x"), ("checklist", pairs)):
        result = call("captions", *words, "--split", "dev", "--out", tmp_path / "o")
        assert "images of the split 'dev'; got 16 pairs of the splits test, train" in str(
            result.exception
        )


def test_bad_rows_on_either_side_are_named_and_the_rest_is_judged(pairs, tmp_path) -> None:
    good = call("captions", "judge", pairs, "--against", pairs, "--json")
    assert good.exit_code == 0, good.output
    assert json.loads(good.stdout)["left_out"] == []
    spoilt(pairs)
    result = call("captions", "judge", pairs, "--against", pairs, "--json")
    assert result.exit_code == 1, result.output
    told = json.loads(result.stdout)
    assert told["captions"] == 16
    named = [f"{side}, line {n}" for side in ("PAIRS", "--against") for n in (1, 18)]
    assert [row["row"] for row in told["left_out"]] == named
    assert "left out PAIRS, line 1: expected one JSON object a line" in result.stderr


def test_what_cannot_be_learnt_is_named_and_the_rest_is_tuned_on(
    pairs, tmp_path, monkeypatch
) -> None:
    seen: list[str] = []

    def stand_in(model, learnt, out, plan, on_progress=None):
        seen.extend(pair.name for pair in learnt)
        return {"held_out_loss": {"before": None, "after": None}}

    monkeypatch.setattr("retinaforge.tasks.caption_tune.tune_captioner", stand_in)
    words = ("captions", "tune", pairs, "--model", tmp_path, "--out", tmp_path / "o")
    assert call(*words).exit_code == 0
    assert len(seen) == 16
    seen.clear()
    spoilt(pairs)
    (tmp_path / "images" / "0003.png").write_bytes(b"")
    table = pairs / "metadata.jsonl"
    silent = json.loads(table.read_text().splitlines()[1]) | {
        "file_name": "silent.png", "text": " ", "texts": [],
        "record": None,
    }  # fmt: skip
    table.write_text(table.read_text() + json.dumps(silent) + "\n")
    result = call(*words, "--json")
    assert result.exit_code == 1, result.output
    assert len(seen) == 15
    assert "images/0003.png" not in seen
    assert "left out silent.png: a caption without words" in result.stderr
    assert "left out images/0003.png" in result.stderr
    rows = [row["what"] for row in json.loads(result.stdout)["left_out"]]
    assert rows == ["line 1", "line 18", "silent.png", "images/0003.png"]
