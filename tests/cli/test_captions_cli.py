"""`retinaforge captions`: records of phantoms, captions of records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.core import Refusal
from retinaforge.phantoms import write_phantoms
from retinaforge.tasks.pairs import read_pairs
from retinaforge.tasks.records_file import Known, read_known, write_known


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return the records of two eyes whose images do not exist: nobody opens them."""
    facts = [
        Fact("eye", "OD", "manifest: x"),
        Fact("quality", "good", "manifest: x"),
        Fact("cup_to_disc", 0.4, "mask: x"),
        Fact("hard_exudate", 12, "mask: x", ("macula",)),
        Fact("fovea_in_view", True, "mask: x"),
        Fact("dr_grade", 2, "manifest: x"),
    ]
    records = [EyeRecord(f"{n}.png", {f.name: f for f in facts}, split="val") for n in (1, 2)]
    known = [Known(each, tmp_path / each.image) for each in records]
    return write_known(tmp_path / "records.jsonl", known)


def test_records_of_drawn_eyes_are_written(retinaforge, tmp_path: Path) -> None:
    write_phantoms(tmp_path / "eyes", count=2, size_px=64, seed=3)
    out = tmp_path / "records.jsonl"
    answer = retinaforge("captions", "records", tmp_path / "eyes", "--out", out, "--json")
    told = json.loads(answer.out)
    known, bad = read_known(out)
    assert (answer.code, told["images"], len(known), bad) == (0, 2, 2, ())
    assert told["facts"] == sum(len(each.record.facts) for each in known)


def test_images_that_cannot_be_read_are_named(retinaforge, tmp_path: Path) -> None:
    eyes, photos = tmp_path / "eyes", tmp_path / "photos"
    write_phantoms(eyes, count=4, size_px=64, seed=3)
    photos.mkdir()
    names = sorted(path.name for path in (eyes / "images").iterdir())
    whole = [(eyes / "images" / name).read_bytes() for name in names]
    for name, content in zip("abc", (whole[0], whole[1][:-200], b"no image"), strict=True):
        (photos / f"{name}.png").write_bytes(content)
    (photos / "manifest.csv").write_text("image,eye\na.png,OD\nb.png,OD\nc.png,OD\n")
    (eyes / "images" / names[1]).write_bytes(whole[1][:-200])
    (eyes / "images" / names[2]).unlink()
    (eyes / "facts" / names[3].replace("png", "json")).write_text("{}")
    for source, bad in (
        (photos, ["b.png", "c.png"]),
        (eyes, [f"images/{name}" for name in names[1:]]),
    ):
        answer = retinaforge("captions", "records", source, "--out", tmp_path / "r.jsonl", "--json")
        told = json.loads(answer.out)
        assert (answer.code, told["images"]) == (1, 1)
        assert [row["what"] for row in told["left_out"]] == bad
        assert all(f"left out {name}: " in answer.told for name in bad)


def test_the_same_seed_writes_the_same_words(retinaforge, table: Path, tmp_path: Path) -> None:
    told = [
        retinaforge("captions", "write", table, "--out", tmp_path / name, "--seed", seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert {answer.code for answer in told} == {0}
    one, same, other = (
        [pair.texts for pair in read_pairs(tmp_path / name)] for name in ("a", "b", "c")
    )
    assert one == same
    assert one != other
    assert one[0] != one[1], "two images of like records get words of their own"


def test_more_captions_keep_the_first_ones(retinaforge, table: Path, tmp_path: Path) -> None:
    for name, count in (("two", 2), ("four", 4)):
        retinaforge(
            "captions", "write", table, "--out", tmp_path / name, "--captions-per-image", count
        )
    two, four = (read_pairs(tmp_path / name)[0].texts for name in ("two", "four"))
    assert four[:2] == two
    assert len(four) > 2


def test_a_diagnosis_is_named_only_when_asked_for(retinaforge, table: Path, tmp_path: Path) -> None:
    for name, more in (("silent", ()), ("spoken", ("--diagnosis",))):
        retinaforge("captions", "write", table, "--out", tmp_path / name, *more)
    silent, spoken = (
        " ".join(text for pair in read_pairs(tmp_path / name) for text in pair.texts).lower()
        for name in ("silent", "spoken")
    )
    assert "retinopathy" in spoken or "npdr" in spoken
    assert "retinopathy" not in silent
    assert "npdr" not in silent


def test_a_bad_row_is_named_and_ends_in_1(retinaforge, table: Path, tmp_path: Path) -> None:
    table.write_text(table.read_text() + '{"file_name": "3.png", "facts": {"eye": {"value": 3}}}\n')
    answer = retinaforge("captions", "write", table, "--out", tmp_path / "pairs", "--json")
    assert answer.code == 1
    assert json.loads(answer.out)["left_out"] == 1
    assert "left out line 3 3.png: expected" in answer.told
    assert len(read_pairs(tmp_path / "pairs")) == 2


def test_missing_records_are_refused(retinaforge, tmp_path: Path) -> None:
    answer = retinaforge("captions", "write", tmp_path / "none.jsonl", "--out", tmp_path / "pairs")
    assert answer.code == 2
    assert "expected records at" in answer.told


def test_captions_are_exported_and_imported(retinaforge, tmp_path: Path) -> None:
    write_phantoms(tmp_path / "eyes", count=2, size_px=64, seed=3)
    retinaforge("captions", "records", tmp_path / "eyes", "--out", tmp_path / "r.jsonl")
    retinaforge("captions", "write", tmp_path / "r.jsonl", "--out", tmp_path / "pairs")
    out = tmp_path / "logos"
    answer = retinaforge(
        "captions", "export", tmp_path / "pairs", "--as", "retinalogos", "--out", out
    )
    assert (answer.code, answer.out.split()) == (
        0,
        [str(out / "data.yaml"), str(out / "data.json")],
    )
    answer = retinaforge(
        "captions", "import", out / "data.yaml", "--out", tmp_path / "again", "--json"
    )
    assert (answer.code, json.loads(answer.out)["images"]) == (0, 2)
    assert read_pairs(tmp_path / "again") == read_pairs(tmp_path / "pairs")


@pytest.fixture
def pairs(retinaforge, tmp_path: Path) -> Path:
    """Return a folder of two pairs with their images beside them."""
    write_phantoms(tmp_path / "eyes", count=2, size_px=64, seed=3)
    retinaforge("captions", "records", tmp_path / "eyes", "--out", tmp_path / "r.jsonl")
    retinaforge("captions", "write", tmp_path / "r.jsonl", "--out", tmp_path / "pairs")
    return tmp_path / "pairs"


@pytest.mark.parametrize("form", ["retinalogos", "metadata"])
def test_export_names_what_it_leaves_out(retinaforge, tmp_path: Path, pairs: Path, form) -> None:
    table = pairs / "metadata.jsonl"
    gone = read_pairs(pairs)[0]
    gone.path.write_bytes(gone.path.read_bytes()[:-100])
    table.write_text("no json\n" + table.read_text())
    answer = retinaforge(
        "captions", "export", pairs, "--as", form, "--out", tmp_path / "out", "--json"
    )
    told = json.loads(answer.out)
    assert (answer.code, told["images"]) == (1, 1)
    assert [row["what"] for row in told["left_out"]] == ["line 1", gone.name]
    assert f"left out {gone.name}: expected a whole image file" in answer.told


def test_pairs_are_not_written_onto_what_they_are_read_from(
    retinaforge, tmp_path: Path, pairs: Path
) -> None:
    before = (pairs / "metadata.jsonl").read_bytes()
    logos = tmp_path / "logos"
    assert retinaforge("captions", "export", pairs, "--as", "retinalogos", "--out", logos).code == 0
    for words in (
        ("export", pairs, "--as", "metadata", "--out", tmp_path / "eyes" / ".." / "pairs"),
        ("export", pairs / "metadata.jsonl", "--as", "webdataset", "--out", pairs),
        ("import", pairs / "metadata.jsonl", "--out", pairs),
        ("import", logos / "data.json", "--out", logos),
    ):
        answer = retinaforge("captions", *words)
        assert answer.code == 2, words
        assert "expected another folder than the one that is read" in " ".join(answer.told.split())
    answer = retinaforge("captions", "import", logos / "data.yaml", "--out", pairs)
    assert answer.code == 2
    assert "into which `captions write` wrote" in " ".join(answer.told.split())
    assert (pairs / "metadata.jsonl").read_bytes() == before
    assert not (logos / "metadata.jsonl").exists()


@pytest.mark.parametrize("ratio", ["-1", "2.5", "half"])
def test_import_refuses_a_ratio_that_is_none(tmp_path, ratio):
    from retinaforge.tasks.caption_import import import_pairs

    (tmp_path / "rows.json").write_text('[{"path": "a.png", "caption": "An eye."}]')
    (tmp_path / "data.yaml").write_text(f"META:\n  - path: rows.json\n    ratio: {ratio}\n")
    with pytest.raises(Refusal, match="expected a ratio above 0 and at most 1"):
        import_pairs(tmp_path / "data.yaml")
