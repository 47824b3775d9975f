"""The images of both sides, with whose eye they show and which group it belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from retinaforge.core import Eye, Record, Refusal
from retinaforge.images import read_records

Side = Literal["real", "synthetic", "train"]


@dataclass(frozen=True)
class Job:
    """One image to be measured.

    Attributes:
        side: which folder it came from.
        name: path relative to that folder.
        path: the file.
        patient: whose eye; the image itself where nobody says.
        eye: OD, OS or None.
        groups: value of each group column asked for; "" where unknown.
        recompress: JPEG quality that it is sent through first; None leaves it.
    """

    side: Side
    name: str
    path: Path
    patient: str
    eye: Eye | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    recompress: int | None = None


def list_side(
    folder: Path, side: Side, *, groups: Sequence[str] = (), limit: int | None = None
) -> list[Job]:
    """List a side's images, by its tables where it has any.

    Args:
        folder: images, or a data set with a table (see `retinaforge data check`).
        side: what it is.
        groups: columns to keep, e.g. "age", "sex", "camera".
        limit: evenly spaced images of at most this number.

    Raises:
        Refusal: as `read_records`.
    """
    records = read_records(folder)
    chosen = _evenly(records, limit)
    return [
        Job(side, r.name, r.path, r.patient, r.eye, {g: group_of(r, g) for g in groups})
        for r in chosen
    ]


def _evenly(records: list[Record], limit: int | None) -> list[Record]:
    if limit is None or len(records) <= limit:
        return records
    return [records[k * len(records) // limit] for k in range(limit)]


def group_of(record: Record, column: str) -> str:
    """Return a record's value of a group column; ages in decades, as "60-69"."""
    said = record.camera if column == "camera" else record.columns.get(column, "")
    said = (record.eye or "") if column == "eye" else said
    if column != "age":
        return said.strip()
    try:
        decade = int(float(said)) // 10 * 10
    except (ValueError, OverflowError):
        return ""
    return f"{decade}-{decade + 9}"


def require_two_sides(real: Path, synthetic: Path) -> None:
    """Refuse a folder compared with itself or with one that lies inside it.

    Raises:
        Refusal: expected two folders.
    """
    a, b = real.resolve(), synthetic.resolve()
    if a == b:
        raise Refusal(
            "two folders", f"the same folder twice: {real}",
            "name real photographs first and synthetic ones second",
        )  # fmt: skip
    if a in b.parents or b in a.parents:
        raise Refusal(
            "two folders apart", f"one inside the other: {real} and {synthetic}",
            "move one of them out, or its images count on both sides",
        )  # fmt: skip
