"""Captions in the files of others: read unchanged, and what is written is read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.core import Refusal
from retinaforge.tasks.caption_export import export_pairs, read_shards
from retinaforge.tasks.caption_import import import_pairs
from retinaforge.tasks.pairs import Pair, pair_of, read_pairs

NAMES = ("a/1.png", "a/2.jpg", "b/1.png")


def _image(path: Path, grey: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((12, 16, 3), grey, np.uint8)).save(path)
    return path


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    """Return three pairs of two patients, with all that a pair can hold."""
    made = []
    for number, name in enumerate(NAMES):
        box = ((0.1, 0.2, 0.3, 0.4),)
        facts = {"drusen": Fact("drusen", number, "mask: x", ("macula",) if number else (), box)}
        record = EyeRecord(name, facts, "", f"x:{number // 2}", "train", "CC0", "x", True)
        texts = ["Drusen — 2 µm.", "Some drusen."][: 1 + number % 2]
        path = _image(tmp_path / "there" / name, 40 * number)
        made.append(pair_of(record, path, texts, writer="template", agreement=0.25 * number))
    return made


def _rows(folder: Path) -> list[dict]:
    """Write images, and rows as RetinaLogos's example_ver3.json has them."""
    for number in (1, 2, 3):
        _image(folder / "images" / f"{number}.jpeg", 20 * number)
    return [
        {
            "image": f"images/{n}.jpeg",
            "id": f"{n}",
            "width": 16,
            "height": 12,
            "caption": f"Eye {n}.",
        }
        for n in (1, 2, 3)
    ]


def test_a_json_file_of_retinalogos_is_read_unchanged(tmp_path: Path) -> None:
    rows = _rows(tmp_path)
    rows[1]["caption"] = ["First.", " Second. "]
    (tmp_path / "example.json").write_text(json.dumps(rows))
    pairs, left_out = import_pairs(tmp_path / "example.json")
    assert left_out == []
    assert [pair.path for pair in pairs] == [tmp_path / row["image"] for row in rows]
    assert [pair.text for pair in pairs] == ["Eye 1.", "First.", "Eye 3."]
    assert pairs[1].texts == ("First.", "Second.")
    assert pairs[0].more == {"id": "1", "width": 16, "height": 12}


def test_a_yaml_file_joins_its_files(tmp_path: Path) -> None:
    rows = _rows(tmp_path / "codes")
    (tmp_path / "one.json").write_text(json.dumps(rows[:2]))
    (tmp_path / "two.jsonl").write_text(json.dumps(rows[2]) + "\n")
    yaml = (
        "META:\n"
        "  - path: one.json\n    image_root: codes\n    type: eyepacs\n"
        f"  - path: {tmp_path / 'two.jsonl'}\n    root: {tmp_path / 'codes'}\n"
    )
    (tmp_path / "data.yaml").write_text(yaml)
    pairs, left_out = import_pairs(tmp_path / "data.yaml")
    assert left_out == []
    assert [pair.text for pair in pairs] == ["Eye 1.", "Eye 2.", "Eye 3."]
    assert [pair.more.get("group") for pair in pairs] == ["eyepacs", "eyepacs", None]
    assert all(pair.path.is_file() for pair in pairs)


def test_a_ratio_takes_the_rows_that_retinalogos_takes(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(_rows(tmp_path)))
    (tmp_path / "data.yaml").write_text("META:\n  - path: one.json\n    ratio: 0.7\n")
    pairs, _ = import_pairs(tmp_path / "data.yaml")
    # random.seed(0); random.sample([1, 2, 3], 2) gives 2 and 3.
    assert [pair.text for pair in pairs] == ["Eye 2.", "Eye 3."]


@pytest.mark.parametrize(
    "row",
    [
        {"path": "images/1.jpeg", "prompt": "An eye."},
        {
            "image_url": "images/1.jpeg",
            "conversations": [
                {"from": "human", "value": "Describe."},
                {"from": "gpt", "value": "An eye."},
            ],
        },
    ],
)
def test_rows_of_lumina_are_read(tmp_path: Path, row: dict) -> None:
    _rows(tmp_path)
    (tmp_path / "rows.json").write_text(json.dumps([row]))
    (pair,) = import_pairs(tmp_path / "rows.json").pairs
    assert (pair.text, pair.path.name, pair.more) == ("An eye.", "1.jpeg", {})


def test_rows_without_image_or_caption_are_named(tmp_path: Path) -> None:
    rows = _rows(tmp_path)
    rows[0]["image"], rows[1]["caption"] = "images/none.jpeg", ""
    rows.append(dict(rows[2], id="again"))
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    pairs, left_out = import_pairs(tmp_path / "rows.json")
    assert [pair.text for pair in pairs] == ["Eye 3."]
    reasons = dict(left_out)
    assert "expected an image file" in reasons["1"]
    assert "expected an image and a caption" in reasons["2"]
    assert "in another row too" in reasons["again"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("data.yaml", "TRAIN: []", "a yaml file with META"),
        ("data.yaml", "META: [1, 2", "a yaml file with META"),
        ("data.yaml", "META:\n  - path: none.json\n", "a data file; got none"),
        ("data.json", "{}", "a JSON list of rows"),
        ("data.json", "[{]", "a JSON list of rows"),
        ("data.json", "[]", "rows with an image and a caption; got none"),
        ("data.csv", "", r"a file \.yaml, \.json or \.jsonl"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(Refusal, match=words):
        import_pairs(tmp_path / name)


def test_a_data_file_or_a_line_that_cannot_be_read_is_named_and_the_rest_kept(
    tmp_path: Path,
) -> None:
    rows = _rows(tmp_path)
    (tmp_path / "one.jsonl").write_text(json.dumps(rows[0]) + "\nno json\n" + json.dumps(rows[1]))
    (tmp_path / "broken.json").write_text("[{")
    paths = ("none.json", "one.jsonl", "broken.json")
    (tmp_path / "d.yaml").write_text("META:\n" + "".join(f"  - path: {path}\n" for path in paths))
    pairs, left_out = import_pairs(tmp_path / "d.yaml")
    assert [pair.text for pair in pairs] == ["Eye 1.", "Eye 2."]
    assert [what for what, _ in left_out] == ["none.json", "one.jsonl, line 2", "broken.json"]
    assert "expected a data file; got none" in left_out[0][1]


def _without_path(pairs: list[Pair]) -> list[tuple]:
    return [
        (p.name, p.text, p.texts, p.record, p.split, p.patient, p.more, p.writer) for p in pairs
    ]


@pytest.mark.parametrize("file", ["data.yaml", "data.json"])
def test_retinalogos_form_comes_back_whole(tmp_path: Path, pairs: list[Pair], file: str) -> None:
    export_pairs(pairs, tmp_path / "out", "retinalogos")
    assert import_pairs(tmp_path / "out" / file).pairs == pairs
    row = json.loads((tmp_path / "out" / "data.json").read_text())[1]
    assert (row["width"], row["height"]) == (16, 12)
    assert row["caption"] == ["Drusen — 2 µm.", "Some drusen."]
    assert Path(row["image"]).is_absolute()


def test_an_imagefolder_comes_back_whole(tmp_path: Path, pairs: list[Pair]) -> None:
    (table,) = export_pairs(pairs, tmp_path / "out", "metadata")
    again = read_pairs(table.parent)
    assert _without_path(again) == _without_path(pairs)
    for pair, old in zip(again, pairs, strict=True):
        assert pair.path.is_relative_to(tmp_path / "out")
        assert pair.path.read_bytes() == old.path.read_bytes()


def test_shards_come_back_whole_and_are_the_same_bytes(tmp_path: Path, pairs: list[Pair]) -> None:
    pytest.importorskip("webdataset")
    paths = export_pairs(pairs, tmp_path / "one", "webdataset", per_shard=2)
    again = export_pairs(pairs, tmp_path / "two", "webdataset", per_shard=2)
    assert [path.name for path in paths] == [
        "pairs-000000-of-000002.tar", "pairs-000001-of-000002.tar",
    ]  # fmt: skip
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    read = list(read_shards(paths))
    assert _without_path([pair for pair, _ in read]) == _without_path(pairs)
    assert [image for _, image in read] == [pair.path.read_bytes() for pair in pairs]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_croissant_is_valid_and_joins_captions_to_images(tmp_path: Path, pairs: list[Pair]) -> None:
    mlc = pytest.importorskip("mlcroissant")
    file, table = export_pairs(pairs, tmp_path / "out", "croissant", about={"name": "my_set"})
    data = mlc.Dataset(str(file))
    assert not data.metadata.issues.errors
    assert not data.metadata.issues.warnings
    rows = {row["pairs/file_name"].decode(): row for row in data.records("pairs")}
    assert set(rows) == set(NAMES)
    for pair in pairs:
        row = rows[pair.name]
        assert row["pairs/text"].decode() == pair.text
        assert row["pairs/synthetic"] is True
        with Image.open(pair.path) as image:
            assert np.array_equal(np.asarray(row["pairs/image"]), np.asarray(image))
    assert _without_path(read_pairs(table)) == _without_path(pairs)
    assert json.loads(file.read_text())["license"] == "CC0"


def test_another_form_and_no_pairs_are_refused(tmp_path: Path, pairs: list[Pair]) -> None:
    with pytest.raises(Refusal, match="a form: retinalogos, metadata, webdataset, croissant"):
        export_pairs(pairs, tmp_path, "parquet")  # type: ignore[arg-type]
    with pytest.raises(Refusal, match="pairs to export; got none"):
        export_pairs([], tmp_path, "metadata")


@pytest.mark.parametrize("form", ["retinalogos", "metadata", "webdataset"])
def test_a_missing_image_is_refused(tmp_path: Path, pairs: list[Pair], form) -> None:
    pairs[1].path.unlink()
    with pytest.raises(Refusal, match="an image file"):
        export_pairs(pairs, tmp_path / "out", form)
    assert not list((tmp_path / "out").glob("*.tar"))
