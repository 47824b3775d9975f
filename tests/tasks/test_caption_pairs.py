"""Pairs: what is written is read back, and images lie where the table says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.core import Refusal
from retinaforge.tasks.pairs import Pair, pair_of, read_good_pairs, read_pairs, write_pairs
from retinaforge.tasks.pairs_checks import some_pairs, with_words
from retinaforge.tasks.records_file import Known, read_known, write_known


@pytest.fixture
def record() -> EyeRecord:
    facts = {
        "eye": Fact("eye", "OS", "manifest: x"),
        "hard_exudate": Fact("hard_exudate", 3, "mask: x", ("macula",), ((0.1, 0.2, 0.3, 0.4),)),
    }
    return EyeRecord("a/1.png", facts, "free words", "x:7", "val", "CC0", "x", True)


@pytest.fixture
def pair(tmp_path: Path, record: EyeRecord) -> Pair:
    image = tmp_path / "elsewhere" / "1.png"
    image.parent.mkdir()
    image.write_bytes(b"an image")
    return pair_of(record, image, ["One.", "Other."], writer="template", agreement=0.5)


@pytest.mark.parametrize("link", ["reference", "symlink", "copy"])
def test_what_is_written_is_read_back(tmp_path: Path, pair: Pair, link) -> None:
    table = write_pairs(tmp_path / "pairs", [pair], link)
    (again,) = read_pairs(table.parent)
    assert again.path.read_bytes() == b"an image"
    assert (again.text, again.texts, again.record) == (pair.text, pair.texts, pair.record)
    assert (again.split, again.patient, again.synthetic) == ("val", "x:7", True)
    assert (again.writer, again.more) == ("template", {"agreement": 0.5})
    placed = tmp_path / "pairs" / "a" / "1.png"
    assert (placed.is_symlink(), placed.exists()) == (link == "symlink", link != "reference")


def test_any_imagefolder_with_captions_is_read(tmp_path: Path) -> None:
    row = {"file_name": "1.png", "text": "A fundus photograph.", "grade": 2, "split": "test"}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(row) + "\n")
    (pair,) = read_pairs(tmp_path)
    assert (pair.path, pair.split, pair.name) == (tmp_path / "1.png", "test", "1.png")
    assert pair.more == {"grade": 2}
    assert pair.record.facts == {}


def test_splits_are_known_by_the_names_that_others_give_them(tmp_path: Path) -> None:
    """Rows of "training" taught nobody, and rows of "validation" measured nothing."""
    names = ["training", "TRAIN", "validation", "valid", "dev", "Test", "fold 3", ""]
    rows = [{"file_name": f"{n}.png", "text": "An eye.", "split": name}
            for n, name in enumerate(names)]  # fmt: skip
    rows.append({"file_name": "r.png", "text": "An eye.",
                 "record": {"file_name": "r.png", "split": "Training"}})  # fmt: skip
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = [pair.split for pair in read_pairs(tmp_path)]
    assert found == ["train", "train", "val", "val", "val", "test", "fold 3", "", "train"]
    assert len(some_pairs(tmp_path, "validation").pairs) == 3


def test_two_of_one_name_are_refused(tmp_path: Path, pair: Pair) -> None:
    with pytest.raises(Refusal, match=r"a name of its own for each image; got two called a/1\.png"):
        write_pairs(tmp_path / "pairs", [pair, pair])


def test_a_name_outside_the_folder_is_refused(tmp_path: Path, pair: Pair) -> None:
    outside = Pair(pair.path, "One.", record=EyeRecord("../1.png"))
    with pytest.raises(Refusal, match=r"names below the folder; got \.\./1\.png"):
        write_pairs(tmp_path / "pairs", [outside], "copy")


def test_a_missing_image_is_refused_and_leaves_no_table(tmp_path: Path, pair: Pair) -> None:
    pair.path.unlink()
    with pytest.raises(Refusal, match="an image file; got none"):
        write_pairs(tmp_path / "pairs", [pair], "copy")
    assert not (tmp_path / "pairs" / "metadata.jsonl").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"file_name": "1.png"}', "columns file_name and text"),
        ('{"file_name": ', "one JSON object a line; got line 1 of"),
        ("[1]", "one JSON object a line; got line 1 of"),
    ],
)
def test_a_row_that_is_no_pair_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "metadata.jsonl").write_text(text)
    with pytest.raises(Refusal, match=words):
        read_pairs(tmp_path)


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"a folder of pairs with metadata\.jsonl; got none"):
        read_pairs(tmp_path)


def test_records_know_where_their_images_lie(tmp_path: Path, record: EyeRecord) -> None:
    below, away = tmp_path / "images" / "1.png", Path("/elsewhere/2.png")
    other = EyeRecord("2.png")
    table = write_known(tmp_path / "records.jsonl", [Known(record, below), Known(other, away)])
    known, bad = read_known(table)
    assert [(each.record, each.path) for each in known] == [(record, below), (other, away)]
    assert bad == ()
    assert json.loads(table.read_text().splitlines()[0])["path"] == "images/1.png"
    moved, _ = read_known(table, root=Path("/moved"))
    assert moved[0].path == Path("/moved/a/1.png")


def test_a_bad_row_of_records_is_named_and_the_rest_kept(tmp_path: Path, record: EyeRecord) -> None:
    table = write_known(tmp_path / "records.jsonl", [Known(record, tmp_path / "1.png")])
    table.write_text(table.read_text() + '{"file_name": "2.png", "facts": {"eye": 3}}\nnot json\n')
    known, bad = read_known(table)
    assert [each.record.image for each in known] == ["a/1.png"]
    assert [(row.line, row.image) for row in bad] == [(2, "2.png"), (3, "")]


def test_a_patient_by_number_is_the_same_in_words(tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "1.png", "text": "a", "patient": 7}')
    assert read_pairs(tmp_path)[0].patient == "7"
    assert read_pairs(tmp_path)[0].record.patient == "7"


def test_paths_of_records_stand_beside_odd_rows(tmp_path: Path, record: EyeRecord) -> None:
    told = replace(record, report="one line\u2028another\x85and one")
    table = write_known(tmp_path / "records.jsonl", [Known(told, Path("/elsewhere/1.png"))])
    table.write_bytes(b"\xff\n" + table.read_bytes())
    known, bad = read_known(table)
    assert [each.path for each in known] == [Path("/elsewhere/1.png")]
    assert [row.line for row in bad] == [1]


def test_pairs_of_a_split_are_asked_for(tmp_path: Path) -> None:
    rows = ({"file_name": f"{n}.png", "text": "a", "split": s} for n, s in enumerate("ab"))
    table = tmp_path / "metadata.jsonl"
    table.write_text("\n".join(map(json.dumps, rows)) + "\nno json\n")
    pairs, bad = some_pairs(tmp_path, "b")
    assert ([pair.name for pair in pairs], [line for line, _ in bad]) == (["1.png"], ["line 3"])
    assert len(some_pairs(tmp_path).pairs) == 2
    with pytest.raises(Refusal, match="images of the split 'c'; got 2 pairs of the splits a, b"):
        some_pairs(tmp_path, "c")
    table.write_text("no json\n")
    with pytest.raises(Refusal, match=r"captioned images; got none in .*: line 1: expected one"):
        some_pairs(tmp_path)


def test_bad_rows_of_pairs_are_named_and_the_rest_kept(tmp_path: Path) -> None:
    rows = (
        b'{"file_name": "1.png", "text": "An eye."}', b"no json", b"\xff", b"[1]",
        b'{"file_name": "2.png", "text": null}', b"",
        b'{"file_name": "3.png", "text": "a", "texts": "word"}',
        b'{"file_name": "4.png", "text": "a", "record": ["eye"]}',
        b'{"file_name": "5.png", "text": "Another."}',
        b'{"file_name": "6.png", "text": "a", "image": 6}',
        b'{"file_name": "7.png", "text": "a", "record": {"file_name": "7.png", '
        b'"facts": {"drusen": {"value": 1, "source": "x", "places": 3}}}}',
        b'{"file_name": "8.png", "text": "a", "record": {"file_name": "8.png", '
        b'"facts": {"drusen": {"value": 1, "source": "x", "boxes": true}}}}',
        b'{"file_name": "9.png", "text": "a", "split": ["train"]}',
    )  # fmt: skip
    (tmp_path / "metadata.jsonl").write_bytes(b"\n".join(rows))
    pairs, bad = read_good_pairs(tmp_path)
    assert [pair.text for pair in pairs] == ["An eye.", "Another."]
    assert [line for line, _ in bad] == [f"line {n}" for n in (2, 3, 4, 5, 7, 8, 10, 11, 12, 13)]
    assert "columns file_name and text" in bad[3][1]
    assert "image, a path in words" in bad[6][1]
    assert "drusen's places as a list" in bad[7][1]
    assert "drusen's boxes as a list" in bad[8][1]
    assert "split in words" in bad[9][1]
    with pytest.raises(Refusal, match="one JSON object a line; got line 2"):
        read_pairs(tmp_path)


def test_captions_without_words_are_left_out_and_named(tmp_path: Path) -> None:
    pairs = [
        Pair(tmp_path / "1.png", "An eye.", ("An eye.", " ", "Same.")),
        Pair(tmp_path / "2.png", " ", ("",)),
        Pair(tmp_path / "3.png", "", ("First.",)),
        Pair(tmp_path / "4.png", "Whole."),
    ]
    good, left_out = with_words(pairs)
    assert [(pair.name, pair.text, pair.texts) for pair in good] == [
        ("1.png", "An eye.", ("An eye.", "Same.")),
        ("3.png", "First.", ("First.",)),
        ("4.png", "Whole.", ()),
    ]
    assert left_out == [
        ("1.png", "a caption without words; 2 others stay"),
        ("2.png", "a caption without words"),
        ("3.png", "a caption without words; 1 others stay"),
    ]
