"""`retinaforge train segmenter vessels`: which sources it asks for."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from retinaforge.cli import main, segmenter
from retinaforge.tasks import segmenter_run
from retinaforge.tasks.segmenter import SegmenterConfig


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["retinaforge", "train", "segmenter", "vessels", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_photographs_are_asked_for_unless_they_are_declined(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert call(monkeypatch, "--out", str(tmp_path)) != 0
    told = " ".join(capsys.readouterr().err.split())
    assert "expected a folder of photographs; got no --data" in told
    assert call(monkeypatch, "--no-photographs", "--out", str(tmp_path)) != 0
    told = " ".join(capsys.readouterr().err.split())
    assert "expected photographs or phantoms to learn from; got neither" in told


def test_phantoms_alone_need_no_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    small = replace(
        SegmenterConfig(), batch=2, side_px=64, widths=(8, 16), diameter_px=360.0, views_px=(360.0,)
    )
    monkeypatch.setattr(segmenter, "SegmenterConfig", lambda: small)
    monkeypatch.setattr(segmenter_run, "HELD_OUT", 1)
    words = ("--no-photographs", "--phantoms", "1", "--steps", "1", "--out", str(tmp_path))
    assert call(monkeypatch, *words, "--json") == 0
    card = json.loads(capsys.readouterr().out)
    assert card["training_data"] == ["1 phantoms"]
    assert card["threshold_chosen_on"] == ["1 further phantoms"]
