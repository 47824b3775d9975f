"""per_image.parquet: a row an image with everything that was measured of it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from retinaforge.core.artefacts import whole_file
from retinaforge.validation.eye import Measured


def write_per_image(
    measured: Sequence[Measured], further: dict[str, dict[str, Any]], path: Path
) -> Path:
    """Write one row an image; numbers that are missing are empty, their reasons stand beside.

    Args:
        measured: of all sides, in order.
        further: by "side/name", columns to add (paired scores, nearest real eye).
        path: a .parquet file.
    """
    table = pd.DataFrame([row_of(m.row, further) for m in measured])
    with whole_file(path) as stream:
        functools.partial(table.to_parquet, index=False)(stream)
    return path


def row_of(row: dict[str, Any], further: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return one image's row as flat columns."""
    flat = {key: row[key] for key in ("side", "name", "patient", "status", "reason")}
    flat |= {f"group_{key}": value for key, value in row["groups"].items()}
    for check, verdict in row["checks"].items():
        passed = verdict["passed"]
        flat[f"check_{check}"] = None if passed is None else bool(passed)
    flat |= {f"grade_{key}": row["grade"].get(key) for key in ("grade", "probability")}
    flat |= {f"quality_{key}": value for key, value in row["quality"].items()}
    flat |= dict(row["vessels"])
    return flat | further.get(f"{row['side']}/{row['name']}", {})
