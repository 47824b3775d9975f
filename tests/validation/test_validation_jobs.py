"""Which images are measured, whose eyes they show, and which folders are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from retinaforge.core import Record, Refusal
from retinaforge.validation.jobs import group_of, list_side, require_two_sides


def record(**columns: str) -> Record:
    return Record(Path("a.png"), "a.png", "set", "p", camera="Topcon ", columns=columns, eye="OD")


@pytest.mark.parametrize(
    ("age", "decade"),
    [("60", "60-69"), ("69.9", "60-69"), ("7", "0-9"), ("", ""), ("old", ""), ("inf", ""),
     ("nan", "")],
)  # fmt: skip
def test_ages_are_told_in_decades(age: str, decade: str) -> None:
    assert group_of(record(age=age), "age") == decade


def test_groups_are_columns_of_the_table() -> None:
    assert group_of(record(sex=" F "), "sex") == "F"
    assert group_of(record(), "sex") == ""
    assert group_of(record(), "camera") == "Topcon"
    assert group_of(record(), "eye") == "OD"


def folder_of(root: Path, count: int) -> Path:
    root.mkdir()
    for k in range(count):
        (root / f"{k:02}.png").touch()
    return root


def test_a_limit_takes_images_evenly(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "eyes", 10)
    assert [job.name for job in list_side(folder, "real", limit=4)] == [
        "00.png", "02.png", "05.png", "07.png",
    ]  # fmt: skip
    jobs = list_side(folder, "real", groups=("sex",), limit=20)
    assert len(jobs) == 10
    assert {(job.side, job.groups["sex"], job.recompress) for job in jobs} == {("real", "", None)}


def test_a_folder_against_itself_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "eyes", 2)
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(Refusal, match="expected two folders; got the same folder twice"):
        require_two_sides(folder, tmp_path / "link")


def test_a_folder_within_the_other_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "eyes", 2)
    for pair in ((folder, folder / "drawn"), (folder / "drawn", folder)):
        with pytest.raises(Refusal, match="expected two folders apart; got one inside the other"):
            require_two_sides(*pair)
    require_two_sides(folder, tmp_path / "others")
