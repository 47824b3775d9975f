"""captions lint: planted errors are named, and the exit code says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from retinaforge.captions import EyeRecord, Fact
from retinaforge.captions.template import write_caption
from retinaforge.cli.captions import app
from retinaforge.tasks.pairs import Pair, write_pairs

RECORD = EyeRecord(
    "a.png",
    {
        "eye": Fact("eye", "OD", "manifest: made"),
        "hard_exudate": Fact("hard_exudate", 12, "manifest: made"),
        "cup_to_disc": Fact("cup_to_disc", 0.45, "manifest: made"),
        "drusen": Fact("drusen", 0, "manifest: made"),
        "quality": Fact("quality", "good", "manifest: made"),
    },
)
TRUE = write_caption(RECORD, rng=np.random.default_rng(1), words=(5, 210), share=1.0)


def folder_of(tmp_path: Path, *texts: str) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    write_pairs(tmp_path / "pairs", [Pair(tmp_path / "a.png", texts[0], texts, RECORD)])


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["lint", *arguments])
    return result.exit_code, result.stdout


def test_true_captions_pass(tmp_path):
    folder_of(tmp_path, TRUE)
    code, out = run(str(tmp_path / "pairs"), "--json", "--words", "5", "210")
    told = json.loads(out)
    assert code == 0
    assert told["facts"]["precision"] == 1.0
    assert told["facts"]["recall"] == 1.0
    assert told["codes"] == {}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("A fundus photograph of the left eye with hard exudates.", "side"),
        ("Right eye with three hard exudates.", "count"),
        ("Right eye, cup-to-disc ratio of 0.8, hard exudates.", "number"),
        ("Right eye with drusen and hard exudates.", "contradicts-record"),
        ("Right eye with cotton-wool spots and hard exudates.", "unsupported"),
        ("Right eye with diabetic retinopathy and hard exudates.", "diagnosis"),
    ],
)
def test_planted_error_is_named(tmp_path, text, code):
    folder_of(tmp_path, TRUE, text)
    exit_code, _ = run(
        str(tmp_path / "pairs"), "--words", "3", "210", "--out", str(tmp_path / "found")
    )
    told = json.loads((tmp_path / "found" / "lint.json").read_text())
    assert exit_code == 1
    assert told["codes"][code]["captions"] == 1
    lines = (tmp_path / "found" / "findings.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["text"] for row in rows] == [text]


def test_a_folder_without_tokeniser_is_refused(tmp_path):
    folder_of(tmp_path, TRUE)
    result = CliRunner().invoke(
        app, ["lint", str(tmp_path / "pairs"), "--text-encoder", str(tmp_path)]
    )
    assert "expected a folder with a tokeniser" in str(result.exception)


def test_without_records_claims_are_not_called_wrong(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    bare = Pair(tmp_path / "a.png", "Right eye with drusen.", record=EyeRecord("a.png"))
    write_pairs(tmp_path / "pairs", [bare])
    code, out = run(str(tmp_path / "pairs"), "--json", "--words", "2", "210")
    told = json.loads(out)
    assert code == 0
    assert told["without_record"] == 1
    assert told["facts"]["precision"] is None
    assert told["numbers"]["said"] == 0


def test_a_region_of_no_fact_and_an_empty_folder_are_refused(tmp_path):
    folder_of(tmp_path, TRUE)
    wrong = CliRunner().invoke(app, ["lint", str(tmp_path / "pairs"), "--regions", "unicorn"])
    assert "expected names of facts; got 'unicorn'" in str(wrong.exception)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "metadata.jsonl").write_text("")
    empty = CliRunner().invoke(app, ["lint", str(tmp_path / "none")])
    assert "expected captioned images; got none in" in str(empty.exception)


def test_what_cannot_be_checked_is_named_and_the_rest_is(tmp_path):
    folder_of(tmp_path, TRUE, "  ")
    table = tmp_path / "pairs" / "metadata.jsonl"
    gone = table.read_text().replace("a.png", "gone.png").replace('"  "', '"One."')
    table.write_text("no json\n" + table.read_text() + gone)
    result = CliRunner().invoke(app, ["lint", str(table.parent), "--json", "--words", "1", "210"])
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [row["row"] for row in told["bad_rows"]] == ["line 1"]
    assert told["missing_images"] == ["gone.png"]
    assert told["codes"]["empty"]["captions"] == 1
    assert "left out line 1: expected one JSON object a line" in result.stderr
    assert "missing gone.png: no such image file" in result.stderr
    assert "error a.png: empty: the caption has no words" in result.stderr


@pytest.mark.parametrize("fault", ["bad row", "missing image"])
def test_each_such_fault_alone_ends_in_1(tmp_path, fault):
    folder_of(tmp_path, TRUE)
    table = tmp_path / "pairs" / "metadata.jsonl"
    assert run(str(table.parent), "--words", "5", "210")[0] == 0
    if fault == "bad row":
        table.write_text(table.read_text() + "[]\n")
    else:
        (tmp_path / "a.png").unlink()
    assert run(str(table.parent), "--words", "5", "210")[0] == 1


def test_words_that_the_text_encoder_has_no_tokens_for_are_a_warning(tmp_path):
    pytest.importorskip("transformers")
    from retinaforge.generators.text_bpe import save_tokeniser, train_tokeniser

    save_tokeniser(train_tokeniser([TRUE] * 9, vocabulary=600), tmp_path / "text/tokenizer")
    folder_of(tmp_path, TRUE, f"{TRUE} 右眼,有硬性渗出。")
    words = (
        str(tmp_path / "pairs"),
        "--text-encoder",
        str(tmp_path / "text"),
        "--words",
        "5",
        "210",
    )
    code, out = run(*words, "--json", "--out", str(tmp_path / "found"))
    told = json.loads(out)
    assert code == 0
    assert told["codes"]["unknown-tokens"]["captions"] == 1
    assert told["tokens"]["with_unknown"] == 1
    assert 0 < told["tokens"]["unknown_share"] < 0.5
    (row,) = map(json.loads, (tmp_path / "found/findings.jsonl").read_text().splitlines())
    assert "never learnt: 右眼, 有硬性渗出, 。" in row["findings"][0]["message"]
    assert "unknown, in 1 captions" in run(*words)[1]
