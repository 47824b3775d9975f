"""The artery/vein recipe: what it learns from, its weights and card, its command."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinaforge.cli import main, segmenter
from retinaforge.core import Refusal
from retinaforge.images import read_records
from retinaforge.tasks.segmenter_kinds import (
    ARTERY_VEIN,
    annotated_artery_vein,
    artery_vein_phantoms,
    named_records,
    train_artery_vein_segmenter,
)
from retinaforge.vessels import load_artery_vein_judge

SMALL = replace(
    ARTERY_VEIN, steps=2, batch=2, side_px=64, widths=(8, 16), diameter_px=360.0, views_px=(160.0,)
)


def data_folder(root: Path, *, named: bool = True) -> Path:
    """Three eyes of the training part with a red and a blue stripe, and green where they meet."""
    y, x = np.mgrid[:160, :160]
    inside = np.hypot(y - 79.5, x - 79.5) < 74
    artery, vein = (abs(x - 70) < 4) & inside, (abs(y - 90) < 4) & inside
    pixels = np.full((160, 160, 3), (170, 90, 40), np.uint8) * inside[..., None].astype(np.uint8)
    pixels[artery | vein] = (110, 40, 25)
    colours = np.stack([artery & ~vein, artery & vein, vein & ~artery], 2).astype(np.uint8) * 255
    (root / "drawn").mkdir(parents=True)
    with (root / "splits.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["dataset", "image", "patient", "camera", "licence", "split"])
        writer.writerows(["drawn", f"{p}.png", p, "", "CC BY 4.0", "train"] for p in "abc")
    with (root / "drawn" / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "vessel_mask", "artery_vein_mask"])
        writer.writerows([f"{p}.png", f"{p}_v.png", f"{p}_av.png" if named else ""] for p in "abc")
    for p in "abc":
        Image.fromarray(pixels).save(root / "drawn" / f"{p}.png")
        Image.fromarray(artery | vein).save(root / "drawn" / f"{p}_v.png")
        Image.fromarray(colours).save(root / "drawn" / f"{p}_av.png")
    return root


def test_a_crossing_of_a_photograph_teaches_no_name_but_one_of_a_phantom_does(
    tmp_path: Path,
) -> None:
    record = read_records(data_folder(tmp_path))[0]
    vessel, artery, vein, known = annotated_artery_vein(record).levels[0][3:7]
    unknown = known == 0
    assert unknown.any()
    assert (vessel[unknown] > 0).all()
    assert ((artery[unknown] == 0) & (vein[unknown] == 0)).all()
    (phantom,) = artery_vein_phantoms(1, seed=0)
    vessel, artery, vein, known = phantom.levels[-1][3:7]
    assert (known == 255).all()
    assert ((artery == 255) & (vein == 255)).any()


def test_the_run_writes_weights_that_the_judge_loads_and_a_card(tmp_path: Path) -> None:
    out = tmp_path / "out"
    data = data_folder(tmp_path / "data")
    card = train_artery_vein_segmenter(data, out, phantoms=0, config=SMALL)
    assert card["training_data"] == ["drawn (2 training images)"]
    assert len(card["validated_on"]) == 1
    assert 0 <= card["validation_named_rightly"] <= 1
    assert json.loads((out / "card.json").read_text())["sha256"] == card["sha256"]
    judge = load_artery_vein_judge(f"ours:{out / 'artery-vein.safetensors'}")
    assert judge.card.training_data == tuple(card["training_data"])


def test_data_without_named_vessels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="training rows with an artery/vein mask and licence CC BY"):
        named_records(data_folder(tmp_path, named=False))


def test_the_command_prints_the_card(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(segmenter, "ARTERY_VEIN", SMALL)
    data, out = data_folder(tmp_path / "data"), tmp_path / "out"
    words = ["--data", str(data), "--out", str(out), "--phantoms", "0", "--steps", "1", "--json"]
    monkeypatch.setattr(sys, "argv", ["retinaforge", "train", "segmenter", "artery-vein", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    assert json.loads(capsys.readouterr().out)["config"]["steps"] == 1
