"""The tables of a run: biomarkers and reasons, as CSV and Parquet, and a summary for the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from retinaforge.core.artefacts import write_json, write_with
from retinaforge.tasks.vessel_work import DISAGREEMENT, FLAGGED, Row
from retinaforge.vessels.biomarkers import BIOMARKERS

MOST_SHOWN, MOST_FLAGGED, MOST_NAMED, BINS = 24, 12, 200, 24
CAPTION = ("area_density", "avr_knudtson_zone_b", "tortuosity", "box_dimension", "bifurcations")
STATES = ("ok", "flagged", "failed")


def write_tables(out: Path, rows: Iterable[Row], *, several: bool = False) -> dict[str, Any]:
    """Write biomarkers, reasons (.csv, .parquet) and summary.json; return the summary.

    Args:
        out: folder of the run.
        rows: one an eye, in the order of the tables.
        several: whether several judges were asked, and the tables say how far they disagree.
    """
    columns = [biomarker.card.column for biomarker in BIOMARKERS]
    eyes, values, reasons = [], [], []
    for number, row in enumerate(rows):
        judged = row["values"].get(DISAGREEMENT, np.nan), row["values"].get(FLAGGED, np.nan)
        eyes.append((row["name"], row["status"], row["reason"], row["stem"], *judged))
        values.append(np.array([row["values"].get(column, np.nan) for column in columns]))
        reasons += [(number, column, text) for column, text in row["reasons"].items()]
    head = pd.DataFrame(
        eyes, columns=["file_name", "status", "reason", "stem", DISAGREEMENT, FLAGGED]
    )
    head[FLAGGED] = head[FLAGGED].astype("boolean")
    table = np.array(values, dtype=float).reshape(len(eyes), len(columns))
    numbers = pd.DataFrame(table, columns=columns)
    shown = head.drop(columns=["stem"] if several else ["stem", DISAGREEMENT, FLAGGED])
    _write(out / "biomarkers", pd.concat([shown, numbers], axis=1))
    why = pd.DataFrame(reasons, columns=["file_name", "biomarker", "reason"])
    why["file_name"] = head["file_name"].to_numpy()[why["file_name"].to_numpy(dtype=int)]
    why = why.astype({"biomarker": "category", "reason": "category"})
    _write(out / "reasons", why)
    summary = _summary(out, head, numbers, why)
    write_json(out / "summary.json", summary)
    return summary


def _write(stem: Path, table: pd.DataFrame) -> None:
    text = table.to_csv(index=False, lineterminator="\n").encode()
    write_with(stem.with_suffix(".csv"), lambda stream: stream.write(text))
    write_with(stem.with_suffix(".parquet"), lambda stream: table.to_parquet(stream, index=False))


def _summary(
    out: Path, head: pd.DataFrame, numbers: pd.DataFrame, why: pd.DataFrame
) -> dict[str, Any]:
    states = Counter(head["status"])
    by_column = {
        str(column): dict(Counter(group["reason"].astype(str)).most_common())
        for column, group in why.groupby("biomarker", observed=True)
    }
    troubled = head[head["status"] != "ok"]
    return {
        "photographs": len(head),
        "states": {state: states[state] for state in STATES},
        "troubled": troubled[["file_name", "status", "reason"]].head(MOST_NAMED).to_dict("records"),
        "biomarkers": [
            {
                **biomarker.card.as_dict(),
                "column": biomarker.card.column,
                "missing": by_column.get(biomarker.card.column, {}),
                **_spread(numbers[biomarker.card.column].to_numpy()),
            }
            for biomarker in BIOMARKERS
        ],
        "shown": _shown(out, head, numbers),
        **(_disagreement(head) if head[DISAGREEMENT].notna().any() else {}),
    }


def _disagreement(head: pd.DataFrame) -> dict[str, Any]:
    values = head[DISAGREEMENT].to_numpy(dtype=float)
    flags = head[FLAGGED]
    level = {"known": bool(flags.notna().any()), "flagged": int(flags.sum())}
    return {"disagreement": {**_spread(values), **level}}


def _spread(values: np.ndarray) -> dict[str, Any]:
    """Return how values are spread: n, quartiles, and a histogram's counts and edges."""
    known = values[np.isfinite(values)]
    if not len(known):
        return {"n": 0}
    low, first, middle, third, high = np.percentile(known, [0, 25, 50, 75, 100]).tolist()
    bins = min(BINS, max(4, round(2 * len(known) ** 0.5)))
    # Values that are equal but for rounding still need bins of some width.
    largest = max(abs(low), abs(high))
    room = (0.05 * largest or 0.5) if high - low <= 1e-6 * largest else 0.0
    counts, edges = np.histogram(known, bins=bins, range=(low - room, high + room))
    return {
        "n": len(known), "min": low, "quartiles": [first, middle, third], "max": high,
        "counts": counts.tolist(), "edges": edges.tolist(),
    }  # fmt: skip


def _shown(out: Path, head: pd.DataFrame, numbers: pd.DataFrame) -> list[dict[str, Any]]:
    """Choose the eyes of the page: flagged ones first, those on which judges disagree most before;
    then all, or some from the fewest to the most vessel pixels."""
    stems = [stem for stem in head["stem"] if (out / "overlays" / f"{stem}.jpg").is_file()]
    there = head[head["stem"].isin(stems) & (head["status"] != "failed")]
    flagged = there[there["status"] == "flagged"].sort_values(
        DISAGREEMENT, ascending=False, kind="stable"
    )
    first = list(flagged.index[:MOST_FLAGGED])
    others = there.index.difference(flagged.index)
    order = list(numbers.loc[others, "area_density"].sort_values(kind="stable").index)
    room = MOST_SHOWN - len(first)
    if len(order) > room:
        order = [order[k] for k in np.linspace(0, len(order) - 1, room).round().astype(int)]
    return [
        {
            "file_name": head["file_name"][k],
            "overlay": f"overlays/{head['stem'][k]}.jpg",
            "uncertainty": _uncertainty(out, head["stem"][k]) if k in first else None,
            "status": head["status"][k],
            "reason": head["reason"][k],
            "values": {
                column: float(numbers[column][k])
                for column in CAPTION
                if column in numbers and np.isfinite(numbers[column][k])
            },
        }
        for k in [*first, *order]
    ]


def _uncertainty(out: Path, stem: str) -> str | None:
    name = f"uncertainty_overlays/{stem}.jpg"
    return name if (out / name).is_file() else None
