"""`retinaforge usefulness-scores` as it is called, on made-up studies and scorecards."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from foresight_folders import many

from retinaforge.cli import main
from retinaforge.tasks import usefulness_outcomes, usefulness_scores


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    return many(tmp_path_factory.mktemp("sets"))


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Return the exit code of `retinaforge usefulness-scores`."""
    monkeypatch.setattr(sys, "argv", ["retinaforge", "usefulness-scores", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_the_command_writes_what_it_prints(
    sets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(usefulness_scores, "RESAMPLES", 20)
    monkeypatch.setattr(usefulness_outcomes, "HALVES", 10)
    useful, cards = sets
    words = (*useful, "--scorecards", cards[0].parent, "--groups", "--out", tmp_path)
    assert call(monkeypatch, *words) == 0
    assert (tmp_path / "report.html").is_file()
    told = json.loads((tmp_path / "foresight.json").read_text())
    assert [one["group"] for one in told["sets"]] == ["a", "b"] * 6
    assert told["warnings"] == []
    assert "structure: right" in capsys.readouterr().out


def test_the_command_refuses(
    sets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    useful, cards = sets

    def told(*words: object) -> str:
        assert call(monkeypatch, *words, "--out", tmp_path / "none") == 2
        return " ".join(capsys.readouterr().err.split())

    assert "expected at least 5 synthetic sets; got 4" in told(*useful[:4])
    uneven = told(*useful, "--scorecard", cards[0])
    assert "expected a --scorecard for each of the 12 USEFUL folders; got 1" in uneven
    gone = told(*useful)
    assert "expected a scorecard of `retinaforge validate` for each set; got none in" in gone
    assert "and 11 more" in gone
    assert not (tmp_path / "none").exists()
