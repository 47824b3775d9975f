"""What is asked of an image: a grade, a disease, or several labels of which some are unknown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from retinaforge.captions.record import Value
from retinaforge.core import Refusal
from retinaforge.tasks.usefulness_set import Example

GRADES = ("0", "1", "2", "3", "4")
NO_YES = ("no", "yes")
REFERABLE = 2
"""Least DR grade that is referred: moderate or worse."""
TARGETS = "dr_grade, glaucoma, referable, label:NAME or label:NAME,NAME"
MOST_CLASSES = 20


@dataclass(frozen=True)
class Question:
    """One question with one answer an image.

    Attributes:
        name: as it was asked, without "label:".
        kind: ordered grades, or classes without order.
        classes: names of the answers; of two the second is the finding.
    """

    name: str
    kind: Literal["grade", "class"]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Labels:
    """Answers of images to questions.

    Attributes:
        questions: one or, with several labels, one for each.
        values: index of the class, shape (n, questions); NaN where unknown.
        reasons: one an image: why nothing is known of it, else "".
    """

    questions: tuple[Question, ...]
    values: np.ndarray
    reasons: tuple[str, ...]

    @property
    def known(self) -> np.ndarray:
        """Return which images have an answer to any question."""
        return np.isfinite(self.values).any(axis=1)


def labels_of(examples: Sequence[Example], target: str) -> Labels:
    """Return what is known of each image about a target.

    Args:
        examples: from `read_examples`.
        target: "dr_grade", "glaucoma" (suspects are unknown), "referable" (grade 2 or more), or
            "label:NAME,NAME": a fact, a column or a word of the tables, there or not there; a
            single name of a column with other words is taken as classes.

    Raises:
        Refusal: "expected a target (...); got ...".
    """
    if target == "dr_grade":
        return _single(Question(target, "grade", GRADES), [_grade(one) for one in examples])
    if target in ("glaucoma", "referable"):
        read = _glaucoma if target == "glaucoma" else _referable
        return _single(Question(target, "class", NO_YES), [read(one) for one in examples])
    head, _, names = target.partition(":")
    asked = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if head != "label" or not asked:
        raise Refusal(f"a target ({TARGETS})", repr(target), "name what the tables hold")
    if len(asked) == 1 and (classes := _column_classes(examples, asked[0])):
        places = [_place(one.facts.get(asked[0]), classes) for one in examples]
        return _single(Question(asked[0], "class", classes), places)
    columns = [_single(Question(name, "class", NO_YES), [_flag(one, name) for one in examples])
               for name in asked]  # fmt: skip
    values = np.concatenate([each.values for each in columns], axis=1)
    reasons = tuple("" if known else f"none of {', '.join(asked)} is known"
                    for known in np.isfinite(values).any(axis=1))  # fmt: skip
    return Labels(tuple(each.questions[0] for each in columns), values, reasons)


def _single(question: Question, places: Sequence[float]) -> Labels:
    values = np.array(places, np.float64).reshape(-1, 1)
    reasons = tuple("" if np.isfinite(v) else f"no {question.name} that can be judged"
                    for v in values[:, 0])  # fmt: skip
    return Labels((question,), values, reasons)


def _number(value: Value | None) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def grade_of(example: Example) -> float:
    """Return the DR grade, 0 to 4; NaN where unknown."""
    return _grade(example)


def _grade(example: Example) -> float:
    grade = _number(example.facts.get("dr_grade"))
    return grade if grade in (0, 1, 2, 3, 4) else math.nan


def _referable(example: Example) -> float:
    grade = _grade(example)
    return math.nan if math.isnan(grade) else float(grade >= REFERABLE)


def _glaucoma(example: Example) -> float:
    stage = _number(example.facts.get("glaucoma"))
    return {0.0: 0.0, 2.0: 1.0}.get(stage, math.nan)


def _flag(example: Example, name: str) -> float:
    value = example.facts.get(name)
    if value is not None:
        return math.nan if isinstance(value, str) else float(value > 0)
    if example.words:
        # A list of diagnoses is taken to be whole.
        return float(name.replace("_", " ").lower() in example.words)
    return math.nan


def _column_classes(examples: Sequence[Example], name: str) -> tuple[str, ...]:
    """Return the classes of a column of words; nothing of numbers and flags."""
    found = {value for one in examples if isinstance(value := one.facts.get(name), str)}
    if len(found) > MOST_CLASSES:
        raise Refusal(
            f"at most {MOST_CLASSES} classes", f"{len(found)} of {name}",
            "ask for a column with fewer values",
        )  # fmt: skip
    return tuple(sorted(found))


def _place(value: Value | None, classes: tuple[str, ...]) -> float:
    return float(classes.index(value)) if value in classes else math.nan


def require(labels: Labels, examples: Sequence[Example], what: str) -> None:
    """Refuse a folder of which nothing is known, with what its rows do hold.

    Raises:
        Refusal: "expected images of FOLDER that say ...; got ...".
    """
    if labels.known.any():
        return
    held = Counter(name for one in examples for name in one.facts)
    words = ", ".join(name for name, _ in held.most_common(8)) or "no label at all"
    asked = ", ".join(q.name for q in labels.questions)
    raise Refusal(
        f"{what} with {asked} in metadata.jsonl (its record's facts) or a table",
        f"{len(examples)} images that hold {words}",
        "draw them with labels (`phantoms make`, `generate sample --captions PAIRS`), add a "
        "column, or ask for another target",
    )


def share_classes(labels: Labels, teaching: np.ndarray) -> tuple[Labels, list[dict[str, str]]]:
    """Leave out classes that no teaching image has, and return which.

    Args:
        labels: of the real images.
        teaching: places of those that may teach.

    Raises:
        Refusal: "expected at least two classes of ... among the images that teach; got ...".
    """
    if len(labels.questions) > 1:
        return _with_both(labels, teaching)
    question, values = labels.questions[0], labels.values[:, 0]
    seen = {int(v) for v in values[teaching] if np.isfinite(v)}
    kept = [k for k in range(len(question.classes)) if k in seen]
    if len(kept) < 2:
        only = ", ".join(question.classes[k] for k in kept) or "none"
        raise Refusal(
            f"at least two classes of {question.name} among the images that teach",
            f"one class only ({only})" if kept else "none",
            "add photographs, or ask for another target",
        )
    gone = [{"class": question.classes[k], "reason": "no image that teaches has it"}
            for k in range(len(question.classes)) if k not in kept]  # fmt: skip
    return relabelled(labels, kept), gone


def relabelled(labels: Labels, kept: Sequence[int]) -> Labels:
    """Return a single question's labels with the kept classes alone, renumbered."""
    question = labels.questions[0]
    place = {old: new for new, old in enumerate(kept)}
    values = [place.get(int(v), math.nan) if np.isfinite(v) else math.nan
              for v in labels.values[:, 0]]  # fmt: skip
    reasons = tuple(
        why or ("" if np.isfinite(v) else f"a {question.name} that no photograph teaches")
        for why, v in zip(labels.reasons, values, strict=True)
    )
    smaller = replace(question, classes=tuple(question.classes[k] for k in kept))
    return Labels((smaller,), np.array(values, np.float64).reshape(-1, 1), reasons)


def _with_both(labels: Labels, teaching: np.ndarray) -> tuple[Labels, list[dict[str, str]]]:
    taught = labels.values[teaching]
    both = [set(column[np.isfinite(column)]) == {0.0, 1.0} for column in taught.T]
    gone = [{"class": q.name, "reason": "the images that teach do not hold both answers"}
            for q, good in zip(labels.questions, both, strict=True) if not good]  # fmt: skip
    if not any(both):
        raise Refusal(
            "a label that is there in some of the images that teach, and not in others",
            "; ".join(f"{row['class']}: {row['reason']}" for row in gone),
            "add photographs, or ask for another target",
        )
    questions = tuple(q for q, good in zip(labels.questions, both, strict=True) if good)
    return Labels(questions, labels.values[:, both], labels.reasons), gone
