"""The commands `generate sample` and `generate ladder`, on a stand-in generator."""

from __future__ import annotations

import json

import numpy as np
import pytest
import typer
from PIL import Image
from sample_stand_ins import Words, painter
from typer.testing import CliRunner

from retinaforge.cli.generate_sample import ladder, sample
from retinaforge.core import Refusal
from retinaforge.generators.classes import EYE, ClassVocabulary
from retinaforge.generators.text_unknown import Unknown
from retinaforge.tasks import sample_open
from retinaforge.tasks.pairs import read_pairs

app = typer.Typer()
app.command()(sample)
app.command()(ladder)


@pytest.fixture
def call(monkeypatch):
    def make(folder, **more):
        return painter(
            trained_px=16, shape={"class_sizes": (2,)}, vocabulary=ClassVocabulary((EYE,))
        )

    monkeypatch.setattr(sample_open, "open_painter", make)
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*words):
        return CliRunner().invoke(app, [str(word) for word in words])

    return invoke


def test_prompts_to_a_folder_with_its_sheet(call, tmp_path):
    found = call(
        "sample", "model", "--prompt", "a left eye", "--count", 3, "--steps", 2, "--out", tmp_path,
        "--grid", "--class", "eye=OS", "--negative", "blur", "--json",
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["written"] == 3
    pairs = read_pairs(tmp_path)
    assert [pair.more["classes"] for pair in pairs] == [{"eye": "OS"}] * 3
    assert {pair.more["negative"] for pair in pairs} == {"blur"}
    with Image.open(tmp_path / "synthetic_grid.png") as image:
        assert image.text["Synthetic"] == "true"
    with Image.open(pairs[0].path) as image:
        assert image.size == (16, 16)


def test_a_file_with_a_bad_caption_ends_with_1(call, tmp_path):
    (tmp_path / "c.jsonl").write_text('{"text": "a left eye"}\n{"text": ""}\n{"text": "drusen"}\n')
    words = ("sample", "model", "--captions", tmp_path / "c.jsonl", "--per-caption", 2, "--steps",
             2, "--out", tmp_path / "out")  # fmt: skip
    found = call(*words)
    assert found.exit_code == 1
    assert "line 2 of c.jsonl" in found.stderr
    assert "4 images drawn, 0 there before, 0 failed" in found.stdout
    again = call(*words)
    assert "0 images drawn, 4 there before" in again.stdout
    other = call(*words, "--guidance", 2)
    assert isinstance(other.exception, Refusal)
    assert "guidance 2.0 instead of 4.0" in str(other.exception)


@pytest.mark.parametrize("name", ["metadata.jsonl", "other.png", "shard.tar"])
def test_a_folder_of_others_is_not_written_into(call, tmp_path, name):
    """A folder of pairs that refers to its images elsewhere lost its table."""
    (tmp_path / name).write_text("kept")
    found = call("sample", "m", "--prompt", "an eye", "--steps", 1, "--out", tmp_path)
    assert "an empty folder, or one of this command; got" in str(found.exception)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "kept"


def test_truncated_captions_are_told(call, tmp_path):
    found = call("sample", "m", "--prompt", "word " * 40, "--steps", 1, "--out", tmp_path)
    assert found.exit_code == 0
    assert "cut at 12 of 42 tokens" in found.stderr
    assert "1 of 1 captions truncated" in found.stdout


def test_a_ladder_has_one_seed_a_row(call, tmp_path):
    found = call(
        "ladder", "model", "--prompt", "none", "--prompt", "many many", "--rows", 2, "--steps", 2,
        "--seed", 7, "--out", tmp_path,
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    pairs = read_pairs(tmp_path)
    assert [pair.more["seed"] for pair in pairs] == [7, 7, 8, 8]
    assert [pair.text for pair in pairs] == ["none", "many many"] * 2
    assert np.asarray(Image.open(tmp_path / "synthetic_ladder.png")).std() > 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "either --prompt or --captions; got neither"),
        (("--prompt", "a", "--captions", "b"), "either --prompt or --captions; got both"),
        (("--prompt", "a", "--class", "eye"), "--class NAME=VALUE"),
        (("--prompt", "a", "--class", "eye=up"), "eye of OD, OS; got 'up'"),
        (("--prompt", "a", "--interval", "early"), "--interval FROM-TO"),
        (("--prompt", "a", "--batch", "many"), "--batch auto or a number"),
        (("--prompt", "a", "--precision", "fp8"), "--precision auto, fp32 or bf16"),
        (("--prompt", "a", "--size", "20"), "shorter side is a multiple of 8 px"),
        (("--prompt", "a", "--masks", "absent"), "a mask or a folder of masks; got none at"),
        (("--prompt", "a", "--masks", "."), "a generator that was taught masks; got one that"),
        (("--prompt", "a", "--check"), "masks to --check images against; got none"),
        (("--prompt", "a", "--shift", "-1"), "a positive shift"),
    ],
)
def test_refusals(call, tmp_path, words, message):
    found = call("sample", "model", "--out", tmp_path / "out", *words)
    assert isinstance(found.exception, Refusal)
    assert message in str(found.exception)
    assert "euler with" not in found.stderr  # nothing is announced that is refused
    assert not (tmp_path / "out").exists()


def test_other_captions_in_a_begun_folder_are_refused_in_words(call, tmp_path):
    words = ("--steps", 1, "--out", tmp_path)
    assert call("sample", "m", "--prompt", "a left eye", *words).exit_code == 0
    other = call("sample", "m", "--prompt", "a right eye", *words)
    assert "got other captions, seeds, classes or masks; run the same" in str(other.exception)


def test_one_image_is_one_and_a_log_has_no_bars(call, tmp_path):
    found = call("sample", "m", "--prompt", "an eye", "--steps", 1, "--out", tmp_path)
    assert found.stderr.startswith("1 image of 16 px")
    assert "\n\n" not in found.stderr
    assert "1 image drawn" in found.stdout


def test_of_many_bad_captions_the_first_are_named(call, tmp_path):
    (tmp_path / "c.jsonl").write_text('{"text": "an eye"}\n' + "[]\n" * 30)
    found = call("sample", "m", "--captions", tmp_path / "c.jsonl", "--steps", 1, "--out",
                 tmp_path / "out")  # fmt: skip
    assert found.exit_code == 1
    assert found.stderr.count("one JSON object a line") == 20
    assert "10 more left out; result.json names them" in found.stderr


def test_captions_that_the_text_encoder_never_learnt_are_told_before_drawing(
    call, tmp_path, monkeypatch
):
    def unknown(self, texts):
        return [Unknown(4, 3 * ("右" in text), ("右",) * ("右" in text)) for text in texts]

    monkeypatch.setattr(Words, "unknown", unknown, raising=False)
    words = ("sample", "m", "--prompt", "右", "--prompt", "an eye", "--steps", 1, "--out", tmp_path)
    found = call(*words, "--json")
    assert found.exit_code == 0, found.output
    said = (
        'unknown words "右": 3 of 4 tokens (75%) stand for what the text encoder never learnt: 右'
    )
    assert said in found.stderr
    assert "an eye" not in found.stderr
    told = json.loads(found.stdout)["unknown"]
    assert (told["count"], told["captions"][0]["text"]) == (1, "右")
    assert told["captions"][0]["share"] == 0.75
    many = call(*words[:2], *(w for i in range(5) for w in ("--prompt", f"右 {i}")),
                "--steps", 1, "--out", tmp_path / "many")  # fmt: skip
    assert "5 of 5 captions hold such words" in many.stderr
