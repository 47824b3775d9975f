"""Masks: found beside their photographs, brought to their squares, kept, given to a network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mask_toys import SIDE, bar, write_png, write_set

from retinaforge.core import Refusal
from retinaforge.generators.maps import MapPlan
from retinaforge.tasks.generator_rows import RowStore
from retinaforge.tasks.latents_squares import SquareReader
from retinaforge.tasks.mask_files import MaskFinder, masks_hash, require_found, require_map_names
from retinaforge.tasks.masks import encode_masks, framed_masks
from retinaforge.tasks.pairs import Pair, read_pairs

BOTH = ("vessel", "lesion:hard_exudate")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set")


def test_folders_beside_the_images_and_counts_of_none(pairs: Path) -> None:
    find, root = MaskFinder(BOTH, pairs), pairs.parent
    some = read_pairs(pairs)
    assert find(some[2]) == {
        "vessel": (root / "vessel/2.png",),
        "lesion:hard_exudate": (root / "lesions/hard_exudate/2.png",),
    }
    assert find(some[0]) == {"vessel": (root / "vessel/0.png",), "lesion:hard_exudate": ()}
    assert set(find(some[1])) == {"vessel"}


def test_all_lesions_are_one_map(pairs: Path) -> None:
    root = pairs.parent
    write_png(root / "lesions/drusen/2.png", bar(10))
    found = MaskFinder(["lesion"], pairs)(read_pairs(pairs)[2])["lesion"]
    assert [path.parent.name for path in found] == ["drusen", "hard_exudate"]
    (square,) = framed_masks(read_pairs(pairs)[2], {"lesion": found}, size_px=SIDE).values()
    assert square[5, 5] == square[20, 11] == 255
    assert square[20, 5] == 0


def test_a_column_of_the_pairs_comes_first(pairs: Path) -> None:
    other = write_png(pairs / "drawn/1.png", bar(18))
    rows = [json.loads(line) for line in (pairs / "metadata.jsonl").read_text().splitlines()]
    rows[1]["vessel_file_name"] = "drawn/1.png"
    (pairs / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    find = MaskFinder(["vessel"], pairs)
    assert find(read_pairs(pairs)[1])["vessel"] == (other,)
    assert find(read_pairs(pairs)[2])["vessel"] == (pairs.parent / "vessel/2.png",)


def test_the_sets_own_tables_are_read(pairs: Path) -> None:
    root = pairs.parent
    shutil.move(root / "vessel", root / "elsewhere")
    (root / "manifest.csv").write_text(
        "image,vessel_mask\n" + "".join(f"images/{i}.png,elsewhere/{i}.png\n" for i in range(9))
    )
    find = MaskFinder(["vessel"], pairs)
    (found,) = find(read_pairs(pairs)[3])["vessel"]
    assert found.samefile(root / "elsewhere/3.png")
    assert find(read_pairs(pairs)[9]) == {}


def test_the_hash_sees_other_masks(pairs: Path) -> None:
    find, some = MaskFinder(BOTH, pairs), read_pairs(pairs)
    before = masks_hash(find, some)
    assert masks_hash(find, some) == before
    (pairs.parent / "vessel/3.png").unlink()
    assert masks_hash(find, some) != before


def test_a_map_that_nobody_has_is_refused_with_what_there_is(pairs: Path) -> None:
    find = MaskFinder(["vessel", "disc"], pairs)
    words = r"disc masks: a column disc_file_name.*got none for 10 pairs; there are: lesion:hard_ex"
    with pytest.raises(Refusal, match=words):
        require_found(find, read_pairs(pairs))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["Vessel"], "the name of a mask, or lesion:KIND; got 'Vessel'"),
        (["wound:drusen"], "lesion:KIND; got 'wound:drusen'"),
        (["artery_vein"], "one thing each; got artery_vein; name artery and vein"),
        (["vessel", "vessel"], "each map once"),
    ],
)
def test_names_that_are_none(names: list[str], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        require_map_names(names)


def test_masks_reach_the_network_where_they_were_drawn(pairs: Path, tmp_path: Path) -> None:
    plan, some = MapPlan(BOTH, 4), read_pairs(pairs)
    found = encode_masks(some, MaskFinder(BOTH, pairs), tmp_path / "c", plan, size_px=SIDE)
    assert (found.squares([3])[0, 0] == bar(6)).all()
    maps = found([3, 0, 2])
    assert maps.shape == (3, plan.channels, 6, 6)
    assert set(maps[0, :16].unique().tolist()) == {-1.0, 1.0}
    assert not maps[0, 16:].any()  # nobody said anything of exudates
    assert (maps[1, 16:] == -1).all()  # stated: there are none
    assert (maps[2, 16:] == 1).any()
    gone = found([3, 3], np.array([[True, False], [False, True]]))
    assert not gone[0].any()
    assert gone[1, :16].any()
    assert found.counts()["lesion:hard_exudate"] == {"given": 4, "empty": 1, "of": 10}
    assert (found.subset([2, 3]).squares([1])[0, 0] == bar(6)).all()


def test_a_smaller_square_holds_shares(pairs: Path, tmp_path: Path) -> None:
    plan = MapPlan(("vessel",), 4, "area")
    found = encode_masks(
        read_pairs(pairs), MaskFinder(["vessel"], pairs), tmp_path, plan, size_px=8
    )
    assert found.squares([1])[0, 0, 0].tolist() == [85, 170, 0, 0, 0, 0, 0, 0]
    assert found([1]).shape == (1, 1, 2, 2)


def test_a_second_call_reads_no_file(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, find, some = MapPlan(("vessel",), 4), MaskFinder(["vessel"], pairs), read_pairs(pairs)
    first = encode_masks(some, find, tmp_path, plan, size_px=SIDE)

    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("retinaforge.tasks.masks.read_mask", never)
    monkeypatch.setattr("retinaforge.tasks.masks.sha256_of", never)
    again = encode_masks(some[::-1], find, tmp_path, plan, size_px=SIDE)
    assert (again.squares(range(10)) == first.squares(range(10))[::-1]).all()
    monkeypatch.undo()
    write_png(pairs.parent / "vessel/1.png", bar(20))
    other = encode_masks(some, find, tmp_path, plan, size_px=SIDE)
    assert (other.squares([1])[0, 0] == bar(20)).all()


def test_masks_that_cannot_be_used_are_named_and_not_given(pairs: Path, tmp_path: Path) -> None:
    root = pairs.parent
    write_png(root / "vessel/1.png", bar(2, side=16))
    (root / "vessel/2.png").write_bytes(b"no image")
    write_png(root / "vessel/3.png", bar(2) // 255)
    plan = MapPlan(("vessel",), 4)
    found = encode_masks(
        read_pairs(pairs), MaskFinder(["vessel"], pairs), tmp_path, plan, size_px=SIDE
    )
    reasons = dict(found.left_out)
    assert set(reasons) == {f"images/{i}.png" for i in (1, 2, 3)}
    assert (
        "expected a mask of 24x24 px like its photograph; got 16x16 px" in reasons["images/1.png"]
    )
    assert "its vessel mask is not used: expected a whole image file" in reasons["images/2.png"]
    assert "grey values from 0 to 255; got at most 1" in reasons["images/3.png"]
    assert found.given[:5, 0].tolist() == [True, False, False, False, True]
    assert not found([1]).any()


def test_a_mask_that_a_row_names_and_nobody_wrote_is_named_in_words(
    pairs: Path, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in (pairs / "metadata.jsonl").read_text().splitlines()]
    rows[0]["vessel_file_name"] = "gone.png"
    (pairs / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = encode_masks(read_pairs(pairs), MaskFinder(["vessel"], pairs), tmp_path,
                         MapPlan(("vessel",), 4), size_px=SIDE)  # fmt: skip
    ((_, why),) = found.left_out
    assert "its vessel mask is not used: expected a mask; got no file: " in why
    assert "gone.png" in why


def test_a_photographs_mask_is_cut_as_the_photograph_is(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:90, :130]
    field = (rows - 48) ** 2 + (columns - 60) ** 2 < 40**2
    rng = np.random.default_rng(0)
    pixels = np.where(field[..., None], rng.integers(90, 120, (90, 130, 3)), 0).astype(np.uint8)
    mask = np.zeros((90, 130), np.uint8)
    mask[30:60, 70:76] = 255
    pixels[mask > 0] = (250, 250, 250)
    pair = Pair(write_png(tmp_path / "images/a.png", pixels), "An eye.")
    path = write_png(tmp_path / "vessel/a.png", mask)
    for frame in ("field", "whole"):
        (square,) = framed_masks(pair, {"vessel": (path,)}, size_px=64, frame=frame).values()
        store = RowStore(tmp_path, "any", {})
        seen = SquareReader(store, 64, frame).square(pair.path, frame == "whole")
        inside = seen[..., 1] > 60
        likeness = np.corrcoef(seen[inside, 1], square[inside])[0, 1]
        assert likeness > 0.95
        assert square.max() == 255
