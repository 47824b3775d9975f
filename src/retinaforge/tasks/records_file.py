"""records.jsonl: what is known of each eye, a row an image, and where the image lies."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from retinaforge.captions.record import EyeRecord
from retinaforge.captions.rows import BadRow, read_records_file, record_to_row
from retinaforge.tasks.pairs import write_rows

PATH = "path"
"""Column of the image file: relative to the table where it lies below it, absolute elsewhere."""


@dataclass(frozen=True)
class Known:
    """An image and what is known of it."""

    record: EyeRecord
    path: Path


def write_known(table: Path, known: Iterable[Known]) -> Path:
    """Write records.jsonl."""
    home = Path(table).resolve().parent
    return write_rows(
        Path(table),
        ({**record_to_row(each.record), PATH: _seen_from(home, each.path)} for each in known),
    )


class KnownRead(NamedTuple):
    """The images of a records file with what is known of them, and the rows left out."""

    known: tuple[Known, ...]
    bad: tuple[BadRow, ...]


def read_known(table: Path, root: Path | None = None) -> KnownRead:
    """Read records.jsonl; a bad row is named and the rest kept.

    Args:
        table: the file.
        root: where the images lie by their names, for a table whose paths no longer hold.

    Raises:
        Refusal: if there is no such file or none of its rows is a record.
    """
    table = Path(table)
    records, bad = read_records_file(table)
    places = {} if root else _places(table)
    home = Path(root) if root else table.parent
    known = (Known(each, home / places.get(each.image, each.image)) for each in records)
    return KnownRead(tuple(known), bad)


def _places(table: Path) -> dict[str, str]:
    """Return the column `path` by image; rows that are no JSON were named already.

    Lines end as in `read_records_file`: a report may hold other characters that end a line.
    """
    found: dict[str, str] = {}
    for line in table.read_bytes().split(b"\n"):
        with suppress(json.JSONDecodeError, UnicodeDecodeError):
            row = json.loads(line) if line.strip() else None
            if isinstance(row, dict) and row.get(PATH):
                found.setdefault(str(row.get("file_name")), str(row[PATH]))
    return found


def _seen_from(home: Path, path: Path) -> str:
    full = path.resolve()
    return full.relative_to(home).as_posix() if full.is_relative_to(home) else str(full)
