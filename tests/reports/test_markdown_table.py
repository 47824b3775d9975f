"""The README's table comes from the scorecard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drawn_run import ARMS, drawn_scorecard

from retinaforge.core import Refusal
from retinaforge.reports import markdown_table


@pytest.fixture
def scorecard(tmp_path: Path) -> Path:
    path = tmp_path / "scorecard.json"
    path.write_text(json.dumps(drawn_scorecard()))
    return path


def test_rows_columns_and_marks(scorecard: Path) -> None:
    lines = markdown_table(scorecard, measures=("dice", "psnr")).splitlines()
    assert lines[0] == "| arm | Vessel Dice ↑ | PSNR (dB) ↑ |"
    assert lines[2] == "| l1 | 0.460 (0.442 to 0.478) | 30.60 (29.38 to 31.82) |"
    assert lines[3] == "| perceptual | **0.800**\\* (0.768 to 0.832) | 30.30\\* (29.09 to 31.51) |"
    assert "| *resizing alone* | 0.930 | 38.20 |" in lines
    assert lines[-1].startswith("Vessels judged by ours")


def test_a_folder_works_as_well_as_the_file(scorecard: Path) -> None:
    assert markdown_table(scorecard.parent) == markdown_table(scorecard)


def test_the_study_beside_it_gives_the_order(scorecard: Path) -> None:
    arms = [{"name": name, "loss": loss} for name, (loss, *_) in reversed(ARMS.items())]
    (scorecard.parent / "study.json").write_text(json.dumps({"arm": arms}))
    names = [line.split(" | ")[0].strip("| ") for line in markdown_table(scorecard).splitlines()]
    assert [n for n in names if n in ARMS] == list(reversed(ARMS))


def test_no_scorecard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"expected a scorecard; got .*scorecard\.json"):
        markdown_table(tmp_path)
