"""Landmarks that somebody else found, from a table: one row a photograph, columns with units."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path, PurePosixPath

from retinaforge.core import Eye, Landmarks, Refusal

COLUMNS = (
    "file_name", "eye", "disc_x_px", "disc_y_px", "disc_width_px", "disc_height_px",
    "cup_x_px", "cup_y_px", "cup_width_px", "cup_height_px", "fovea_x_px", "fovea_y_px",
    "um_per_px",
)  # fmt: skip
"""All but the first may be left out; widths and heights are whole, not half."""

_EYES: dict[str, Eye] = {"od": "OD", "right": "OD", "os": "OS", "left": "OS"}
Row = Mapping[str, str]


def read_landmarks(table: Path) -> dict[str, Landmarks]:
    """Read a CSV file of landmarks.

    Args:
        table: columns as `COLUMNS`, positions in pixels of the photograph (x to the right, y
            down, (0, 0) the centre of the first pixel); an empty cell is not known.

    Returns:
        Landmarks by file name, as it is written.

    Raises:
        Refusal: if the file or the column file_name is missing, a column is none of these, or a
            cell is no number.
    """
    try:
        with Path(table).open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Refusal("a CSV file of landmarks", f"{table} ({error})", "name one") from error
    columns = list(rows[0]) if rows else []
    unknown = [str(column) for column in columns if column not in COLUMNS]
    if "file_name" not in columns or unknown:
        raise Refusal(
            f"the columns {', '.join(COLUMNS)}",
            f"{', '.join(unknown or columns) or 'no row'} in {table}",
            "name the columns so; all but file_name may be missing",
        )
    return {row["file_name"]: _landmarks(row, table) for row in rows}


def _landmarks(row: Row, table: Path) -> Landmarks:
    eye = (row.get("eye") or "").strip().lower()
    if eye and eye not in _EYES:
        raise Refusal("an eye OD or OS", f"{eye!r} in {table}", "leave it empty if not known")
    disc, cup = (_pair(row, f"{what}_width_px", f"{what}_height_px", table)
                 for what in ("disc", "cup"))  # fmt: skip
    return Landmarks(
        eye=_EYES.get(eye),
        disc_centre_px=_pair(row, "disc_x_px", "disc_y_px", table),
        disc_axes_px=_halved(disc, "disc", table),
        cup_centre_px=_pair(row, "cup_x_px", "cup_y_px", table),
        cup_axes_px=_halved(cup, "cup", table),
        fovea_px=_pair(row, "fovea_x_px", "fovea_y_px", table),
        um_per_px=_above_zero(_number(row, "um_per_px", table), "um_per_px", table),
    )


def _pair(row: Row, first: str, second: str, table: Path) -> tuple[float, float] | None:
    x, y = _number(row, first, table), _number(row, second, table)
    return None if x is None or y is None else (x, y)


def _halved(size: tuple[float, float] | None, what: str, table: Path) -> tuple[float, float] | None:
    if size is None:
        return None
    _above_zero(min(size), f"{what}_width_px and {what}_height_px", table)
    return size[0] / 2, size[1] / 2


def _number(row: Row, column: str, table: Path) -> float | None:
    word = (row.get(column) or "").strip()
    if not word:
        return None
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Refusal(
            f"a number in {column}", f"{word!r} for {row['file_name']} in {table}",
            "leave the cell empty if it is not known",
        )  # fmt: skip
    return value


def _above_zero(value: float | None, column: str, table: Path) -> float | None:
    if value is not None and value <= 0:
        raise Refusal(f"{column} above 0", f"{value:g} in {table}", "leave it empty if not known")
    return value


def landmarks_for(found: Mapping[str, Landmarks], name: str) -> Landmarks:
    """Return what a table says of a photograph, by its name, its last part or its stem."""
    path = PurePosixPath(name)
    return next((found[key] for key in (name, path.name, path.stem) if key in found), Landmarks())


def first_known(*sources: Landmarks) -> Landmarks:
    """Return each landmark from the first source that knows it."""
    merged = Landmarks()
    for source in reversed(sources):
        own = {f.name: getattr(source, f.name) for f in fields(Landmarks)}
        merged = replace(merged, **{key: value for key, value in own.items() if value is not None})
    return merged
