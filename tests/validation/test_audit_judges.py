"""Who judges in an audit, what is said before it starts, and what is said when few judge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retinaforge.audits.masking import Parts
from retinaforge.core import Record, Refusal
from retinaforge.metrics import delong
from retinaforge.validation import audit_head
from retinaforge.validation.audit_degradation_page import write_degradation
from retinaforge.validation.audit_eyes import Eyes, unlike_widths
from retinaforge.validation.audit_masking_page import write_masking
from retinaforge.validation.audit_told import found_first, verdict

TRUTH = np.arange(40) % 2 == 1
RECORDS = [
    Record(Path("x.png"), f"{k}.png", "d", f"d:{k // 2}", split="test" if k < 8 else "train")
    for k in range(40)
]
FOV = np.ones((16, 16), bool)
BLACK = np.zeros((40, 4, 4, 3), np.uint8)
REAL = Eyes(tuple(RECORDS), TRUTH, BLACK, (Parts(FOV),) * 40, (), {})


def test_the_given_split_judges_or_halves_do():
    (given,), words = audit_head.rounds(RECORDS, TRUTH)
    assert given.judge.tolist() == list(range(8))
    assert words.startswith("rows of splits train and val teach")
    (halves,), words = audit_head.rounds(RECORDS, TRUTH, audit_head.HALVES)
    assert 16 <= len(halves.judge) <= 24
    assert "asked for" in words
    teaching = {RECORDS[k].patient for k in halves.teach}
    assert not teaching & {RECORDS[k].patient for k in halves.judge}
    with pytest.raises(Refusal, match="expected given or halves; got 'all'"):
        audit_head.rounds(RECORDS, TRUTH, "all")
    lost = [replace(record, split="train") for record in RECORDS]
    with pytest.raises(Refusal, match="ask for --judge halves"):
        audit_head.rounds(lost, TRUTH)


def test_few_judges_are_named():
    folds, _ = audit_head.rounds(RECORDS, TRUTH)
    (said,) = audit_head.few_words(TRUTH, [r.patient for r in RECORDS], folds)
    assert said.startswith("4 patients with the finding and 4 without judge")
    assert "about 10 and 10 judge" in said
    many, _ = audit_head.rounds(RECORDS, TRUTH, audit_head.HALVES)
    assert audit_head.few_words(TRUTH, [r.name for r in RECORDS], many) == []


def test_a_plan_counts_squares():
    said = audit_head.plan(lambda x: x.reshape(len(x), -1)[:, :2], 8, 4, 1000)
    assert said.startswith("1000 squares of 8 px at ")


def test_sides_of_unlike_width_are_named():
    def eyes(width: float) -> Eyes:
        pixels = np.zeros((4, 16, 16, 3), np.uint8)
        return Eyes(tuple(RECORDS[:4]), TRUTH[:4], pixels, (Parts(FOV),) * 4, (), {}, (width,) * 4)

    (said,) = unlike_widths(eyes(40), eyes(8))
    assert "40 px wide in real and 8 px in synthetic" in said
    assert unlike_widths(eyes(40), eyes(20)) == []  # both are wider than what is seen
    assert unlike_widths(eyes(40), None) == []


def test_where_the_whole_image_says_nothing_the_masked_one_acquits_nobody(tmp_path):

    def row(variant: str, p: float) -> dict:
        tested = delong.Tested(0.6, (0.4, 0.8), p)
        return {"arm": "real", "variant": variant, "taught": "taught whole", "n": 40,
                "patients": 20, "chance": tested, "less": tested, "p_holm": p}  # fmt: skip

    def levels(whole: float) -> list[str]:
        told = write_masking(tmp_path, [row("whole", whole), row("border only", 0.5)], REAL, [], "",
                             "", (), np.arange(40))  # fmt: skip
        return [one["level"] for one in told["said"]]

    assert levels(0.001) == ["note", "pass"]
    assert levels(0.3) == ["open", "open"]


def test_an_arm_that_starts_lower_is_not_praised_for_losing_less(tmp_path):
    steady = np.full(1001, 1.0) + np.random.default_rng(0).normal(0, 1e-3, 1001)
    good = {arm: {"auroc": a * steady, "balanced_accuracy": a * steady}
            for arm, a in (("real", 0.9), ("real + synthetic", 0.7))}  # fmt: skip
    curves = [
        {"arm": arm, "kind": kind, "level": level, "auroc": a * steady,
         "balanced_accuracy": a * steady, "consistency": steady, "loss": loss * steady}
        for arm, a, loss in (("real", 0.8, -0.1), ("real + synthetic", 0.69, -0.01))
        for kind in ("defocus", "illumination", "haze", "jpeg", "dust", "motion", "channel")
        for level in range(1, 6)
    ]  # fmt: skip
    told = write_degradation(tmp_path, curves, good, REAL, np.arange(40), "", 0, (), [])
    last = told["said"][-1]["text"]
    assert "instead of real: mean AUROC on worse images lower, -0.11" in last
    assert "on good images -0.200" in last


def test_what_was_found_stands_first():
    said = [verdict(level, "") for level in ("pass", "caution", "open", "failure", "pass")]
    assert [one["level"] for one in found_first(said)] == [
        "failure", "caution", "pass", "open", "pass",
    ]  # fmt: skip
