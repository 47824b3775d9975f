"""`retinaforge vessels` as it is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_a_data_set_by_its_masks(retinaforge, eyes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("vessels", eyes, "--out", out, "--masks-are", "artery-vein", "--graphs", "none")
    shown = retinaforge(*words, "--json")
    answer = json.loads(shown.out)
    assert shown.code == 0
    assert (answer["photographs"], answer["ok"], answer["failures"]) == (10, 10, [])
    assert "10 eyes from" in shown.told
    assert "taken for artery-vein masks that a table names" in shown.told
    assert Path(answer["page"]).is_file()
    again = retinaforge(*words)
    assert again.out.splitlines() == [str(out / "biomarkers.csv"), str(out / "vessels.html")]
    assert "10 eyes had been measured before" in again.told


def test_a_photograph_and_one_that_cannot_be_read(retinaforge, eyes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photographs"
    folder.mkdir()
    photo = next((eyes / "images").glob("*.png"))
    (folder / "good.png").write_bytes(photo.read_bytes())
    (folder / "torn.png").write_bytes(photo.read_bytes()[:2000])
    table = tmp_path / "landmarks.csv"
    table.write_text("file_name,um_per_px\ngood,60\n")
    shown = retinaforge(
        "vessels", folder, "--out", tmp_path / "out", "--judge", "classical", "--anatomy", "none",
        "--landmarks", table, "--json",
    )  # fmt: skip
    answer = json.loads(shown.out)
    assert shown.code == 1
    assert (answer["ok"], answer["failed"]) == (1, 1)
    assert answer["failures"][0]["file_name"] == "torn.png"
    assert "failed torn.png: expected a whole image file; got a truncated" in shown.told
    rows = (tmp_path / "out" / "biomarkers.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [["good.png", "ok"], ["torn.png", "failed"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("EMPTY", "--out", "OUT"), "refused: expected a folder of photographs; got a folder wit"),
        (("EYES", "--out", "EYES/out"), "expected a folder outside the one that is read"),
        (("EYES", "--out", "OUT", "--judge", "me"), "expected a vessel judge (ours"),
        (("EYES", "--out", "OUT", "--flag-level", "0.4"), "--flag-level with two judges or more"),
        (("EYES", "--out", "OUT", "--judge", "ours", "--judge", "ours"), "two judges or more that"),
        (("EYES", "--out", "OUT", "--anatomy", "me"), "expected a model of disc, cup and fovea"),
        (("EYES", "--out", "OUT", "--um-per-px", "0"), "expected micrometres a pixel above 0"),
        (("EYES", "--out", "OUT", "--landmarks", "none.csv"), "expected a CSV file of landmarks"),
        (("EYES", "--out", "OUT", "--masks-are", "trees"), "Invalid value for '--masks-are'"),
    ],
)
def test_what_cannot_be_done_is_refused(
    retinaforge, eyes: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"EMPTY": tmp_path / "empty", "EYES": eyes, "EYES/out": eyes / "out"}
    places["OUT"] = tmp_path / "out"
    shown = retinaforge("vessels", *(places.get(word, word) for word in words))
    assert shown.code == 2
    assert message.replace("refused: ", "") in shown.told
    assert not (tmp_path / "out").exists()
