"""`retinaforge phantoms damage` on phantoms and on photographs with masks."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from retinaforge.cli import app
from retinaforge.core import Refusal
from retinaforge.phantoms import write_phantoms
from retinaforge.phantoms.damage_folder import damage_folder
from retinaforge.phantoms.recipe import parse_recipe

RECIPE = {"people": {"eyes": 1}, "camera": {"jpeg_quality": 0}}


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set") / "phantoms"
    write_phantoms(folder, count=6, size_px=96, seed=2, recipe=parse_recipe(RECIPE))
    return folder


def photographs(folder, count=6):
    """Write photographs with a vessel mask as the public sets have them."""
    rows = []
    y, x = np.mgrid[:160, :160]
    rng = np.random.default_rng(3)
    fov = np.hypot(x - 79.5, y - 79.5) < 76
    vessel = (np.abs(y - 80 - 8 * np.sin(x / 25)) < 2.6) & fov
    for sub in ("images", "vessel", "fov"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    for i in range(count):
        pixels = np.full((160, 160, 3), (150, 80 + 3 * i, 40)) + rng.normal(0, 3, (160, 160, 3))
        pixels = np.where(vessel[..., None], pixels * 0.7, pixels) * fov[..., None]
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"images/{i}.png")
        Image.fromarray(vessel).save(folder / f"vessel/{i}.png")
        Image.fromarray(fov).save(folder / f"fov/{i}.png")
        rows.append(f"images/{i}.png,vessel/{i}.png,fov/{i}.png,patient={i}")
    head = "image,vessel_mask,fov_mask,labels\n"
    (folder / "manifest.csv").write_text(head + "\n".join(rows) + "\n")
    return folder


def run(*words):
    return CliRunner().invoke(app, ["phantoms", "damage", *map(str, words)])


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes()
            for p in folder.rglob("*") if p.is_file()}  # fmt: skip


def manifest_of(folder):
    with (folder / "manifest.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_phantoms_are_damaged_with_masks_before_and_after(phantoms, tmp_path):
    out = tmp_path / "broken"
    result = run(phantoms, out, "--kind", "broken-vessels", "--level", 5, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["size"] == {"gaps_per_cm": 3.0, "gap_um": 300.0}
    rows = manifest_of(out)
    assert len(rows) == answer["done"] == 6
    for row in rows:
        assert "damaged_broken-vessels_5" in row["image"]
        picture = Image.open(out / row["image"])
        assert picture.text["synthetic"] == "true"
        assert picture.text["damaged"].startswith("broken-vessels, level 5")
        after = np.asarray(Image.open(out / row["vessel_mask"]).convert("L")) > 127
        name = row["original"].rpartition("/")[2]
        before = out / "before/vessel" / name
        old = np.asarray(Image.open(before).convert("L")) > 127
        assert after.sum() < old.sum()
        assert Image.open(phantoms / row["original"]).tobytes() == (
            Image.open(out / "before/images" / name).tobytes()
        )
    lines = [json.loads(line) for line in (out / "metadata.jsonl").read_text().splitlines()]
    assert all(len(line["damage"]["places"]) == line["damage"]["count"] > 0 for line in lines)
    assert all((out / path).exists() for line in lines for path in line["before"].values())


def test_same_bytes_for_any_workers_and_after_an_interruption(tmp_path):
    source = photographs(tmp_path / "real", 3)
    one, two = tmp_path / "one" / "out", tmp_path / "two" / "out"
    damage_folder(source, one, kind="broken-vessels", level=3, seed=4)
    damage_folder(source, two, kind="broken-vessels", level=3, seed=4, workers=2)
    assert contents(one) == contents(two)
    whole = contents(one)
    next((one / "vessel").iterdir()).unlink()
    (one / "images" / ".torn.png.x.tmp").write_bytes(b"half")
    damage_folder(source, one, kind="broken-vessels", level=3, seed=4)
    assert contents(one) == whole


def test_a_bad_file_is_named_and_ends_nothing(tmp_path):
    source = photographs(tmp_path / "real", 3)
    (source / "images/1.png").write_bytes(b"no image")
    out = tmp_path / "out"
    result = run(source, out, "--kind", "thick-vessels", "--level", 2, "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["done"] == 2
    assert [bad["name"] for bad in answer["left_out"]] == ["images/1.png"]
    assert len(manifest_of(out)) == 2


def test_a_photograph_says_that_its_scale_is_unknown(tmp_path):
    out = tmp_path / "out"
    damage_folder(photographs(tmp_path / "real", 1), out, kind="broken-vessels", level=3)
    damage = json.loads((out / "metadata.jsonl").read_text())["damage"]
    assert damage["size"]["gap_um"] is None
    assert "states no scale" in damage["unknown"]["gap_um"]
    assert damage["size"]["gap_fov"] == pytest.approx(200 / 12960, abs=1e-4)
    assert damage["size"]["gap_px"] == pytest.approx(damage["size"]["gap_fov"] * 152, rel=0.02)


def test_mode_collapse_replaces_the_stated_share(tmp_path):
    source = photographs(tmp_path / "real", 12)
    out = tmp_path / "out"
    damage_folder(source, out, kind="mode-collapse", level=3)
    rows = manifest_of(out)
    copies = [row for row in rows if row["copy_of"]]
    assert len(rows) == 12
    assert len(copies) == 6
    assert len({row["copy_of"] for row in copies}) == 3
    different = {Image.open(out / row["image"]).tobytes() for row in rows}
    assert len(different) == 6


def test_planted_copies_come_from_persons_left_out(tmp_path):
    source = photographs(tmp_path / "real", 16)
    out = tmp_path / "out"
    damage_folder(source, out, kind="planted-copies", level=5)
    rows = manifest_of(out)
    copies = [row for row in rows if row["copy_of"]]
    assert len(rows) == 8
    assert len(copies) == 4
    assert not {row["copy_of"] for row in copies} & {row["original"] for row in rows}
    assert len({row["change"] for row in copies}) == 4
    plain = next(row for row in copies if row["change"] == "copy")
    flipped = next(row for row in copies if row["change"] == "flip")
    for row, turn in ((plain, 1), (flipped, -1)):
        made = np.asarray(Image.open(out / row["image"]))
        np.testing.assert_array_equal(
            made[:, ::turn], np.asarray(Image.open(source / row["copy_of"]))
        )


def test_refusals(phantoms, tmp_path):
    out = tmp_path / "out"
    damage_folder(phantoms, out, kind="noise", level=1)
    for words, message in (
        ({"kind": "noise", "level": 2}, "holds noise of level 2, seed 0"),
        ({"kind": "noise", "level": 0}, "a level from 1 to 5; got 0"),
        ({"kind": "rust", "level": 1}, "expected a kind of damage"),
        ({"kind": "noise", "level": 1, "workers": 0}, "workers of 1 or more; got 0"),
    ):
        with pytest.raises(Refusal, match=message):
            damage_folder(phantoms, out, **words)
    with pytest.raises(Refusal, match="a folder of its own for the damaged set"):
        damage_folder(phantoms, phantoms / "in", kind="noise", level=1)
    with pytest.raises(Refusal, match="an empty or damaged-by-RetinaForge folder"):
        damage_folder(phantoms, phantoms.parent, kind="noise", level=1)
    few = photographs(tmp_path / "few", 1)
    with pytest.raises(Refusal, match="a set of at least 4 images for mode-collapse; got 1"):
        damage_folder(few, tmp_path / "a", kind="mode-collapse", level=1)
    with pytest.raises(Refusal, match="at least 2 persons for planted-copies; got 1"):
        damage_folder(few, tmp_path / "b", kind="planted-copies", level=1)
