"""Tables of one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal
from retinaforge.core.artefacts import write_text


def read_rows(table: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON lines file.

    Raises:
        Refusal: "expected one JSON object a line; got line 7 of FILE: ...".
    """
    return [whole(row) for _, row in rows_of(table)]


def rows_of(table: Path) -> Iterator[tuple[int, dict[str, Any] | Refusal]]:
    """Yield each line's number with its row, or with the refusal of what is no JSON object."""
    for number, line in enumerate(table.read_bytes().split(b"\n"), 1):
        if line.strip():
            try:
                yield number, _parsed(line, f"line {number} of {table}")
            except Refusal as refusal:
                yield number, refusal


def whole(row: dict[str, Any] | Refusal) -> dict[str, Any]:
    if isinstance(row, Refusal):
        raise row
    return row


def _parsed(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Refusal(
            "one JSON object a line", f"{where}: {error}", "mend or remove that line"
        ) from error
    if not isinstance(row, dict):
        came = f"{where}: {line[:60].decode()}"
        raise Refusal("one JSON object a line", came, "mend or remove that line")
    return row


def write_rows(table: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write rows as JSON lines, whole or not at all."""
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    return write_text(table, "".join(f"{line}\n" for line in lines))
