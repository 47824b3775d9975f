"""Classes as conditions beside or in place of words: grade, eye, age, sex, camera.

A kind is a fact's name with the values that a network knows; each kind has a null of its own, so
any of them may be missing, in training as in asking (Ho and Salimans, arXiv 2207.12598).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.generators.condition import NONE


@dataclass(frozen=True)
class ClassKind:
    """One categorical condition.

    Attributes:
        name: of the fact: "eye", "dr_grade", "age", ...
        values: what the classes are called, in their order.
        edges: for a number: the bounds between the classes, ascending, one fewer than values; a
            number on a bound belongs to the class above. () for a fact that is a word or a grade.
    """

    name: str
    values: tuple[str, ...]
    edges: tuple[float, ...] = ()

    def index(self, value: Any) -> int:
        """Return a value's class; NONE for None, for NaN and for a value that is not known."""
        if value is None or (isinstance(value, float) and value != value):
            return NONE
        if self.edges:
            number = _number(value)
            return NONE if number is None else bisect_right(self.edges, number)
        word = _word(value)
        known = {each.lower(): at for at, each in enumerate(self.values)}
        return known.get(word, NONE)


EYE = ClassKind("eye", ("OD", "OS"))
DR_GRADE = ClassKind("dr_grade", ("0", "1", "2", "3", "4"))
AMD_STAGE = ClassKind("amd_stage", ("0", "1", "2", "3"))
GLAUCOMA = ClassKind("glaucoma", ("0", "1", "2"))
QUALITY = ClassKind("quality", ("good", "usable", "reject"))
SEX = ClassKind("sex", ("female", "male"))
AGE = ClassKind(
    "age",
    ("under 20", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80 and over"),
    (20, 30, 40, 50, 60, 70, 80),
)
CLOSED = {each.name: each for each in (EYE, DR_GRADE, AMD_STAGE, GLAUCOMA, QUALITY, SEX, AGE)}
"""Kinds whose values are the same for every generator; a camera's come from the training set."""


@dataclass(frozen=True)
class ClassVocabulary:
    """The kinds that a network knows, in the order of `Condition.classes`."""

    kinds: tuple[ClassKind, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return what `NetworkShape.class_sizes` takes."""
        return tuple(len(kind.values) for kind in self.kinds)

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> Int[Tensor, "batch kinds"] | None:
        """Return classes of rows of facts (name to value); None where there are no kinds."""
        if not self.kinds:
            return None
        found = [[kind.index(row.get(kind.name)) for kind in self.kinds] for row in rows]
        return torch.tensor(found, dtype=torch.long).reshape(len(rows), len(self.kinds))

    def require(self, asked: Mapping[str, Any]) -> None:
        """Refuse what the network cannot be asked for.

        Raises:
            Refusal: for a kind that is not known, or a value that it does not have.
        """
        kinds = {kind.name: kind for kind in self.kinds}
        for name, value in asked.items():
            if name not in kinds:
                known = ", ".join(kinds) or "none: this generator knows words only"
                raise Refusal(f"a class of {known}", name, "leave it out or say it in the prompt")
            if kinds[name].index(value) == NONE:
                values = ", ".join(kinds[name].values)
                raise Refusal(f"{name} of {values}", repr(value), "name one of these")

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            kind.name: {"values": list(kind.values), "edges": list(kind.edges)}
            for kind in self.kinds
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> ClassVocabulary:
        """Return what `as_dict` wrote."""
        return cls(
            tuple(
                ClassKind(name, tuple(each["values"]), tuple(each.get("edges", ())))
                for name, each in plain.items()
            )
        )


def learn_vocabulary(
    names: Sequence[str], rows: Iterable[Mapping[str, Any]], *, least: int = 10
) -> ClassVocabulary:
    """Return the vocabulary of some kinds, open ones with the values of training rows.

    Args:
        names: facts' names: of CLOSED, or "camera" and other words.
        rows: facts of the training rows, name to value; read for open kinds only.
        least: an open kind's value that stands in fewer rows has no class of its own and counts
            as not given, since an embedding that is hardly trained says nothing.

    Raises:
        Refusal: if an open kind has no value that stands often enough.
    """
    rows = list(rows)
    return ClassVocabulary(
        tuple(CLOSED[name] if name in CLOSED else _open(name, rows, least) for name in names)
    )


def _open(name: str, rows: Sequence[Mapping[str, Any]], least: int) -> ClassKind:
    found = Counter(str(row[name]).strip() for row in rows if row.get(name) not in (None, ""))
    values = tuple(sorted(value for value, times in found.items() if times >= least))
    if not values:
        raise Refusal(
            f"values of {name} that stand in at least {least} training rows",
            f"{len(found)} values in {len(rows)} rows",
            f"leave the class {name} out",
        )
    return ClassKind(name, values)


def _word(value: Any) -> str:
    """Return a value as a vocabulary spells it: grades come as 2, 2.0 and "2"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().lower()


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number == number else None
