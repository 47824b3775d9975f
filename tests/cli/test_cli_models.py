"""`reconstruct` and `ceiling` on anybody's autoencoder, and on folders with faults."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from retinaforge.cli import models
from retinaforge.core.artefacts import DiskFull

CEILING = ("--size", 128, "--judge", "classical", "--limit", 2)


@pytest.fixture
def mixed(tmp_path: Path, eyes: Path) -> Path:
    """Return a plain folder of two good photographs and a truncated JPEG."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    first, second, third, *_ = sorted((eyes / "images").iterdir())
    shutil.copy(first, folder / "a.png")
    shutil.copy(second, folder / "b.png")
    with Image.open(third) as image:
        image.convert("RGB").save(folder / "cut.jpg", quality=95)
    whole = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    return folder


def _size_px(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_a_truncated_photograph_is_named_and_the_others_are_done(
    retinaforge, untrained: Path, mixed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shown = retinaforge("reconstruct", untrained, mixed, "--out", out, "--size", 64)
    assert shown.code == 1
    assert "refused cut.jpg" in shown.told
    assert "2 reconstructions, 1 refused" in shown.out
    written = sorted(out.iterdir())
    assert [path.name for path in written] == ["synthetic_mixed-a.png", "synthetic_mixed-b.png"]
    with Image.open(written[0]) as image:
        assert image.text["Synthetic"] == "true"
        assert image.text["Model"].startswith("untrained")
    assert _size_px(written[0]) == _size_px(mixed / "a.png")


def test_a_full_disk_ends_it_and_blames_no_photograph(
    retinaforge, untrained: Path, eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise DiskFull("could not write a.png: No space left on device; free some space")

    monkeypatch.setattr(models, "save_synthetic", full)
    shown = retinaforge("reconstruct", untrained, eyes, "--out", tmp_path / "out", "--size", 64)
    assert shown.code == 2
    assert shown.told.count("No space left on device") == 1


def test_a_file_in_place_of_the_output_folder_is_named(
    retinaforge, untrained: Path, eyes: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("in the way")
    shown = retinaforge("ceiling", untrained, eyes, *CEILING, "--out", tmp_path / "out")
    assert shown.code == 2
    assert str(tmp_path / "out") in shown.told


def test_squares_and_json(retinaforge, untrained: Path, mixed: Path, tmp_path: Path) -> None:
    words = ("--out", tmp_path / "out", "--size", 64, "--no-native", "--json")
    shown = retinaforge("reconstruct", untrained, mixed, *words)
    answer = json.loads(shown.out)
    assert [item["name"] for item in answer["refused"]] == ["cut.jpg"]
    assert [_size_px(path) for path in answer["written"]] == [(64, 64), (64, 64)]


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _nowhere(folder: Path) -> Path:
    return folder


def _no_image(folder: Path) -> Path:
    folder.write_text("no image")
    return folder


def _none_readable(folder: Path) -> Path:
    _empty(folder)
    (folder / "text.png").write_text("no image")
    return folder


@pytest.mark.parametrize("command", [("reconstruct",), ("ceiling", "--judge", "classical")])
@pytest.mark.parametrize("make", [_empty, _nowhere, _no_image, _none_readable])
def test_without_a_photograph_the_call_is_refused(
    retinaforge, untrained: Path, tmp_path: Path, command: tuple[str, ...], make
) -> None:
    folder = make(tmp_path / "photographs")
    out = tmp_path / "out"
    shown = retinaforge(*command, untrained, folder, "--out", out)
    assert shown.code == 2
    assert shown.out == ""
    assert "photograph" in shown.told
    assert str(folder) in shown.told or "text.png" in shown.told
    assert not out.exists()


def test_what_is_no_autoencoder_is_refused(retinaforge, eyes: Path, tmp_path: Path) -> None:
    shown = retinaforge("ceiling", eyes, eyes)
    assert shown.code == 2
    assert "config.json" in shown.told
    shown = retinaforge("reconstruct", tmp_path / "nowhere", eyes, "--out", tmp_path / "out")
    assert shown.code == 2
    assert "nowhere" in shown.told


def test_the_ceiling_stands_beside_resizing_alone(
    retinaforge, untrained: Path, eyes: Path, tmp_path: Path
) -> None:
    shown = retinaforge("ceiling", untrained, eyes, *CEILING, "--out", tmp_path / "o", "--json")
    assert shown.code == 0
    scores = json.loads(shown.out)["scores"]
    dice = {
        score["arm"]: score
        for score in scores
        if (score["name"], score["reference"]) == ("dice", "original")
    }
    assert set(dice) == {"model", "resize-only"}
    assert dice["resize-only"]["value"] >= dice["model"]["value"]
    assert {score["n"] for score in dice.values()} == {2}
    assert dice["model"]["judge"] != ""
    assert {"psnr", "ssim", "cldice", "edge_sharpness"} <= {score["name"] for score in scores}
    assert all(score["value"] is not None or score["reason"] for score in scores)
    card = json.loads((tmp_path / "o" / "scorecard.json").read_text())
    assert card["scores"] == scores
    rows = pd.read_parquet(tmp_path / "o" / "per_image.parquet")
    assert set(rows["arm"]) == {"model", "resize-only"}
    mine = rows[(rows.measure == "dice") & (rows.reference == "original") & (rows.arm == "model")]
    assert mine["value"].mean() == pytest.approx(dice["model"]["value"])


def test_the_ceiling_as_a_table(retinaforge, untrained: Path, eyes: Path) -> None:
    shown = retinaforge("ceiling", untrained, eyes, *CEILING)
    assert shown.code == 0
    assert "against original" in shown.out
    line = next(text for text in shown.out.splitlines() if text.split()[:1] == ["dice"])
    model, resized, n = line.split()[1], *line.split()[-2:]
    assert float(resized) >= float(model)
    assert n == "2"


def test_a_split_without_photographs_and_an_unknown_judge_are_refused(
    retinaforge, untrained: Path, eyes: Path
) -> None:
    shown = retinaforge("ceiling", untrained, eyes, "--split", "autumn")
    assert shown.code == 2
    assert "'autumn'" in shown.told
    shown = retinaforge("ceiling", untrained, eyes, "--judge", "nobody")
    assert shown.code == 2
    assert "classical" in shown.told
