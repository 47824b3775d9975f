"""`retinaforge compare` as it is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CARD = {"name": "kernel_distance", "version": 1, "measures": "x", "range": "[0, inf)",
        "direction": "lower is better", "unit": "1", "smallest_n": 2, "reference": "",
        "known_failure": ""}  # fmt: skip


def write(folder: Path, value: float, **protocol: Any) -> Path:
    folder.mkdir()
    side = {"folder": "photographs", "images": {"found": 9, "scored": 9, "patients": 9}}
    score = {"name": "kernel_distance", "value": value, "interval": [value - 0.1, value + 0.1],
             "n": 9, "family": "fidelity", "space": "structure", "reason": "", "card": CARD,
             "identity": "fidelity:structure:kernel_distance"}  # fmt: skip
    card = {"scores": [score], "verdict": [],
            "protocol": {"real": side, "synthetic": side, "suite": "full", **protocol}}  # fmt: skip
    (folder / "scorecard.json").write_text(json.dumps(card))
    return folder


def test_two_runs_side_by_side(retinaforge, tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", 1.0), write(tmp_path / "b", 2.0)
    shown = retinaforge("compare", a, b, "--out", tmp_path / "page.html")
    assert shown.code == 0
    assert shown.out.splitlines()[0].split() == ["score", "a", "b"]
    assert "1.000 (0.900 to 1.100) *" in shown.out
    assert (tmp_path / "page.html").is_file()
    told = json.loads(retinaforge("compare", a, b / "scorecard.json", "--json").out)
    assert (told["warnings"], told["rows"][0]["ahead"]) == ([], 0)


def test_runs_made_differently_are_compared_with_a_warning(retinaforge, tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", 1.0), write(tmp_path / "b", 2.0, suite="quick")
    shown = retinaforge("compare", a, b)
    assert shown.code == 1
    assert "Different suite: a full, b quick." in shown.told
    assert "kernel_distance" in shown.out


def test_what_is_no_scorecard_is_refused(retinaforge, tmp_path: Path) -> None:
    a = write(tmp_path / "a", 1.0)
    assert "expected two scorecards or more" in retinaforge("compare", a).told
    shown = retinaforge("compare", a, tmp_path)
    assert shown.code == 2
    assert "run `retinaforge validate REAL SYNTH --out OUT`" in shown.told
