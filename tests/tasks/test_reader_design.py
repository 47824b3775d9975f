"""The layout of a reader study: balanced, blinded, seeded, with repeats far apart."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinaforge.core import Record, Refusal
from retinaforge.images import read_records
from retinaforge.tasks.reader_aspects import stated_grade
from retinaforge.tasks.reader_codes import hashed, new_code, tidy
from retinaforge.tasks.reader_design import (
    balanced_sides,
    candidates,
    reading_order,
    repeated_items,
    shares_of,
    smallest_gap,
)
from retinaforge.tasks.reader_images import ENCODERS
from retinaforge.tasks.reader_new import Options, new_study
from retinaforge.tasks.reader_questions import checked_value, questions_of
from retinaforge.tasks.reader_sides import group_of, read_side
from retinaforge.tasks.reader_study import read_key, read_study


def draw_side(folder: Path, count: int, seed: int, side_px: int, ending: str) -> list[Record]:
    """Draw red discs with two grades and two images a patient."""
    folder.mkdir()
    rng, rows = np.random.default_rng(seed), ["image,patient,dr_grade"]
    y, x = np.mgrid[:side_px, :side_px] / (side_px - 1) * 2 - 1
    for k in range(count):
        noise = rng.normal(0, 8, (side_px, side_px, 3))
        pixels = np.where((np.hypot(x, y) < 0.95)[..., None], np.array([160.0, 80, 50]) + noise, 0)
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        exif = Image.Exif()
        exif[271] = folder.name
        image.save(folder / f"{folder.name}_{k}.{ending}", exif=exif)
        rows.append(f"{folder.name}_{k}.{ending},p{k // 2},{k % 2}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return read_records(folder)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Record], list[Record]]:
    folder = tmp_path_factory.mktemp("sides")
    return (draw_side(folder / "photo", 8, 1, 130, "jpg"),
            draw_side(folder / "synthetic", 6, 2, 90, "png"))  # fmt: skip


@pytest.fixture(scope="module")
def made(sides, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("made") / "study"
    return out, new_study(*sides, out, Options(seed=7, by="dr_grade", readers=4, repeats=0.25))


def test_sides_are_balanced_and_each_reader_reads_all_in_an_own_order(made) -> None:
    study = read_study(made[0])
    key = read_key(study)["images"]
    assert Counter((row["kind"], row["stratum"]) for row in key.values()) == {
        (kind, grade): 3 for kind in ("real", "synthetic") for grade in "01"}  # fmt: skip
    orders = [tuple(t[0] for t in study.trials(r)) for r in study.readers]
    assert len(set(orders)) == 4
    for order in orders:
        counts = Counter(order)
        assert set(counts) == set(key)
        twice = [name for name, n in counts.items() if n == 2]
        shown = Counter(key[name]["kind"] for name in twice)
        assert sorted(shown.values()) == [1, 2]


def test_no_file_tells_what_it_is(made) -> None:
    """One length, one time, one encoder: decoding and encoding again gives the same bytes."""
    files = sorted((made[0] / "images").iterdir())
    assert len({path.stat().st_size for path in files}) == 1
    assert len({path.stat().st_mtime for path in files}) == 1
    for path in files:
        content = path.read_bytes()
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (80, 80))
            assert image.info == {}
            assert not image.getexif()
            again = io.BytesIO()
            Image.fromarray(np.array(image)).save(again, **ENCODERS["png"])
        assert content.rstrip(b"\0") == again.getvalue().rstrip(b"\0")
        assert set(content[len(again.getvalue()) :]) <= {0}
        assert path.stem.isalnum()
        for word in (b"synthetic", b"photo", b"tEXt", b"eXIf", b"tIME"):
            assert word not in content


def test_what_the_server_may_read_holds_no_truth_and_no_code(made) -> None:
    out, told = made
    text = (out / "study.json").read_text()
    for word in ("photo", "patient", *told["codes"].values(), told["token"]):
        assert word not in text
    assert tidy(told["token"]) not in text
    assert (out / "key.json").stat().st_mode & 0o077 == 0
    # The order of ids, of the key and of the files says nothing of sides.
    names = list(json.loads((out / "key.json").read_text())["images"])
    assert names == sorted(names)


def test_jpeg_is_alike_too(sides, tmp_path: Path) -> None:
    told = new_study(*sides, tmp_path / "s", Options(seed=1, codec="jpeg", images=8, size_px=64))
    tables = set()
    for path in (tmp_path / "s" / "images").iterdir():
        with Image.open(path) as image:
            image.load()
            tables.add(str(image.quantization))  # type: ignore[attr-defined]
            assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert len(tables) == 1
    assert told["size_px"] == 64


def test_equal_seeds_make_equal_images_and_orders_but_other_codes(sides, tmp_path: Path) -> None:
    told = [new_study(*sides, tmp_path / str(k), Options(seed=3, images=8)) for k in range(2)]
    a, b = (read_study(tmp_path / str(k)).told for k in range(2))
    assert a["orders"] == b["orders"]
    assert not set(told[0]["codes"].values()) & set(told[1]["codes"].values())


def test_pairs_are_mirrored_in_half_of_the_trials(sides, tmp_path: Path) -> None:
    new_study(*sides, tmp_path / "s", Options(design="2afc", seed=2, by="dr_grade", repeats=0.0))
    study = read_study(tmp_path / "s")
    key = read_key(study)["images"]
    for reader in study.readers:
        trials = study.trials(reader)
        left = sum(key[a]["kind"] == "synthetic" for a, _ in trials)
        assert left == 3
        assert all({key[a]["kind"], key[b]["kind"]} == {"real", "synthetic"} for a, b in trials)
        assert all(key[a]["stratum"] == key[b]["stratum"] for a, b in trials)


def test_what_cannot_be_read_is_replaced_and_named(sides, tmp_path: Path) -> None:
    real, synthetic = sides
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    broken = [Record(bad, f"bad{k}.png", "d", f"d:bad{k}") for k in range(20)]
    told = new_study([*real, *broken], synthetic, tmp_path / "s", Options(seed=0, images=8))
    assert told["images"] == 8
    assert told["unreadable"]
    assert all("no image" in row["reason"] for row in told["unreadable"])
    with pytest.raises(Refusal, match="enough real images that can be read"):
        new_study(broken, synthetic, tmp_path / "t", Options(images=8))
    assert not (tmp_path / "t").exists()


def test_what_may_still_tell_is_said(sides, tmp_path: Path) -> None:
    told = new_study(*sides, tmp_path / "s", Options(seed=0, images=8, size_px=120))
    assert any("4 of 4 synthetic images are enlarged to 120 px" in w for w in told["warnings"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(readers=0), "one reader or more"),
        (Options(images=7), "an even number of images"),
        (Options(images=4000), "images of each side"),
        (Options(by="colour"), "images of each side"),
        (Options(design="triangle"), "a design of turing"),
        (Options(design="2afc", ask=("aspects",)), "one question of two images"),
        (Options(ask=("grade",), grade="weather"), "a grade of dr_grade"),
        (Options(codec="webp"), "png or jpeg"),
        (Options(size_px=8), "a size of 64 px"),
        (Options(field="square"), "a field of shared"),
    ],
)
def test_refusals_name_what_was_expected(
    sides, tmp_path: Path, options: Options, message: str
) -> None:
    with pytest.raises(Refusal, match=f"expected .*{message}"):
        new_study(*sides, tmp_path / "s", options)


def test_a_file_on_both_sides_is_refused(sides, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"expected photographs on one side.*got 8 files on both"):
        new_study(sides[0], sides[0], tmp_path / "s", Options(images=4))


def test_a_study_is_never_written_over(made, sides) -> None:
    with pytest.raises(Refusal, match="a folder without a study"):
        new_study(*sides, made[0], Options())


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_run_leaves_nothing_and_the_same_command_goes_on(
    sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "s"
    with monkeypatch.context() as patch:
        patch.setattr("retinaforge.tasks.reader_new.write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            new_study(*sides, out, Options(images=8), key=tmp_path / "keys" / "k.json")
    assert not out.exists()
    assert not list((tmp_path / "keys").iterdir())
    # A killed run runs no handler: its hidden folder stays, and is made anew.
    left = tmp_path / ".s.making"
    (left / "images").mkdir(parents=True)
    (left / "images" / "half.png").write_bytes(b"half")
    told = new_study(*sides, out, Options(images=8), key=tmp_path / "keys" / "k.json")
    assert not left.exists()
    assert {p.name for p in out.iterdir()} == {"study.json", "images"}
    assert len(list((out / "images").iterdir())) == told["images"] == 8
    assert (tmp_path / "keys" / "k.json").stat().st_mode & 0o077 == 0
    with pytest.raises(Refusal, match="a new file for the key"):
        new_study(*sides, tmp_path / "t", Options(images=8), key=tmp_path / "keys" / "k.json")


def test_two_runs_do_not_make_one_study(sides, tmp_path: Path) -> None:
    def second(*_: object) -> None:
        with pytest.raises(Refusal, match="a study that no other run is making"):
            new_study(*sides, tmp_path / "s", Options(images=8))

    new_study(*sides, tmp_path / "s", Options(images=8), on_progress=second)


def test_a_folder_with_something_else_in_it_is_refused(sides, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "thesis.tex").write_text("years of work")
    with pytest.raises(Refusal, match="a new or empty folder"):
        new_study(*sides, tmp_path / "s", Options(images=8))
    (tmp_path / "empty").mkdir()
    assert new_study(*sides, tmp_path / "empty", Options(images=8))["images"] == 8
    with pytest.raises(Refusal, match="no reader has entered it: if its codes were not noted"):
        new_study(*sides, tmp_path / "empty", Options(images=8))


def test_groups_are_columns_facts_and_questions() -> None:
    columns = {"dr_grade": "2", "glaucoma": "1", "drusen": "3", "diagnoses": "cataract; drusen"}
    found = [group_of(columns, by) for by in (
        "dr_grade", "referable", "glaucoma", "label:drusen", "label:cataract", "label:myopia",
        "camera")]  # fmt: skip
    assert found == ["2", "yes", "", "yes", "yes", "no", ""]
    assert stated_grade({"glaucoma": "2"}, "glaucoma") == "1"
    assert stated_grade({"glaucoma": "1"}, "glaucoma") == ""
    assert stated_grade({"dr_grade": "3"}, "dr_grade") == "3"


def test_drawn_samples_are_balanced_by_what_they_were_asked_to_show(tmp_path: Path) -> None:
    """As `generate sample` writes them: facts stand in the record of metadata.jsonl."""
    (tmp_path / "drawn").mkdir()
    rows = []
    for k in range(3):
        Image.new("RGB", (80, 80), (150, 80, 50)).save(tmp_path / "drawn" / f"{k}.png")
        fact = {"value": k, "source": "phantom truth", "places": [], "boxes": []}
        record = {"file_name": f"{k}.png", "patient": f"p{k}", "split": "test", "licence": "",
                  "dataset": "d", "synthetic": True, "report": "",
                  "facts": {"dr_grade": fact}}  # fmt: skip
        rows.append({"file_name": f"{k}.png", "text": "An eye.", "texts": ["An eye."],
                     "record": record, "synthetic": True})  # fmt: skip
    (tmp_path / "drawn" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    records, bad = read_side(tmp_path / "drawn")
    assert not bad
    assert sorted(group_of(r.columns, "dr_grade") for r in records) == ["0", "1", "2"]
    assert sorted(group_of(r.columns, "referable") for r in records) == ["no", "no", "yes"]


def test_repeats_stand_far_apart_and_no_item_is_lost() -> None:
    rng = np.random.default_rng(0)
    sides = ["real", "synthetic"] * 30
    for _ in range(20):
        repeats = repeated_items(sides, 12, rng)
        assert Counter(sides[k] for k in repeats) == {"real": 6, "synthetic": 6}
        order = reading_order(60, repeats, rng)
        assert Counter(order) == Counter([*range(60), *repeats])
        assert smallest_gap(order) >= 18
    with pytest.raises(Refusal, match="at most half"):
        repeated_items(sides, 31, rng)
    assert sum(balanced_sides(10, rng)) == 5


def test_strata_are_filled_evenly_and_patients_come_once_first() -> None:
    assert shares_of({"a": 9, "b": 2, "c": 5}, {"a": 9, "b": 9}, 6) == {"a": 4, "b": 2}
    assert shares_of({"a": 3}, {"a": 2}, None) == {"a": 2}
    records = [Record(Path("x"), f"{k}", "d", f"p{k // 3}") for k in range(9)]
    taken = candidates(records, None, np.random.default_rng(1))["all"][:3]
    assert {record.patient for record in taken} == {"p0", "p1", "p2"}


def test_codes_are_read_as_people_type_them() -> None:
    code = new_code()
    assert (len(code), len(new_code(5))) == (14, 24)
    assert hashed(code, "s") == hashed(f" {code.lower().replace('-', '')} ", "s")
    assert hashed(code, "s") != hashed(code, "t")
    assert tidy("oil-0") == "0110"


def test_answers_are_checked_against_the_question() -> None:
    questions = {q.name: q.as_dict() for q in questions_of("grading", ("verdict",), "dr_grade")}
    assert list(questions)[:3] == ["verdict", "confidence", "disc"]
    assert checked_value(questions["dr_grade"], "ungradable") == "ungradable"
    with pytest.raises(Refusal, match="expected one of 1, 2, 3, 0 as an answer to disc"):
        checked_value(questions["disc"], "4")
