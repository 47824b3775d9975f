"""Every score agrees with a reference: the rows of benchmarks/score_agreement.py, run again."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from retinaforge.metrics import CATALOGUE
from retinaforge.vessels import COMPARISONS

REPO = Path(__file__).parents[2]
STORED = json.loads((REPO / "benchmarks/results/score_agreement.json").read_text())["rows"]
# Seconds of import or of painting; the others take a second together.
SLOW = ("torchmetrics", "frd-score", "torch-fidelity", "statsmodels' mean squares")


def module(folder: str, name: str):
    sys.path.insert(0, str(REPO / folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


BENCHMARK = module("benchmarks", "score_agreement")


def named(agreement) -> str:
    return f"{agreement.scores[0]} - {agreement.against}"


@pytest.mark.parametrize(
    "agreement",
    [
        pytest.param(a, id=named(a), marks=[pytest.mark.slow] if a.against.startswith(SLOW) else [])
        for a in BENCHMARK.AGREEMENTS
    ],
)
def test_a_score_agrees_with_its_reference(agreement) -> None:
    row = BENCHMARK.row_of(agreement)
    if "missing" in row:
        pytest.skip(f"{row['missing']}; the stored row is tested below")
    assert row["within"], row


def test_every_stored_row_is_there_and_within_its_tolerance() -> None:
    assert [(r["scores"], r["against"]) for r in STORED] == [
        (list(a.scores), a.against) for a in BENCHMARK.AGREEMENTS
    ]
    off = [r for r in STORED if not r.get("within")]
    assert off == []
    assert [r["tolerance"] for r in STORED] == [a.tolerance for a in BENCHMARK.AGREEMENTS]


def test_every_score_of_this_room_has_a_row() -> None:
    compared = {name for row in STORED for name in row["scores"]}
    assert {card.name for card in CATALOGUE} | {"lpips"} == compared


def test_vessel_scores_and_encoders_name_tests_that_exist() -> None:
    page = module("tools", "score_agreement_page")
    assert set(page.VESSELS) == {card.name for card in COMPARISONS}
    tests = {test for _, test in page.VESSELS.values()} | {row[-1] for row in page.ENCODERS}
    for test in tests:
        file, function = test.split("::")
        assert f"def {function}(" in (REPO / file).read_text(), test


def test_a_value_that_is_off_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = BENCHMARK.Agreement(("psnr",), "nothing", (), lambda: (1.0, 1.1), 1e-3)
    assert BENCHMARK.row_of(wrong)["within"] is False
    absent = BENCHMARK.Agreement(("psnr",), "nothing", ("no-such-package",), lambda: (1, 1), 1e-3)
    assert "no-such-package" in BENCHMARK.row_of(absent)["missing"]
