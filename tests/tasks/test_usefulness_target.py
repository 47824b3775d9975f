"""What tables, phantoms, pairs and keywords say of a target, and what nobody said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from useful_eyes import example

from retinaforge.core import Refusal
from retinaforge.tasks.usefulness_set import read_examples
from retinaforge.tasks.usefulness_target import labels_of, require, share_classes


def table(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def values(folder: Path, target: str) -> list[float]:
    return labels_of(read_examples(folder).examples, target).values[:, 0].tolist()


def test_a_manifest_and_a_phantom_spell_glaucoma_differently(tmp_path: Path) -> None:
    real = table(tmp_path / "real", "manifest.csv",
                 "image,glaucoma,dr_grade\na.png,0,1\nb.png,suspect,2\nc.png,1,\n")  # fmt: skip
    row = {"file_name": "a.png", "synthetic": True, "amd_stage": 0, "lesions": {"drusen": 3}}
    rows = [{**row, "glaucoma": stage, "dr_grade": stage} for stage in (0, 1, 2)]
    drawn = table(tmp_path / "drawn", "metadata.jsonl",
                  "".join(json.dumps(one) + "\n" for one in rows))  # fmt: skip
    for folder in (real, drawn):
        assert values(folder, "glaucoma") == pytest.approx([0, np.nan, 1], nan_ok=True)
    assert values(real, "referable") == pytest.approx([0, 1, np.nan], nan_ok=True)
    assert values(drawn, "dr_grade") == [0, 1, 2]
    assert values(drawn, "label:drusen") == [1, 1, 1]


def test_labels_that_are_unknown_are_masked(tmp_path: Path) -> None:
    folder = table(tmp_path / "rfmid", "manifest.csv", "image,DR,ARMD\na.png,1,0\nb.png,0,\n"
                   "c.png,,-1\n")  # fmt: skip
    examples = read_examples(folder).examples
    labels = labels_of(examples, "label:DR,ARMD")
    assert labels.values.tolist() == [
        pytest.approx([1, 0]), pytest.approx([0, np.nan], nan_ok=True),
        pytest.approx([np.nan, np.nan], nan_ok=True),
    ]  # fmt: skip
    assert labels.known.tolist() == [True, True, False]
    assert labels.reasons[2] == "none of DR, ARMD is known"
    kept, gone = share_classes(labels, np.array([0, 1]))
    assert [q.name for q in kept.questions] == ["DR"]
    assert gone == [
        {"class": "ARMD", "reason": "the images that teach do not hold both answers"},
    ]  # fmt: skip


def test_a_list_of_diagnoses_is_taken_to_be_whole_and_a_sentence_is_none(tmp_path: Path) -> None:
    folder = table(tmp_path / "odir", "manifest.csv", 'image,caption\na.png,"cataract, lens dust"\n'
                   "b.png,normal fundus\nc.png,A photograph of an eye.\n")  # fmt: skip
    found = values(folder, "label:cataract")
    assert found == pytest.approx([1, 0, np.nan], nan_ok=True)
    assert values(folder, "label:drusen") == pytest.approx([0, 0, np.nan], nan_ok=True)


def test_a_column_of_words_is_classes(tmp_path: Path) -> None:
    folder = table(tmp_path / "sex", "manifest.csv", "image,laterality\na.png,left\nb.png,right\n")
    labels = labels_of(read_examples(folder).examples, "label:laterality")
    assert labels.questions[0].classes == ("left", "right")
    assert labels.values[:, 0].tolist() == [0, 1]


def test_classes_that_nobody_teaches_are_left_out() -> None:
    examples = [example(str(k), str(k), dr_grade=grade) for k, grade in enumerate((0, 2, 4, 0))]
    labels, gone = share_classes(labels_of(examples, "dr_grade"), np.array([0, 2, 3]))
    assert labels.questions[0].classes == ("0", "4")
    assert labels.values[:, 0].tolist() == pytest.approx([0, np.nan, 1, 0], nan_ok=True)
    assert labels.reasons[1] == "a dr_grade that no photograph teaches"
    assert [row["class"] for row in gone] == ["1", "2", "3"]
    with pytest.raises(Refusal, match=r"two classes of dr_grade among .*; got one class only \(0"):
        share_classes(labels_of(examples, "dr_grade"), np.array([0, 3]))


def test_refusals_name_what_is_held(tmp_path: Path) -> None:
    examples = [example("a", "a", quality="good")]
    with pytest.raises(Refusal, match=r"expected drawn images with dr_grade .* hold quality; draw"):
        require(labels_of(examples, "dr_grade"), examples, "drawn images")
    with pytest.raises(Refusal, match=r"expected a target \(dr_grade, .* got 'label:'"):
        labels_of(examples, "label:")
    (tmp_path / "set-000.tar").write_bytes(b"")
    with pytest.raises(Refusal, match="expected a folder of images with a table; got a folder of"):
        read_examples(tmp_path)
