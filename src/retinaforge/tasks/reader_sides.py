"""One side of a reader study: images with what is known of each, as text that a key can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from retinaforge.captions.record import Value
from retinaforge.core import Record
from retinaforge.tasks.usefulness_set import Example, read_examples
from retinaforge.tasks.usefulness_target import labels_of

ASKED = ("glaucoma", "referable")
DIAGNOSES = "diagnoses"
NOBODY = Record(Path(), "", "", "")


def read_side(folder: Path) -> tuple[list[Record], list[dict[str, str]]]:
    """Return a folder's images with what its tables, records and captions' facts say of them.

    Args:
        folder: photographs with a manifest, phantoms, pairs, or what `generate sample` drew.

    Returns:
        Records whose columns hold the facts as well, by the catalogue's names and on its scale
        (glaucoma 0 none, 1 suspected, 2 there), and rows {"name", "reason"} that are no images.

    Raises:
        Refusal: see `read_examples`.
    """
    examples, bad = read_examples(folder)
    return ([replace(one.record, columns=_columns(one)) for one in examples],
            [{"name": name, "reason": reason} for name, reason in bad])  # fmt: skip


def _columns(example: Example) -> dict[str, str]:
    facts = {name: _text(value) for name, value in example.facts.items()}
    words = {DIAGNOSES: "; ".join(sorted(example.words))} if example.words else {}
    return {**example.record.columns, **facts, **words}


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def group_of(columns: Mapping[str, str], by: str) -> str:
    """Return the group of an image: a column's value, or the answer to a question.

    Args:
        columns: of `read_side`, or of a key.
        by: a column or fact, "referable" (DR grade 2 or more) or "glaucoma", both no and yes, or
            "label:NAME": a fact that is there or not, or a word of the diagnoses.

    Returns:
        "" where it is not known.
    """
    if by not in ASKED and not by.startswith("label:"):
        return columns.get(by, "").strip()
    facts = {name: value for name, text in columns.items() if (value := _value(text)) is not None}
    words = frozenset(filter(None, columns.get(DIAGNOSES, "").split("; ")))
    labels = labels_of([Example(NOBODY, facts, words)], by)
    if len(labels.questions) > 1 or not labels.known[0]:
        return ""
    return labels.questions[0].classes[int(labels.values[0, 0])]


def _value(text: str) -> Value | None:
    if text in ("true", "false"):
        return text == "true"
    try:
        number = float(text)
    except ValueError:
        return text or None
    return int(number) if number.is_integer() else number
