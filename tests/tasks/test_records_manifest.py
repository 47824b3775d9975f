"""Records of data sets: what tables, keywords and masks say, and what they do not."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinaforge.captions.facts import LESIONS, check_value
from retinaforge.captions.record import EyeRecord
from retinaforge.core import Landmarks, Refusal
from retinaforge.tasks.records_columns import read_columns
from retinaforge.tasks.records_keywords import KEYWORDS, WITHOUT_FACT, read_keywords
from retinaforge.tasks.records_manifest import manifest_records

UNSTAGED_FACTS = {"amd_stage", "macular_degeneration"}
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
COLUMNS = ("image", "disc_mask", "cup_mask", "dr_grade", "glaucoma", "labels", "caption", "age",
           "sex", "eye", "split", "ex_mask", "x", "y", "side")  # fmt: skip


def _set(folder: Path, *rows: dict[str, str]) -> Path:
    """Write a set of grey photographs of 80 x 60 px."""
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        Image.new("RGB", (80, 60), (120, 60, 30)).save(folder / row["image"])
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def _save(path: Path, mask: np.ndarray) -> None:
    Image.fromarray(mask.astype(np.uint8), "L").save(path)


def _values(record: EyeRecord) -> dict:
    return {name: fact.value for name, fact in record.facts.items()}


def test_plain_columns_become_facts(tmp_path: Path) -> None:
    row = {
        "image": "1.png", "dr_grade": "2", "glaucoma": "suspect", "age": "61", "sex": "F",
        "eye": "left", "split": "test", "caption": "Some words.", "labels": "patient=7",
    }  # fmt: skip
    (known,) = manifest_records(_set(tmp_path / "mine", row)).known
    assert _values(known.record) == {
        "dr_grade": 2, "glaucoma": 1, "age": 61, "sex": "female", "eye": "OS",
    }  # fmt: skip
    assert {fact.source for fact in known.record.facts.values()} == {"manifest: mine"}
    assert (known.record.report, known.record.split) == ("Some words.", "test")
    assert (known.record.patient, known.record.synthetic) == ("mine:7", False)


def test_a_value_that_is_none_is_named_and_the_image_kept(tmp_path: Path) -> None:
    found = manifest_records(_set(tmp_path / "mine", {"image": "1.png", "dr_grade": "7"}))
    assert _values(found.known[0].record) == {}
    ((what, why),) = found.left_out
    assert what == "1.png, dr_grade"
    assert "expected dr_grade to be a whole grade from 0 to 4; got 7" in why


def test_a_side_that_is_none_is_named_and_a_map_may_spell_it(tmp_path: Path) -> None:
    folder = _set(
        tmp_path / "mine", {"image": "1.png", "eye": "both"}, {"image": "2.png", "eye": "D"}
    )
    found = manifest_records(folder)
    assert [what for what, _ in found.left_out] == ["1.png, eye", "2.png, eye"]
    assert "to be 'OD' or 'OS'; got 'both'" in found.left_out[0][1]
    (tmp_path / "map.toml").write_text('[values.eye]\nboth = ""\nD = "OD"\n')
    found = manifest_records(folder, columns=tmp_path / "map.toml")
    assert not found.left_out
    assert [_values(each.record) for each in found.known] == [{}, {"eye": "OD"}]


def test_an_image_named_twice_is_told_once(tmp_path: Path) -> None:
    rows = [{"image": "1.png", "dr_grade": "1"}, {"image": "1.png", "dr_grade": "2"}]
    found = manifest_records(_set(tmp_path / "mine", *rows))
    assert [_values(each.record) for each in found.known] == [{"dr_grade": 1}]
    assert found.left_out == [
        ("1.png", "expected each image once; got a second row of it; remove one of its rows")
    ]


def test_what_gives_no_fact_is_named_where_nobody_said_what_it_means(tmp_path: Path) -> None:
    """A copy of a known set under another name must not lose its labels unseen."""
    row = {"image": "1.png", "dr_grade": "2", "labels": "dme_risk=2;patient_id=7;blurry",
           "side": "L", "split": "holdout"}  # fmt: skip
    folder = _set(tmp_path / "mine", row, {**row, "image": "2.png", "side": ""})
    found = manifest_records(folder)
    assert dict(found.notes) == {
        "columns and labels that give no fact (--columns says what they mean): side, "
        "labels: dme_risk, labels: blurry": 2
    }
    assert found.known[0].record.split == "holdout"
    (tmp_path / "map.toml").write_text('[labels]\ndme_risk = "macular_oedema"\n')
    assert not manifest_records(folder, columns=tmp_path / "map.toml").notes
    assert not manifest_records(_set(tmp_path / "idrid_grading", row)).notes


def test_an_image_that_is_gone_is_named(tmp_path: Path) -> None:
    folder = _set(tmp_path / "mine", {"image": "1.png"}, {"image": "2.png"})
    (folder / "1.png").unlink()
    found = manifest_records(folder)
    assert [each.record.image for each in found.known] == ["2.png"]
    assert [what for what, _ in found.left_out] == ["1.png"]


def test_a_cup_is_measured_from_its_mask(tmp_path: Path) -> None:
    drawn = np.zeros((60, 80))
    drawn[10:50, 20:60], drawn[20:40, 30:50] = 1, 2
    folder = _set(tmp_path / "m", {"image": "1.png", "disc_mask": "d.png", "cup_mask": "d.png"})
    _save(folder / "d.png", drawn)
    fact = manifest_records(folder).known[0].record.facts["cup_to_disc"]
    assert (fact.value, fact.source) == (0.5, "mask: m")
    assert fact.boxes == ((0.2437, 0.1583, 0.7438, 0.825),)


def test_drawn_vessels_give_a_density_only_with_a_scale(tmp_path: Path) -> None:
    drawn = np.zeros((60, 80))
    drawn[28:31, 10:70] = 255
    folder = tmp_path / "m"
    _set(folder, {"image": "1.png"}, {"image": "2.png"}, {"image": "3.png"})
    _save(folder / "v.png", drawn)
    _save(folder / "f.png", np.full((60, 80), 255))
    cells = {"1.png": "10", "2.png": "", "3.png": "wide"}
    rows = [f"{name},v.png,f.png,{scale}" for name, scale in cells.items()]
    (folder / "manifest.csv").write_text(
        "\n".join(["image,vessel_mask,fov_mask,um_per_px", *rows]) + "\n"
    )
    found = manifest_records(folder)
    one, two, three = (each.record.facts.get("vessel_density") for each in found.known)
    # About 58 px of 10 um, 0.58 mm, over 0.8 x 0.6 mm.
    assert one is not None
    assert one.value == pytest.approx(0.58 / 0.48, rel=0.05)
    assert one.source == "mask: m"
    assert two is None
    assert three is None
    assert dict(found.notes) == {
        "vessel mask without a scale (column um_per_px): no vessel density": 1
    }
    ((what, why),) = found.left_out
    assert what == "3.png, vessel_density"
    assert "expected um_per_px above 0, micrometres a pixel; got 'wide'" in why


MAP = """
disc_centre = ["x", "y"]
absent = true
[columns]
side = "eye"
[masks]
ex_mask = "hard_exudate"
[values.eye]
D = "OD"
"?" = ""
[labels]
risk = "macular_oedema"
[words.healthy]
dr_grade = 0
"""


def test_a_map_of_columns_reads_a_strange_set(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(MAP)
    rows = (
        {"image": "1.png", "side": "D", "x": "50", "y": "30", "ex_mask": "e.png",
         "labels": "risk=1;healthy"},
        {"image": "2.png", "side": "?"},
    )  # fmt: skip
    folder, marks = _set(tmp_path / "m", *rows), np.zeros((60, 80))
    marks[10:12, 10:13], marks[40, 70], marks[5, 5] = 1, 1, 1
    _save(folder / "e.png", marks)
    one, two = (k.record for k in manifest_records(folder, columns=tmp_path / "map.toml").known)
    assert _values(one) == {"eye": "OD", "macular_oedema": 1, "dr_grade": 0, "hard_exudate": 3}
    assert one.facts["hard_exudate"].places == ("superior temporal", "inferior nasal")
    assert one.facts["hard_exudate"].boxes[0] == (0.125, 0.1667, 0.1625, 0.2)
    assert _values(two) == {"hard_exudate": False}


def test_a_measured_fovea_settles_places(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text('disc_centre = ["x", "y"]\n[masks]\nex_mask = "drusen"')
    row = {"image": "1.png", "x": "20", "y": "30", "ex_mask": "e.png"}
    folder, marks = _set(tmp_path / "m", row), np.zeros((60, 80))
    marks[31, 62] = 1
    _save(folder / "e.png", marks)
    measured = {"1.png": Landmarks(disc_axes_px=(7, 8), fovea_px=(60, 32))}
    found = manifest_records(folder, columns=tmp_path / "map.toml", landmarks=measured)
    assert found.known[0].record.facts["drusen"].places == ("inferior temporal", "fovea")


def test_a_place_that_is_none_costs_its_image_alone(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text('disc_centre = ["x", "y"]')
    rows = ({"image": "1.png", "x": "left", "y": "30"}, {"image": "2.png", "x": "50", "y": "30"},
            {"image": "3.png", "x": "50", "y": "nan"})  # fmt: skip
    found = manifest_records(_set(tmp_path / "m", *rows), columns=tmp_path / "map.toml")
    assert [each.record.image for each in found.known] == ["2.png"]
    assert [what for what, _ in found.left_out] == ["1.png", "3.png"]
    assert "expected x as a place in pixels; got 'left'" in found.left_out[0][1]


@pytest.mark.parametrize("content", [None, b"image,age\n1.png,\xff\n"])
def test_a_further_table_that_cannot_be_read_is_refused(tmp_path: Path, content) -> None:
    (tmp_path / "map.toml").write_text('tables = ["more.csv"]')
    folder = _set(tmp_path / "m", {"image": "1.png"})
    if content:
        (folder / "more.csv").write_bytes(content)
    with pytest.raises(Refusal, match=r"a table \(CSV, UTF-8\) .* got .*more\.csv"):
        manifest_records(folder, columns=tmp_path / "map.toml")


def test_a_map_of_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_bytes(b'um_per_px = "\xff"')
    with pytest.raises(Refusal, match="a map of columns"):
        read_columns(tmp_path / "map.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[columns", "a map of columns"),
        ("colums = 3", "a map of columns"),
        ('[columns]\na = "nothing"', "a fact of the catalogue"),
        ('[masks]\na = "disc"', "masks of lesions"),
    ],
)
def test_a_map_that_is_none_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(Refusal, match=words):
        read_columns(tmp_path / "map.toml")


def test_keywords_are_facts_and_unknown_ones_are_listed() -> None:
    read = read_keywords("Macular epiretinal membrane，  drusen, blue retina", source="s")
    assert {name: fact.value for name, fact in read.facts.items()} == {
        "epiretinal_membrane": True,
        "drusen": True,
        "keywords": "Macular epiretinal membrane，  drusen, blue retina",
    }
    assert read.facts["epiretinal_membrane"].places == ("macula",)
    assert read.unknown == ("blue retina",)


def test_a_suspicion_is_no_fact() -> None:
    assert set(read_keywords("suspected cataract", source="s").facts) == {"keywords"}


def test_what_is_there_wins_over_what_is_not() -> None:
    for text in ("normal fundus, laser spot", "laser spot, normal fundus"):
        facts = read_keywords(text, source="s").facts
        assert facts["laser_scar"].value is True
        assert facts["drusen"].value is False
    graded = read_keywords(
        "moderate non proliferative retinopathy, mild nonproliferative retinopathy", source="s"
    )
    assert graded.facts["dr_grade"].value == 2


def test_degeneration_without_a_stage_is_the_disease_alone() -> None:
    dry = "dry age-related macular degeneration"
    for text, said in (
        (dry, {"macular_degeneration": True}),
        (f"{dry}, wet age-related macular degeneration", {"amd_stage": 3}),
        (f"normal fundus, {dry}", {"macular_degeneration": True}),
    ):
        facts = read_keywords(text, source="s").facts
        named = {name: facts[name].value for name in facts.keys() & UNSTAGED_FACTS}
        assert named == said


def test_every_keyword_gives_what_the_catalogue_has() -> None:
    assert not KEYWORDS.keys() & WITHOUT_FACT
    assert len(KEYWORDS.keys() | WITHOUT_FACT) == 94
    for meaning in KEYWORDS.values():
        for name, value, _ in meaning:
            check_value(name, value)


@pytest.mark.data
@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/data")
def test_odir_is_understood_whole() -> None:
    found = manifest_records(SHARED / "odir")
    assert (len(found.known), dict(found.unknown_keywords), found.left_out) == (360, {}, [])
    by_name = {each.path.name: each.record for each in found.known}
    for record in by_name.values():
        said = str(record.value("keywords"))
        assert (record.value("diabetes") is True) == ("diabetic" in said or "prolif" in said)
        if "dry age-related" in said and "wet" not in said:
            assert record.value("macular_degeneration") is True
        if said == "normal fundus":
            assert all(record.value(lesion) is False for lesion in LESIONS)


@pytest.mark.data
@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/data")
def test_idrids_haemorrhages_are_of_no_kind() -> None:
    records = [each.record for each in manifest_records(SHARED / "idrid_segmentation").known]
    assert not any("haemorrhage_dot" in record.facts for record in records)
    assert sum(bool(record.value("haemorrhage")) for record in records) > 10


@pytest.mark.data
@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/data")
def test_drishti_cups_lie_in_their_discs() -> None:
    found = manifest_records(SHARED / "drishti_gs_crops")
    ratios = [float(each.record.value("cup_to_disc") or 0) for each in found.known]
    assert len(ratios) == 40
    assert all(0.2 < ratio < 0.95 for ratio in ratios)
    assert all(each.record.value("fovea_in_view") is False for each in found.known)
