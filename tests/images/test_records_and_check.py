"""Tables, splits, duplicates, and the check that one bad file never ends."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from retinaforge.cli.data import app
from retinaforge.core import Record, Refusal
from retinaforge.images import check_folder, find_duplicates, read_records, split_by_patient

Draw = Callable[..., Path]


@pytest.fixture
def draw() -> Draw:
    def save(path: Path, *, seed: int = 0, side_px: int = 160) -> Path:
        """Draw blobs on a disc: the same seed is the same eye."""
        rng = np.random.default_rng(seed)
        rows, columns = np.mgrid[:side_px, :side_px] / side_px
        light = np.full((side_px, side_px), 150.0)
        for x, y, size in rng.uniform((0.1, 0.1, 0.01), (0.9, 0.9, 0.04), (60, 3)):
            light -= 60 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * size**2))
        light[np.hypot(columns - 0.5, rows - 0.5) > 0.45] = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.stack([light, light * 0.7, light * 0.4], axis=2).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        return path

    return save


@pytest.fixture
def root(tmp_path: Path, draw: Draw) -> Path:
    """Draw two data sets under a root with splits.csv, beside things nobody must read."""
    for k in range(3):
        draw(tmp_path / f"one/images/{k}.png", seed=k)
        draw(tmp_path / f"two/{k}.png", seed=10 + k)
    mask = np.zeros((160, 160), np.uint8)
    Image.fromarray(mask).save(tmp_path / "one/v_1stHO.png")
    Image.fromarray(mask).save(tmp_path / "one/v_2ndHO.png")
    (tmp_path / "one/manifest.csv").write_text(
        "image,vessel_mask,cup_mask,eye,split,labels,age\n"
        "images/0.png,v_1stHO.png,,OD,train,patient=7;blur,58\n"
        "images/1.png,,,OS,train,,\nimages/2.png,,,,,,\n"
    )
    (tmp_path / "two/metadata.csv").write_text("file_name,text\n0.png,first\n1.png,b\n2.png,c\n")
    (tmp_path / "splits.csv").write_text(
        "dataset,image,patient,camera,licence,split\n"
        "one,images/0.png,7,Nidek,CC BY 4.0,test\none,images/1.png,7,Nidek,CC BY 4.0,test\n"
        "two,0.png,,,research use,val\n"
    )
    (tmp_path / "weights").mkdir()
    (tmp_path / "sealed-test-set.bin").write_bytes(b"nobody reads this")
    return tmp_path


def test_a_root_is_read_as_all_its_data_sets(root: Path) -> None:
    records = read_records(root)
    assert [record.name for record in records][:4] == [
        "one/images/0.png", "one/images/1.png", "one/images/2.png", "two/0.png",
    ]  # fmt: skip
    first = records[0]
    assert (first.patient, first.patient_known, first.eye) == ("one:7", True, "OD")
    assert (first.camera, first.licence, first.split) == ("Nidek", "CC BY 4.0", "test")
    assert dict(first.masks) == {"vessel": root / "one/v_1stHO.png"}
    assert first.columns["age"] == "58"
    assert records[1].patient == "one:7"
    assert (records[2].patient, records[2].patient_known) == ("one:images/2.png", False)
    assert (records[2].split, records[3].split) == (None, "val")
    assert records[3].columns["text"] == "first"


def test_one_data_set_finds_the_splits_above_it(root: Path) -> None:
    first = read_records(root / "one")[0]
    assert (first.name, first.split, first.camera) == ("images/0.png", "test", "Nidek")


def test_second_observers_only_on_request(root: Path) -> None:
    assert "vessel2" not in read_records(root)[0].masks
    both = read_records(root, second_observers=True)[0].masks
    assert both["vessel2"] == root / "one/v_2ndHO.png"


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_imagefolder_tables(tmp_path: Path, suffix: str) -> None:
    table = pd.DataFrame({"file_name": ["a.png", "b.png"], "patient_id": ["p1", "p2"], "n": [1, 2]})
    path = tmp_path / f"metadata.{suffix}"
    if suffix == "csv":
        table.to_csv(path, index=False)
    elif suffix == "jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_parquet(path)
    records = read_records(tmp_path)
    assert [record.name for record in records] == ["a.png", "b.png"]
    assert records[1].patient == f"{tmp_path.name}:p2"
    assert records[1].columns == {"n": "2"}


def test_plain_folder(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "deep/b.png")
    draw(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("no image")
    assert [record.name for record in read_records(tmp_path)] == ["a.png", "deep/b.png"]


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"got a missing folder: .*none"):
        read_records(tmp_path / "none")
    with pytest.raises(Refusal, match="got a folder without images"):
        read_records(tmp_path)
    (tmp_path / "x.png").write_text("no image")
    with pytest.raises(Refusal, match=r"got a file: .*x\.png"):
        read_records(tmp_path / "x.png")


def test_tables_without_their_column_are_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("picture\na.png\n")
    with pytest.raises(Refusal, match=r"a column 'image' in manifest\.csv; got columns picture"):
        read_records(tmp_path)
    (tmp_path / "manifest.csv").unlink()
    (tmp_path / "metadata.jsonl").write_text("{not json\n")
    with pytest.raises(Refusal, match="a table of images; got a damaged file"):
        read_records(tmp_path)


def test_splits_csv_without_its_columns_is_refused(root: Path) -> None:
    (root / "splits.csv").write_text("image,split\na,train\n")
    with pytest.raises(Refusal, match=r"columns dataset and image in splits\.csv; got none called"):
        read_records(root)


def _eyes(count: int) -> list[Record]:
    return [
        Record(Path(f"{k}{eye}.png"), f"{k}{eye}.png", "d", f"d:{k}", patient_known=True)
        for k in range(count)
        for eye in "LR"
    ]


def test_split_by_patient() -> None:
    records = split_by_patient(_eyes(600))
    assert all(a.split == b.split for a, b in zip(records[::2], records[1::2], strict=True))
    share = {
        name: sum(r.split == name for r in records) / 1200 for name in ("train", "val", "test")
    }
    assert share == pytest.approx({"train": 0.7, "val": 0.1, "test": 0.2}, abs=0.05)
    assert split_by_patient(_eyes(600)[::-1])[::-1] == records
    assert split_by_patient(_eyes(600), seed=1) != records


def test_split_keeps_what_was_given_for_the_whole_patient() -> None:
    first, *others = _eyes(40)
    given = Record(first.path, first.name, "d", first.patient, True, split="val")
    split = split_by_patient([given, *others])
    assert (split[0].split, split[1].split) == ("val", "val")


def test_split_refusals() -> None:
    first, second, *_ = _eyes(1)
    torn = [
        Record(first.path, "a", "d", "d:0", split="train"),
        Record(second.path, "b", "d", "d:0", split="test"),
    ]
    with pytest.raises(Refusal, match="one split per patient; got d:0 in test and train"):
        split_by_patient(torn)
    with pytest.raises(Refusal, match="three fractions >= 0 that sum to 1"):
        split_by_patient(torn, fractions=(0.5, 0.1, 0.1))


def test_duplicates_at_another_size_and_compression(tmp_path: Path, draw: Draw) -> None:
    for k in range(6):
        draw(tmp_path / f"{k}.png", seed=k)
    Image.open(tmp_path / "3.png").resize((110, 110)).save(tmp_path / "copy.jpg", quality=70)
    (pair,) = find_duplicates(read_records(tmp_path))
    assert (pair.first, pair.second) == ("3.png", "copy.jpg")
    assert pair.correlation > 0.9
    assert pair.crosses_patients
    assert not pair.crosses_splits


@pytest.fixture
def mixed(root: Path, draw: Draw) -> Path:
    """Add to the root one of each kind of bad file."""
    folder = root / "bad"
    draw(folder / "good.png", seed=30)
    (folder / "empty.png").write_bytes(b"")
    whole = draw(folder / "cut.png", seed=31).read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("no image")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "small_mask.png")
    (folder / "manifest.csv").write_text(
        "image,vessel_mask,fov_mask\ngood.png,small_mask.png,gone.png\nempty.png,,\ncut.png,,\n"
        "notes.txt,,\nmissing.png,,\n"
    )
    return root


def test_check_folder_names_every_bad_file_and_loses_nothing_else(mixed: Path) -> None:
    report = check_folder(mixed)
    bad = next(each for each in report.datasets if each.dataset == "bad")
    assert (bad.images, bad.readable) == (5, 1)
    reasons = dict(bad.refused)
    assert "an empty file" in reasons["bad/empty.png"]
    assert "truncated or damaged" in reasons["bad/cut.png"]
    assert "no image" in reasons["bad/notes.txt"]
    assert "cannot be opened" in reasons["bad/missing.png"]
    texts = [text for _, text in bad.mask_problems]
    assert "vessel: expected a mask of 160x160 px like its photograph; got 9x9 px" in texts[0]
    assert "fov: " in texts[1]
    assert [each.readable for each in report.datasets] == [1, 3, 3]
    assert not report.all_good


def test_command_prints_the_table_and_exits_1(mixed: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(mixed)])
    assert result.exit_code == 1
    assert "refused bad/cut.png: expected a whole image file" in result.stdout
    assert "3 of 3" in result.stdout


def test_command_as_json_exits_0_when_all_is_good(root: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(root), "--json", "--no-duplicates"])
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["duplicates"] is None
    assert report["datasets"][0]["resolutions"] == {"160x160": 3}
    assert report["datasets"][0]["splits"]["test"] == {"images": 2, "patients": 1}
    assert report["datasets"][1]["patients_unknown"] == 3


def test_command_refuses_a_missing_folder(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(tmp_path / "none")])
    assert isinstance(result.exception, Refusal)
