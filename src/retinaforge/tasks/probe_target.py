"""What a probe is asked to tell of a photograph, and which photographs teach and judge it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from retinaforge.core import Record, Refusal, rng_for, seed_for
from retinaforge.images import split_by_patient

Kind = Literal["grade", "class", "number"]

SEEDS = 5
TEACHING_PATIENTS, JUDGING_PATIENTS = 5, 2
"""Fewest patients of a class; of a number, of all."""

MOST_CLASSES = 20
_SEXES = {"f": "F", "female": "F", "m": "M", "male": "M"}


@dataclass(frozen=True)
class Target:
    """The truth to be told.

    Attributes:
        name: as it was asked for.
        kind: ordered grades, classes without order, or a number.
        classes: their names in order; empty of a number.
        values: float64, one a record: index into `classes`, or the number; NaN where unknown.
        reasons: one a record: why it is NaN, else "".
        unit: of a number.
    """

    name: str
    kind: Kind
    classes: tuple[str, ...]
    values: np.ndarray
    reasons: tuple[str, ...]
    unit: str = ""


@dataclass(frozen=True)
class Round:
    """Who teaches and who judges, as places in the records."""

    seed: int
    teach: np.ndarray
    judge: np.ndarray


def _column(name: str) -> Callable[[Record], str]:
    return lambda record: record.columns.get(name, "").strip()


def _sex(record: Record) -> str:
    said = record.columns.get("sex", "").strip()
    return _SEXES.get(said.lower(), said)


READERS: dict[str, tuple[Kind, Callable[[Record], str], str]] = {
    "dr_grade": ("grade", _column("dr_grade"), ""),
    "glaucoma": ("class", _column("glaucoma"), ""),
    "age": ("number", _column("age"), "years"),
    "sex": ("class", _sex, ""),
    "camera": ("class", lambda record: record.camera, ""),
    "eye": ("class", lambda record: record.eye or "", ""),
    "dataset": ("class", lambda record: record.dataset, ""),
}
"""Targets that are known by name; any other column of the tables can be asked for too."""

UNDECIDED = {"glaucoma": ("suspect",)}
"""Values that are neither yes nor no."""


def target_of(records: Sequence[Record], name: str) -> Target:
    """Return what the tables say of each photograph.

    Args:
        records: from `read_records`.
        name: one of `READERS`, or a column: read as a number if all its values are numbers and
            more than ten of them differ, else as classes.

    Raises:
        Refusal: "expected a target that the tables hold; got ..." with the columns that there are.
    """
    columns = sorted({key for r in records for key, value in r.columns.items() if value})
    if name in READERS:
        kind, read, unit = READERS[name]
        texts = [read(record) for record in records]
    else:
        texts, unit = [_column(name)(record) for record in records], ""
        kind = _kind_of(texts)
    if not any(texts):
        known = [key for key, (_, r, _) in READERS.items() if any(r(one) for one in records)]
        raise Refusal(
            "a target that the tables of these photographs hold",
            f"{name!r}, which they do not",
            f"ask for one of {', '.join(dict.fromkeys([*known, *columns])) or 'none: no table'}",
        )
    if kind == "number":
        return _number(name, texts, unit)
    return _classes(name, kind, texts)


def _kind_of(texts: Sequence[str]) -> Kind:
    numbers = [_float(text) for text in texts if text]
    varied = len(set(numbers)) > 10
    return "number" if varied and not any(map(math.isnan, numbers)) else "class"


def _number(name: str, texts: Sequence[str], unit: str) -> Target:
    values = np.array([_float(text) for text in texts])
    reasons = tuple(
        "" if np.isfinite(value) else f"{name} is {text!r}, no number" if text else f"no {name}"
        for value, text in zip(values, texts, strict=True)
    )
    return Target(name, "number", (), np.where(np.isfinite(values), values, np.nan), reasons, unit)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _classes(name: str, kind: Kind, texts: Sequence[str]) -> Target:
    undecided = UNDECIDED.get(name, ())
    classes = tuple(sorted({text for text in texts if text and text not in undecided}))
    if len(classes) > MOST_CLASSES:
        raise Refusal(
            f"at most {MOST_CLASSES} classes",
            f"{len(classes)} of {name}, such as {', '.join(classes[:3])}",
            "ask for a column with fewer values",
        )
    reasons = tuple(
        f"no {name}" if not text else f"{name} is {text}" if text in undecided else ""
        for text in texts
    )
    values = [math.nan if why else classes.index(text)
              for text, why in zip(texts, reasons, strict=True)]  # fmt: skip
    return Target(name, kind, classes, np.array(values, np.float64), reasons)


def rounds_of(records: Sequence[Record], target: Target) -> tuple[list[Round], str]:
    """Return five rounds and how they came about, in words.

    Where any photograph has a split, train and val teach and test judges, five times (patients
    without a split are given one by a hash of their name); the seeds then decide inner folds and
    the order of teaching. Where none has, five folds of patients judge in turn.
    """
    known = np.flatnonzero(np.isfinite(target.values))
    if any(record.split for record in records):
        decided = split_by_patient([records[k] for k in known], seed=0)
        judging = np.array([record.split == "test" for record in decided], bool)
        words = "rows of splits train and val teach, rows of test judge; seeds decide inner folds "
        return (
            [Round(seed, known[~judging], known[judging]) for seed in range(SEEDS)],
            words + "and the order of teaching",
        )
    folds = folds_of(target, records, known, seed=0, count=SEEDS)
    rounds = [Round(s, np.setdiff1d(known, fold), fold) for s, fold in enumerate(folds)]
    return rounds, "no split is given: five folds of patients, each judges once"


def folds_of(
    target: Target, records: Sequence[Record], places: np.ndarray, *, seed: int, count: int
) -> list[np.ndarray]:
    """Cut places into folds, all photographs of a patient in one, classes spread evenly."""
    patients = np.array([records[k].patient for k in places])
    count = min(count, len(set(patients.tolist())))
    if count < 2:
        return []
    labels = np.zeros(len(places), int)
    if target.kind != "number":
        labels = target.values[places].astype(int)
    if target.kind == "number" or min(Counter(labels.tolist()).values()) < count:
        # Nothing to spread evenly, or too little of it for scikit-learn.
        names = rng_for(seed, "folds").permutation(np.unique(patients))
        return [places[np.isin(patients, part)] for part in np.array_split(names, count)]
    draw = seed_for(seed, "folds") % 2**32
    spread = StratifiedGroupKFold(count, shuffle=True, random_state=draw)
    return [places[fold] for _, fold in spread.split(places, labels, patients) if len(fold)]


def ready(
    records: Sequence[Record], target: Target
) -> tuple[Target, list[Round], str, list[dict[str, str]]]:
    """Leave out classes of too few patients, and return the target with its rounds.

    Returns:
        The target, the rounds, how they came about, and the classes left out with their reasons.

    Raises:
        Refusal: "expected at least two classes of ..."; "expected at least ... patients ...".
    """
    left_out: list[dict[str, str]] = []
    while True:
        rounds, words = rounds_of(records, target)
        counts = [_patients(records, target, r) for r in rounds]
        if target.kind == "number":
            _refuse_few_numbers(target, records, rounds)
            return target, rounds, words, left_out
        few = {
            k: min((c[k] for c in counts), key=lambda pair: min(pair))
            for k in range(len(target.classes))
            if any(c[k][0] < TEACHING_PATIENTS or c[k][1] < JUDGING_PATIENTS for c in counts)
        }
        if len(target.classes) - len(few) < 2:
            _refuse_few_classes(target, counts[0])
        if not few:
            return target, rounds, words, left_out
        for k, (teach, judge) in few.items():
            why = (
                f"{teach} teaching and {judge} judging patients; at least {TEACHING_PATIENTS} and "
                f"{JUDGING_PATIENTS} are needed"
            )
            left_out.append({"class": target.classes[k], "reason": why})
        target = _without(target, set(few))


def _patients(records: Sequence[Record], target: Target, one: Round) -> list[tuple[int, int]]:
    """Return (teaching, judging) patients of each class."""

    def count(places: np.ndarray, k: int) -> int:
        return len({records[p].patient for p in places if target.values[p] == k})

    return [(count(one.teach, k), count(one.judge, k)) for k in range(len(target.classes))]


def _without(target: Target, gone: set[int]) -> Target:
    kept = [k for k in range(len(target.classes)) if k not in gone]
    renumbered = {old: new for new, old in enumerate(kept)}
    values = [math.nan if math.isnan(v) else renumbered.get(int(v), math.nan)
              for v in target.values]  # fmt: skip
    reasons = tuple(
        why or (f"{target.name} {target.classes[int(v)]} has too few patients"
                if int(v) in gone else "")
        for why, v in zip(target.reasons, np.nan_to_num(target.values), strict=True)
    )  # fmt: skip
    classes = tuple(target.classes[k] for k in kept)
    return replace(target, classes=classes, values=np.array(values), reasons=reasons)


def _refuse_few_classes(target: Target, counts: list[tuple[int, int]]) -> None:
    said = "; ".join(
        f"{name}: {teach} teaching, {judge} judging"
        for name, (teach, judge) in zip(target.classes, counts, strict=True)
    )
    raise Refusal(
        f"at least two classes of {target.name} with {TEACHING_PATIENTS} teaching and "
        f"{JUDGING_PATIENTS} judging patients each",
        f"one class only, {said}" if len(target.classes) == 1 else said or "none",
        "add photographs, or ask for another target",
    )


def _refuse_few_numbers(target: Target, records: Sequence[Record], rounds: list[Round]) -> None:
    for one in rounds:
        teach, judge = (len({records[k].patient for k in p}) for p in (one.teach, one.judge))
        if teach < 2 * TEACHING_PATIENTS or judge < 2 * JUDGING_PATIENTS:
            raise Refusal(
                f"{target.name} of at least {2 * TEACHING_PATIENTS} teaching and "
                f"{2 * JUDGING_PATIENTS} judging patients",
                f"{teach} and {judge}",
                "add photographs, or ask for another target",
            )
        if np.ptp(target.values[one.teach]) == 0:
            raise Refusal(
                f"teaching patients of different {target.name}",
                f"{target.values[one.teach][0]:g} for all",
                "add photographs, or ask for another target",
            )
