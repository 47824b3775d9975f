"""The panel's paired scores: damage beside saving again; the verdict's sentences from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import side_of, with_jobs

from retinaforge.core import Card, Score
from retinaforge.validation import sanity
from retinaforge.validation.eye import Measured, Settings
from retinaforge.validation.panel import Panel, blind_to_vessels
from retinaforge.validation.sentence import Sentence
from retinaforge.validation.verdict_pairs import pair_sentences
from retinaforge.validation.wounds import RESAVED, Pairing, saved_again, wounds_of

LEVELS = (1, 3, 5)
DICE = {0: 0.95, 1: 0.96, 3: 0.8, 5: 0.6}
SSIM = 0.99


def paired(kind: str, level: int) -> dict[str, float]:
    return {"dice": DICE[level] if kind == "broken-vessels" else 0.95, "ssim": SSIM}


@pytest.fixture(scope="module")
def panel() -> Panel:
    eyes = with_jobs(side_of(24))
    kinds = [(kind, level) for kind in sanity.DAMAGED for level in LEVELS]
    found = {
        (job.name, kind, level): Measured({**m.row, "paired": paired(kind, level)}, m.arrays)
        for job, m in eyes for kind, level in [*kinds, (RESAVED, 0)]
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sanity, "DRAWS", 3)
        patch.setattr(sanity, "measure_wounds", lambda *_, **__: (found, []))
        return sanity.sanity_panel(
            eyes, Path("none"), wounded=12, settings=Settings(size_px=64), seed=0, levels=LEVELS,
            pairing=Pairing(),
        )  # fmt: skip


def row_of(panel: Panel, score: str, kind: str) -> dict[str, Any]:
    (row,) = [r for r in panel.rows() if (r["score"], r["kind"]) == (score, kind)]
    return row


def test_a_paired_score_notices_what_costs_more_than_saving_again(panel: Panel) -> None:
    row = row_of(panel, "paired: dice", "broken-vessels")
    assert row["floor_median"] == pytest.approx(0.95)
    assert row["medians"] == pytest.approx({"1": 0.96, "3": 0.8, "5": 0.6})
    assert row["notices_from"] == 3
    assert row_of(panel, "paired: ssim", "broken-vessels")["notices_from"] is None
    assert "paired: ssim" in blind_to_vessels(panel.rows())
    assert "paired: dice" not in blind_to_vessels(panel.rows())


def test_nobody_asks_pairs_about_sets_nor_copies_about_images(panel: Panel) -> None:
    asked = {(r["family"], r["kind"]) for r in panel.rows()}
    assert ("paired", "mode-collapse") not in asked
    assert ("copies", "blur") not in asked
    assert {("copies", "planted-copies"), ("copies", "mode-collapse")} <= asked


def test_planted_copies_are_noticed_by_the_search_for_copies(panel: Panel) -> None:
    row = row_of(panel, "copies: copied", "planted-copies")
    assert (row["floor_high"], row["notices_from"]) == (0.0, 1)
    # Of a half of 12, one image is the least that can be replaced: levels 1 and 3 are the same.
    assert row["medians"] == pytest.approx({"1": 1 / 12, "3": 1 / 12, "5": 0.5})
    assert row_of(panel, "copies: copied", "mode-collapse")["notices_from"] is None


def line(name: str, value: float, direction: str = "higher is better") -> Score:
    card = Card(name, 1, "something", "[0, 1]", direction, "1", 1, "made up", "always")
    return Score(card, value, None, 24, {"family": "paired"}, "")


def said(panel: Panel, *scores: Score) -> list[Sentence]:
    return list(pair_sentences(scores, panel.rows()))


@pytest.mark.parametrize(
    ("value", "level", "words"),
    [
        (0.951, "pass", "overlap as well as when a file is saved again (dice 0.951"),
        (0.9, "caution", "saved again as JPEG of quality 75: 0.95); broken vessels of level 1"),
        (0.7, "failure", "broken vessels of level 3 cost no more."),
        (0.5, "failure", "broken vessels of level 5 cost no more."),
    ],
)
def test_the_verdict_sets_a_reconstruction_beside_both(
    panel: Panel, value: float, level: str, words: str
) -> None:
    (sentence,) = said(panel, line("dice", value))
    assert sentence.level == level
    assert words in sentence.text
    assert sentence.scores == ("paired::dice",)


def test_pixels_alone_do_not_fail_a_reconstruction(panel: Panel) -> None:
    (sentence,) = said(panel, line("ssim", 0.5))
    assert sentence.level == "caution"


def test_without_a_panel_pairs_have_nothing_beside_them() -> None:
    (sentence,) = pair_sentences([line("dice", 0.9)], [])
    assert (sentence.level, "nothing to be measured against" in sentence.text) == ("unknown", True)


def test_wounds_are_every_damage_at_every_level_and_the_harmless_one() -> None:
    jobs = [job for job, _ in with_jobs(side_of(2))]
    assert len(wounds_of(jobs, LEVELS, resaved=False)) == 2 * 5 * 3
    harmless = [w for w in wounds_of(jobs, LEVELS, resaved=True) if w.kind == RESAVED]
    assert [(w.job.name, w.level) for w in harmless] == [(job.name, 0) for job in jobs]


def test_saving_again_changes_little() -> None:
    y, x = np.mgrid[:64, :64]
    pixels = np.stack([x * 3, y * 2, x + y], axis=-1).astype(np.uint8)
    change = np.abs(saved_again(pixels).astype(int) - pixels)
    assert 0 < change.mean() < 4
