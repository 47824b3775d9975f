"""Classes: vocabulary, encoding, refusals."""

from __future__ import annotations

import json

import pytest

from retinaforge.core import Refusal
from retinaforge.generators.classes import AGE, CLOSED, ClassVocabulary, learn_vocabulary
from retinaforge.generators.condition import NONE

ROWS = [
    {"eye": "OD", "dr_grade": 2, "age": 43, "sex": "Female", "camera": "A"},
    {"eye": "os", "dr_grade": 4.0, "age": "80", "camera": "B"},
    {"eye": None, "dr_grade": 7, "age": float("nan"), "sex": "", "camera": "rare"},
]


def vocabulary(least=1):
    return learn_vocabulary(["eye", "dr_grade", "age", "sex", "camera"], ROWS, least=least)


def test_rows_are_encoded_kind_by_kind():
    found = vocabulary()
    assert found.sizes == (2, 5, 8, 2, 3)
    assert found.encode(ROWS).tolist() == [
        [0, 2, 3, 0, 0],
        [1, 4, 7, NONE, 1],
        [NONE, NONE, NONE, NONE, 2],
    ]
    assert found.encode([]).shape == (0, 5)


@pytest.mark.parametrize(
    ("age", "word"), [(0, "under 20"), (19.9, "under 20"), (20, "20-29"), (79, "70-79"),
                      (80, "80 and over"), (120, "80 and over")],
)  # fmt: skip
def test_an_age_on_a_bound_belongs_above(age, word):
    assert AGE.values[AGE.index(age)] == word


def test_every_binned_kind_has_one_more_value_than_bounds():
    assert all(len(kind.values) == len(kind.edges) + 1 for kind in CLOSED.values() if kind.edges)


def test_a_rare_camera_has_no_class():
    rows = ROWS + [{"camera": "A"}] * 9 + [{"camera": "B"}] * 9
    found = learn_vocabulary(["camera"], rows)
    assert found.kinds[0].values == ("A", "B")
    assert found.encode(ROWS).tolist() == [[0], [1], [NONE]]


def test_vocabularies_survive_json():
    found = vocabulary()
    assert ClassVocabulary.from_dict(json.loads(json.dumps(found.as_dict()))) == found
    assert ClassVocabulary.from_dict({}).encode(ROWS) is None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"iris": "blue"}, "a class of eye, dr_grade, age, sex, camera; got iris"),
        ({"dr_grade": 5}, "dr_grade of 0, 1, 2, 3, 4; got 5"),
        ({"age": "old"}, "age of under 20"),
    ],
)
def test_what_it_does_not_know_is_refused(asked, words):
    with pytest.raises(Refusal, match=words):
        vocabulary().require(asked)


def test_words_only_generators_say_so():
    with pytest.raises(Refusal, match="this generator knows words only"):
        ClassVocabulary().require({"eye": "OD"})


def test_no_value_often_enough():
    with pytest.raises(Refusal, match="values of camera that stand in at least 10"):
        vocabulary(least=10)
