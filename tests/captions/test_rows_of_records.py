"""Records as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from caption_cases import random_record

from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.captions.rows import (
    read_records_file,
    record_from_row,
    record_to_row,
    write_records_file,
)
from retinaforge.core import Refusal


def row(**facts: object) -> dict:
    return {"file_name": "a.png", "facts": facts}


def test_rows_give_the_record_back() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        record = random_record(rng)
        assert record_from_row(json.loads(json.dumps(record_to_row(record)))) == record


def test_a_file_gives_its_records_back(tmp_path: Path) -> None:
    boxed = Fact("drusen", 3, "t", ("macula",), ((0.1, 0.2, 0.3, 0.4),))
    # U+2028 is a line's end to str.splitlines, not to JSON.
    one = EyeRecord("a.png", {"drusen": boxed}, "two\u2028lines", "p1", "train", "CC0", "odir")
    two = EyeRecord("b.png", synthetic=True)
    path = write_records_file(tmp_path / "records.jsonl", [one, two])
    assert read_records_file(path) == ((one, two), ())


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"facts": {}}, "a row to name its file_name"),
        ([1], "a row to be a JSON object"),
        ({"file_name": "a", "caption": "x"}, "a row with only .*; got caption"),
        (row(cup={"value": 1, "source": "t"}), "a fact of the catalogue"),
        (row(eye="OD"), "eye as"),
        (row(eye={"value": "OD"}), "eye to say its source"),
        (row(eye={"value": "OD", "source": "t", "when": 1}), "the fact eye with only"),
        (row(eye={"value": "both", "source": "t"}), "eye to be 'OD' or 'OS'"),
        (row(drusen={"value": 1, "source": "t", "places": ["up"]}), "drusen to lie in"),
        (row(drusen={"value": 1, "source": "t", "boxes": [[0, 0, 9, 9]]}), "shares of the image"),
        (row(drusen={"value": 1, "source": "t", "boxes": ["box"]}), "drusen's box"),
        ({"file_name": "a", "synthetic": "yes"}, "synthetic as true or false"),
        ({"file_name": "a", "report": None}, "report as text"),
        ({"file_name": "a", "facts": [1]}, "facts by name"),
    ],
)
def test_a_bad_row_is_refused_in_words(bad: dict, why: str) -> None:
    with pytest.raises(Refusal, match=why):
        record_from_row(bad)


def test_bad_rows_are_named_and_the_others_kept(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    good = json.dumps(row(eye={"value": "OD", "source": "t"})).encode()
    lines = [good, b"{not json", b"", b'{"file_name": "b", "odd": 1}', b"\xff", good]
    path.write_bytes(b"\n".join(lines))
    read = read_records_file(path)
    assert [each.image for each in read.records] == ["a.png"]
    assert [(each.line, each.image) for each in read.bad] == [
        (2, ""),
        (4, "b"),
        (5, ""),
        (6, "a.png"),
    ]
    whys = ["not JSON", "got odd", "not UTF-8", "a.png twice"]
    assert all(why in each.why for why, each in zip(whys, read.bad, strict=True))


def test_a_file_without_a_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no such file; write it: retinaforge captions records"):
        read_records_file(tmp_path / "none.jsonl")
    path = tmp_path / "records.jsonl"
    path.write_text("{}\n")
    with pytest.raises(Refusal, match="none; line 1: expected a row to name its file_name"):
        read_records_file(path)
