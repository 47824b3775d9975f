"""Records as JSON lines: one row an image, strict about what it does not know.

A row: {"file_name", "patient", "split", "licence", "dataset", "synthetic", "report",
"facts": {name: {"value", "source", "places", "boxes"}}}; all but "file_name" may be missing. "path"
may say where the image lies; it is no part of the record (`tasks.records_file` reads it).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from retinaforge.captions.facts import check_place, check_value, fact_kind
from retinaforge.captions.record import Box, EyeRecord, Fact
from retinaforge.core import Refusal, split_of
from retinaforge.core.artefacts import write_text

TEXTS = ("report", "patient", "split", "licence", "dataset")
KEYS = frozenset(("file_name", "facts", "synthetic", "path", *TEXTS))
FACT_KEYS = frozenset(("value", "source", "places", "boxes"))


class BadRow(NamedTuple):
    """A row that was left out: its line in the file (from 1), its image if it names one, why."""

    line: int
    image: str
    why: str


class RecordsRead(NamedTuple):
    """The good records of a file, in its order, and the rows that were left out."""

    records: tuple[EyeRecord, ...]
    bad: tuple[BadRow, ...]


def record_to_row(record: EyeRecord) -> dict[str, Any]:
    """Return a record as plain data; facts in the order in which they were given."""
    return {
        "file_name": record.image,
        "patient": record.patient,
        "split": record.split,
        "licence": record.licence,
        "dataset": record.dataset,
        "synthetic": record.synthetic,
        "report": record.report,
        "facts": {name: _fact_to_row(fact) for name, fact in record.facts.items()},
    }


def _fact_to_row(fact: Fact) -> dict[str, Any]:
    return {
        "value": fact.value,
        "source": fact.source,
        "places": list(fact.places),
        "boxes": [list(box) for box in fact.boxes],
    }


def record_from_row(row: Mapping[str, Any]) -> EyeRecord:
    """Return the record of one row.

    Raises:
        Refusal: for a missing file name, an unknown key, fact or place, or a value that the
            catalogue does not allow.
    """
    if not isinstance(row, Mapping):
        raise Refusal("a row to be a JSON object", type(row).__name__, "write one object a line")
    _only(row, KEYS, "a row")
    image = row.get("file_name")
    if not isinstance(image, str) or not image:
        raise Refusal("a row to name its file_name", repr(image), "give the image's file name")
    facts = row.get("facts") or {}
    if not isinstance(facts, Mapping):
        raise Refusal("facts by name", type(facts).__name__, 'write {"eye": {"value": "OD", ...}}')
    texts = {key: _text(key, row.get(key, "")) for key in TEXTS}
    return EyeRecord(
        image=image,
        facts={name: _fact_from_row(name, each) for name, each in facts.items()},
        synthetic=_flag(row.get("synthetic", False)),
        **{**texts, "split": split_of(texts["split"])},
    )


def _fact_from_row(name: str, row: Any) -> Fact:
    fact_kind(name)
    if not isinstance(row, Mapping) or "value" not in row:
        raise Refusal(f'{name} as {{"value", "source", ...}}', repr(row), "give its value")
    _only(row, FACT_KEYS, f"the fact {name}")
    source = _text("source", row.get("source", ""))
    if not source:
        raise Refusal(f"{name} to say its source", "none", 'write for example "manifest: odir"')
    places = tuple(check_place(name, place) for place in _listed(name, "places", row))
    boxes = tuple(_box(name, box) for box in _listed(name, "boxes", row))
    return Fact(name, check_value(name, row["value"]), source, places, boxes)


def _listed(name: str, key: str, row: Mapping[str, Any]) -> list[Any]:
    found = row.get(key) or []
    if isinstance(found, list | tuple):
        return list(found)
    raise Refusal(f"{name}'s {key} as a list", repr(found)[:80], f'write "{key}": []')


def _box(name: str, box: Any) -> Box:
    try:
        left, top, right, bottom = (float(side) for side in box)
    except (TypeError, ValueError):
        left = top = right = bottom = math.nan
    if 0 <= left < right <= 1 and 0 <= top < bottom <= 1:
        return left, top, right, bottom
    raise Refusal(
        f"{name}'s box as left, top, right, bottom in shares of the image (0 to 1)",
        repr(box),
        "divide pixels by the image's width and height",
    )


def _only(row: Mapping[str, Any], allowed: frozenset[str], what: str) -> None:
    if odd := sorted(set(row) - allowed):
        raise Refusal(
            f"{what} with only {', '.join(sorted(allowed))}", ", ".join(odd), "remove the others"
        )


def _text(key: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    raise Refusal(f"{key} as text", repr(value), f'write "{key}": ""')


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise Refusal("synthetic as true or false", repr(value), "write true for drawn images")


def write_records_file(path: Path, records: Iterable[EyeRecord]) -> Path:
    """Write one JSON row a record, whole or not at all."""
    rows = (
        json.dumps(record_to_row(each), ensure_ascii=False, allow_nan=False) for each in records
    )
    return write_text(path, "".join(row + "\n" for row in rows))


def read_records_file(path: Path) -> RecordsRead:
    """Read a records file; a bad row is named and the rest kept.

    Returns:
        The good records and, by line, what was wrong with the others; an image named twice keeps
        its first row.

    Raises:
        Refusal: if there is no such file or none of its rows is a record.
    """
    if not path.is_file():
        raise Refusal(
            f"records at {path}", "no such file", "write it: retinaforge captions records"
        )
    good: dict[str, EyeRecord] = {}
    bad: list[BadRow] = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if line.strip():
            _read_line(number, line, good, bad)
    if bad and not good:
        raise Refusal(f"records in {path}", f"none; line {bad[0].line}: {bad[0].why}", "mend it")
    return RecordsRead(tuple(good.values()), tuple(bad))


def _read_line(number: int, line: bytes, good: dict[str, EyeRecord], bad: list[BadRow]) -> None:
    image = ""
    try:
        row = json.loads(line)
        image = str(row.get("file_name", "")) if isinstance(row, dict) else ""
        record = record_from_row(row)
        if record.image in good:
            raise Refusal("each image once", f"{record.image} twice", "remove one of its rows")
    except Refusal as refusal:
        bad.append(BadRow(number, image, str(refusal)))
    except UnicodeDecodeError:
        bad.append(BadRow(number, image, "not UTF-8"))
    except json.JSONDecodeError as error:
        bad.append(BadRow(number, image, f"not JSON: {error.msg} at column {error.colno}"))
    else:
        good[record.image] = record
