"""The challenges' tables: CSV or Excel, a name and some numbers a row; a bad row is named."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from retinaforge.core import Refusal

Cells = list[list[str]]
Kind = Literal["missing", "refused", "extra"]
EXCEL = "pip install 'retinaforge[challenge]', or save the table as CSV under the same name"


@dataclass(frozen=True)
class Fault:
    """One thing that could not be scored as given.

    Attributes:
        part: "masks", "labels" or "fovea".
        name: of the image.
        kind: "missing" (the truth has it, the answers do not), "refused" (a file or row that
            cannot be used), "extra" (an answer to no question; changes no score).
        reason: in words.
    """

    part: str
    name: str
    kind: Kind
    reason: str


def read_table(path: Path) -> Cells:
    """Return the cells of a table as text, blank rows left out.

    Raises:
        Refusal: "expected a table in UTF-8 ..."; without a reader of Excel files.
    """
    try:
        rows = _excel(path) if path.suffix.lower() in (".xlsx", ".xls") else _csv(path)
    except ImportError as error:
        raise Refusal("a reader of Excel files", f"none for {path.name}", EXCEL) from error
    except (OSError, ValueError, csv.Error) as error:
        raise Refusal("a table in UTF-8", f"{path}: {error}", "save it again as CSV") from error
    return [row for row in rows if any(cell.strip() for cell in row)]


def _csv(path: Path) -> Cells:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return [list(row) for row in csv.reader(stream)]


def _excel(path: Path) -> Cells:
    import pandas as pd

    table = pd.read_excel(path, header=None, dtype=object)
    return [["" if pd.isna(cell) else str(cell) for cell in row] for row in table.to_numpy()]


def number_of(cell: str) -> float:
    """Return a cell's number; NaN where it is none."""
    try:
        return float(cell)
    except ValueError:
        return math.nan


def body(rows: Cells, path: Path, *, columns: Sequence[str]) -> Cells:
    """Return the rows below the header, which a challenge's evaluation skips unread.

    Args:
        rows: of the whole table.
        path: of the table.
        columns: what the columns hold, in order.

    Raises:
        Refusal: "expected a first line that names the columns; got numbers ..."; too few columns.
    """
    wanted = ",".join(columns)
    if not rows:
        raise Refusal(f"a table {wanted}", f"an empty file: {path}", "write one row an image")
    if any(math.isfinite(number_of(cell)) for cell in rows[0][1 : len(columns)]):
        raise Refusal(
            "a first line that names the columns",
            f"numbers in the first line of {path}",
            f"put {wanted} above them",
        )
    if len(rows[0]) < len(columns):
        raise Refusal(
            f"the {len(columns)} columns {wanted}", f"{len(rows[0])} in {path}", "add what lacks"
        )
    return rows[1:]


def column(header: Sequence[str], names: Iterable[str]) -> int | None:
    """Return where the first of some columns stands, whatever its capitals and blanks."""
    plain = ["".join(c for c in cell.lower() if c.isalnum()) for cell in header]
    return next((plain.index(name) for name in names if name in plain), None)


def numbers_of(
    rows: Cells, places: Sequence[int], key: int, *, part: str, named: Callable[[object], str]
) -> tuple[dict[str, tuple[float, ...]], list[Fault]]:
    """Return the numbers of each row by its image; rows that cannot be used are faults.

    A name that stands twice is refused in both places: which row counts would be a guess.

    Args:
        rows: without the header.
        places: columns of the numbers.
        key: column of the name.
        part: for the faults.
        named: turns the cell of a name into the name.
    """
    found: dict[str, tuple[float, ...]] = {}
    faults: list[Fault] = []
    twice: set[str] = set()
    for row in rows:
        name = named(row[key]) if key < len(row) else ""
        values = tuple(number_of(row[k]) if k < len(row) else math.nan for k in places)
        if name in found or name in twice:
            twice.add(name)
        elif not name or not all(map(math.isfinite, values)):
            said = ",".join(row)
            faults.append(Fault(part, name or said, "refused", f"no numbers in the row {said!r}"))
        else:
            found[name] = values
    for name in sorted(twice):
        found.pop(name, None)
        faults.append(Fault(part, name, "refused", "stands in the table more than once"))
    return found, faults
