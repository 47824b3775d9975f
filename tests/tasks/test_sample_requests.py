"""Captions from files: good rows are read, bad ones named."""

from __future__ import annotations

import json

import pytest

from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.captions.rows import record_to_row
from retinaforge.core import Refusal
from retinaforge.tasks.sample_requests import Wording, read_wordings, requests_of

RECORD = EyeRecord(image="x.png", facts={"eye": Fact("eye", "OD", "manifest")})


def test_lines_of_a_text_file(tmp_path):
    path = tmp_path / "captions.txt"
    path.write_bytes(b"a right eye\n\n  a left eye \n\xff\xfe\n")
    good, bad = read_wordings(path)
    assert [(one.text, one.source) for one in good] == [
        ("a right eye", "line 1 of captions.txt"), ("a left eye", "line 3 of captions.txt"),
    ]  # fmt: skip
    assert bad == [("line 4 of captions.txt", "not UTF-8")]


def test_pairs_and_records_in_one_file(tmp_path):
    rows = [
        {"file_name": "a.png", "text": "a right eye", "record": record_to_row(RECORD)},
        {"text": "no image needed", "mask": "m/a.png"},
        record_to_row(RECORD),
        {"file_name": "b.png", "text": "  "},
        {"file_name": "c.png"},
    ]
    path = tmp_path / "metadata.jsonl"
    lines = [json.dumps(row) for row in rows] + ["{broken", "[1]"]
    path.write_text("\n".join(lines) + "\n")
    good, bad = read_wordings(tmp_path)
    assert [one.source for one in good] == ["x.png", "line-2", "x.png"]
    assert good[0].record.value("eye") == "OD"
    assert good[1].mask == tmp_path / "m/a.png"
    assert "right" in good[2].text.lower()
    assert [one.source.split()[1] for one in bad] == ["4", "5", "6", "7"]
    assert "got an empty one" in bad[0].why
    assert "one JSON object a line; got line 6 of" in bad[2].why
    assert "one JSON object a line; got line 7 of" in bad[3].why


def test_captions_of_records_repeat_with_the_seed(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps(record_to_row(RECORD)) + "\n")
    assert read_wordings(path, seed=1) == read_wordings(path, seed=1)


def test_nothing_to_read(tmp_path):
    with pytest.raises(Refusal, match="nothing at"):
        read_wordings(tmp_path / "absent.txt")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(Refusal, match="expected captions in"):
        read_wordings(tmp_path / "empty.txt")


@pytest.mark.parametrize("content", [b"\xff\xd8\xff\xe0\0\x10JFIF\na\n", "an eye".encode("utf-16")])
def test_a_file_that_is_no_text_is_refused_whole(tmp_path, content):
    """Some lines of a photograph are UTF-8 by chance: nothing is drawn of them."""
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(Refusal, match="a text file in UTF-8 with one caption a line; got"):
        read_wordings(tmp_path / "file")


@pytest.mark.parametrize(
    "numbers", [{"count": 0}, {"per_caption": 0}, {"seed": -1}, {"seed": 2**63}]
)
def test_numbers_that_are_too_small(numbers):
    with pytest.raises(Refusal, match="at least one image and a seed of 0 or more"):
        requests_of([Wording("eye")], **{"seed": 0, **numbers})
