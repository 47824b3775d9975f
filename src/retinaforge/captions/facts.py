"""Facts against their catalogue, and RetinaLogos's seven fields as a view of a record.

RetinaLogos (arXiv 2505.12887v3, section 2.1) gives its captioner a record of seven fields. Their
contents are not published; which fact feeds which field here is our reading of the names:
Subclinical_label holds findings and measurements without a diagnosis, Disease_label and
Grade_label the diagnoses, General_label the person, the camera and loose keywords.
"""

from __future__ import annotations

import math

from retinaforge.captions.facts_catalogue import (
    FACT,
    FACTS,
    HALVES,
    LESIONS,
    PLACES,
    QUADRANTS,
    REGIONS,
    UNSORTED,
    UNSTAGED,
    FactKind,
)
from retinaforge.captions.record import EyeRecord, Value
from retinaforge.core import Refusal

__all__ = [
    "FACT",
    "FACTS",
    "HALVES",
    "LESIONS",
    "PLACES",
    "QUADRANTS",
    "REGIONS",
    "SEVEN_FIELDS",
    "UNSORTED",
    "UNSTAGED",
    "FactKind",
    "check_place",
    "check_value",
    "fact_kind",
    "plain",
    "seven_fields",
]

SEVEN_FIELDS = (
    "Eye",
    "Image_quality",
    "Subclinical_label",
    "Disease_label",
    "Grade_label",
    "General_label",
    "Report_label",
)


def fact_kind(name: str) -> FactKind:
    """Return the catalogue's entry.

    Raises:
        Refusal: if the catalogue has no such fact.
    """
    if name in FACT:
        return FACT[name]
    raise Refusal(
        f"a fact of the catalogue ({', '.join(FACT)})",
        repr(name),
        "name it as the catalogue does, or put free words into keywords or the report",
    )


def check_value(name: str, value: Value) -> Value:
    """Return `value` if the fact `name` can have it.

    Raises:
        Refusal: naming the fact, what it may be and what came.
    """
    kind = fact_kind(name)
    if _fits(kind, value):
        return value
    raise Refusal(f"{name} to be {_may_be(kind)}", repr(value), "mend the record's value")


def check_place(name: str, place: str) -> str:
    """Return `place` if the catalogue has it.

    Raises:
        Refusal: naming the fact, the places there are and what came.
    """
    if place in PLACES:
        return place
    raise Refusal(f"{name} to lie in {', '.join(PLACES)}", repr(place), "use one of these words")


def _fits(kind: FactKind, value: Value) -> bool:
    if kind.kind in ("choice", "text"):
        return isinstance(value, str) and (kind.kind == "text" or value in kind.values)
    if kind.kind == "flag":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return kind.kind == "count"
    if not isinstance(value, int | float) or not math.isfinite(value):
        return False
    if kind.kind != "number" and value != int(value):
        return False
    return kind.low <= value <= kind.high


def _may_be(kind: FactKind) -> str:
    return {
        "choice": " or ".join(map(repr, kind.values)),
        "flag": "true or false",
        "count": "a count (whole, at least 0), or true or false where nobody counted",
        "grade": f"a whole grade from 0 to {kind.high:g}",
        "number": f"a number from {kind.low:g} to {kind.high:g} {kind.unit}".rstrip(),
        "text": "words",
    }[kind.kind]


def seven_fields(record: EyeRecord) -> dict[str, str]:
    """Return RetinaLogos's seven fields, in its order, as text; "" where nothing is known."""
    told: dict[str, list[str]] = {name: [] for name in SEVEN_FIELDS}
    for kind in FACTS:
        if (fact := record.facts.get(kind.name)) is not None:
            said = plain(kind, fact.value)
            where = f" ({', '.join(fact.places)})" if fact.places else ""
            told[kind.field].append(said + where)
    if record.report:
        told["Report_label"].append(record.report)
    return {name: "; ".join(said) for name, said in told.items()}


def plain(kind: FactKind, value: Value) -> str:
    """Return a fact as bare words: the value alone for a field of its own, else "name: value"."""
    if kind.name == "eye":
        return str(value)
    if kind.kind == "grade":
        return kind.values[int(value)]
    name = kind.name.replace("_", " ")
    if isinstance(value, bool):
        return f"{name}: {'yes' if value else 'no'}"
    shown = f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{name}: {shown} {kind.unit}".rstrip()
