"""Encoders side by side: displacements, levels, costs, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinaforge.cli.encoders_compare import parse_levels, specs_at_hand
from retinaforge.core import Refusal
from retinaforge.reports.encoders_page import text_rows, write_encoders_page
from retinaforge.validation.encoder_compare import compare_encoders
from retinaforge.validation.encoder_deck import WHOLE, Deck, Plate, make_deck
from retinaforge.validation.encoder_sight import displacements, harmless, sights
from retinaforge.validation.wounds import RESAVED

STATES = ((WHOLE, 0), (RESAVED, 0), ("blur", 1), ("blur", 3), ("blur", 5))


def deck_of(count: int, squares: Path = Path("none.npy")) -> Deck:
    plates = tuple(Plate(f"{k}.png", kind, level) for k in range(count) for kind, level in STATES)
    return Deck(squares, plates, (), "key")


def vectors_of(count: int, moves: dict[tuple[str, int], np.ndarray], seed: int = 0) -> np.ndarray:
    """Return vectors of a deck: each state is the photograph's own vector plus its move."""
    whole = np.random.default_rng(seed).normal(size=(count, 8))
    still = np.zeros(8)
    return np.stack([whole[k] + moves.get(state, still) for k in range(count) for state in STATES])


def test_displacement_is_in_the_median_distance_to_other_photographs():
    whole = np.array([0.0, 1.0, 2.0, 4.0])
    rows = [[x + move] for x in whole for move in (0.0, 0.1, 0.2, 1.0, 4.0)]
    moved = displacements(np.array(rows), deck_of(4))
    # Distances of the first to the others: 1, 2, 4; of the last: 4, 3, 2.
    assert moved["blur", 3][0] == pytest.approx(1 / 2)
    assert moved["blur", 5][3] == pytest.approx(4 / 3)
    assert harmless(np.array(rows), deck_of(4)) == pytest.approx(np.median(moved[RESAVED, 0]))


def test_damage_is_seen_from_the_level_where_it_exceeds_a_jpeg():
    step = np.eye(8)[0]
    moves = {(RESAVED, 0): 0.3 * step, ("blur", 1): 0.2 * step, ("blur", 3): 0.4 * step,
             ("blur", 5): 40 * step}  # fmt: skip
    (sight,) = sights(vectors_of(20, moves), deck_of(20))
    assert (sight.sees_from, sight.set_notices_from) == (3, 5)
    (blind,) = sights(vectors_of(20, {(RESAVED, 0): 0.3 * step}), deck_of(20))
    assert (blind.sees_from, blind.set_notices_from) == (None, None)


def test_a_level_counts_only_if_all_higher_ones_do():
    step = np.eye(8)[0]
    moves = {(RESAVED, 0): 0.3 * step, ("blur", 1): step, ("blur", 3): 0 * step, ("blur", 5): step}
    (sight,) = sights(vectors_of(20, moves), deck_of(20))
    assert sight.sees_from == 5


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> list[dict]:
    path = tmp_path_factory.mktemp("deck") / "squares.npy"
    rng = np.random.default_rng(1)
    np.save(path, rng.integers(0, 256, (4 * len(STATES), 64, 64, 3), dtype=np.uint8))
    return compare_encoders(["random-vit-tiny@0,px=32", "retfound:/no/file"], deck_of(4, path))


def test_each_encoder_has_a_row_and_a_refused_one_its_reason(rows):
    good, bad = rows
    assert (good["status"], bad["status"]) == ("ok", "refused")
    assert good["images_per_cpu_s"] > 0
    assert good["memory_mib"] > 10
    assert good["parameters_million"] == pytest.approx(5.5, abs=0.3)
    assert good["channels"] == 192
    assert "/no/file" in bad["reason"]
    assert {"name", "licence"} <= good.keys() & bad.keys()


def test_text_and_page_show_both(rows, tmp_path):
    head, first, second = text_rows(rows)
    assert head[:2] == ["encoder", "px"]
    assert "blur" in head
    assert first[0].startswith("random-vit-tiny")
    assert second[0] == "retfound:/no/file"
    plain = [
        {**row, "sees": [{**s, "displacement": {str(k): v for k, v in s["displacement"].items()}}
                         for s in row.get("sees", [])]}
        for row in rows
    ]  # fmt: skip
    told = {"images": "here", "photographs": 4, "levels": [1, 3, 5], "size_px": 64,
            "left_out": [["x.jpg", "broken"]], "encoders": plain}  # fmt: skip
    page = write_encoders_page(told, tmp_path / "page.html").read_text()
    assert "x.jpg left out: broken" in page
    assert "retfound:/no/file" in page
    assert "one photograph shows it from" in page


def test_too_few_photographs_are_refused_with_their_reasons(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    Image.new("RGB", (80, 80)).save(images / "black.png")
    (images / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(Refusal, match=r"at least 4 photographs with vessels; got 0 of 2 .*cut.jpg"):
        make_deck(images, tmp_path / "deck", count=4)


def test_levels_and_folders_are_refused_in_words(tmp_path):
    assert parse_levels("5, 1,3") == (1, 3, 5)
    with pytest.raises(Refusal, match=r"levels from 1 to 5, as in 1,3,5; got '0,9'"):
        parse_levels("0,9")
    with pytest.raises(Refusal, match=r"a folder with weight files .*; got "):
        specs_at_hand([], tmp_path)
    (tmp_path / "a.pth").touch()
    assert str(tmp_path / "a.pth") in specs_at_hand(["random-vit-tiny@0"], tmp_path)
