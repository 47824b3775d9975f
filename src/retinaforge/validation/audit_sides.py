"""Two sets as one encoder sees them, and what is known of a person in each image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retinaforge.core import Refusal
from retinaforge.tasks.embedding import Embedded
from retinaforge.tasks.probe_target import READERS
from retinaforge.tasks.usefulness_set import Example


@dataclass(frozen=True)
class Side:
    """One set as an encoder sees it.

    Attributes:
        examples: the images, in the order of `vectors`.
        vectors: shape (n, channels).
        label: 0 or 1 of a finding, NaN where unknown; empty where none was asked for.
        left_out: images that could not be read.
    """

    examples: tuple[Example, ...]
    vectors: np.ndarray
    label: np.ndarray
    left_out: tuple[tuple[str, str], ...]


def side_of(embedded: Embedded, examples: Sequence[Example], label: np.ndarray) -> Side:
    """Return a set with its vectors; what could not be read is left out of both."""
    place = {id(example.record): k for k, example in enumerate(examples)}
    kept = [place[id(record)] for record in embedded.records]
    return Side(
        tuple(examples[k] for k in kept), np.asarray(embedded.vectors),
        label[kept] if len(label) else label, embedded.left_out,
    )  # fmt: skip


def texts_of(side: Side, name: str) -> list[str]:
    """Return what is known of an attribute, as text; "" where nothing is."""
    found = []
    for example in side.examples:
        record = example.record
        said = READERS[name][1](record) if name in READERS else record.columns.get(name, "")
        if not said and (value := example.facts.get(name)) is not None:
            said = {"female": "F", "male": "M"}.get(str(value).lower(), str(value))
        found.append(said.strip())
    return found


def questions_of(real: Side, synthetic: Side, name: str) -> dict[str, tuple[np.ndarray, ...]]:
    """Return truths of both sides: a number, or one question a class; NaN where unknown.

    Raises:
        Refusal: "expected real images that tell NAME; got ...".
    """
    texts = texts_of(real, name), texts_of(synthetic, name)
    if not any(texts[0]):
        raise Refusal(
            f"real images that tell {name}", f"none of {len(texts[0])}",
            "name another attribute, or add the column",
        )  # fmt: skip
    numbers = [np.array([_number(t) for t in side]) for side in texts]
    known = [t for t in texts[0] if t]
    if name == "age" or (np.isfinite(numbers[0]).sum() == len(known) and len(set(known)) > 10):
        return {name: tuple(numbers)}
    classes = sorted(set(known))
    asked = classes[1:] if len(classes) == 2 else classes
    return {
        f"{name} = {c}": tuple(
            np.array([math.nan if not t else float(t == c) for t in side]) for side in texts
        )
        for c in asked
    }


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
