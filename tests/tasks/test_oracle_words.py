"""Facts as numbers, targets and readings."""

import math

import numpy as np
import pytest

from retinaforge.captions.facts import FACT
from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.tasks.oracle_words import (
    WORD,
    WORDS,
    output_kinds,
    presence,
    readings_of,
    scale_of,
    targets_of,
    true_value,
    truth_of,
)


def record(**values):
    return EyeRecord("a.png", {k: Fact(k, v, "phantom truth") for k, v in values.items()})


def test_every_word_and_what_hangs_on_it_is_in_the_catalogue():
    for word in WORDS:
        assert {word.name, *word.along, *word.alone, *word.without} <= set(FACT)


def test_facts_become_numbers():
    truth = truth_of(record(eye="OD", quality="reject", blur=True, hard_exudate=12, dr_grade=3))
    assert (truth["eye"], truth["quality"], truth["blur"]) == (1, 2, 1)
    assert (truth["hard_exudate"], truth["dr_grade"]) == (12, 3)
    assert math.isnan(truth["haze"])
    assert math.isinf(true_value(WORD["drusen"], True))


def test_targets_follow_truth_and_are_unknown_where_it_is():
    truths = [truth_of(record(eye="OS", dr_grade=2, hard_exudate=n, pigmentation=p))
              for n, p in ((0, 0.2), (8, 0.8))]  # fmt: skip
    scale = scale_of(truths)
    row = targets_of(truths[1], scale)
    assert len(row) == len(output_kinds())
    at = {w.name: sum(v.outputs for v in WORDS[:k]) for k, w in enumerate(WORDS)}
    assert row[at["eye"]] == 0
    np.testing.assert_array_equal(row[at["dr_grade"] : at["dr_grade"] + 4], [1, 1, 0, 0])
    assert row[at["hard_exudate"]] == 1
    assert row[at["pigmentation"]] == pytest.approx(1, abs=1e-5)
    assert np.isnan(row[at["haze"]])


def test_sure_outputs_read_back_as_the_truth():
    truth = truth_of(record(eye="OD", quality="usable", dr_grade=3, hard_exudate=20,
                            pigmentation=0.7, haze=False))  # fmt: skip
    other = truth_of(record(hard_exudate=2, pigmentation=0.1))
    scale = scale_of([truth, other])
    row = np.nan_to_num(targets_of(truth, scale))
    logits = np.array([40 * (2 * v - 1) if kind == "logit" else v
                       for v, kind in zip(row, output_kinds(), strict=True)])  # fmt: skip
    said = readings_of(logits[None], scale)[0]
    assert said["eye"] == pytest.approx(1)
    assert said["haze"] == pytest.approx(0)
    assert said["dr_grade"] == pytest.approx(3)
    assert said["quality"] == pytest.approx(1)
    assert said["pigmentation"] == pytest.approx(0.7, abs=1e-5)
    assert said["hard_exudate"] == pytest.approx(20, rel=1e-4)
    assert said[presence("hard_exudate")] == pytest.approx(1)
