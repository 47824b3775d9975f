"""The scorecard's arithmetic on rows whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retinaforge.core import Card, Record
from retinaforge.studies import Study
from retinaforge.studies.panels import densest_window, fixed_eyes
from retinaforge.studies.prepare import set_aside_val
from retinaforge.studies.summarise import _corrected, _differences, _means

STUDY = Study.model_validate(
    {
        "name": "s",
        "question": "q",
        "expected": "e",
        "arm": [{"name": "l1", "loss": "l1"}, {"name": "l1+log", "loss": "l1 + log"}],
    }
)
CARDS = {
    name: Card(name, 1, "m", "[0, 1]", "higher is better", "1", 1, "r", "k")
    for name in ("dice", "recall")
}


def _rows(values: dict[str, list[float]], measure: str = "dice") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "arm": arm,
            "judge": "ours",
            "reference": "original",
            "measure": measure,
            "dataset": "a" if index % 2 else "b",
            "image": f"{index}.png",
            "patient": f"p{index}",
            "value": value,
        }
        for arm, column in values.items()
        for index, value in enumerate(column)
    )


def test_means_by_dataset_recombine_to_the_whole() -> None:
    rows = _rows({"l1": [0.1, 0.2, 0.3, 0.4]})
    scores = {score.where["dataset"]: score for score in _means(STUDY, rows, CARDS)}
    assert scores["all"].value == pytest.approx(0.25)
    assert scores["a"].value == pytest.approx(0.3)
    assert scores["b"].value == pytest.approx(0.2)
    assert scores["all"].n == scores["a"].n + scores["b"].n == 4
    low, high = scores["all"].interval or (np.nan, np.nan)
    assert 0.1 <= low < 0.25 < high <= 0.4


def test_the_study_file_says_how_many_resamples_are_drawn() -> None:
    rng = np.random.default_rng(0)
    rows = _rows({"l1": list(rng.random(12))})
    few = STUDY.model_copy(update={"measure": STUDY.measure.model_copy(update={"bootstrap": 100})})
    intervals = [next(_means(study, rows, CARDS)).interval for study in (STUDY, few)]
    assert intervals[0] != intervals[1]
    assert intervals[0] == pytest.approx(intervals[1], abs=0.05)


def test_a_constant_difference_has_a_point_interval_and_the_smallest_p() -> None:
    base = np.linspace(0.3, 0.6, 10)
    rows = _rows({"l1": list(base), "l1+log": list(base + 0.1)})
    (score,) = _differences(STUDY, rows, CARDS)
    assert score.value == pytest.approx(0.1)
    assert score.interval == pytest.approx((0.1, 0.1))
    assert score.extra["p"] == pytest.approx(2 / 2**10)
    assert score.where["difference_to"] == "l1"


def test_holm_corrects_headline_measures_together_and_others_alone() -> None:
    base = np.linspace(0.3, 0.6, 10)
    pair = {"l1": list(base), "l1+log": list(base + 0.1)}
    rows = pd.concat([_rows(pair), _rows(pair, "recall")])
    more = _rows({"l1": list(base), "l1+sobel": list(base + 0.2)})
    rows = pd.concat([rows, more[more.arm == "l1+sobel"]])
    scores = _corrected(_differences(STUDY, rows, CARDS), primary="ours")
    corrected = {(s.where["arm"], s.card.name): s.extra for s in scores}
    p = 2 / 2**10
    assert corrected["l1+log", "dice"]["p_holm"] == pytest.approx(2 * p)
    assert corrected["l1+log", "dice"]["family"] == "headline"
    assert corrected["l1+log", "recall"]["p_holm"] == pytest.approx(p)


def _records(dataset: str, patients: int, split: str) -> list[Record]:
    return [
        Record(Path(f"{i}.png"), f"{i}.png", dataset, f"{dataset}:{i // 2}", True, split=split)
        for i in range(2 * patients)
    ]


def test_validation_patients_come_from_training_whole() -> None:
    records = [*_records("a", 10, "train"), *_records("b", 1, "train"), *_records("c", 3, "test")]
    out = set_aside_val(records, fraction=0.2, seed=0)
    val = {record.patient for record in out if record.split == "val"}
    assert len(val) == 2
    assert all(name.startswith("a:") for name in val)
    assert not val & {record.patient for record in out if record.split == "train"}
    assert sum(record.split == "test" for record in out) == 6


def test_fixed_eyes_take_turns_between_data_sets() -> None:
    records = [*_records("a", 10, "test"), *_records("b", 1, "test")]
    chosen = [records[index].dataset for index in fixed_eyes(records, 4, seed=0)]
    assert chosen == ["a", "b", "a", "b"]
    assert fixed_eyes(records, 4, seed=0) != fixed_eyes(records, 4, seed=1)


def test_the_zoom_goes_where_most_vessel_is() -> None:
    vessels = np.zeros((256, 256), bool)
    vessels[150:180, 60:90] = True
    rows, columns = densest_window(vessels, 64)
    assert vessels[rows, columns].sum() == 900
    assert (rows.stop - rows.start, columns.stop - columns.start) == (64, 64)
