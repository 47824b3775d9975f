"""`retinaforge captions write` with a model behind an address."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.tasks.pairs import read_pairs
from retinaforge.tasks.records_file import Known, write_known

sys.path.append(str(Path(__file__).parents[1] / "captions"))
from vlm_stub import says, stub, whole

TRUE = "Photograph of the right eye. Three hard exudates lie in the macula."
LIE = "Photograph of the left eye. Three hard exudates lie in the macula."


@pytest.fixture
def table(tmp_path: Path) -> Path:
    facts = {"eye": "OD", "hard_exudate": 3}
    known = []
    for n in range(3):
        path = tmp_path / f"{n}.png"
        Image.fromarray(np.full((40, 60, 3), 90 + n, np.uint8)).save(path)
        record = EyeRecord(path.name, {k: Fact(k, v, "test") for k, v in facts.items()})
        known.append(Known(record, path))
    return write_known(tmp_path / "records.jsonl", known)


def test_a_served_model_writes(retinaforge, table: Path, tmp_path: Path) -> None:
    with stub(says(whole(TRUE))) as server:
        words = ("captions", "write", table, "--out", tmp_path / "said", "--writer",
                 server.address, "--model", "m", "--image-px", 30, "--price-in", 1,
                 "--price-out", 2, "--currency", "USD")  # fmt: skip
        answer = retinaforge(*words)
        again = retinaforge(*words, "--json")
    assert answer.code == 0
    assert "3 images, 3 captions" in answer.told
    assert "3 answered, 0 refused, 0 failed, 0 with findings" in answer.told
    assert "300 tokens read, 150 written; cost 0.0006 USD" in answer.told
    assert len(server.seen) == 3, "the same command asks for nothing twice"
    assert json.loads(again.out)["counts"]["resumed"] == 3
    assert [pair.text for pair in read_pairs(tmp_path / "said")] == [TRUE] * 3
    assert "data:image" not in (tmp_path / "said/answers.jsonl").read_text()


def test_what_is_missing_is_named_and_ends_in_1(retinaforge, table: Path, tmp_path: Path) -> None:
    with stub(says(whole(TRUE)), says("I'm sorry, I can't help."), says(whole(LIE))) as server:
        config = tmp_path / "vlm.toml"
        config.write_text(f'base_url = "{server.address}"\nmodel = "m"\nthreads = 1\n')
        answer = retinaforge(
            "captions", "write", table, "--out", tmp_path / "said", "--writer", config, "--strict"
        )
    assert answer.code == 1
    assert "refused 1.png: declined: \"I'm sorry, I can't help.\"" in answer.told
    assert "answered 2.png: side: " in answer.told
    assert "cost unknown" in answer.told
    assert [pair.name for pair in read_pairs(tmp_path / "said")] == ["0.png"]


def test_photographs_leave_only_when_it_is_said(retinaforge, table: Path, tmp_path: Path) -> None:
    answer = retinaforge(
        "captions", "write", table, "--out", tmp_path / "said", "--writer",
        "https://vlm.example.com/v1", "--model", "m",
    )  # fmt: skip
    assert answer.code == 2
    assert "leave to send photographs and records to vlm.example.com" in answer.told
    assert "name --send-images" in answer.told


def test_limit(retinaforge, table: Path, tmp_path: Path) -> None:
    answer = retinaforge(
        "captions", "write", table, "--out", tmp_path / "a", "--limit", 2, "--json"
    )
    assert json.loads(answer.out)["images"] == 2


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--seed", 5), "begun with: seed 0; got seed 5"),
        (("--diagnosis",), "begun with: diagnosis not given; got diagnosis True"),
        (("--no-places",), "begun with: places not given; got places False"),
        (("--captions-per-image", 1), "captions_per_image 2; got captions_per_image 1"),
        (("--limit", 2), "got none of 1 of them (2.png)"),
    ],
)
def test_captions_of_other_options_are_not_written_over(
    retinaforge, table: Path, tmp_path: Path, more: tuple, words: str
) -> None:
    out = tmp_path / "pairs"
    first = ("captions", "write", table, "--out", out, "--captions-per-image", 2)
    assert retinaforge(*first).code == 0
    before = (out / "metadata.jsonl").read_bytes()
    refused = retinaforge(*first, *more)
    assert refused.code == 2
    assert words in " ".join(refused.told.split())
    assert "--force" in refused.told
    assert (out / "metadata.jsonl").read_bytes() == before
    same = retinaforge(*first, "--json")
    assert (same.code, json.loads(same.out)["counts"]["resumed"]) == (0, 6)
    assert (out / "metadata.jsonl").read_bytes() == before
    assert retinaforge(*first, *more, "--force").code == 0
    assert retinaforge(*first, *more).code == 0, "it is begun with that now"


def test_a_command_that_was_refused_does_not_bind_its_folder(
    retinaforge, table: Path, tmp_path: Path
) -> None:
    words = ("captions", "write", table, "--out", tmp_path / "a")
    assert "did you mean drusen?" in retinaforge(*words, "--only", "eye,drusne").told
    assert retinaforge(*words, "--only", "eye").code == 0


def test_captions_that_say_nothing_are_told(retinaforge, table: Path, tmp_path: Path) -> None:
    words = ("captions", "write", table, "--out")
    said = "captions of 3 images say nothing of the eye"
    assert said not in retinaforge(*words, tmp_path / "a").told
    answer = retinaforge(*words, tmp_path / "b", "--only", "drusen")
    assert said in answer.told
    assert "captions records --measure" in answer.told
    assert answer.code == 0
    told = retinaforge(*words, tmp_path / "c", "--only", "drusen", "--json")
    assert json.loads(told.out)["silent"] == 3


def test_a_folder_of_another_origin_is_not_written_over(
    retinaforge, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "metadata.jsonl").write_text('{"file_name": "0.png", "text": "Mine."}\n')
    refused = retinaforge("captions", "write", table, "--out", tmp_path / "mine")
    assert refused.code == 2
    assert "which holds captions of another origin" in " ".join(refused.told.split())
    assert read_pairs(tmp_path / "mine")[0].text == "Mine."


def test_a_run_of_before_captions_begun_is_held_to_its_summary(
    retinaforge, table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "pairs"
    assert retinaforge("captions", "write", table, "--out", out, "--limit", 2).code == 0
    (out / "captions_begun.json").unlink()
    assert retinaforge("captions", "write", table, "--out", out, "--seed", 1).code == 2
    assert retinaforge("captions", "write", table, "--out", out).code == 0
    assert len(read_pairs(out)) == 3


def test_flags_of_another_writer_are_refused(retinaforge, table: Path, tmp_path: Path) -> None:
    answer = retinaforge("captions", "write", table, "--out", tmp_path / "a", "--image-px", 30)
    assert answer.code == 2
    assert "expected flags that the template knows; got --image-px" in answer.told


def test_captions_are_judged(retinaforge, table: Path, tmp_path: Path) -> None:
    retinaforge("captions", "write", table, "--out", tmp_path / "true")
    with stub(says(whole(TRUE)), says(whole(LIE)), says("")) as server:
        config = tmp_path / "vlm.toml"
        config.write_text(f'base_url = "{server.address}"\nmodel = "m"\nthreads = 1\n')
        retinaforge("captions", "write", table, "--out", tmp_path / "said", "--writer", config)
    out = tmp_path / "judged.json"
    answer = retinaforge(
        "captions", "judge", tmp_path / "said", "--against", tmp_path / "true", "--out", out
    )
    assert answer.code == 1
    assert "missing 1 images have no caption" in answer.told
    told = json.loads(out.read_text())
    assert told["tags"]["misclassify"]["captions"] == 1
    assert [row["tags"] for row in told["rows"]] == [{}, {"misclassify": ["left eye"]}]
    assert "misclassify" in answer.out
    assert "recall" in answer.out
