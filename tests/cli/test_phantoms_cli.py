"""`retinaforge phantoms draw` and `show` as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image


def test_draw_answers_with_the_manifest(retinaforge, tmp_path: Path) -> None:
    out = tmp_path / "set"
    drawn = retinaforge("phantoms", "draw", out, "--count", 1, "--size", 64, "--seed", 2, "--json")
    assert drawn.code == 0, drawn.err
    answer = json.loads(drawn.out)
    assert answer == {
        "manifest": str(out / "manifest.csv"), "count": 1, "size_px": 64, "seed": 2,
        "recipe": "screening",
    }  # fmt: skip
    assert "drawing 1 phantoms of 64 px, recipe screening, seed 2" in drawn.told
    assert (out / "images" / "synthetic_00000_OD.png").is_file()
    again = retinaforge("phantoms", "draw", out, "--count", 1, "--size", 64, "--seed", 2)
    assert again.out.strip() == str(out / "manifest.csv")


def test_draw_takes_a_recipe_file_and_writes_shards(retinaforge, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('[people]\neyes = 1\n[camera]\nmodel = "like_canon_cr1"\n')
    drawn = retinaforge("phantoms", "draw", tmp_path / "set", "--count", 1, "--size", 64,
                        "--recipe", recipe, "--shards", 1)  # fmt: skip
    assert drawn.code == 0, drawn.err
    assert drawn.out.split() == [str(tmp_path / "set" / "synthetic-000000.tar")]


def test_draw_refuses_with_one_message(retinaforge, tmp_path: Path) -> None:
    unknown = retinaforge("phantoms", "draw", tmp_path / "set", "--recipe", "screning")
    assert unknown.code == 2
    assert "expected a recipe file or one of healthy, screening" in unknown.told
    small = retinaforge("phantoms", "draw", tmp_path / "set", "--size", 20)
    assert small.code == 2
    assert "expected a size of at least 64 px; got 20 px" in small.told
    assert not (tmp_path / "set").exists()


def test_show_writes_the_sheet_of_one_photograph(retinaforge, tmp_path: Path) -> None:
    out = tmp_path / "eye.jpg"
    shown = retinaforge("phantoms", "show", 7, "--number", 1, "--size", 64, "--out", out)
    assert shown.code == 0, shown.err
    assert shown.out.strip() == str(out)
    with Image.open(out) as page:
        assert page.size == (3 * 64, 2 * (64 + 26))


def test_show_answers_with_the_facts(retinaforge) -> None:
    shown = retinaforge("phantoms", "show", 7, "--number", 1, "--size", 64, "--json")
    facts = json.loads(shown.out)
    assert facts["eye"] == "OS"
    assert facts["picture"]["size_px"] == 64


def test_show_refuses_a_file_that_is_no_picture(retinaforge, tmp_path: Path) -> None:
    shown = retinaforge("phantoms", "show", 7, "--size", 64, "--out", tmp_path / "eye.txt")
    assert shown.code == 2
    assert "expected a file that ends in .png or .jpg" in shown.told
