"""What is asked, and of whom: tables read, patients kept together, and refusals in clear words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from retinaforge.core import Record, Refusal
from retinaforge.tasks.probe_target import ready, rounds_of, target_of


def records(
    column: str, values: Sequence[str], *, splits: Sequence[str | None] = (), eyes: int = 1
) -> list[Record]:
    """Return one record a value, `eyes` of each patient."""
    return [
        Record(
            Path(f"{k}.png"), f"{k}.png", "made up", f"p{k // eyes}", patient_known=True,
            camera=value if column == "camera" else "",
            split=splits[k] if splits else None,
            columns={column: value} if column != "camera" else {"age": "50"},
        )
        for k, value in enumerate(values)
    ]  # fmt: skip


def test_grades_classes_and_numbers_are_read() -> None:
    grades = target_of(records("dr_grade", ["0", "2", "", "4"]), "dr_grade")
    assert (grades.kind, grades.classes) == ("grade", ("0", "2", "4"))
    assert grades.values[[0, 1, 3]].tolist() == [0, 1, 2]
    assert grades.reasons == ("", "", "no dr_grade", "")
    ages = target_of(records("age", ["63", "young", ""]), "age")
    assert (ages.kind, ages.unit) == ("number", "years")
    assert ages.reasons == ("", "age is 'young', no number", "no age")
    sexes = target_of(records("sex", ["F", "male", "m"]), "sex")
    assert sexes.classes == ("F", "M")
    glaucoma = target_of(records("glaucoma", ["0", "1", "suspect"]), "glaucoma")
    assert glaucoma.reasons[2] == "glaucoma is suspect"
    assert target_of(records("camera", ["A", "B"]), "camera").classes == ("A", "B")


def test_any_column_can_be_asked_for() -> None:
    varied = target_of(records("pressure", [str(k / 2) for k in range(12)]), "pressure")
    assert varied.kind == "number"
    assert target_of(records("quality", ["1", "2"] * 9), "quality").kind == "class"


def test_an_unknown_target_is_refused_with_what_there_is() -> None:
    with pytest.raises(Refusal, match=r"got 'iris', which they do not; ask for one of .*dr_grade"):
        target_of(records("dr_grade", ["0", "1"]), "iris")
    with pytest.raises(Refusal, match="expected at most 20 classes; got 40 of name"):
        target_of(records("name", [f"x{k}" for k in range(40)]), "name")


def test_given_splits_are_kept_and_patients_stay_whole() -> None:
    given = ["train", "val", "test", "train"] * 10
    rows = records("sex", ["F", "M"] * 20, splits=given)
    rounds, words = rounds_of(rows, target_of(rows, "sex"))
    assert [one.seed for one in rounds] == [0, 1, 2, 3, 4]
    assert all(set(one.judge) == {k for k in range(40) if k % 4 == 2} for one in rounds)
    assert "rows of test judge" in words


@pytest.mark.parametrize("column", ["sex", "age"])
def test_without_splits_every_patient_judges_once(column: str) -> None:
    values = ["F", "M"] * 30 if column == "sex" else [str(20 + k) for k in range(60)]
    rows = records(column, values, eyes=2)
    rounds, words = rounds_of(rows, target_of(rows, column))
    assert len(rounds) == 5
    assert "five folds of patients" in words
    assert sorted(np.concatenate([one.judge for one in rounds])) == list(range(60))
    for one in rounds:
        judging, teaching = ({rows[k].patient for k in p} for p in (one.judge, one.teach))
        assert not judging & teaching


def test_classes_of_too_few_patients_are_left_out_with_a_reason() -> None:
    splits = ["train", "train", "train", "test"] * 10
    values = ["0"] * 20 + ["1"] * 16 + ["2"] * 4
    rows = records("dr_grade", values, splits=splits)
    target, rounds, _, gone = ready(rows, target_of(rows, "dr_grade"))
    assert target.classes == ("0", "1")
    reason = "3 teaching and 1 judging patients; at least 5 and 2 are needed"
    assert gone == [{"class": "2", "reason": reason}]
    assert target.reasons[-1] == "dr_grade 2 has too few patients"
    assert max(rounds[0].judge.max(), rounds[0].teach.max()) < 36


def test_too_few_is_refused_in_words() -> None:
    rows = records("sex", ["F"] * 40)
    with pytest.raises(Refusal, match="got one class only, F: "):
        ready(rows, target_of(rows, "sex"))
    rows = records("sex", ["F"] * 30 + ["M"] * 3)
    with pytest.raises(Refusal, match=r"expected at least two classes of sex with 5 teaching"):
        ready(rows, target_of(rows, "sex"))
    rows = records("age", ["50", "60"] * 5)
    with pytest.raises(Refusal, match=r"age of at least 10 teaching and 4 judging patients; got 8"):
        ready(rows, target_of(rows, "age"))
    rows = records("age", ["50"] * 40)
    with pytest.raises(Refusal, match="expected teaching patients of different age; got 50 for"):
        ready(rows, target_of(rows, "age"))
